"""A probe each millisecond from one instance to another: which came back, and how long was the longest gap?

`ping` does not keep such a pace while answers are missing, so sender and echo are small programs of their own: this
file, run with the standard library only. Their UDP sockets stay open, whatever happens to the instances' hosts::

    probe.py echo FAMILY
    probe.py send FAMILY ADDRESS     answers `settle` on stdin with `settled`, and `end` with the result as JSON
"""

import itertools
import json
import select
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

INTERVAL = 0.001
PORT = 7006
_PATIENCE = 5.0
_BUFFER = 16 << 20
"""Octets: what comes while this program waits for a processor waits too, and is not taken for lost by the network."""
_RCVBUFFORCE = 33
"""``SO_RCVBUFFORCE``: past net.core.rmem_max (asm-generic/socket.h)."""


@dataclass
class Sender:
    """Sends numbered probes over a socket, and notes which come back."""

    sock: socket.socket
    address: str
    sent: int = 0
    back: dict[int, str] = field(default_factory=dict)
    highest: int = -1

    def run(self) -> None:
        """Send until told to end."""
        begin, waiting, deadline, ending = time.monotonic(), 0, 0.0, False
        while True:
            with suppress(OSError):  # not sent is lost, and counted as such
                self.sock.sendto(self.sent.to_bytes(8, "big"), (self.address, PORT))
            self.sent += 1
            asked = self._listen(begin + self.sent * INTERVAL, heed=not ending)
            if asked:
                waiting, deadline, ending = self.sent, time.monotonic() + _PATIENCE, asked == "end"
            if deadline and (self.highest >= waiting or time.monotonic() > deadline):
                if ending:
                    return
                sys.stdout.write("settled\n")
                sys.stdout.flush()
                deadline = 0.0

    def _listen(self, until: float, heed: bool) -> str:
        """Note what comes back until it is time for the next probe; returns what was said on stdin, if heeded."""
        sources = [self.sock, sys.stdin] if heed else [self.sock]
        while True:
            readable = select.select(sources, [], [], max(0.0, until - time.monotonic()))[0]
            if self.sock in readable:
                with suppress(OSError):
                    octets, peer = self.sock.recvfrom(64)
                    number = int.from_bytes(octets, "big")
                    self.back[number] = peer[0]
                    self.highest = max(self.highest, number)
            if sys.stdin in readable:
                return sys.stdin.readline().strip() or "end"
            if not readable:
                return ""

    def result(self) -> dict[str, object]:
        """Sent and lost (up to the last that came back), the longest gap in probes, and who answered."""
        numbers = sorted(self.back)
        last = numbers[-1] + 1 if numbers else self.sent
        return {
            "sent": last,
            "lost": last - len(numbers),
            "gap": max((later - earlier - 1 for earlier, later in itertools.pairwise(numbers)), default=0),
            "answered_from": sorted(set(self.back.values())),
        }


def echo(sock: socket.socket) -> None:
    """Send back what comes, without end."""
    sock.bind(("", PORT))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        with suppress(OSError):
            octets, peer = sock.recvfrom(64)
            sock.sendto(octets, peer)


def main(role: str, family: str, address: str = "") -> None:
    """Be one of the two programs."""
    with socket.socket(socket.AF_INET if family == "4" else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _BUFFER)
        if family == "6":  # the same port is another echo's in IPv4
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if role == "echo":
            echo(sock)
        sender = Sender(sock, address)
        sender.run()
        sys.stdout.write(json.dumps(sender.result()) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
