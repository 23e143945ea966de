"""What notifications mean: which are about things that may be ours, and which link they speak of."""

from collections.abc import Callable

from onehop.net.naming import HOST, PROTOCOL
from onehop.objects import netlink, nftables
from onehop.objects.address import IFADDRMSG
from onehop.objects.neighbour import NDMSG, NUD_NOARP, NUD_PERMANENT
from onehop.objects.netlink import Found
from onehop.objects.route import RTMSG

_IFNAME, _FRA_PROTOCOL = 3, 21
_IFINFOMSG, _FIB_RULE = 16, 12
_NEWNETCONF = 80
_MAIN, _OF_THE_KERNEL = 254, 2
_NEWGEN, _SUBSYSTEM = 0x0A0F, 0x0A
_GEN_PROC_NAME, _TABLE = 3, 1


class RouteNotices:
    """Notifications of rtnetlink."""

    def __init__(self, link_name: Callable[[str, int], str | None]) -> None:
        self._link_name = link_name

    def is_namespace(self, kind: int) -> bool:
        """Whether it says that a namespace got or lost its number."""
        return kind in (netlink.NEWNSID, netlink.DELNSID)

    def link(self, kind: int, found: Found, namespace: str) -> tuple[bool, str | None]:
        """Whether it may be about something of ours, and the link if it is about one."""
        data, start, end = found
        if kind in (netlink.NEWLINK, netlink.DELLINK):
            name = netlink.attributes(data, start + _IFINFOMSG, end).get(_IFNAME)
            return True, None if name is None else netlink.string(name)
        if kind in (netlink.NEWADDR, netlink.DELADDR):
            return self._hanging(namespace, IFADDRMSG.unpack_from(data, start)[4])
        if kind in (netlink.NEWNEIGH, netlink.DELNEIGH):
            family, index, state, _, _ = NDMSG.unpack_from(data, start)
            learned = not state & (NUD_NOARP | NUD_PERMANENT)
            if learned and (kind == netlink.NEWNEIGH or family == netlink.AF_BRIDGE):
                return False, None
            return self._hanging(namespace, index)
        if kind in (netlink.NEWROUTE, netlink.DELROUTE):
            _, _, _, _, table, protocol, _, _, _ = RTMSG.unpack_from(data, start)
            # A router's connected routes are the kernel's, and go with the hand that deletes them.
            lost = kind == netlink.DELROUTE and namespace != HOST and (table, protocol) == (_MAIN, _OF_THE_KERNEL)
            return lost or protocol == PROTOCOL, None
        if kind == _NEWNETCONF:
            # Forwarding and a few more settings; ours are in routers. Others are found by looking.
            return namespace != HOST, None
        if kind in (netlink.NEWRULE, netlink.DELRULE):
            protocol = netlink.attributes(data, start + _FIB_RULE, end).get(_FRA_PROTOCOL)
            # The rules that a router is born with are the kernel's, and go with the hand that deletes them.
            lost = kind == netlink.DELRULE and namespace != HOST and protocol == bytes([_OF_THE_KERNEL])
            return lost or protocol == bytes([PROTOCOL]), None
        return False, None

    def _hanging(self, namespace: str, index: int) -> tuple[bool, str | None]:
        """What hangs on a link; of one that has left the host's namespace, the link's own notice says all."""
        name = self._link_name(namespace, index)
        return name is not None or namespace != HOST, name


class RulesetNotices:
    """Notifications of nftables: what a transaction did, and at its end who made it."""

    def __init__(self, own_thread: str) -> None:
        # By name: the kernel tells the thread's global number, which is another inside a container.
        self._own_thread = own_thread
        self._touched: set[int | None] = set()

    def matters(self, kind: int, found: Found, number: int | None) -> bool:
        """Whether it ends a transaction of somebody else that touched a table of ours.

        Our own are left out: on a host they would make every network suspect for the sake of one.
        """
        if kind >> 8 != _SUBSYSTEM:
            return False
        values = netlink.attributes(found.data, found.start + 4, found.end)
        if kind != _NEWGEN:
            if nftables.is_ours(netlink.string(values.get(_TABLE, b""))):
                self._touched.add(number)
            return False
        touched = number in self._touched
        self._touched.discard(number)
        return touched and netlink.string(values.get(_GEN_PROC_NAME, b"")) != self._own_thread
