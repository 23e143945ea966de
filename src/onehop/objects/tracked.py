"""Tracked connections by zone, to be barred and let go again (linux/nfnetlink_conntrack.h, linux/nf_conntrack.h).

Barred is a connection by its mark. The kernel keeps it, so that the packets of neither side begin another.
"""

from collections.abc import Mapping
from struct import pack

import msgspec

from onehop.net.address import unpack
from onehop.net.naming import BARRED_MARK
from onehop.objects import netlink
from onehop.objects.conntrack import Tuple
from onehop.objects.netlink import Found, Request

_GET, _NEW = 0x0101, 0x0100
_HEAD = 4
_ORIGINAL, _MARK, _ZONE = 1, 8, 18
_IP, _PROTOCOL = 1, 2
_SOURCES, _DESTINATIONS = (1, 3), (2, 4)
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_TYPES, _CODES = (5, 8), (6, 9)
_ICMP = frozenset({1, 58})


class InZone(msgspec.Struct, frozen=True):
    """A connection of a zone.

    Attributes:
        zone: its zone; 0 is the host's own.
        begun: as it began. Of ICMP the destination port is type * 256 + code.
        barred: none of its packets passes.
        family: AF_INET or AF_INET6.
        identity: the attributes by which the kernel knows it.
    """

    zone: int
    begun: Tuple
    barred: bool
    family: int
    identity: bytes


def dump() -> tuple[int, bytes]:
    """Kind and body of the question for every connection of a namespace, IPv4 and IPv6."""
    return _GET, bytes(_HEAD)


def bar(tracked: InZone, barred: bool) -> Request:
    """The request that bars a connection, or lets it go again."""
    mark = netlink.attribute(_MARK, pack("!I", BARRED_MARK if barred else 0))
    return Request(_NEW, 0, pack("=BBH", tracked.family, 0, 0) + tracked.identity + mark)


def decode(found: Found) -> InZone | None:
    """A connection of an answer; None for one without addresses or in the host's own zone."""
    attributes = netlink.attributes(found.data, found.start + _HEAD, found.end)
    original, zone = attributes.get(_ORIGINAL), attributes.get(_ZONE)
    if original is None or zone is None:
        return None
    begun = _tuple(original)
    if begun is None:
        return None
    identity = netlink.attribute(_ORIGINAL | netlink.NESTED, original) + netlink.attribute(_ZONE, zone)
    mark = int.from_bytes(attributes.get(_MARK, b""), "big")
    family = netlink.AF_INET6 if ":" in begun.source else netlink.AF_INET
    return InZone(int.from_bytes(zone, "big"), begun, mark == BARRED_MARK, family, identity)


def _tuple(data: bytes) -> Tuple | None:
    parts = netlink.attributes(data, 0, len(data))
    addresses, protocol = _inside(parts, _IP), _inside(parts, _PROTOCOL)
    source, destination = _first(addresses, _SOURCES), _first(addresses, _DESTINATIONS)
    number = protocol.get(_NUMBER)
    if source is None or destination is None or number is None:
        return None
    if number[0] in _ICMP:
        type, code = _first(protocol, _TYPES) or b"\0", _first(protocol, _CODES) or b"\0"
        return Tuple(unpack(source), unpack(destination), number[0], 0, type[0] * 256 + code[0])
    ports = (int.from_bytes(protocol.get(kind, b""), "big") for kind in (_SOURCE_PORT, _DESTINATION_PORT))
    return Tuple(unpack(source), unpack(destination), number[0], *ports)


def _first(values: Mapping[int, bytes], kinds: tuple[int, int]) -> bytes | None:
    return next((values[kind] for kind in kinds if kind in values), None)


def _inside(parts: Mapping[int, bytes], kind: int) -> Mapping[int, bytes]:
    data = parts.get(kind, b"")
    return netlink.attributes(data, 0, len(data))
