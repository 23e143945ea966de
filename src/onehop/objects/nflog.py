"""The kernel's packet log: asking for a group of it, and what it hands over (linux/netfilter/nfnetlink_log.h)."""

from struct import pack, unpack_from
from typing import NamedTuple

from onehop.objects import netlink
from onehop.objects.netlink import Request, attribute

_SUBSYSTEM = 4 << 8
_PACKET, _CONFIG = _SUBSYSTEM, _SUBSYSTEM | 1
_COMMAND, _MODE, _THRESHOLD = 1, 2, 5
_BIND, _COPY_PACKET = 1, 2
_PAYLOAD, _PREFIX = 9, 10
COPIED = 1280
"""Octets of a packet that are handed over: the least MTU of IPv6."""


class Logged(NamedTuple):
    """A packet that a rule handed over.

    Attributes:
        prefix: the rule's word for it.
        packet: from the IP header on.
    """

    prefix: str
    packet: bytes


def to_bind(group: int) -> list[Request]:
    """Ask for a group: whole packets, each at once (the kernel would gather them for a second)."""
    head = pack("!BBH", 0, 0, group)
    parts = (
        attribute(_COMMAND, pack("=B", _BIND)),
        attribute(_MODE, pack("!IBB", COPIED, _COPY_PACKET, 0)),
        attribute(_THRESHOLD, pack("!I", 1)),
    )
    return [Request(_CONFIG, netlink.ACK, head + part) for part in parts]


def decode(datagram: bytes) -> list[Logged]:
    """The packets in a datagram; what is not whole is left out."""
    found = []
    start = 0
    while start + netlink.HEADER.size <= len(datagram):
        size, kind = unpack_from("=IH", datagram, start)
        if size < netlink.HEADER.size:
            break
        if kind == _PACKET:
            values = netlink.attributes(datagram, start + netlink.HEADER.size + 4, start + size)
            if values.keys() >= {_PAYLOAD, _PREFIX}:
                found.append(Logged(netlink.string(values[_PREFIX]), values[_PAYLOAD]))
        start += (size + 3) & ~3
    return found
