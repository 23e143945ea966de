"""Packets made by hand, and packets seen."""

import json
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from onehop.net.address import pack
from tests.dataplane.capture import Frame, parse
from tests.dataplane_north.echo import checksum
from tests.dataplane_north.places import Place

SYN, RST, ACK, PUSH = 0x02, 0x04, 0x10, 0x08
_HDRINCL = 3
_FORCE = 33  # SO_RCVBUFFORCE


def ipv4(source: str, target: str, protocol: int, payload: bytes, ttl: int = 64) -> bytes:
    """An IPv4 packet; the kernel fills in length and checksum."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, ttl, protocol, 0)
    return head + pack(source) + pack(target) + payload


def udp_segment(source: int, target: int, payload: bytes = b"x") -> bytes:
    """A UDP datagram without a checksum."""
    return struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload


def tcp_segment(ends: tuple[str, str], ports: tuple[int, int], flags: int, payload: bytes = b"") -> bytes:
    """A TCP segment between two addresses."""
    head = struct.pack("!HHIIBBHHH", *ports, 1000, 2000, 0x50, flags, 8192, 0, 0) + payload
    pseudo = pack(ends[0]) + pack(ends[1]) + struct.pack("!BBH", 0, 6, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def send(place: Place, *packets: bytes) -> None:
    """Send IPv4 packets as they are."""

    def work() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            sock.setsockopt(socket.IPPROTO_IP, _HDRINCL, 1)
            for packet in packets:
                sock.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))

    place.inside(work)


def emit(place: Place, link: str, *frames: bytes) -> None:
    """Put whole Ethernet frames on a link."""

    def work() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((link, 0))
            for frame in frames:
                sock.send(frame)

    place.inside(work)


class Watcher:
    """What passed a link since it was opened."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.frames: list[Frame] = []

    def read(self) -> list[Frame]:
        """Everything so far."""
        while True:
            try:
                octets = self._sock.recv(70_000)
            except BlockingIOError:
                return self.frames
            self.frames.append(parse(octets))

    def wait(self, count: int, kind: str = "ip", patience: float = 2.0) -> list[Frame]:
        """Frames of a kind, once there are so many, or the patience is over."""
        until = time.monotonic() + patience
        while len([f for f in self.read() if f.kind == kind]) < count and time.monotonic() < until:
            select.select([self._sock], [], [], max(0.0, until - time.monotonic()))
        return [f for f in self.frames if f.kind == kind]


@contextmanager
def watched(place: Place, link: str) -> Iterator[Watcher]:
    """Watch a link."""

    def opened() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setsockopt(socket.SOL_SOCKET, _FORCE, 16 << 20)
        sock.bind((link, 3))
        sock.setblocking(False)
        return sock

    with place.inside(opened) as sock:
        yield Watcher(sock)


@contextmanager
def raw(place: Place, protocol: int) -> Iterator[socket.socket]:
    """A raw IPv4 socket of a protocol, with patience."""
    sock = place.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol))
    with sock:
        sock.settimeout(2.0)
        yield sock


def sent_packets(place: Place, link: str) -> int:
    """How many packets a link has sent."""
    found = json.loads(place.run(f"ip -s -j link show dev {link}"))
    return int(found[0]["stats64"]["tx"]["packets"])


def dropped(place: Place) -> int:
    """Packets that rules of a router have counted and dropped or rejected."""
    total = 0
    for item in json.loads(place.run("nft -j list ruleset"))["nftables"]:
        for word in item.get("rule", {}).get("expr", ()):
            total += word.get("counter", {}).get("packets", 0) if isinstance(word.get("counter"), dict) else 0
    return total
