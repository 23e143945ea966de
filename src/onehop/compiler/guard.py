"""Guard: gateway addresses stay at home, and the host stays out of tenants' networks.

Every host has the same gateway MAC and addresses, so nothing that speaks of them may cross the underlay: ARP for or
from a gateway, neighbour solicitations and advertisements for or from one, router solicitations and advertisements
are dropped at the VXLAN port, both ways (suppression alone leaks: a second host's leg would be seen as a duplicate, and
advertisements would reach other hosts). RFC 826, RFC 4861.

One thing may be asked: where an address is whose place nobody knows (walk 9). The leg asks as nobody (sender 0.0.0.0)
and under a MAC of its own on this host, to which the other hosts know the way. When such an address says that it has
moved (gratuitous ARP), that is passed on at its tap, because suppression swallows it on the way to the underlay.
"""

from collections.abc import Iterator

from onehop.compiler import nft
from onehop.compiler.context import Context, Segment
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.net import address, naming
from onehop.objects import Ruleset

_NEIGHBOUR = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }"
_ROUTER = "icmpv6 type { nd-router-solicit, nd-router-advert }"


def guard(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """One netdev table for every overlay network held here."""
    for segment in context.segments.values():
        network = segment.network
        if network.network_type == "vxlan" and network.vni is not None:
            yield (
                naming.network_partition(network.id),
                Claim(_table(context, segment, naming.vxlan(network.vni)), "guard", ("network", network.id)),
            )


def _table(context: Context, segment: Segment, vxlan: str) -> Ruleset:
    network = segment.network
    bridge = naming.bridge(network.id)
    legs = {leg.id for leg in segment.legs}
    gateways = [known.address for known in segment.known if known.port.id in legs]
    rules = list(_rules(gateways))
    answers, questions = _answers(context, segment), _questions(context, segment)
    parts = [
        *(_sets(gateways)),
        nft.prefix_set("roving", 4, segment.roving) if segment.roving and legs else "",
        nft.chain("bridge_in", (), nft.netdev_hook("ingress", bridge, "drop")),
        nft.chain("bridge_out", (), nft.netdev_hook("egress", bridge, "drop")),
    ]
    if rules:
        parts += [
            nft.chain("vxlan_in", [*answers, *rules], nft.netdev_hook("ingress", vxlan)),
            nft.chain("vxlan_out", [*questions, *rules], nft.netdev_hook("egress", vxlan)),
        ]
    taps = _announcers(context, segment) if rules else ()
    moved = f'arp saddr ip @roving arp daddr ip @roving dup to "{vxlan}"'
    parts += [nft.chain(f"from-{tap}", [moved], nft.netdev_hook("ingress", tap)) for tap in taps]
    return Ruleset(
        namespace=naming.HOST,
        family="netdev",
        table=naming.network_table(network.id),
        body=nft.body(*parts),
        devices=(bridge, vxlan, *taps) if rules else (bridge,),
    )


def _sets(gateways: list[str]) -> Iterator[str]:
    for version in (4, 6):
        members = [g for g in gateways if address.version(g) == version]
        if members:
            yield nft.address_set(f"gateways{version}", version, members)


def _rules(gateways: list[str]) -> Iterator[str]:
    six = [g for g in gateways if address.version(g) == 6]
    if len(six) < len(gateways):
        yield "arp saddr ip @gateways4 counter drop"
        yield "arp daddr ip @gateways4 counter drop"
    if six:
        yield f"{_ROUTER} counter drop"
        yield f"ip6 saddr @gateways6 {_NEIGHBOUR} counter drop"
        yield f"{_NEIGHBOUR} @th,64,128 {nft.any_of(nft.raw_address(six))} counter drop"


def _questions(context: Context, segment: Segment) -> Iterator[str]:
    for leg, ip, probe in _probes(context, segment):
        asked = f"arp operation request arp saddr ether {leg.mac_address} arp saddr ip {ip} arp daddr ip @roving"
        yield f"{asked} ether saddr set {probe} arp saddr ether set {probe} arp saddr ip set 0.0.0.0 accept"


def _answers(context: Context, segment: Segment) -> Iterator[str]:
    for leg, _, probe in _probes(context, segment):
        answered = f"ether daddr {probe} arp operation reply arp saddr ip @roving"
        yield f"{answered} ether daddr set {leg.mac_address} arp daddr ether set {leg.mac_address} accept"


def _probes(context: Context, segment: Segment) -> Iterator[tuple[Port, str, str]]:
    """Legs with their IPv4 addresses and the MAC under which they ask."""
    for leg in segment.legs if segment.roving else ():
        for ip in leg.fixed_ips:
            if address.version(ip.ip_address) == 4:
                yield leg, ip.ip_address, naming.probe_mac(context.host, leg.id)


def _announcers(context: Context, segment: Segment) -> tuple[str, ...]:
    """Taps here behind which an address may be whose place nobody knows."""
    local = (port for port in segment.instances if context.is_local(port))
    return tuple(naming.tap(port.id) for port in local if _roves(port))


def _roves(port: Port) -> bool:
    return any(address.version(pair.ip_address) == 4 for pair in port.allowed_address_pairs)
