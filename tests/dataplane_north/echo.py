"""Servers that echo in many namespaces, in one thread; and questions that are asked of them.

Every answer to TCP and UDP begins with the address and port from which the question came, so that a test sees who
translated it to what.
"""

import os
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from tests.dataplane_north.places import Place

PATIENCE = 2.0
PORT = 7007
_FREEBIND = 15


class Answer(NamedTuple):
    """What came back: from where, who the server saw, and the octets."""

    source: str
    seen: str
    port: int
    octets: bytes


class Echo:
    """The servers' thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = os.pipe()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def serve(self, place: Place, *ports: int, address: str = "") -> None:
        """Echo TCP and UDP on some ports of a namespace."""
        six = ":" in address
        family = socket.AF_INET6 if six else socket.AF_INET
        for port in ports or (PORT,):
            for kind, action in ((socket.SOCK_STREAM, self._accept), (socket.SOCK_DGRAM, _datagram)):
                sock = place.inside(lambda kind=kind: socket.socket(family, kind))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if not six:
                    sock.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)  # also for an address that may come later
                sock.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    sock.listen(64)
                sock.setblocking(False)
                self._add(sock, action)

    def _add(self, sock: socket.socket, action: Callable[[socket.socket], bool]) -> None:
        with self._lock:
            self._selector.register(sock, selectors.EVENT_READ, action)
        os.write(self._waker, b"x")

    def _accept(self, sock: socket.socket) -> bool:
        with suppress(BlockingIOError):
            found, peer = sock.accept()
            found.setblocking(False)
            with suppress(OSError):
                found.send(_head(peer))
            self._selector.register(found, selectors.EVENT_READ, _stream)
        return True

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if os.read(self._wake, 4096).endswith(b"q"):
                        return
                elif not key.data(key.fileobj):
                    with self._lock:
                        self._selector.unregister(key.fileobj)
                    key.fileobj.close()

    def close(self) -> None:
        """End it."""
        os.write(self._waker, b"q")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                key.fileobj.close()
        self._selector.close()
        os.close(self._wake)
        os.close(self._waker)


def _head(peer: tuple) -> bytes:
    return f"{peer[0]} {peer[1]}\n".encode()


def _datagram(sock: socket.socket) -> bool:
    with suppress(OSError):
        octets, peer = sock.recvfrom(65536)
        sock.sendto(_head(peer) + octets, peer)
    return True


def _stream(sock: socket.socket) -> bool:
    try:
        octets = sock.recv(65536)
        if not octets:
            return False
        sock.settimeout(PATIENCE)
        sock.sendall(octets)
        sock.setblocking(False)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


def _answer(source: str, octets: bytes) -> Answer:
    head, _, rest = octets.partition(b"\n")
    seen, port = head.decode().split()
    return Answer(source, seen, int(port), rest)


def tcp(place: Place, target: str, port: int = PORT, octets: bytes = b"hello", source: int = 0) -> Answer | None:
    """Ask over TCP; None where nobody answers."""
    sock = place.inside(lambda: socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_STREAM))
    with sock:
        sock.settimeout(PATIENCE)
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", source))
        try:
            sock.connect((target, port))
            sock.sendall(octets)
            received = b""
            while received.count(b"\n") < 1 or len(received) < received.index(b"\n") + 1 + len(octets):
                more = sock.recv(65536)
                if not more:
                    return None
                received += more
        except OSError:
            return None
        return _answer(sock.getpeername()[0], received)


def udp(place: Place, target: str, port: int = PORT, octets: bytes = b"hello") -> Answer | None:
    """Ask over UDP, on a socket that hears anybody; None where nobody answers."""
    sock = place.inside(lambda: socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM))
    with sock:
        sock.settimeout(PATIENCE)
        try:
            sock.sendto(octets, (target, port))
            received, peer = sock.recvfrom(65536)
        except OSError:
            return None
        answer = _answer(peer[0], received)
        return answer if answer.octets == octets else None


def ping(place: Place, target: str, size: int = 56, identifier: int = 0, patience: float = PATIENCE) -> str | None:
    """Ask by ICMP echo; the address that answered, None where nobody does."""
    six = ":" in target
    identifier = identifier or int.from_bytes(os.urandom(2)) or 1
    payload = os.urandom(size)
    kind = (128, 129) if six else (8, 0)
    message = struct.pack("!BBHHH", kind[0], 0, 0, identifier, 1) + payload
    if not six:
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    sock = place.inside(lambda: socket.socket(family, socket.SOCK_RAW, protocol))
    with sock:
        sock.settimeout(patience)
        try:
            sock.sendto(message, (target, 0))
            while True:
                received, peer = sock.recvfrom(65536)
                found = received if six else received[(received[0] & 15) * 4 :]
                if found[0] == kind[1] and found[4:6] == message[4:6] and found[8:] == payload:
                    return str(peer[0])
        except OSError:
            return None


def connected(place: Place, target: str, port: int = PORT) -> socket.socket:
    """A TCP connection to an echo server, to be kept."""
    sock = place.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    sock.settimeout(PATIENCE)
    sock.connect((target, port))
    assert sock.recv(100).endswith(b"\n")
    return sock


def echoes(sock: socket.socket, octets: bytes = b"again") -> bool:
    """Whether a kept connection brings back what is sent; raises what the socket raises."""
    sock.sendall(octets)
    received = b""
    while len(received) < len(octets):
        more = sock.recv(65536)
        if not more:
            return False
        received += more
    return received == octets


def checksum(octets: bytes) -> int:
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
