"""Waking those who wait for changes: after commits of this process at once, of others as the database lets us hear.

Listeners run in a thread of the store, one call at a time, and get the newest revision: several commits may be one.
"""

import threading
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from onehop.errors import StoreError
from onehop.log import logger
from onehop.store.database import Database

Listener = Callable[[int], None]

_LOOK_AGAIN = 1.0
_LOG = logger("store")


class Wake:
    """Listeners, and the two threads that serve them: one calls and announces, one hears of other processes.

    Threads start with the first need: announcing with the first commit, hearing with the first listener.
    """

    def __init__(self, database: Database, newest: Callable[[], int]) -> None:
        self._database = database
        self._newest = newest
        self._condition = threading.Condition()
        self._listeners: list[Listener] = []
        self._revision = 0
        self._own = 0
        self._closed = False
        self._threads: dict[str, threading.Thread] = {}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after commits from now on; the answer ends that."""
        newest = self._newest()
        with self._condition:
            self._revision = max(self._revision, newest)
            self._listeners.append(listener)
            self._start("call", self._call)
            self._start("hear", self._hear)

        def stop() -> None:
            with self._condition:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def committed(self, revision: int) -> None:
        """This process made a commit."""
        with self._condition:
            self._own = max(self._own, revision)
            self._start("call", self._call)
            self._condition.notify_all()

    def close(self) -> None:
        """End the threads."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            threads = list(self._threads.values())
        if "hear" in self._threads:
            # Wakes our own ear too, where the database has ears at all.
            self._database.announce(0)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _start(self, name: str, target: Callable[[], None]) -> None:
        if name not in self._threads and not self._closed:
            self._threads[name] = threading.Thread(target=target, name=f"onehop-store-{name}", daemon=True)
            self._threads[name].start()

    def _call(self) -> None:
        announced = called = 0
        while True:
            with self._condition:
                while not (self._closed or self._own > announced or max(self._own, self._revision) > called):
                    self._condition.wait()
                if self._closed:
                    return
                own, newest, listeners = self._own, max(self._own, self._revision), list(self._listeners)
            if newest > called:
                called = newest
                for listener in listeners:
                    _tell(listener, newest)
            if own > announced:
                announced = own
                self._database.announce(own)

    def _hear(self) -> None:
        while not self._closed:
            try:
                newest = self._newest() if self._database.heard(_LOOK_AGAIN) else 0
            except (StoreError, DBAPIError) as error:
                _LOG.warning("the database does not say what others change", reason=str(error))
                with self._condition:
                    self._condition.wait(_LOOK_AGAIN)
                continue
            with self._condition:
                if newest > self._revision:
                    self._revision = newest
                    self._condition.notify_all()


def _tell(listener: Listener, revision: int) -> None:
    """Call a listener; its failure is its own and keeps nobody else from being called."""
    try:
        listener(revision)
    except Exception:  # noqa: BLE001  # whatever a listener raises: the thread serves the others too
        _LOG.exception("a listener for new revisions failed", revision=revision)
