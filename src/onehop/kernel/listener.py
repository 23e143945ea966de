"""Sockets that hear of changes in all namespaces that the one they are opened in has a number for."""

import ctypes
import socket
from collections.abc import Iterable
from pathlib import Path
from struct import Struct, pack

from onehop.objects.netlink import AF_BRIDGE

LISTEN_ALL_NSID = 8
"""NETLINK_LISTEN_ALL_NSID: the option, and the ancillary message that says which namespace it was."""

_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_SO_RCVBUFFORCE = 33
_CAP_NET_BROADCAST = 1 << 11
_SO_ATTACH_FILTER = 26
_BUFFER = 1 << 23
_INSTRUCTION = Struct("=HBBI")


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

    A classic BPF program, because FDB entries and neighbours share one group.

    Raises:
        OSError: refused.
    """
    program = b"".join(
        _INSTRUCTION.pack(*words)
        for words in (
            (0x30, 0, 0, 16),  # load octet 16: the family, behind the message's header
            (0x15, 0, 1, AF_BRIDGE),
            (0x06, 0, 0, 0),  # drop
            (0x06, 0, 0, 0xFFFFFFFF),
        )
    )
    kept = ctypes.create_string_buffer(program, len(program))
    made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pack("HP", len(program) // 8, ctypes.addressof(kept)))


def may_hear_all() -> bool:
    """Whether we have the right to hear of other namespaces; without it the kernel is silent about them."""
    status = Path("/proc/thread-self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & _CAP_NET_BROADCAST)
