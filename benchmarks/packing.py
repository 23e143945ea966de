"""The few rtnetlink messages that the floor sends, packed in the plainest way (linux/rtnetlink.h, linux/if_link.h)."""

import socket
import struct

REQUEST, ACK, REPLACE, EXCL, CREATE, APPEND = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800
NEWLINK, NEWADDR, NEWROUTE, NEWNEIGH, NEWRULE, DELRULE = 16, 20, 24, 28, 32, 33
NESTED = 0x8000
PERMANENT, NOARP = 0x80, 0x40
SELF, MASTER, STICKY = 0x2, 0x4, 0x40
UP = 1
_SEQUENCE = 77


def attribute(kind: int, value: bytes) -> bytes:
    """A type-length-value with its padding."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) & 3)


def text(kind: int, value: str) -> bytes:
    """A zero-terminated text attribute."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """A 32-bit attribute."""
    return attribute(kind, struct.pack("=I", value))


def octets(address: str) -> bytes:
    """4 or 16 octets."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def message(kind: int, flags: int, body: bytes) -> bytes:
    """A request without a sequence number."""
    return struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 0, 0) + body


def new_link(index: int, name: str, kind: bytes, data: bytes, attributes: bytes = b"") -> bytes:
    """Create a link, down, with an index that the sender chooses."""
    info = attribute(1, kind) + (attribute(2 | NESTED, data) if data else b"")
    header = struct.pack("=BxHiII", 0, 0, index, 0, 0)
    return message(NEWLINK, CREATE | EXCL, header + text(3, name) + attributes + attribute(18 | NESTED, info))


def veth_peer(index: int, name: str, mtu: int, namespace: int) -> bytes:
    """The data of a veth: its other end, in another namespace, with an index of the sender's choice."""
    header = struct.pack("=BxHiII", 0, 0, index, 0, 0)
    return attribute(1 | NESTED, header + text(3, name) + number(4, mtu) + number(28, namespace))


def change_link(index: int, attributes: bytes = b"", up: bool = False) -> bytes:
    """Change a link that is there."""
    header = struct.pack("=BxHiII", 0, 0, index, UP if up else 0, UP if up else 0)
    return message(NEWLINK, 0, header + attributes)


def no_own_addresses() -> bytes:
    """``addr_gen_mode none``."""
    return attribute(26 | NESTED, attribute(10 | NESTED, attribute(8, b"\1")))


def bridge_port(learning: bool, flood: bool, suppress: bool) -> bytes:
    """How a bridge's port behaves."""
    data = attribute(8, bytes([learning])) + attribute(9, bytes([flood])) + attribute(32, bytes([suppress]))
    return attribute(18 | NESTED, attribute(4, b"bridge\0") + attribute(5 | NESTED, data))


def new_address(index: int, address: str, length: int, scope: int) -> bytes:
    """An address; IPv6 without duplicate address detection."""
    packed = octets(address)
    family, flags = (10, 0x2) if len(packed) == 16 else (2, 0)
    header = struct.pack("=BBBBi", family, length, flags, scope, index)
    return message(NEWADDR, CREATE | EXCL, header + attribute(2, packed) + attribute(1, packed))


def new_neighbour(index: int, address: str, mac: bytes) -> bytes:
    """A permanent neighbour."""
    packed = octets(address)
    header = struct.pack("=BxxxiHBB", 10 if len(packed) == 16 else 2, index, PERMANENT, 0, 0)
    return message(NEWNEIGH, CREATE | REPLACE, header + attribute(1, packed) + attribute(2, mac))


def new_blackhole(prefix: str, metric: int, protocol: int) -> bytes:
    """An IPv4 route in the main table that leads nowhere."""
    address, _, length = prefix.partition("/")
    header = struct.pack("=BBBBBBBBI", 2, int(length), 0, 0, 254, protocol, 0, 6, 0)
    return message(NEWROUTE, CREATE | EXCL, header + attribute(1, octets(address)) + number(6, metric))


def new_bridge_entry(port: int, mac: bytes) -> bytes:
    """A static FDB entry of a bridge, which stays where it is."""
    header = struct.pack("=BxxxiHBB", 7, port, NOARP, MASTER | STICKY, 0)
    return message(NEWNEIGH, CREATE | REPLACE, header + attribute(2, mac))


def new_vxlan_entry(device: int, mac: bytes, vtep: str, several: bool) -> bytes:
    """An entry of a VXLAN device; `several` adds a destination instead of replacing it."""
    header = struct.pack("=BxxxiHBB", 7, device, PERMANENT | NOARP, SELF, 0)
    flags = CREATE | (APPEND if several else REPLACE)
    return message(NEWNEIGH, flags, header + attribute(2, mac) + attribute(1, octets(vtep)))


class Batch:
    """An rtnetlink socket of the namespace in which it is made; one send and one answer for any number of messages."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._socket.bind((0, 0))

    def send(self, messages: list[bytes]) -> None:
        """Send them at once; the last one asks for the acknowledgement.

        Raises:
            OSError: one was refused; those after it may have been carried out.
        """
        data = bytearray(b"".join(messages))
        last = len(data) - len(messages[-1])
        flags = struct.unpack_from("=H", data, last + 6)[0]
        struct.pack_into("=HI", data, last + 6, flags | ACK, _SEQUENCE)
        self._socket.send(data)
        while not self._acknowledged():
            continue

    def _acknowledged(self) -> bool:
        answer, at = self._socket.recv(1 << 16), 0
        while at < len(answer):
            size, kind, _, sequence, _ = struct.unpack_from("=IHHII", answer, at)
            if kind == 2:
                error = struct.unpack_from("=i", answer, at + 16)[0]
                if error:
                    raise OSError(-error, "the kernel refused a message of the floor")
                if sequence == _SEQUENCE:
                    return True
            at += (size + 3) & ~3
        return False

    def close(self) -> None:
        """Close it: an open socket keeps a namespace alive."""
        self._socket.close()
