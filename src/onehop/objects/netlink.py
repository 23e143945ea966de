"""Packing and unpacking of netlink messages: headers, attributes and the numbers that we use.

Values and functions only; sockets are `onehop.kernel`'s. Numbers are those of linux/netlink.h, rtnetlink.h, if_link.h,
if_addr.h, neighbour.h and fib_rules.h, which are part of the kernel's stable interface.
"""

from struct import Struct, pack
from typing import NamedTuple

from onehop.net.address import pack as pack_address
from onehop.net.address import prefix_length, version

AF_INET, AF_BRIDGE, AF_INET6 = 2, 7, 10
FAMILY = {4: AF_INET, 6: AF_INET6}

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
NEWRULE, DELRULE, GETRULE = 32, 33, 34
NEWNSID, DELNSID, GETNSID = 88, 89, 90

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCL, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800
DUMP_INTERRUPTED = 0x10
ERROR, DONE = 2, 3
NESTED = 0x8000

HEADER = Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port id."""

_ATTRIBUTE = Struct("=HH")


class Request(NamedTuple):
    """One netlink message without its header.

    Attributes:
        kind: ``nlmsg_type``.
        flags: ``nlmsg_flags`` besides NLM_F_REQUEST.
        body: family header and attributes.
    """

    kind: int
    flags: int
    body: bytes


class Found(NamedTuple):
    """One message of an answer, inside the datagram it came in."""

    data: bytes
    start: int
    end: int


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute with its padding."""
    size = 4 + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + b"\0" * (-size & 3)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """A zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def u8(kind: int, value: int) -> bytes:
    """An attribute of one octet."""
    return attribute(kind, pack("=B", value))


def u16(kind: int, value: int) -> bytes:
    """An attribute of two octets, host order."""
    return attribute(kind, pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    """An attribute of four octets, host order."""
    return attribute(kind, pack("=I", value))


def be16(kind: int, value: int) -> bytes:
    """An attribute of two octets, network order."""
    return attribute(kind, pack("!H", value))


def attributes(data: bytes, start: int, end: int) -> dict[int, bytes]:
    """The attributes in ``data[start:end]`` by kind, without the flag bits; the last of a kind wins.

    A truncated attribute ends the list: the kernel does not send one.
    """
    found: dict[int, bytes] = {}
    unpack = _ATTRIBUTE.unpack_from
    while start + 4 <= end:
        size, kind = unpack(data, start)
        if size < 4:
            break
        found[kind & 0x3FFF] = data[start + 4 : start + size]
        start += (size + 3) & ~3
    return found


def string(value: bytes) -> str:
    """The text of a zero-terminated attribute."""
    return value.partition(b"\0")[0].decode(errors="replace")


def number(value: bytes) -> int:
    """An unsigned number in host order of any width."""
    return int.from_bytes(value, "little" if _LITTLE else "big")


_LITTLE = pack("=H", 1) == b"\1\0"


def prefix_parts(prefix: str) -> tuple[int, int, bytes]:
    """Address family, length and packed address of a canonical prefix (or address with length)."""
    return FAMILY[version(prefix)], prefix_length(prefix), pack_address(prefix.partition("/")[0])


def message(request: Request, sequence: int, more: int = 0) -> bytes:
    """A whole message as it is sent; `more` are further header flags."""
    return HEADER.pack(16 + len(request.body), request.kind, REQUEST | request.flags | more, sequence, 0) + request.body
