"""A probe each millisecond through a UDP socket that stays open: which were lost, and for how long."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.dataplane.site import Box, Site

INTERVAL = 0.001
_PORT = 7007


class Prober:
    """Sends numbers to an echo in another instance and notes which come back, from where."""

    def __init__(self, sender: socket.socket, echo: socket.socket, address: str) -> None:
        self._sender, self._echo, self._address = sender, echo, address
        self._stop = threading.Event()
        self._returned: dict[int, str] = {}
        self.sent = 0
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._answer, self._note)]

    def _send(self) -> None:
        begin = time.monotonic()
        while not self._stop.is_set():
            self._try_send(self.sent)
            self.sent += 1
            self._stop.wait(max(0.0, begin + self.sent * INTERVAL - time.monotonic()))

    def _try_send(self, number: int) -> None:
        try:
            self._sender.sendto(number.to_bytes(8), (self._address, _PORT))
        except OSError:
            return  # lost, and counted as such: it does not return

    def _answer(self) -> None:
        while not self._stop.is_set():
            try:
                octets, peer = self._echo.recvfrom(64)
                self._echo.sendto(octets, peer)
            except OSError:
                continue

    def _note(self) -> None:
        while not self._stop.is_set():
            try:
                octets, peer = self._sender.recvfrom(64)
            except OSError:
                continue
            self._returned[int.from_bytes(octets)] = peer[0]

    def start(self) -> None:
        """Begin; returns when the first probe came back."""
        for thread in self._threads:
            thread.start()
        self.settle()

    def settle(self) -> None:
        """Wait until a probe that is sent from now on comes back, at most 5 seconds."""
        first = self.sent
        deadline = time.monotonic() + 5
        while not any(number >= first for number in list(self._returned)[-50:]) and time.monotonic() < deadline:
            self._stop.wait(0.005)

    def end(self) -> None:
        """Stop sending; waits for what is under way."""
        self.settle()
        self._stop.set()
        for thread in self._threads:
            thread.join(5)

    @property
    def lost(self) -> int:
        """How many of the probes never came back (but for the last ones, which may be under way)."""
        last = max(self._returned, default=0)
        return last + 1 - len(self._returned)

    @property
    def answered_from(self) -> set[str]:
        """Addresses that the answers came from."""
        return set(self._returned.values())


@contextmanager
def probing(site: Site, source: Box, sink: Box, family: int) -> Iterator[Prober]:
    """Probe from one instance to another meanwhile."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6

    def open_socket() -> socket.socket:
        sock = socket.socket(kind, socket.SOCK_DGRAM)
        sock.settimeout(0.2)
        return sock

    def open_echo() -> socket.socket:
        sock = open_socket()
        sock.bind(("", _PORT))
        return sock

    with site.inside(source.name, open_socket) as sender, site.inside(sink.name, open_echo) as echo:
        prober = Prober(sender, echo, sink.address(family))
        prober.start()
        try:
            yield prober
        finally:
            prober.end()
