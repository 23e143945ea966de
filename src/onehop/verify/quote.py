"""ICMP errors: the packet that one quotes, read and written (RFC 792; RFC 4443, 3)."""

from msgspec.structs import replace

from onehop.net.address import pack, unpack
from onehop.verify.packet import HOP_LIMIT, Packet

ERRORS = {1: frozenset({3, 11, 12}), 58: frozenset({1, 2, 3, 4})}
"""Protocol → types: destination unreachable, (packet too big,) time exceeded, parameter problem."""

UNREACHABLE, EXCEEDED = {4: 3, 6: 1}, {4: 11, 6: 3}
"""IP version → type."""

_HEADER = {4: 20, 6: 40}
_MOST = 8
"""Octets of the quoted transport header that every error has."""


def is_error(packet: Packet) -> bool:
    """Whether it is an error about another packet."""
    return packet.type in ERRORS.get(packet.protocol, ())


def quoted(error: Packet) -> Packet | None:
    """The packet that an error is about; None where it quotes none that is known here."""
    version, rest = error.version, error.rest
    size = _HEADER[version]
    if not is_error(error) or len(rest) < size + _MOST or rest[0] != (0x45 if version == 4 else 0x60):
        return None
    source, destination = (rest[12:16], rest[16:20]) if version == 4 else (rest[8:24], rest[24:40])
    inner = Packet(source=unpack(source), destination=unpack(destination), protocol=rest[9 if version == 4 else 6])
    begin = rest[size:]
    if inner.has_ports:
        return replace(
            inner, source_port=int.from_bytes(begin[:2]), destination_port=int.from_bytes(begin[2:4]), flags=0
        )
    if inner.is_icmp:
        return replace(inner, type=begin[0], code=begin[1], identifier=int.from_bytes(begin[4:6]))
    return inner


def about(packet: Packet, source: str, kind: dict[int, int]) -> Packet:
    """An error to the sender of a packet: `UNREACHABLE` (of ports) or `EXCEEDED`."""
    protocol = 1 if packet.version == 4 else 58
    code = 0 if kind is EXCEEDED else 3 if packet.version == 4 else 4
    return Packet(
        source=source,
        destination=packet.source,
        protocol=protocol,
        type=kind[packet.version],
        code=code,
        rest=_octets(packet),
        ttl=HOP_LIMIT,
    )


def quoting(error: Packet, inner: Packet) -> Packet:
    """An error whose quoted packet has other ends."""
    return replace(error, rest=_octets(inner) + error.rest[_HEADER[inner.version] + _MOST :])


def _octets(packet: Packet) -> bytes:
    transport, ends = packet.transport()[:_MOST].ljust(_MOST, b"\0"), pack(packet.source) + pack(packet.destination)
    if packet.version == 4:
        return b"\x45\0\0\x1c" + bytes(4) + bytes([packet.ttl, packet.protocol, 0, 0]) + ends + transport
    return b"\x60\0\0\0\0\x08" + bytes([packet.protocol, packet.ttl]) + ends + transport
