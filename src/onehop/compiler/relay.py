"""Relay: answers to another host's ports, handed on by the owner before connection tracking and routing see them.

Walk 6 in short, for what nearly all such packets are: whole TCP and UDP packets and echo replies, from outside, to a
gateway address. What is not, or what would need an answer of the router's own (the last hop, too large for the transit
leg), takes the long way by marks (`onehop.compiler.arrival`), which makes the same of all of them.

Nothing goes round: only the external leg is asked, never the transit leg, and the time to live goes down by one, as in
any router (nft_fwd_neigh_eval in net/netfilter/nft_fwd_netdev.c).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address

from onehop.compiler import nft
from onehop.compiler.addresses import external, inside
from onehop.compiler.context import Context
from onehop.compiler.north import North
from onehop.compiler.shares import blocks_of
from onehop.net.address import LINK_LOCAL
from onehop.objects import NamedSet


def sets(north: North) -> Iterator[NamedSet]:
    """Prefixes that are too many to be compared, and for each gateway address with many blocks: port → the transit
    address of the host that translates it.
    """
    yield from (one for one in (inside(north), external(north)) if len(one.elements) > nft.INLINE)
    for ip, spans in _relayed(north):
        if len(spans) > nft.INLINE:
            elements = ((nft.ports(*ports), hop) for ports, hop in spans)
            yield nft.mapping(_name(ip), "inet_service : ipv4_addr", elements, interval=True)


def relays(context: Context, north: North) -> bool:
    """Whether this host relays: it may own, and no instance of the router is here."""
    segments = [segment for segment, _ in context.interfaces(north.router.id)]
    lives_here = any(b.host == context.host for s in segments for port in s.instances for b in port.bindings)
    owns = north.leg is not None and north.me.host in north.gateway.candidates
    return owns and north.gateway.distributed and not lives_here


def chains(north: North, mtu: int) -> Iterator[str]:
    """Chains of the transit leg's table for what comes in by the external leg, on hosts that relay.

    Args:
        north: the router here.
        mtu: of the transit leg.
    """
    found = list(_relayed(north))
    if north.leg is None or not found:
        return
    for ip, spans in found:
        yield nft.chain(_name(ip), _relay(north, ip, spans, mtu))
    called = [f"ip daddr {ip} goto {_name(ip)}" for ip, _ in found]
    yield nft.chain("relay", called, nft.netdev_hook("ingress", north.leg))


def _relayed(north: North) -> Iterator[tuple[str, list[tuple[tuple[int, int], str]]]]:
    """Gateway addresses, and which ports of each lead to which transit address.

    Rules are the same whoever owns, so that nothing changes when that does. With more addresses than are compared in a
    moment, all packets take the long way.
    """
    found: dict[str, list[tuple[tuple[int, int], str]]] = {}
    for other in north.others:
        for span in blocks_of(other, north.gateways):
            found.setdefault(span.address, []).append((span.ports, other.transit_ip))
    if len(found) <= nft.INLINE:
        yield from sorted(found.items())


def _relay(north: North, ip: str, spans: list[tuple[tuple[int, int], str]], mtu: int) -> Iterator[str]:
    yield "ip frag-off & 16383 != 0 accept"
    yield "ip ttl 0-1 accept"
    # What may come from these is asked on the long way.
    for prefixes in (inside(north), external(north)):
        yield from (f"{source} accept" for source in nft.within("ip saddr", prefixes) if prefixes.elements)
    yield f"ip saddr {LINK_LOCAL} accept"
    if len(spans) > nft.INLINE:
        yield _to(north, f"tcp dport map @{_name(ip)}")
        yield from _short(north, mtu)
        yield _to(north, f"udp dport map @{_name(ip)}")
        return
    matches = [(match, _to(north, hop)) for ports, hop in spans for match in _matches(ports)]
    yield from (f"{match} {verdict}" for match, verdict in matches if match.startswith("tcp "))
    yield from _short(north, mtu)
    yield from (f"{match} {verdict}" for match, verdict in matches if not match.startswith("tcp "))


def _matches(ports: tuple[int, int]) -> Iterator[str]:
    """What is answered to a block of ports."""
    span = nft.ports(*ports)
    yield from (f"tcp dport {span}", f"udp dport {span}", f"icmp type echo-reply icmp id {span}")


def _short(north: North, mtu: int) -> Iterator[str]:
    """What would not fit has to be told. TCP keeps to the instance's MTU by itself, and comes in pieces larger than any
    link's (segmentation offload).
    """
    if mtu < north.external.mtu:
        yield f"ip length {mtu + 1}-65535 accept"


def _to(north: North, hop: str) -> str:
    return f'fwd ip to {hop} device "{north.transit}"'


def _name(ip: str) -> str:
    return f"relay_{int(IPv4Address(ip)):08x}"
