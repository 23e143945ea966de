"""The queue of threads that want to write: first come, first served, asleep until their turn."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from onehop.errors import BusyError


class Turn:
    """A lock that is handed to the one who has waited longest, so that nobody starves and nobody spins."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def wait(self, timeout: float) -> Iterator[None]:
        """Hold the lock inside.

        Raises:
            BusyError: no turn within `timeout` seconds.
        """
        self._take(timeout)
        try:
            yield
        finally:
            with self._mutex:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._taken = False

    def _take(self, timeout: float) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout):
            return
        with self._mutex:
            if mine.is_set():
                return
            self._waiting.remove(mine)
        raise BusyError(f"no turn to write to the database within {timeout:g} s")
