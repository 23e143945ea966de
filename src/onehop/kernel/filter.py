"""Filters of sockets: classic BPF programs, so that what does not matter is dropped by the kernel and wakes nobody."""

import ctypes
import socket
from collections.abc import Iterable
from struct import Struct, pack

_SO_ATTACH_FILTER = 26
_INSTRUCTION = Struct("=HBBI")
_LOAD_OCTET, _IF_EQUAL, _RETURN = 0x30, 0x15, 0x06
_ALL = 0xFFFFFFFF
_NEXT_HEADER, _TYPE = 14 + 6, 14 + 40
"""Octets of a frame: the IPv6 header's next header, and the ICMPv6 type where no extension header lies between."""

_ICMPV6, _ADVERTISEMENT = 58, 136


def without_octet(made: socket.socket, at: int, value: int) -> None:
    """Drop what has a value in an octet.

    Raises:
        OSError: refused.
    """
    _attach(made, [(_LOAD_OCTET, 0, 0, at), (_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _ALL)])


def only_advertisements(made: socket.socket) -> None:
    """Let a packet socket hear IPv6 neighbour advertisements and nothing else (RFC 4861, 4.4).

    Raises:
        OSError: refused.
    """
    _attach(
        made,
        [
            (_LOAD_OCTET, 0, 0, _NEXT_HEADER),
            (_IF_EQUAL, 0, 3, _ICMPV6),
            (_LOAD_OCTET, 0, 0, _TYPE),
            (_IF_EQUAL, 0, 1, _ADVERTISEMENT),
            (_RETURN, 0, 0, _ALL),
            (_RETURN, 0, 0, 0),
        ],
    )


def _attach(made: socket.socket, program: Iterable[tuple[int, int, int, int]]) -> None:
    octets = b"".join(_INSTRUCTION.pack(*words) for words in program)
    kept = ctypes.create_string_buffer(octets, len(octets))
    made.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, pack("HP", len(octets) // _INSTRUCTION.size, ctypes.addressof(kept))
    )
