"""Tap devices: made through ``/dev/net/tun``, because netlink cannot (Documentation/networking/tuntap.rst)."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import pack

_DEVICE = "/dev/net/tun"
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


@contextmanager
def made(name: str) -> Iterator[Callable[[], None]]:
    """A new tap in the thread's namespace, that goes with the block unless the given function is called in it.

    So it can get its mark before it may outlive us. The name must be free: an existing tap would be taken over.

    Raises:
        OSError: refused.
    """
    device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, pack("=16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))

        def persist() -> None:
            fcntl.ioctl(device, _TUNSETPERSIST, 1)

        yield persist
    finally:
        os.close(device)
