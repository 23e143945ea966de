"""Sockets that hear of changes in all namespaces that the one they are opened in has a number for."""

import socket
from collections.abc import Iterable
from pathlib import Path

from onehop.kernel.filter import without_octet
from onehop.objects.netlink import AF_BRIDGE

LISTEN_ALL_NSID = 8
"""NETLINK_LISTEN_ALL_NSID: the option, and the ancillary message that says which namespace it was."""

_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_SO_RCVBUFFORCE = 33
_CAP_NET_BROADCAST = 1 << 11
_BUFFER = 1 << 23
_FAMILY = 16
"""Octet of a notification: the family, behind the message's header."""


def listener(protocol: int, groups: Iterable[int]) -> socket.socket:
    """A socket that is a member of multicast groups, and does not block.

    It keeps no other namespace alive. What happens in those is heard only with CAP_NET_BROADCAST.

    Raises:
        OSError: refused.
    """
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        made.setsockopt(_SOL_NETLINK, LISTEN_ALL_NSID, 1)
        made.bind((0, 0))  # before joining: it leaves all groups
        for group in groups:
            made.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        made.close()
        raise
    return made


def without_fdb(made: socket.socket) -> None:
    """Let the kernel drop notifications about FDB entries (AF_BRIDGE) before they get here.

    By a filter, because FDB entries and neighbours share one group.

    Raises:
        OSError: refused.
    """
    without_octet(made, _FAMILY, AF_BRIDGE)


def may_hear_all() -> bool:
    """Whether we have the right to hear of other namespaces; without it the kernel is silent about them."""
    status = Path("/proc/thread-self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & _CAP_NET_BROADCAST)
