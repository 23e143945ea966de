"""Sockets that hear of changes in all namespaces that the one they are opened in has a number for."""

import socket
from collections.abc import Iterable

LISTEN_ALL_NSID = 8
"""NETLINK_LISTEN_ALL_NSID: the option, and the ancillary message that says which namespace it was."""

_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_SO_RCVBUFFORCE = 33
_BUFFER = 1 << 23


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
