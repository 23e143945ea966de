"""Steering: from (external address, protocol, port) to the host that translates it, without state.

Every host of a router holds the same maps; only the owner publishes the addresses. Three kinds of question are
answered: TCP and UDP by destination port, echo replies by id, and ICMP errors by what they quote (the inner header must
be IPv4 without options and from that address; its source port or id decides).
"""

from collections.abc import Iterator

from onehop.compiler import nft
from onehop.compiler.north import North
from onehop.compiler.shares import Forward, Span, blocks_of
from onehop.net import naming
from onehop.objects import NamedSet

MARKED, UNMARKED = "meta mark != 0x00000000/8", "meta mark 0x00000000/8"
"""Matches on `onehop.net.naming.STEERING_MASK`, the highest octet, in the words that nft lists."""
ERRORS = "icmp type { destination-unreachable, time-exceeded, parameter-problem }"
QUOTING = f"{ERRORS} @th,64,8 0x45"
"""An error that quotes an IPv4 header without options."""
_SOURCE, _PROTOCOL, _PORT, _ID = "@th,160,32", "@th,136,8", "@th,224,16", "@th,256,16"
"""What is quoted: source address, protocol, source port, id of an echo."""
QUOTED_TARGET = f"{_PROTOCOL} . @th,240,16"
"""What is quoted: protocol and destination port."""
PROTOCOLS = {"tcp": "0x6", "udp": "0x11"}


def maps(north: North) -> Iterator[NamedSet]:
    """The maps that the rules ask."""
    yield nft.mapping("steer_address", "ipv4_addr : mark", ((a, _mark(n)) for a, n in north.steered.items()))
    yield nft.address_set("leaving", 4, (a for a in north.translated if a in north.steered))
    services = "ipv4_addr . inet_proto . inet_service"
    leaving = {forward for forward, _ in north.steered_forwards} & set(north.forwards)
    yield nft.any_set("leaving_forwards", services, map(service, leaving), interval=True)
    if not north.gateway.enable_snat:
        called = ((a, _mark(n)) for a, n in north.called_inside.items())
        yield nft.mapping("called_inside", "ipv4_addr : mark", called)
    kind = f"{services} : mark"
    elements = ((f"{a} . {p} . {nft.ports(*span)}", mark) for a, p, span, mark in _services(north))
    yield nft.mapping("steer_service", kind, elements, interval=True)
    blocks = list(_blocks(north))
    echoes = ((f"{span.address} . {nft.ports(*span.ports)}", mark) for span, mark in blocks)
    yield nft.mapping("steer_echo", "ip daddr . icmp id : meta mark", echoes, interval=True, typeof=True)
    quoted = (
        (f"{nft.hexadecimal(a)} . {PROTOCOLS[p]} . {nft.hexadecimals(*span)}", mark)
        for a, p, span, mark in _services(north)
    )
    kind = f"{_SOURCE} . {_PROTOCOL} . {_PORT} : meta mark"
    yield nft.mapping("steer_quoted", kind, quoted, interval=True, typeof=True)
    ids = ((f"{nft.hexadecimal(s.address)} . {nft.hexadecimals(*s.ports)}", mark) for s, mark in blocks)
    yield nft.mapping("steer_quoted_id", f"{_SOURCE} . {_ID} : meta mark", ids, interval=True, typeof=True)


def rules(north: North) -> Iterator[str]:
    """What marks a packet that belongs to another host; nothing where there is no other."""
    if north.others:
        yield "meta mark set ip daddr map @steer_address"
        yield "goto steer_ports"


def rules_from_inside(north: North) -> Iterator[str]:
    """The same for what comes from inside: during a move the host that is left goes on translating that."""
    if north.others:
        yield "ip daddr @leaving return"
        yield "ip daddr . ip protocol . th dport @leaving_forwards return"
        yield "goto steer"


def rules_of_ports(north: North) -> Iterator[str]:
    """The same for addresses that several hosts share."""
    if north.others:
        yield "ip protocol icmp goto steer_icmp"
        yield "meta mark set ip daddr . ip protocol . th dport map @steer_service"


def rules_of_icmp(north: North) -> Iterator[str]:
    """The same for answers to echoes, and for errors by what they quote."""
    if north.others:
        yield "icmp type echo-reply meta mark set ip daddr . icmp id map @steer_echo"
        yield f"{QUOTING} meta mark set {_SOURCE} . {_PROTOCOL} . {_PORT} map @steer_quoted"
        yield f"{QUOTING} {_PROTOCOL} 0x1 meta mark set {_SOURCE} . {_ID} map @steer_quoted_id"


def mark_of_owner(north: North) -> str | None:
    """The statement that sends to the owner, or None where this is the owner or there is none."""
    if north.owner or north.owner_host is None:
        return None
    return f"meta mark set {_mark(north.owner_host.number)}"


def service(forward: Forward) -> str:
    """The external address, protocol and ports of a forwarding, as a key."""
    rule = forward.rule
    return f"{forward.address} . {rule.protocol} . {nft.ports(rule.external_first, rule.external_last)}"


def _services(north: North) -> Iterator[tuple[str, str, tuple[int, int], str]]:
    """External address, protocol, ports and mark of what another host translates by port."""
    for forward, number in north.steered_forwards:
        rule = forward.rule
        yield forward.address, rule.protocol, (rule.external_first, rule.external_last), _mark(number)
    for span, mark in _blocks(north):
        for protocol in PROTOCOLS:
            yield span.address, protocol, span.ports, mark


def _blocks(north: North) -> Iterator[tuple[Span, str]]:
    for other in north.others if north.gateway.distributed else ():
        for span in blocks_of(other, north.gateways):
            yield span, _mark(other.number)


def _mark(number: int) -> str:
    return f"{naming.steering_mark(number):#010x}"
