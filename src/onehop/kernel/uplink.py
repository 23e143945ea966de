"""Uplinks: whether the host's bridges to physical networks lead anywhere now.

A bridge leads somewhere while it is up and a port of it that is neither ours nor a guest's has a carrier. One without
such a port does if it has an address itself: then the host is what routes outside.
"""

import socket
from collections.abc import Iterable
from struct import Struct

import msgspec

from onehop.errors import KernelError
from onehop.kernel.connection import ROUTE, Connection, split
from onehop.net.naming import MARK
from onehop.objects import netlink
from onehop.objects.address import IFADDRMSG
from onehop.objects.netlink import Found

_IFINFOMSG = Struct("=BxHiII")
_UP, _LOWER_UP = 0x1, 0x10000
_IFNAME, _MASTER, _LINKINFO, _IFALIAS, _EXT_MASK = 3, 10, 18, 20, 29
_KIND = 1
_SKIP_STATISTICS = 1 << 3
_GROUP_LINK = 1
_GUESTS = frozenset({"tun"})


class _Port(msgspec.Struct, frozen=True):
    index: int
    name: str
    up: bool
    carrier: bool
    master: int
    ours: bool
    kind: str


class Uplinks:
    """Watches over some bridges of the namespace in which it is made.

    Args:
        bridges: their names.
    """

    def __init__(self, bridges: Iterable[str]) -> None:
        self.bridges = frozenset(bridges)
        self._indexes: set[int] = set()
        self._names: set[str] = set()
        self._listener = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, ROUTE
        )
        self._listener.bind((0, 1 << (_GROUP_LINK - 1)))

    def fileno(self) -> int:
        """Readable when something changed; see `changed`."""
        return self._listener.fileno()

    def close(self) -> None:
        """Give the socket back."""
        self._listener.close()

    def changed(self) -> bool:
        """Whether what was notified may concern these bridges."""
        concerned = False
        while True:
            try:
                data = self._listener.recv(1 << 16)
            except BlockingIOError:
                return concerned
            except OSError:  # too much happened at once
                return True
            for kind, _, _, found in split(data):
                if kind in (netlink.NEWLINK, netlink.DELLINK):
                    port = _port(found)
                    concerned |= port.name in self._names or (port.master in self._indexes and not port.ours)

    def leading(self) -> frozenset[str]:
        """Those of the bridges that lead somewhere now.

        Raises:
            KernelError: the links could not be read.
        """
        connection = Connection()
        try:
            return self._leading(connection)
        except OSError as error:
            raise KernelError(f"the host's links cannot be read: {error}", error.errno or 0) from error
        finally:
            connection.close()

    def _leading(self, connection: Connection) -> frozenset[str]:
        body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + netlink.u32(_EXT_MASK, _SKIP_STATISTICS)
        ports = [_port(found) for found in connection.dump(netlink.GETLINK, body)]
        bridges = {port.index: port for port in ports if port.name in self.bridges}
        found: set[str] = set()
        self._indexes, self._names = set(bridges), set(self.bridges)
        for bridge in bridges.values():
            members = [p for p in ports if p.master == bridge.index and not p.ours and p.kind not in _GUESTS]
            self._names |= {member.name for member in members}
            if bridge.up and (any(p.carrier for p in members) if members else _has_address(connection, bridge.index)):
                found.add(bridge.name)
        return frozenset(found)


def _has_address(connection: Connection, index: int) -> bool:
    found = connection.dump(netlink.GETADDR, IFADDRMSG.pack(netlink.AF_INET, 0, 0, 0, index))
    return bool(found)


def _port(found: Found) -> _Port:
    _, _, index, flags, _ = _IFINFOMSG.unpack_from(found.data, found.start)
    values = netlink.attributes(found.data, found.start + _IFINFOMSG.size, found.end)
    info = values.get(_LINKINFO, b"")
    return _Port(
        index=index,
        name=netlink.string(values.get(_IFNAME, b"")),
        up=bool(flags & _UP),
        carrier=bool(flags & _LOWER_UP),
        master=netlink.number(values.get(_MASTER, b"")),
        ours=netlink.string(values.get(_IFALIAS, b"")).startswith(MARK),
        kind=netlink.string(netlink.attributes(info, 0, len(info)).get(_KIND, b"")),
    )
