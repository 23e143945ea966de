"""Hearing of names that come and go in a directory (inotify(7))."""

import ctypes
import os
from collections.abc import Iterator
from struct import Struct

_libc = ctypes.CDLL(None, use_errno=True)
_EVENT = Struct("=iIII")
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_OVERFLOW = 0x4000


class Inotify:
    """Watches one directory; `descriptor` is readable when something happened."""

    def __init__(self, directory: str) -> None:
        self.descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), f"inotify: {os.strerror(ctypes.get_errno())}")
        mask = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
        if _libc.inotify_add_watch(self.descriptor, os.fsencode(directory), mask) < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, f"{directory} cannot be watched: {os.strerror(number)}")

    def read(self) -> Iterator[str | None]:
        """The names that came or went since the last read; None where some were lost."""
        try:
            data = os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            _, mask, _, size = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            if mask & _OVERFLOW:
                yield None
            elif size:
                yield os.fsdecode(data[at : at + size].rstrip(b"\0"))
            at += size

    def close(self) -> None:
        """Stop watching."""
        os.close(self.descriptor)
