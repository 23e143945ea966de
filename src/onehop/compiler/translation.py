"""Translation: which address and port become which, on the host where the instance lives.

Inwards floating IPs and port forwardings, outwards floating IPs and this host's port blocks. A connection from inside
that was translated inwards here is translated outwards too: its answer would otherwise go past us (walk 4).
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from onehop.compiler import nft, steering
from onehop.compiler.addresses import gateways
from onehop.compiler.north import North
from onehop.compiler.shares import joined
from onehop.compiler.steering import MARKED
from onehop.objects import NamedSet

_PORTED = "ip protocol { icmp, tcp, udp }"
INSIDE = 'iifname "qr-*"'
"""A match on what comes from inside."""
WITHOUT_FLOATING_IP = "ip saddr != @fixed "
"""A match on sources that have no floating IP here."""
_GONE = "ct original ip daddr . ct reply ip saddr != @bindings ct original ip daddr != @gateways"
NOT_FORWARDED = "ip saddr . ip protocol . th sport != @forwarded "
"""A match on what is no answer of a forwarded port of this host."""


def maps(north: North) -> Iterator[NamedSet]:
    """The sets and maps that the chains ask."""
    yield nft.address_set("fixed", 4, north.translated.values())
    pairs = nft.by_address(north.translated.items())
    yield nft.mapping("floating_in", "ipv4_addr : ipv4_addr", pairs)
    outwards = _first_of_each((fixed, external) for external, fixed in pairs)
    yield nft.mapping("floating_out", "ipv4_addr : ipv4_addr", outwards)
    yield nft.mapping("forward_in", "ipv4_addr . inet_proto . inet_service : ipv4_addr", _same(north), interval=True)
    kind = "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service"
    yield nft.mapping("forward_port", kind, _others(north))
    sources = list(_sources(north))
    keys = (f"{ip} . {protocol} . {nft.ports(*span)}" for ip, protocol, span in sources)
    yield nft.any_set("forwarded", "ipv4_addr . inet_proto . inet_service", keys, interval=True)
    if asks_what_errors_quote(north):
        keys = (f"{ip} . {steering.PROTOCOLS[protocol]} . {nft.hexadecimals(*span)}" for ip, protocol, span in sources)
        yield nft.any_set("forwarded_quoted", f"ip saddr . {steering.QUOTED_TARGET}", keys, interval=True, typeof=True)
    for ip in _further(north):
        yield nft.address_set(_exit_set(ip), 4, (fixed for fixed, way in north.exits.items() if way == ip))
    if north.owner:
        others = ((fixed, way) for fixed, way in north.exits.items() if way != north.exit)
        yield nft.mapping("exits", "ipv4_addr : ipv4_addr", others)
    # Which external address belongs to which inside, whatever the ports.
    bound = {*north.bound.items(), *((f.address, f.rule.internal_ip) for f in north.forwards)}
    yield nft.any_set("bindings", "ipv4_addr . ipv4_addr", (f"{external} . {fixed}" for external, fixed in bound))


def asks_what_errors_quote(north: North) -> bool:
    """Whether what comes from inside may go on untracked, though a forwarded port's connections are tracked."""
    return not north.blocks or not north.gateway.enable_snat


def inwards(north: North) -> Iterator[str]:
    """Rules of the chain that changes destinations, of a connection's first packet. What is marked is translated
    elsewhere.
    """
    if not north.owner:
        # Walk 9: the owner translates them. One that met the rules of before and of after a change is sent again.
        yield "ip saddr @virtual counter drop"
    if north.gateway.enable_snat:
        # Walk 12: with another block it would be another connection, so let the instance begin a new one at once.
        anew = f"{INSIDE} tcp flags ! syn,rst {WITHOUT_FLOATING_IP}ip daddr != @inside ip daddr != @gateways"
        yield f"{anew} counter reject with tcp reset"
    yield f"{MARKED} return"
    yield "dnat to ip daddr . ip protocol . th dport map @forward_in"
    yield "dnat ip to ip daddr . ip protocol . th dport map @forward_port"
    yield "dnat to ip daddr map @floating_in"


def outwards(north: North) -> Iterator[str]:
    """Rules of the chain that changes sources."""
    yield 'oifname "qr-*" ct status ! dnat return'
    yield "ip saddr != @inside return"
    yield "ip daddr @gateways return"
    yield "snat to ip saddr map @floating_out"
    if not north.gateway.enable_snat:
        yield 'oifname != "qr-*" ip daddr != @floating return'
    for ip in _further(north):
        yield from _spread(north, ip, f"ip saddr @{_exit_set(ip)} ")
    yield from _spread(north, north.exit, "")
    if north.owner:
        yield "snat to ip saddr map @exits"
        yield f"snat to {north.exit}"


def _spread(north: North, ip: str, who: str) -> Iterator[str]:
    """New connections are spread evenly over the blocks of an address."""
    spans = [span for span in north.blocks if span.address == ip]
    for left, span in zip(range(len(spans), 0, -1), spans, strict=True):
        share = f"numgen random mod {left} == 0 " if left > 1 else ""
        yield f"{who}{_PORTED} {share}snat to {ip}:{nft.ports(*span.ports)}"


def _further(north: North) -> list[str]:
    """Gateway addresses that this host has ports of, but for the one of those who have no other."""
    held = {span.address for span in north.blocks}
    return [ip for ip in north.gateways if ip in held and ip != north.exit]


def _exit_set(ip: str) -> str:
    return f"exit_{int(IPv4Address(ip)):08x}"


def kept(north: North) -> Iterator[str]:
    """Rules for connections of which the source is translated: what goes on, first what most packets need.

    What the gateway address translates stays: its ports are never handed on.
    """
    yield f"ct status dnat {_GONE} goto severed"
    for ours in nft.within("ct reply ip daddr", gateways(north)):
        yield f"{ours} accept"
    yield "ct reply ip daddr . ct original ip saddr @bindings accept"
    yield "goto severed"


def severing() -> Iterator[str]:
    """Rules that let a translated connection go on while its mapping is there, in both directions, and end the rest."""
    yield "ct status snat goto kept"
    yield "ct original ip daddr . ct reply ip saddr @bindings accept"
    yield f"ct status dnat {_GONE} goto severed"


def severed() -> Iterator[str]:
    """What becomes of them: an instance's TCP is told; the far end is not, since the address may just have moved to
    another host with its connections.
    """
    yield 'iifname "qr-*" ip protocol tcp counter reject with tcp reset'
    yield "counter drop"


def _first_of_each(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """With several floating IPs on one address, new connections leave by the first."""
    firsts: dict[str, str] = {}
    for fixed, external in pairs:
        firsts.setdefault(fixed, external)
    return firsts.items()


def _same(north: North) -> Iterator[tuple[str, str]]:
    """Ranges whose ports stay: only the address changes."""
    for forward in north.forwards:
        rule = forward.rule
        if rule.external_first == rule.internal_first:
            span = nft.ports(rule.external_first, rule.external_last)
            yield f"{forward.address} . {rule.protocol} . {span}", rule.internal_ip


def _others(north: North) -> Iterator[tuple[str, str]]:
    """Port by port where inner and outer ports differ: nftables would choose any port of a range."""
    for forward in north.forwards:
        rule = forward.rule
        if rule.external_first != rule.internal_first:
            for number in range(rule.external_last - rule.external_first + 1):
                outer = f"{forward.address} . {rule.protocol} . {rule.external_first + number}"
                yield outer, f"{rule.internal_ip} . {rule.internal_first + number}"


def _sources(north: North) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Inside address, protocol and ports that something is forwarded to."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for rule in (forward.rule for forward in north.forwards):
        last = rule.internal_first + rule.external_last - rule.external_first
        spans.setdefault((rule.internal_ip, rule.protocol), []).append((rule.internal_first, last))
    # Two external ports may lead to one inside, but nftables takes no intervals that overlap.
    for (ip, protocol), found in spans.items():
        for span in joined(found):
            yield ip, protocol, span
