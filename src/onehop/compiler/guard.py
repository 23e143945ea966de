"""Guard: gateway addresses stay at home, and the host stays out of tenants' networks.

Every host has the same gateway MAC and addresses, so nothing that speaks of them may cross the underlay: ARP for or
from a gateway, neighbour solicitations and advertisements for or from one, router solicitations and advertisements
are dropped at the VXLAN port, both ways (suppression alone leaks: a second host's leg would be seen as a duplicate, and
advertisements would reach other hosts). RFC 826, RFC 4861.

One thing may be asked across it: where an address is whose place nobody knows; see `onehop.compiler.question`.
"""

from collections.abc import Iterator

from onehop.compiler import discovery, nft, question
from onehop.compiler.advertisements import advertises
from onehop.compiler.context import Context, Segment
from onehop.compiler.state import Claim, Refusal
from onehop.net import address, naming
from onehop.objects import NamedSet, Ruleset

_NEIGHBOUR = discovery.match(discovery.NEIGHBOUR)
_SOLICITATION = "icmpv6 type nd-router-solicit"
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
    sets = [*_sets(gateways)]
    if segment.roving and legs:
        sets.append(nft.prefix_set("roving", 4, segment.roving))
    parts = [
        nft.chain("bridge_in", _solicited(segment), nft.netdev_hook("ingress", bridge, "drop")),
        nft.chain("bridge_out", (), nft.netdev_hook("egress", bridge, "drop")),
    ]
    if rules:
        inwards, outwards = question.answers(context, segment), question.questions(context, segment)
        parts += [
            nft.chain("vxlan_in", [*inwards, *rules], nft.netdev_hook("ingress", vxlan)),
            nft.chain("vxlan_out", [*outwards, *rules], nft.netdev_hook("egress", vxlan)),
        ]
    return Ruleset(
        namespace=naming.HOST,
        family="netdev",
        table=naming.network_table(network.id),
        sets=tuple(sets),
        body=nft.body(*parts),
        devices=(bridge, vxlan) if rules else (bridge,),
    )


def _sets(gateways: list[str]) -> Iterator[NamedSet]:
    for version in (4, 6):
        members = [g for g in gateways if address.version(g) == version]
        if members:
            yield nft.address_set(f"gateways{version}", version, members)


def _solicited(segment: Segment) -> Iterator[str]:
    """Who asks for routers is answered by the agent; what a bridge passes up is the multicast of its own network."""
    if advertises(segment):
        limit = "limit rate 10/second burst 20 packets"
        yield f'{_SOLICITATION} {limit} log prefix "{segment.network.id}" group {naming.SOLICITATIONS}'


def _rules(gateways: list[str]) -> Iterator[str]:
    six = [g for g in gateways if address.version(g) == 6]
    if len(six) < len(gateways):
        yield "arp saddr ip @gateways4 counter drop"
        yield "arp daddr ip @gateways4 counter drop"
    if six:
        yield f"{_ROUTER} counter drop"
        yield f"ip6 saddr @gateways6 {_NEIGHBOUR} counter drop"
        yield f"{_NEIGHBOUR} @th,64,128 {nft.any_of(nft.raw_address(six))} counter drop"
