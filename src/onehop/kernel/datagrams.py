"""Notifications, many in one system call (recvmmsg(2)): each is a datagram, and they come by the thousand."""

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from struct import Struct

from onehop.kernel.listener import LISTEN_ALL_NSID

_libc = ctypes.CDLL(None, use_errno=True)

_MANY = 64
_LONGEST = 4096
_CONTROL = 64
_TRUNCATED = 0x20
_HEADER = Struct("@PIPNPNi0PI0P")
"""struct mmsghdr: address and its length, vector and its length, control and its length, flags; length received."""
_VECTOR = Struct("@PN")
_CONTROL_MESSAGE = Struct("@Niii")
"""struct cmsghdr: length, level, type; here with one number."""


class Datagrams:
    """A place for many datagrams of a socket that does not block; belongs to one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._descriptor = sock.fileno()
        self._data = ctypes.create_string_buffer(_MANY * _LONGEST)
        self._control = ctypes.create_string_buffer(_MANY * _CONTROL)
        self._view, self._control_view = memoryview(self._data), memoryview(self._control)
        data, control = ctypes.addressof(self._data), ctypes.addressof(self._control)
        vectors = b"".join(_VECTOR.pack(data + n * _LONGEST, _LONGEST) for n in range(_MANY))
        self._vectors = ctypes.create_string_buffer(vectors, len(vectors))
        place = ctypes.addressof(self._vectors)
        self._fresh = b"".join(
            _HEADER.pack(0, 0, place + n * _VECTOR.size, 1, control + n * _CONTROL, _CONTROL, 0, 0)
            for n in range(_MANY)
        )
        self._headers = ctypes.create_string_buffer(self._fresh, len(self._fresh))

    def receive(self) -> Iterator[tuple[bytes, int | None]]:
        """Some datagrams that are there, each with the host's number of its namespace (None: the socket's own).

        Raises:
            BlockingIOError: there is none.
            OSError: ENOBUFS where some were lost, or EMSGSIZE where one was too long for us.
        """
        # The kernel writes lengths over what it was given.
        ctypes.memmove(self._headers, self._fresh, len(self._fresh))
        count = _libc.recvmmsg(self._descriptor, self._headers, _MANY, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        for place in range(count):
            _, _, _, _, _, control, flags, length = _HEADER.unpack_from(self._headers, place * _HEADER.size)
            if flags & _TRUNCATED:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            start = place * _LONGEST
            yield bytes(self._view[start : start + length]), self._number(place * _CONTROL, control)

    def _number(self, start: int, length: int) -> int | None:
        if length < _CONTROL_MESSAGE.size:
            return None
        _, _, kind, number = _CONTROL_MESSAGE.unpack_from(self._control_view, start)
        return int(number) if kind == LISTEN_ALL_NSID else None
