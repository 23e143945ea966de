"""Permanent neighbours, read once for each namespace and kept by the kernel's own notifications.

Linux has one neighbour table for all namespaces, and a dump walks all of it, whatever it is filtered by: 2 ms at 44,000
entries, for a namespace with ten. So each namespace is dumped once, and from then on every notification is applied to
what was read: they carry the entries themselves. A namespace that we made begins empty and needs no dump at all.

Nothing is trusted for ever: after `_LONGEST` seconds, or when a notification was lost, it is read again.
"""

import errno
import time
from collections.abc import Iterator, Mapping
from struct import Struct

from onehop.errors import KernelError
from onehop.kernel.connection import ROUTE, split
from onehop.kernel.datagrams import Datagrams
from onehop.kernel.listener import listener, may_hear_all, without_fdb
from onehop.kernel.nsid import number_of
from onehop.kernel.space import Space, Spaces
from onehop.net.address import unpack as unpack_address
from onehop.net.address import unpack_mac
from onehop.net.naming import HOST
from onehop.objects import Neighbour, netlink
from onehop.objects.neighbour import NDA_DST, NDA_LLADDR, NDMSG, NTF_PROXY, NUD_PERMANENT
from onehop.objects.netlink import Found

_GROUPS = (3, 28)
"""RTNLGRP_NEIGH, RTNLGRP_NSID."""
_OF_NEIGHBOURS = frozenset({netlink.NEWNEIGH, netlink.DELNEIGH})
_LONGEST = 600.0
_PLAIN = {netlink.AF_INET: Struct("=HH4sHH6s"), netlink.AF_INET6: Struct("=HH16sHH6s")}
"""How nearly all notifications go on behind their header: address and MAC (neigh_fill_info in net/core/neighbour.c). To
read them in one step takes a fifth of what attributes take one by one; what looks otherwise is read so."""


class _Table:
    """The permanent neighbours of one namespace: MAC by address by index of the link."""

    def __init__(self, cookie: int) -> None:
        self.cookie = cookie
        self.read_at = time.monotonic()
        self.links: dict[int, dict[str, str]] = {}

    def apply(self, kind: int, found: Found) -> None:
        """Take over what one message says."""
        data, start, end = found
        family, index, state, flags, _ = NDMSG.unpack_from(data, start)
        if family == netlink.AF_BRIDGE or flags & NTF_PROXY:
            return
        permanent = kind == netlink.NEWNEIGH and state & NUD_PERMANENT
        if not permanent and index not in self.links:
            return
        address, mac = _address_and_mac(family, data, start + NDMSG.size, end)
        if address is None:
            return
        if permanent and mac is not None:
            self.links.setdefault(index, {})[unpack_address(address)] = unpack_mac(mac)
        else:
            self.links.get(index, {}).pop(unpack_address(address), None)


def _address_and_mac(family: int, data: bytes, start: int, end: int) -> tuple[bytes | None, bytes | None]:
    plain = _PLAIN.get(family)
    if plain is not None and start + plain.size <= end:
        size, kind, address, mac_size, mac_kind, mac = plain.unpack_from(data, start)
        if kind == NDA_DST and mac_kind == NDA_LLADDR and size == plain.size - 10 and mac_size == 10:
            return address, mac
    values = netlink.attributes(data, start, end)
    return values.get(NDA_DST), values.get(NDA_LLADDR)


class Neighbourhood:
    """The neighbours of all namespaces that were looked at; belongs to the thread of its `Spaces`."""

    def __init__(self, spaces: Spaces) -> None:
        """Begin to listen, in the host's namespace."""
        self._spaces = spaces
        spaces.host.enter()
        self._socket = listener(ROUTE, _GROUPS)
        without_fdb(self._socket)
        self._notifications = Datagrams(self._socket)
        self._tables: dict[int | None, _Table] = {}
        """By the host's number of the namespace, None for its own."""
        self._numbers: dict[int, int] = {}
        """By a namespace's cookie."""
        # Without this right the kernel is silent about the other namespaces.
        self._hears_all = may_hear_all()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def begin(self, space: Space) -> None:
        """Note that a namespace was just made, and has no neighbours."""
        number = self._number(space)
        if number is not None:
            self._tables[number] = _Table(space.cookie)

    def of(self, space: Space, links: Mapping[int, str]) -> Iterator[Neighbour]:
        """The permanent neighbours of links, by index and name.

        Raises:
            KernelError: they could not be read.
        """
        table = self._table(space)
        for index, name in links.items():
            for address, mac in table.links.get(index, {}).items():
                yield Neighbour(namespace=space.name, link=name, address=address, mac=mac)

    def _table(self, space: Space) -> _Table:
        self.listen()
        number = None if space.name == HOST else self._number(space)
        tracked = space.name == HOST or number is not None
        table = self._tables.get(number) if tracked else None
        if table is None or table.cookie != space.cookie or time.monotonic() - table.read_at > _LONGEST:
            table = _Table(space.cookie)
            for found in space.route.dump(netlink.GETNEIGH, NDMSG.pack(0, 0, 0, 0, 0)):
                table.apply(netlink.NEWNEIGH, found)
            if tracked:
                self._tables[number] = table
        return table

    def _number(self, space: Space) -> int | None:
        """The host's number for a namespace; it has one for as long as it lives, and its cookie is nobody else's."""
        if not self._hears_all:
            return None
        number = self._numbers.get(space.cookie)
        if number is None:
            number = self._spaces.numbers.of(space)
            if number is not None:
                self._numbers[space.cookie] = number
        return number

    def listen(self) -> None:
        """Take over all that was notified so far."""
        while True:
            try:
                for data, number in self._notifications.receive():
                    table = self._tables.get(number)
                    for kind, _, _, found in split(data):
                        if kind in _OF_NEIGHBOURS:
                            if table is not None:
                                table.apply(kind, found)
                        elif kind == netlink.DELNSID and number is None:
                            self._forget(number_of(found.data[found.start : found.end]))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.EMSGSIZE):
                    text = f"the kernel's notifications cannot be read: {error.strerror}"
                    raise KernelError(text, error.errno or 0) from error
                # Something was lost, and nobody knows from where.
                self._tables.clear()
                self._numbers.clear()

    def _forget(self, gone: int | None) -> None:
        """A namespace is gone, and so is its number."""
        table = self._tables.pop(gone, None) if gone is not None else None
        if table is not None:
            self._numbers.pop(table.cookie, None)
