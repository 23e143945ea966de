"""The worker: the one thread that touches the kernel. What happens elsewhere reaches it as calls in a queue."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from onehop.agent.engine import Engine
from onehop.agent.outcome import Outcome
from onehop.log import logger, requested
from onehop.model.locality import changed_among, changed_between
from onehop.model.topology import Ref, Topology, Value, ref

LOG = logger("agent")
T = TypeVar("T")

SETTLE_SECONDS = 0.05
"""How long news of the kernel is gathered before it is acted on: one change makes many."""

REPLACED = "a controller sent a whole view, which replaces another here"


class Arrival(NamedTuple):
    """Something new that is not carried out yet: its revision, when it came, and the requests that it comes from."""

    revision: int
    at: float
    requests: tuple[str, ...]


class Worker:
    """Runs an engine.

    Args:
        engine: touched by nobody else once the worker was started.
        done: told of every pass, from the worker's thread.
        observe_seconds: how often everything is read back.
    """

    def __init__(self, engine: Engine, done: Callable[[Outcome], None], observe_seconds: float) -> None:
        self._engine = engine
        self._done = done
        self._observe_seconds = observe_seconds
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._news: dict[tuple[str, str | None], float] = {}
        """Where, and when that was heard last."""
        self._news_since: float | None = None
        self._news_lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="onehop-kernel", daemon=True)
        self._next_look = 0.0
        self._arrived: deque[Arrival] = deque()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """End after the pass that is running; what it did stays."""

        def end() -> None:
            self._stopping = True

        self._calls.put(end)
        self._thread.join(timeout)

    def snapshot(self, revision: int, values: Iterable[Value], requests: tuple[str, ...] = ()) -> None:
        """A controller sent a new view, whole; some of it comes from these requests to the API."""
        self._arrived.append(Arrival(revision, time.monotonic(), requests))

        def see() -> None:
            self._speak_of_requests()
            view = Topology(revision, values)
            before = self._engine.regency.told
            changed = changed_between(before, view)
            if changed and self._engine.complete:
                gone = sum(view.get(*ref(value)) is None for value in before)
                LOG.warning(REPLACED, revision=revision, before=before.revision, changed=len(changed), gone=gone)
            self._engine.see(view, changed, confirmed=True)

        self._calls.put(see)

    def delta(self, revision: int, upserts: list[Value], removes: list[Ref], requests: tuple[str, ...] = ()) -> None:
        """A controller said how the view changed; it comes from these requests to the API."""
        if upserts or removes:
            self._arrived.append(Arrival(revision, time.monotonic(), requests))

        def see() -> None:
            self._speak_of_requests()
            before = self._engine.regency.told
            view = before.apply(revision, upserts, removes)
            # A share that grows or shrinks is said with all that it shares with others, such as the hosts.
            changed = changed_among(before, view, (*map(ref, upserts), *removes))
            self._engine.see(view, changed, confirmed=True)

        self._calls.put(see)

    def noticed(self, namespace: str, link: str | None) -> None:
        """The kernel told of a change (from any thread); gathered for `SETTLE_SECONDS`."""
        with self._news_lock:
            first = not self._news
            self._news[(namespace, link)] = now = time.monotonic()
            if first:
                self._news_since = now
                self._calls.put(lambda: None)

    def call(self, what: Callable[[Engine], T]) -> "Future[T]":
        """Do something with the engine between two passes."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(what(self._engine))
            except Exception as error:  # noqa: BLE001  # whoever waits for the future gets it
                future.set_exception(error)

        self._calls.put(run)
        return future

    def _run(self) -> None:
        self._next_look = time.monotonic() + self._observe_seconds
        while not self._stopping:
            heard = self._gather()
            if self._stopping:
                break
            now = time.monotonic()
            if now >= self._next_look:
                self._next_look = now + self._observe_seconds
                self._engine.doubt_all()
            due = self._engine.due()
            if heard or not self._engine.idle or (due is not None and due <= now):
                self._pass()

    @property
    def thread(self) -> threading.Thread:
        """The thread."""
        return self._thread

    def _pass(self) -> None:
        begun = time.monotonic()
        try:
            outcome = self._engine.run()
        except Exception:  # a bug must not end the thread: the host would be left alone
            LOG.exception("a pass failed; everything is read again")
            self._engine.doubt_all()
            # Not at once: the same would happen again.
            self._wait(1.0)
            return
        self._count(outcome, begun)
        self._done(outcome)

    def _count(self, outcome: Outcome, begun: float) -> None:
        now = time.monotonic()
        ledger = self._engine.ledger
        ledger.passes.add(now - begun)
        while outcome.settled and self._arrived and self._arrived[0].revision <= outcome.revision:
            arrival = self._arrived.popleft()
            ledger.applies.add(now - arrival.at)
            if arrival.requests:
                seconds = round(now - arrival.at, 4)
                requests = list(arrival.requests)
                LOG.info("carried out and verified", revision=arrival.revision, requests=requests, seconds=seconds)
                self._speak_of_requests()

    def _speak_of_requests(self) -> None:
        """What this thread logs from now on is about the requests of all that is not carried out yet."""
        requested(*(request for arrival in list(self._arrived) for request in arrival.requests))

    def _gather(self) -> bool:
        """Take what was called, waiting for it while there is nothing to do; whether there was anything."""
        heard = self._wait(self._patience())
        self._take_news()
        return heard

    def _wait(self, seconds: float) -> bool:
        heard = False
        try:
            call = self._calls.get(timeout=seconds) if seconds > 0 else self._calls.get_nowait()
            while True:
                self._obey(call)
                heard = True
                call = self._calls.get_nowait()
        except queue.Empty:
            return heard

    def _obey(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # as in `_pass`
            LOG.exception("a call failed; everything is read again")
            self._engine.doubt_all()

    def _take_news(self) -> None:
        with self._news_lock:
            if self._news_since is None or time.monotonic() - self._news_since < SETTLE_SECONDS:
                return
            news, self._news, self._news_since = self._news, {}, None
        for (namespace, link), heard in news.items():
            self._engine.doubt(namespace, link, heard)

    def _patience(self) -> float:
        """Seconds for which there is nothing to do."""
        if not self._engine.idle:
            return 0
        now = time.monotonic()
        times = [self._next_look]
        due = self._engine.due()
        if due is not None:
            times.append(due)
        with self._news_lock:
            if self._news_since is not None:
                times.append(self._news_since + SETTLE_SECONDS)
        return max(0.0, min(times) - now)
