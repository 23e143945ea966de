"""What the kernel tells of a host's links, less what a bridge says of its ports by the clock."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.dataplane.site import Site

_NETLINK_ROUTE, _LINK_GROUP = 0, 1
_HEADER = struct.Struct("=IHHIIBxHiII")
"""``struct nlmsghdr`` and ``struct ifinfomsg`` (linux/netlink.h, linux/rtnetlink.h)."""
_AF_BRIDGE = 7


class Notices:
    """Links that were told of since it was opened: message type, index and flags of each notice.

    A bridge tells of each port once more, ``forward_delay`` (15 s by default) after it came up, also where it runs no
    spanning tree and nothing is different (``br_forward_delay_timer_expired`` in net/bridge/br_stp_timer.c).
    Such notices are of the family AF_BRIDGE; a change of a link is told in AF_UNSPEC as well.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self) -> list[tuple[int, int, int]]:
        """Everything so far."""
        found = []
        while True:
            try:
                octets = self._sock.recv(1 << 16)
            except BlockingIOError:
                return found
            at = 0
            while at + _HEADER.size <= len(octets):
                size, kind, _, _, _, family, _, index, flags, _ = _HEADER.unpack_from(octets, at)
                if family != _AF_BRIDGE:
                    found.append((kind, index, flags))
                at += (size + 3) & ~3


@contextmanager
def told(site: Site, host: str) -> Iterator[Notices]:
    """Hear what the kernel tells of a host's links."""

    def opened() -> socket.socket:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
        sock.bind((0, _LINK_GROUP))
        sock.setblocking(False)
        return sock

    with site.inside(host, opened) as sock:
        yield Notices(sock)
