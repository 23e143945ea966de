"""System calls that Python 3.11 does not have, through the C library.

All act on the calling thread, never on the process.
"""

import ctypes
import fcntl
import os
import platform
import socket
import sys
from struct import pack, unpack

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 4096, 16384, 1 << 20
MNT_DETACH = 2
OWN_NAMESPACE = "/proc/thread-self/ns/net"

SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(platform.machine(), -1)
"""Number of bpf(2); programs are put together for little-endian machines only."""

_SIOCGIFNAME, _SIOCGIFINDEX = 0x8910, 0x8933
_SO_NETNS_COOKIE = 71
_IFREQ = 40
_PR_SET_NAME = 15


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(descriptor: int) -> None:
    """Move the thread into the network namespace of a descriptor.

    Raises:
        OSError: not a network namespace, or not allowed.
    """
    _check(_libc.setns(descriptor, CLONE_NEWNET), "setns")


def name_thread(name: str) -> str:
    """Give the thread a name of at most 15 octets, by which others tell it apart; returns it.

    Raises:
        OSError: refused.
    """
    _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl")
    return name


def unshare_network() -> None:
    """Move the thread into a new network namespace.

    Raises:
        OSError: not allowed, or no memory.
    """
    _check(_libc.unshare(CLONE_NEWNET), "unshare")


def mount(source: str, target: str, flags: int) -> None:
    """Bind a file or directory, or change how a mount propagates.

    Raises:
        OSError: refused.
    """
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), b"none", ctypes.c_ulong(flags), None), "mount")


def unmount(target: str) -> None:
    """Take a mount away at once, whoever uses it.

    Raises:
        OSError: refused; EINVAL where nothing is mounted.
    """
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), "umount")


def give_back_memory() -> None:
    """Let the C library give the system back what it holds and nobody uses."""
    _libc.malloc_trim(ctypes.c_size_t(0))


def link_index(sock: socket.socket, name: str) -> int:
    """The index of a link in the socket's namespace, 0 where there is none (netdevice(7), SIOCGIFINDEX)."""
    # Any socket takes the netdevice ioctls, and answers for the namespace it was opened in.
    request = bytearray(_IFREQ)
    encoded = name.encode()
    if not encoded or len(encoded) > 15:
        return 0
    request[: len(encoded)] = encoded
    try:
        fcntl.ioctl(sock, _SIOCGIFINDEX, request)
    except OSError:
        return 0
    return int.from_bytes(request[16:20], sys.byteorder)


def link_name(sock: socket.socket, index: int) -> str | None:
    """The name of a link in the socket's namespace, None where there is none (SIOCGIFNAME)."""
    request = bytearray(_IFREQ)
    request[16:20] = pack("=i", index)
    try:
        fcntl.ioctl(sock, _SIOCGIFNAME, request)
    except OSError:
        return None
    return bytes(request[:16]).partition(b"\0")[0].decode(errors="replace")


def cookie(sock: socket.socket) -> int:
    """A number of the socket's namespace that no other namespace ever had or will have (SO_NETNS_COOKIE)."""
    value: int = unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))[0]
    return value
