"""The underlay interface: the one that has this host's VTEP address."""

import array
import fcntl
import socket
import struct
from pathlib import Path

from onehop.net import address

_SIOCGIFCONF = 0x8912  # linux/sockios.h
_SIOCGIFMTU = 0x8921
_IFREQ = struct.calcsize("16sLL8x")
_MOST_ADDRESSES = 4096


def interface_of(vtep: str) -> str | None:
    """Name of the interface with an address, or None."""
    return _interface_v6(vtep) if address.version(vtep) == 6 else _interface_v4(vtep)


def mtu_of(interface: str) -> int:
    """MTU of an interface, in octets; 0 where it cannot be read."""
    # Not from /sys, which may show another network namespace than ours.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            reply = fcntl.ioctl(probe, _SIOCGIFMTU, struct.pack("16s16x", interface.encode()))
        except OSError:
            return 0
    # A loopback of 65,536 is told as what an IP packet can be at most.
    return min(int(struct.unpack_from("16xi", reply)[0]), 65_535)


def _interface_v4(vtep: str) -> str | None:
    # SIOCGIFADDR would tell the first address of each interface only. An address may have a label of its own behind a
    # colon (ip-address(8)).
    found = array.array("B", bytes(_MOST_ADDRESSES * _IFREQ))
    place, length = found.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        reply = fcntl.ioctl(probe, _SIOCGIFCONF, struct.pack("iP", length, place))
    told = found.tobytes()[: struct.unpack("iP", reply)[0]]
    wanted = address.pack(vtep)
    for at in range(0, len(told), _IFREQ):
        name, ip = struct.unpack_from("16s4x4s", told, at)
        if ip == wanted:
            return str(name.partition(b"\0")[0].decode()).partition(":")[0]
    return None


def _interface_v6(vtep: str) -> str | None:
    wanted = address.pack(vtep).hex()
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((line.split()[5] for line in lines if line.startswith(wanted)), None)
