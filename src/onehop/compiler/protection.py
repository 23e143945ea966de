"""Protection: what an instance may say it is. One netdev table for each instance's port, at the first hook of its tap.

Every frame passes it before the bridge learns or floods anything. The common case comes first and is two comparisons: a
frame of the port's MAC with the port's first address. All else is judged behind it, and what is refused is counted by
reason. The chains are the same for every port (a port with address pairs has two more), but for that first address; all
others are elements.

Refused: MACs and addresses that are not the port's, in Ethernet, IP, ARP (RFC 826) and neighbour discovery (RFC 4861,
its link-layer options included); answers of a DHCP or DHCPv6 server; router advertisements and redirects; tags
(802.1Q, 802.1ad) and every protocol but IPv4, IPv6, ARP and RARP; and headers that cannot be read to the end. Later
fragments pass, but nobody can put them together where the first was refused (RFC 7113, RFC 6980).

Address pairs open addresses, from the MAC that they name and from the port's own, with these ends: a pair never opens
the MAC or address of a router's leg or of a bound port; a prefix opens no gateway's and no other port's address either,
bound or not. Link-local addresses may be chosen freely, but for those that follow from a MAC (EUI-64): these belong to
the one whose MAC it is.

`Port.port_security_enabled` is the only switch; device_owner, names and profiles are not looked at. Whoever could send
to a router's leg from an address of another network of that router (pairs, or no protection) is kept from it always.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import msgspec

from onehop.compiler import nft
from onehop.compiler.context import Context, Segment
from onehop.compiler.elsewhere import elsewhere, touched
from onehop.compiler.protection_rules import COUNTERS, chains, free
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.net import address, naming
from onehop.objects import NamedSet, Ruleset

_LINK_LOCAL = "fe80::/10"
_UNOPENED = tuple(map(ipaddress.IPv6Network, ("::/128", _LINK_LOCAL, "ff00::/8")))
"""What no prefix in a pair opens: nobody, link-locals (which have a rule of their own), groups."""


class _Others(msgspec.Struct, frozen=True):
    """What is somebody's on a segment.

    Attributes:
        macs: that no pair opens.
        gateways: addresses of gateways.
        held: address → id of the router's leg or bound port whose it is.
        known: address → id of the port whose it is, bound or not.
    """

    macs: frozenset[str]
    gateways: frozenset[str]
    held: Mapping[str, str]
    known: Mapping[str, str]


class _Identity(msgspec.Struct, frozen=True):
    """What a port may say it is.

    Attributes:
        pairs: MAC and address, of those addresses that are single.
        wide: prefixes that pairs open.
        moving: addresses and prefixes of pairs: what says that it moved is heard on other hosts.
        foreign: addresses that `wide` does not open, and gateways' link-locals.
    """

    pairs: frozenset[tuple[str, str]]
    wide: tuple[str, ...]
    moving: tuple[str, ...]
    foreign: frozenset[str]


def protection(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """A table for every protected port that is plugged here."""
    for segment in context.segments.values():
        network = segment.network
        if network.network_type == "flat" and (network.physical_network or "") not in context.local.physical_networks:
            continue  # its ports get no device
        ports = [p for p in segment.instances if context.is_local(p)]
        astray = elsewhere(context, segment) if any(_is_loose(port) for port in ports) else ()
        others = _others(context, segment) if any(port.port_security_enabled for port in ports) else None
        for port in ports:
            if port.port_security_enabled:
                assert others is not None  # noqa: S101  # made where there are such ports
                table = _table(segment, port, _identity(port, others), astray)
            elif astray:
                table = _free_table(segment, port, astray)
            else:
                continue
            yield naming.network_partition(network.id), Claim(table, "protection", ("port", port.id))


def _others(context: Context, segment: Segment) -> _Others:
    view, network = context.view, segment.network
    ports = view.ports_of(network.id)
    known = {ip.ip_address: port.id for port in ports for ip in port.fixed_ips}
    held = {ip.ip_address: port.id for port in ports if _is_held(port) for ip in port.fixed_ips}
    held |= {address.link_local(port.mac_address): port.id for port in ports}
    gateways = {subnet.gateway_ip for subnet in segment.subnets.values() if subnet.gateway_ip is not None}
    legs = [port for port in ports if port.router_id is not None]
    gateways |= {ip.ip_address for leg in legs for ip in leg.fixed_ips}
    macs = set(segment.own)
    for router in view.gateways_on(network.id):
        macs |= {place.mac_address for place in router.gateway.hosts} if router.gateway is not None else set()
    return _Others(frozenset(macs), frozenset(gateways), held, known)


def _is_loose(port: Port) -> bool:
    """Whether it may send from addresses that are not its own."""
    return bool(port.allowed_address_pairs) or not port.port_security_enabled


def _is_held(port: Port) -> bool:
    """Whether its addresses are its own alone; those of an unbound port may be held by others, as their pairs say."""
    return bool(port.bindings) or port.device_owner.startswith("network:")


def _identity(port: Port, others: _Others) -> _Identity:
    own = {ip.ip_address for ip in port.fixed_ips} | {address.link_local(port.mac_address)}
    pairs = {(port.mac_address, ip) for ip in own}
    macs = {port.mac_address}
    wide: list[str] = []
    moving: list[str] = []
    for pair in port.allowed_address_pairs:
        mac, ip = pair.mac_address, pair.ip_address
        if mac != port.mac_address and (mac in others.macs or int(mac[:2], 16) & 1):
            continue
        macs.add(mac)
        if "/" in ip and not _is_single(ip):
            wide.append(ip)
            moving.append(ip)
        elif others.held.get(single := ip.partition("/")[0], port.id) == port.id:
            pairs.add((mac, single))
            moving.append(single)
    # Who has a virtual MAC speaks from it with the port's own address too, as advertisements of VRRP do (RFC 9568), and
    # answers for the virtual address from the port's own MAC, as Linux does where two links are on one subnet.
    pairs |= {(mac, ip) for mac in macs for ip in own} | {(port.mac_address, ip) for _, ip in pairs}
    pairs |= {(mac, address.link_local(mac)) for mac in macs}
    foreign = {ip for ip in others.gateways if address.contains(_LINK_LOCAL, ip)}
    if wide:
        of_others = (ip for ip, owner in others.known.items() if owner != port.id)
        foreign |= {ip for ip in (*of_others, *others.gateways) if any(address.contains(w, ip) for w in wide)}
    return _Identity(frozenset(pairs), tuple(wide), tuple(moving), frozenset(foreign - own))


def _is_single(prefix: str) -> bool:
    return address.prefix_length(prefix) == (128 if address.version(prefix) == 6 else 32)


def _free_table(segment: Segment, port: Port, astray: tuple[str, ...]) -> Ruleset:
    tap = naming.tap(port.id)
    return Ruleset(
        namespace=naming.HOST,
        family="netdev",
        table=naming.tap_table(segment.network.id, port.id),
        counters=("source-address", "vlan-tag"),
        sets=tuple(_astray(segment, astray)),
        body=nft.body(*(nft.chain(name, rules, hook) for name, hook, rules in free(tap))),
        devices=(tap,),
    )


def _astray(segment: Segment, prefixes: tuple[str, ...]) -> Iterator[NamedSet]:
    for version in (4, 6):
        yield nft.prefix_set(f"elsewhere{version}", version, (p for p in prefixes if address.version(p) == version))
    yield nft.any_set("legs", "ether_addr", (leg.mac_address for leg in segment.legs))


def _table(segment: Segment, port: Port, identity: _Identity, prefixes: tuple[str, ...]) -> Ruleset:
    network, tap = segment.network, naming.tap(port.id)
    opened = [pair.ip_address for pair in port.allowed_address_pairs]
    astray = prefixes if touched(opened, prefixes) else ()
    vxlan = naming.vxlan(network.vni) if identity.moving and network.vni is not None else None
    return Ruleset(
        namespace=naming.HOST,
        family="netdev",
        table=naming.tap_table(network.id, port.id),
        counters=COUNTERS,
        sets=(*(_astray(segment, astray) if astray else ()), *_sets(identity, vxlan is not None)),
        body=_body(tap, vxlan, port.mac_address, _first(port, 4), _first(port, 6), bool(astray)),
        devices=(tap,) if vxlan is None else (tap, vxlan),
    )


def _first(port: Port, version: int) -> str | None:
    return next((ip.ip_address for ip in port.fixed_ips if address.version(ip.ip_address) == version), None)


@lru_cache(maxsize=4096)
def _body(tap: str, vxlan: str | None, mac: str, first4: str | None, first6: str | None, astray: bool) -> str:
    parts = chains(tap, vxlan, mac, first4, first6, astray)
    return nft.body(*(nft.chain(name, rules, hook) for name, hook, rules in parts))


def _sets(identity: _Identity, moves: bool) -> Iterator[NamedSet]:
    pairs = [(mac, ip, address.version(ip)) for mac, ip in identity.pairs]
    macs = {mac for mac, _, _ in pairs}
    foreign4 = {ip for ip in identity.foreign if address.version(ip) == 4}
    wide4 = [ip for ip in identity.wide if address.version(ip) == 4]
    # Whoever asks from nobody's address asks whether somebody has another.
    foreign4 |= {"0.0.0.0"} if wide4 else set()  # noqa: S104  # an address in a rule
    yield nft.any_set("foreign4", "ipv4_addr", foreign4)
    yield _raw("foreign6", 128, nft.raw_address(ip for ip in identity.foreign if address.version(ip) == 6))
    yield _raw("hardware", 48, [hex(int.from_bytes(address.pack_mac(mac))) for mac in macs])
    yield nft.any_set("macs", "ether_addr", macs)
    if moves:
        yield nft.prefix_set("moving4", 4, [ip for ip in identity.moving if address.version(ip) == 4])
        yield _raw("moving6", 128, _opened(ip for ip in identity.moving if address.version(ip) == 6), interval=True)
    yield nft.any_set("own4", "ether_addr . ipv4_addr", [f"{mac} . {ip}" for mac, ip, six in pairs if six == 4])
    yield nft.any_set("own6", "ether_addr . ipv6_addr", [f"{mac} . {ip}" for mac, ip, six in pairs if six == 6])
    yield _raw("targets", 128, nft.raw_address(ip for _, ip, six in pairs if six == 6))
    yield nft.prefix_set("wide4", 4, wide4)
    yield _raw("wide6", 128, _opened(ip for ip in identity.wide if address.version(ip) == 6), interval=True)


def _raw(name: str, bits: int, elements: Iterable[str], *, interval: bool = False) -> NamedSet:
    """A set of numbers of a width: the same for a header's field and for what lies deeper."""
    ordered = tuple(sorted(set(elements)))
    return NamedSet(name, (f"@th,0,{bits}",), typeof=True, interval=interval, elements=ordered)


def _opened(prefixes: Iterable[str]) -> list[str]:
    """IPv6 prefixes as ranges of numbers, without those of `_UNOPENED`."""
    left = [ipaddress.IPv6Network(prefix) for prefix in prefixes]
    for unopened in _UNOPENED:
        left = [part for prefix in left for part in _without(prefix, unopened)]
    return nft.raw_prefixes(map(str, left))


def _without(prefix: ipaddress.IPv6Network, hole: ipaddress.IPv6Network) -> Iterable[ipaddress.IPv6Network]:
    if not prefix.overlaps(hole):
        return (prefix,)
    return () if hole.supernet_of(prefix) else prefix.address_exclude(hole)
