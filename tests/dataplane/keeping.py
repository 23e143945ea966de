"""Many TCP connections, kept busy by one thread: how long each waited for its echo at worst, and whether one broke."""

import selectors
import socket
import threading
import time

_TICK = 0.05
_WORD = b"still there?"


class Kept:
    """A connection to an echo server.

    Attributes:
        name: for whoever reads of it.
        gap: the longest time between two echoes, in seconds.
        echoes: how many came.
        error: what broke it, or None.
    """

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.sock = sock
        self.gap = 0.0
        self.echoes = 0
        self.error: Exception | None = None
        self.heard = time.monotonic()

    def answered(self, now: float) -> None:
        """An echo came."""
        self.echoes += 1
        self.gap = max(self.gap, now - self.heard)
        self.heard = now


class Keeper:
    """Keeps connections busy until it is left; then all are closed."""

    def __init__(self, kept: list[Kept]) -> None:
        self.kept = kept
        self._ended = threading.Event()
        self._selector = selectors.DefaultSelector()
        for one in kept:
            one.sock.setblocking(False)
            self._selector.register(one.sock, selectors.EVENT_READ, one)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Keeper":
        for one in self.kept:
            one.heard = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._selector.close()
        for one in self.kept:
            one.sock.close()

    def drop(self, one: Kept) -> None:
        """Forget a connection whose end is to die."""
        self._selector.unregister(one.sock)
        self.kept.remove(one)
        one.sock.close()

    def echoes_everywhere(self, since: float) -> bool:
        """Whether each had an echo after a moment."""
        return all(one.heard > since for one in self.kept)

    def reset(self) -> None:
        """Measure gaps from now on."""
        for one in self.kept:
            one.gap = 0.0

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            if now >= due:
                due = now + _TICK
                for one in list(self.kept):
                    self._say(one)
            for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                self._hear(key.data)

    def _say(self, one: Kept) -> None:
        try:
            one.sock.send(_WORD)
        except BlockingIOError:
            return  # what was said before is not acknowledged yet
        except OSError as error:
            one.error = one.error or error

    def _hear(self, one: Kept) -> None:
        try:
            if one.sock.recv(1 << 16):
                one.answered(time.monotonic())
                return
            one.error = one.error or ConnectionError("closed by the other end")
        except BlockingIOError:
            return
        except OSError as error:
            one.error = one.error or error
        self._selector.unregister(one.sock)
