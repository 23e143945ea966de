"""Frames seen on a link, read by a packet socket that was opened inside the namespace and is read from outside."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from select import select

from onehop.net.address import unpack, unpack_mac
from tests.dataplane.site import Site

_ALL = 0x0003
_RCVBUFFORCE = 33
"""``SO_RCVBUFFORCE``: past net.core.rmem_max (asm-generic/socket.h)."""
_VXLAN_PORT = 4789
_ND = {133: "rs", 134: "ra", 135: "ns", 136: "na"}


@dataclass(frozen=True)
class Frame:
    """One Ethernet frame, as far as the tests ask.

    Attributes:
        kind: arp, rs, ra, ns, na, ip, ip6 or other.
        source, destination: MACs.
        sender, target: IP addresses: of the IP header, or of ARP's sender and target; ND's target.
        vni: of the tunnel it came in, or None.
        octets: the frame.
    """

    kind: str
    source: str
    destination: str
    sender: str = ""
    target: str = ""
    vni: int | None = None
    octets: bytes = field(default=b"", repr=False)


def parse(octets: bytes, vni: int | None = None) -> Frame:
    """Take a frame apart; a VXLAN packet becomes the frame in it."""
    destination, source = unpack_mac(octets[:6]), unpack_mac(octets[6:12])
    kind = struct.unpack_from("!H", octets, 12)[0]
    payload = octets[14:]
    if kind == 0x0806:
        return Frame("arp", source, destination, unpack(payload[14:18]), unpack(payload[24:28]), vni, octets)
    if kind == 0x0800:
        length = (payload[0] & 15) * 4
        if payload[9] == 17 and struct.unpack_from("!H", payload, length + 2)[0] == _VXLAN_PORT:
            return parse(payload[length + 16 :], int.from_bytes(payload[length + 12 : length + 15]))
        return Frame("ip", source, destination, unpack(payload[12:16]), unpack(payload[16:20]), vni, octets)
    if kind == 0x86DD:
        sender, target, word = unpack(payload[8:24]), unpack(payload[24:40]), "ip6"
        if payload[6] == 58 and (word := _ND.get(payload[40], "ip6")) in ("ns", "na"):
            target = unpack(payload[48:64])
        return Frame(word, source, destination, sender, target, vni, octets)
    return Frame("other", source, destination, vni=vni, octets=octets)


class Capture:
    """What passed a link since it was opened."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._frames: list[Frame] = []

    @property
    def frames(self) -> list[Frame]:
        """Everything so far."""
        while True:
            try:
                octets = self._sock.recv(70_000)
            except BlockingIOError:
                return self._frames
            self._frames.append(parse(octets))

    def wait(self, limit: float) -> bool:
        """Wait for the next frame, at most `limit` seconds; whether there is one."""
        return bool(select([self._sock], [], [], limit)[0])

    def of(self, *kinds: str) -> list[Frame]:
        """Frames of these kinds so far."""
        return [frame for frame in self.frames if frame.kind in kinds]


@contextmanager
def capture(site: Site, place: str, link: str) -> Iterator[Capture]:
    """Capture on a link of an instance, a host, upstream or outside."""

    def open_socket() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 16 << 20)
        sock.bind((link, _ALL))
        sock.setblocking(False)
        return sock

    with site.inside(place, open_socket) as sock:
        yield Capture(sock)
