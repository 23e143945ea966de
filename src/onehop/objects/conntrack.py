"""Tracked connections that were translated: read, judged and deleted by ctnetlink (linux/nfnetlink_conntrack.h).

They are no kernel objects of ours: nobody declares a connection. Declared is which translations there may be; what is
tracked under another one is cut.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from struct import pack

import msgspec

from onehop.net.address import unpack
from onehop.objects import netlink
from onehop.objects.netlink import Found, Request

_SUBSYSTEM = 1 << 8
_GET, _DELETE, _GET_STATS_CPU, _GET_STATS = _SUBSYSTEM | 1, _SUBSYSTEM | 2, _SUBSYSTEM | 4, _SUBSYSTEM | 5
_INSERT_FAILED = 9
_ENTRIES = 1
_NFGENMSG = pack("=BBH", netlink.AF_INET, 0, 0)
_ORIGINAL, _REPLY = 1, 2
_IP, _PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
PROTOCOLS = {6: "tcp", 17: "udp"}
_PORTED = {1, *PROTOCOLS}
"""Protocols that many share an address by: ICMP has ids."""


class Tuple(msgspec.Struct, frozen=True):
    """One direction of a connection: addresses, protocol number, and ports (0 where it has none)."""

    source: str
    destination: str
    protocol: int
    source_port: int = 0
    destination_port: int = 0


class Tracked(msgspec.Struct, frozen=True):
    """A connection: as it began, and as its answers are expected.

    Attributes:
        original, reply: the two directions.
        identity: the attribute by which the kernel knows it.
    """

    original: Tuple
    reply: Tuple
    identity: bytes


class Load(msgspec.Struct, frozen=True):
    """How far a namespace's source ports are used.

    Attributes:
        used: connections of the busiest destination, or fewer than were asked for.
        failed: connections that could not be entered since the namespace was made: another had their port.
        portless: one of a protocol without ports is translated: of such a protocol each far address has room for one.
    """

    used: int = 0
    failed: int = 0
    portless: bool = False


class Forwarded(msgspec.Struct, frozen=True):
    """Ports of an external address that may be translated to an internal one, one by one."""

    external: str
    protocol: str
    first: int
    last: int
    internal: str
    internal_first: int


class Translations(msgspec.Struct, frozen=True):
    """Every translation that a router may make on a host.

    Attributes:
        gateways: addresses that anything inside may be translated to.
        whole: (external, internal) of floating IPs.
        forwarded: port forwardings.
    """

    gateways: frozenset[str] = frozenset()
    whole: frozenset[tuple[str, str]] = frozenset()
    forwarded: frozenset[Forwarded] = frozenset()

    def cover(self, other: "Translations") -> bool:
        """Whether all that others allow is allowed by these too."""
        return self.gateways >= other.gateways and self.whole >= other.whole and self.forwarded >= other.forwarded

    def allow(self, tracked: Tracked) -> bool:
        """Whether a connection is translated as it would be today, or not at all."""
        begun, answered = tracked.original, tracked.reply
        if begun.destination != answered.source and not self._inwards(begun, answered):
            return False
        if begun.source == answered.destination or answered.destination in self.gateways:
            return True
        return (answered.destination, begun.source) in self.whole

    def _inwards(self, begun: Tuple, answered: Tuple) -> bool:
        if (begun.destination, answered.source) in self.whole:
            return True
        return any(
            (f.external, f.internal, f.protocol)
            == (begun.destination, answered.source, PROTOCOLS.get(begun.protocol, ""))
            and f.first <= begun.destination_port <= f.last
            and answered.source_port == f.internal_first + begun.destination_port - f.first
            for f in self.forwarded
        )


def how_many() -> Request:
    """The question how many connections a namespace tracks; `number` reads the answer."""
    return Request(_GET_STATS, 0, _NFGENMSG)


def number(message: Found) -> int:
    """The answer to `how_many`."""
    values = netlink.attributes(message.data, message.start + len(_NFGENMSG), message.end)
    return int.from_bytes(values.get(_ENTRIES, b""), "big")


def failures() -> tuple[int, bytes]:
    """Kind and body of the question how many connections could not be entered; one answer for each processor."""
    return _GET_STATS_CPU, _NFGENMSG


def failed(message: Found) -> int:
    """One answer to `failures`."""
    values = netlink.attributes(message.data, message.start + len(_NFGENMSG), message.end)
    return int.from_bytes(values.get(_INSERT_FAILED, b""), "big")


def busiest(tracked: Iterable[Tracked], gateway: str) -> int:
    """How many connections that are translated to an address the destination has that has most."""
    found = Counter(
        (t.original.destination, t.original.protocol, t.original.destination_port)
        for t in tracked
        if t.reply.destination == gateway and t.original.source != gateway
    )
    return max(found.values(), default=0)


def portless(tracked: Iterable[Tracked], gateway: str) -> bool:
    """Whether a connection of a protocol without ports or ids is translated to an address."""
    return any(
        t.reply.destination == gateway != t.original.source and t.original.protocol not in _PORTED for t in tracked
    )


def dump() -> tuple[int, bytes]:
    """Kind and body of the question for every IPv4 connection of a namespace."""
    return _GET, _NFGENMSG


def delete(tracked: Tracked) -> Request:
    """The request that forgets a connection."""
    return Request(_DELETE, 0, _NFGENMSG + tracked.identity)


def decode(found: Found) -> Tracked | None:
    """A connection of an answer; None where it lacks what every IPv4 connection has."""
    found_attributes = netlink.attributes(found.data, found.start + len(_NFGENMSG), found.end)
    original, reply = found_attributes.get(_ORIGINAL), found_attributes.get(_REPLY)
    if original is None or reply is None:
        return None
    begun, answered = _tuple(original), _tuple(reply)
    if begun is None or answered is None:
        return None
    return Tracked(begun, answered, netlink.attribute(_ORIGINAL | netlink.NESTED, original))


def _tuple(data: bytes) -> Tuple | None:
    parts = netlink.attributes(data, 0, len(data))
    addresses = _inside(parts, _IP)
    protocol = _inside(parts, _PROTOCOL)
    source, destination = addresses.get(_SOURCE), addresses.get(_DESTINATION)
    number = protocol.get(_NUMBER)
    if source is None or destination is None or number is None:
        return None
    ports = (int.from_bytes(protocol.get(kind, b""), "big") for kind in (_SOURCE_PORT, _DESTINATION_PORT))
    return Tuple(unpack(source), unpack(destination), number[0], *ports)


def _inside(parts: Mapping[int, bytes], kind: int) -> Mapping[int, bytes]:
    data = parts.get(kind, b"")
    return netlink.attributes(data, 0, len(data))
