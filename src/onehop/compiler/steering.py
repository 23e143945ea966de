"""Steering: from (external address, protocol, port) to the host that translates it, without state.

Every host of a router holds the same maps; only the owner publishes the addresses. Three kinds of question are
answered: TCP and UDP by destination port, echo replies by id, and ICMP errors by what they quote (the inner header must
be IPv4 without options and from that address; its source port or id decides).
"""

from collections.abc import Iterator

from onehop.compiler import nft
from onehop.compiler.north import North
from onehop.compiler.shares import blocks_of
from onehop.net import naming

MARKED, UNMARKED = "meta mark != 0x00000000/8", "meta mark 0x00000000/8"
"""Matches on `onehop.net.naming.STEERING_MASK`, the highest octet, in the words that nft lists."""
ERRORS = "icmp type { destination-unreachable, time-exceeded, parameter-problem }"
_PORT, _ID = "@th,224,16", "@th,256,16"
_PROTOCOLS = {"tcp": "0x6", "udp": "0x11"}


def maps(north: North) -> Iterator[str]:
    """The maps, those that are not empty."""
    yield nft.mapping(
        "steer_address", "ipv4_addr : mark", ((a, _mark(n)) for a, n in nft.by_address(north.steered.items()))
    )
    # Maps of intervals are listed in the order in which they were given.
    forwards = [
        (f"{f.address} . {f.rule.protocol} . {nft.ports(f.rule.external_first, f.rule.external_last)}", _mark(number))
        for f, number in north.steered_forwards
    ]
    yield nft.mapping("steer_forward", "ipv4_addr . inet_proto . inet_service : mark", sorted(forwards), interval=True)
    blocks = list(_blocks(north))
    by_port = [(f"{gateway} . {nft.ports(*block)}", mark) for gateway in north.gateways[:1] for block, mark in blocks]
    yield nft.mapping("steer_port", "ipv4_addr . inet_service : mark", by_port, interval=True)
    yield nft.mapping("steer_echo", "ip daddr . icmp id : meta mark", by_port, interval=True, typeof=True)
    inner = [(nft.hexadecimals(*block), mark) for block, mark in blocks]
    yield nft.mapping("steer_inner_port", f"{_PORT} : meta mark", inner, interval=True, typeof=True)
    yield nft.mapping("steer_inner_id", f"{_ID} : meta mark", inner, interval=True, typeof=True)


def rules(north: North) -> Iterator[str]:
    """What marks a packet that belongs to another host; nothing where no other host has a share."""
    if north.steered:
        yield "meta mark set ip daddr map @steer_address"
    if north.steered_forwards:
        yield "meta mark set ip daddr . ip protocol . th dport map @steer_forward"
    for forward, number in north.steered_forwards:
        span = nft.hexadecimals(forward.rule.external_first, forward.rule.external_last)
        quoted = _quoting(forward.address, _PROTOCOLS[forward.rule.protocol])
        yield f"{quoted} {_PORT} {span} meta mark set {_mark(number)}"
    if north.gateways and any(True for _ in _blocks(north)):
        yield "ip protocol { tcp, udp } meta mark set ip daddr . th dport map @steer_port"
        yield "icmp type echo-reply meta mark set ip daddr . icmp id map @steer_echo"
        yield f"{_quoting(north.gateways[0], '{ 0x6, 0x11 }')} meta mark set {_PORT} map @steer_inner_port"
        yield f"{_quoting(north.gateways[0], '0x1')} meta mark set {_ID} map @steer_inner_id"


def mark_of_owner(north: North) -> str | None:
    """The statement that sends to the owner, or None where this is the owner or there is none."""
    if north.owner or north.owner_host is None:
        return None
    return f"meta mark set {_mark(north.owner_host.number)}"


def _quoting(address: str, protocol: str) -> str:
    return f"{ERRORS} @th,64,8 0x45 @th,160,32 {nft.hexadecimal(address)} @th,136,8 {protocol}"


def _blocks(north: North) -> Iterator[tuple[tuple[int, int], str]]:
    for other in north.others if north.gateway.distributed else ():
        for block in blocks_of(other):
            yield block, _mark(other.number)


def _mark(number: int) -> str:
    return f"{naming.steering_mark(number):#010x}"
