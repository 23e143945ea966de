"""Many TCP connections that are never quiet: how many broke, and how long did nothing of one come back?

Caller and server are small programs of their own: this file, run with the standard library only::

    streams.py serve PORT                        says `ready`; sends back what comes
    streams.py call ADDRESS PORT COUNT SECONDS   says `ready`; answers `mark` on stdin with the longest gap so far, and
                                                 counts gaps anew; and `end` with the result as JSON
"""

import contextlib
import json
import select
import socket
import sys
import time
from dataclasses import dataclass

RECORD = 8
PATIENCE = 12.0
AT_ONCE = 8
"""So many records are sent before what came back is looked at."""


def serve(port: int) -> None:
    """Send back what comes, without end."""
    poll = select.epoll()
    with socket.create_server(("", port), backlog=512) as listener:
        listener.setblocking(False)
        poll.register(listener, select.EPOLLIN)
        peers: dict[int, socket.socket] = {}
        print("ready", flush=True)
        while True:
            for number, _ in poll.poll():
                if number == listener.fileno():
                    peer, _ = listener.accept()
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peers[peer.fileno()] = peer
                    poll.register(peer, select.EPOLLIN)
                else:
                    back(poll, peers, number)


def back(poll: select.epoll, peers: dict[int, socket.socket], number: int) -> None:
    """Send one caller's octets back, or forget it."""
    octets = b""
    with contextlib.suppress(OSError):
        octets = peers[number].recv(65536)
        peers[number].sendall(octets)
    if not octets:
        poll.unregister(number)
        peers.pop(number).close()


@dataclass
class Stream:
    """One connection."""

    sock: socket.socket
    heard: float
    gap: float = 0.0
    sent: int = 0
    got: int = 0
    error: str = ""


class Caller:
    """All connections to one server."""

    def __init__(self, address: str, port: int, count: int, seconds: float) -> None:
        self.seconds = seconds
        self.streams = [self.open(address, port) for _ in range(count)]
        self.by_number = {stream.sock.fileno(): stream for stream in self.streams}
        self.poll = select.epoll()
        for number in self.by_number:
            self.poll.register(number, select.EPOLLIN)
        self.poll.register(sys.stdin.fileno(), select.EPOLLIN)

    @staticmethod
    def open(address: str, port: int) -> Stream:
        """One connection more."""
        sock = socket.create_connection((address, port), timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return Stream(sock, time.monotonic())

    def run(self) -> dict[str, object]:
        """Send in turn, so that each sends once in `seconds`; until told to end, and until all came back.

        What cannot be sent in time, because this program had no CPU, is left out: who only ever sends hears nothing.
        """
        begin, turn, deadline = time.monotonic(), 0, 0.0
        pace = self.seconds / len(self.streams)
        while not deadline or (time.monotonic() < deadline and any(s.got < s.sent for s in self.alive())):
            due = 0 if deadline else int((time.monotonic() - begin) / pace) + 1
            turn = max(turn, due - len(self.streams))
            for number in range(turn, min(due, turn + AT_ONCE)):
                self.send(self.streams[number % len(self.streams)])
                turn = number + 1
            for number, _ in self.poll.poll(0.02 if deadline else max(0.0, begin + turn * pace - time.monotonic())):
                if number == sys.stdin.fileno():
                    if sys.stdin.readline().strip() == "mark":
                        self.mark()
                    else:
                        deadline = time.monotonic() + PATIENCE
                else:
                    self.hear(self.by_number[number])
        for stream in self.alive():
            if stream.got < stream.sent:
                stream.error = "nothing came back any more"
        errors = [stream.error for stream in self.streams if stream.error]
        return {"broken": len(errors), "errors": errors[:3], "gaps": sorted(stream.gap for stream in self.streams)}

    def alive(self) -> list[Stream]:
        """Connections that have not failed."""
        return [stream for stream in self.streams if not stream.error]

    def mark(self) -> None:
        """Say the longest gap; from now on others count."""
        print(max(stream.gap for stream in self.streams), flush=True)
        for stream in self.streams:
            stream.gap = 0.0

    def send(self, stream: Stream) -> None:
        """One record; what does not fit is left out."""
        if stream.error:
            return
        try:
            stream.sock.send(bytes(RECORD))
            stream.sent += RECORD
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(stream, error.strerror or str(error))

    def hear(self, stream: Stream) -> None:
        """Take what came back."""
        try:
            octets = stream.sock.recv(65536)
        except OSError as error:
            self.fail(stream, error.strerror or str(error))
            return
        if not octets:
            self.fail(stream, "the other side closed it")
            return
        now = time.monotonic()
        stream.got += len(octets)
        stream.gap, stream.heard = max(stream.gap, now - stream.heard), now

    def fail(self, stream: Stream, why: str) -> None:
        """It broke."""
        stream.error = why
        self.poll.unregister(stream.sock)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        made = Caller(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
        print("ready", flush=True)
        print(json.dumps(made.run()))
