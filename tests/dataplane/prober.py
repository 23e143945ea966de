"""A probe each millisecond through a UDP socket that stays open: which were lost, and for how long.

Sender and echo are processes of their own, so that they keep their pace whatever the test does. Run as a program::

    prober.py echo FAMILY
    prober.py send FAMILY ADDRESS     answers `settle` on stdin with `settled`, and `end` with the result as JSON
"""

import itertools
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

INTERVAL = 0.001
_PORT = 7007
_PATIENCE = 5.0


@dataclass
class _Sender:
    sock: socket.socket
    address: str
    sent: int = 0
    back: dict[int, str] = field(default_factory=dict)

    def run(self) -> None:
        """Send until told to end."""
        begin, waiting, deadline, ending = time.monotonic(), 0, 0.0, False
        while True:
            with suppress(OSError):  # not sent is lost, and counted as such
                self.sock.sendto(self.sent.to_bytes(8), (self.address, _PORT))
            self.sent += 1
            asked = self._listen(begin + self.sent * INTERVAL, heed=not ending)
            if asked:
                waiting, deadline, ending = self.sent, time.monotonic() + _PATIENCE, asked == "end"
            if deadline and (max(self.back, default=-1) >= waiting or time.monotonic() > deadline):
                if ending:
                    return
                sys.stdout.write("settled\n")
                sys.stdout.flush()
                deadline = 0.0

    def _listen(self, until: float, heed: bool) -> str:
        """Note what comes back until it is time for the next probe; returns what was said on stdin."""
        said = ""
        while True:
            sources = [self.sock, sys.stdin] if heed else [self.sock]
            readable = select.select(sources, [], [], max(0.0, until - time.monotonic()))[0]
            if not readable:
                return said
            if sys.stdin in readable:
                said = sys.stdin.readline().strip() or "end"
            if self.sock in readable:
                with suppress(OSError):
                    octets, peer = self.sock.recvfrom(64)
                    self.back[int.from_bytes(octets)] = peer[0]
            if said:
                return said

    def result(self) -> str:
        """Sent, lost (of those up to the last that came back), the longest gap in probes, and who answered."""
        numbers = sorted(self.back)
        gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(numbers)]
        last = numbers[-1] + 1 if numbers else self.sent
        peers = sorted(set(self.back.values()))
        return json.dumps(
            {"sent": last, "lost": last - len(numbers), "gap": max(gaps, default=0), "answered_from": peers}
        )


def _echo(sock: socket.socket) -> None:
    sock.bind(("", _PORT))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        with suppress(OSError):
            octets, peer = sock.recvfrom(64)
            sock.sendto(octets, peer)


def _main(role: str, family: str, address: str = "") -> None:
    with socket.socket(socket.AF_INET if family == "4" else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        if role == "echo":
            _echo(sock)
        sender = _Sender(sock, address)
        sender.run()
        sys.stdout.write(sender.result() + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
else:
    from tests.dataplane.site import Box, Site

    class Prober:
        """A running sender; after the `with` block of `probing` its results are there."""

        def __init__(self, process: subprocess.Popen[str]) -> None:
            self._process = process
            self.sent = self.lost = self.gap = 0
            self.answered_from: set[str] = set()

        def settle(self) -> None:
            """Wait until a probe that is sent from now on comes back, at most 5 seconds."""
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write("settle\n")
            self._process.stdin.flush()
            assert self._process.stdout.readline() == "settled\n"

        def end(self) -> None:
            """Wait for what is under way, and read the result."""
            result = json.loads(self._process.communicate("end\n", timeout=20)[0])
            self.sent, self.lost, self.gap = result["sent"], result["lost"], result["gap"]
            self.answered_from = set(result["answered_from"])

    @contextmanager
    def probing(site: Site, source: Box, sink: Box, family: int) -> Iterator[Prober]:
        """Probe from one instance to another meanwhile."""
        program = [sys.executable, __file__]
        with site.running(sink.name, *program, "echo", str(family)) as echo:
            assert echo.stdout is not None
            assert echo.stdout.readline() == "ready\n"
            with site.running(source.name, *program, "send", str(family), sink.address(family)) as sender:
                prober = Prober(sender)
                prober.settle()
                yield prober
                prober.end()
