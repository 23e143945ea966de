"""The worker: one thread for the kernel, which no bug ends."""

import threading
import time
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from onehop.agent.engine import Engine
from onehop.agent.outcome import Outcome
from onehop.agent.worker import Worker
from onehop.compiler.state import Local
from onehop.kernel.memory import MemoryKernel
from onehop.model.topology import Ref, Topology
from onehop.objects import Link
from tests.unit.agent.bench import HOST, Bench, routed
from tests.worlds import World

LIMIT = 60


class Recorder(Engine):
    """An engine that remembers what it was told to have changed."""

    def __init__(self, kernel: MemoryKernel) -> None:
        super().__init__(kernel, HOST, Local(), time.monotonic)
        self.changes: list[set[Ref]] = []

    def see(self, view: Topology, changed: Iterable[Ref], confirmed: bool = False) -> None:
        self.changes.append(set(changed))
        super().see(view, self.changes[-1], confirmed)


class Watched:
    """A worker over a kernel in memory; waits for what its passes say."""

    def __init__(self, observe_seconds: float = 3600) -> None:
        self.kernel = MemoryKernel()
        self.engine = Recorder(self.kernel)
        self.outcomes: list[Outcome] = []
        self.heard = threading.Condition()
        self.worker = Worker(self.engine, self._done, observe_seconds)
        self.stop_watching = self.kernel.watch(self.worker.noticed)
        self.worker.start()

    def _done(self, outcome: Outcome) -> None:
        with self.heard:
            self.outcomes.append(outcome)
            self.heard.notify_all()

    def until(self, revision: int) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: any(o.revision >= revision and o.settled for o in self.outcomes), LIMIT)

    def until_held(self, world: World) -> None:
        bench = Bench(self.kernel)
        with self.heard:
            assert self.heard.wait_for(lambda: bench.holds(world), LIMIT)

    def close(self) -> None:
        self.stop_watching()
        self.worker.stop()


@pytest.fixture
def watched() -> object:
    made = Watched()
    yield made
    made.close()


def test_a_view_is_made_so_and_changes_are_followed(watched: Watched) -> None:
    world, *_ = routed()
    watched.worker.snapshot(1, world.values)
    watched.until(1)
    added = world.port(1, 2)
    watched.worker.delta(2, [added], [])
    watched.until(2)
    watched.until_held(world)


def test_what_is_said_again_as_it_was_is_no_change(watched: Watched) -> None:
    world, *_ = routed()
    watched.worker.snapshot(1, world.values)
    watched.until(1)
    added = world.port(1, 2)
    watched.worker.delta(2, world.values, [])
    watched.until(2)
    assert watched.engine.changes[-1] == {("port", added.id)}
    watched.until_held(world)


def test_drift_is_repaired_when_the_kernel_tells_of_it(watched: Watched) -> None:
    world, *_ = routed()
    watched.worker.snapshot(1, world.values)
    watched.until(1)
    victim = next(found for found in Bench(watched.kernel).ours().values() if isinstance(found, Link))
    watched.kernel.uproot(victim)
    watched.until_held(world)


@pytest.mark.slow
def test_a_bug_in_a_pass_does_not_end_the_thread(watched: Watched) -> None:
    world, *_ = routed()
    execute = watched.kernel.execute
    broken = threading.Event()

    def breaks(plan: object) -> object:
        if not broken.is_set():
            broken.set()
            raise ZeroDivisionError("a bug")
        return execute(plan)  # type: ignore[arg-type]  # passed on as it came

    watched.kernel.execute = breaks  # type: ignore[method-assign,assignment]  # a kernel layer with a bug
    watched.worker.snapshot(1, world.values)
    watched.until(1)
    assert broken.is_set()
    watched.until_held(world)


def test_who_asks_gets_the_answer_or_the_error(watched: Watched) -> None:
    assert watched.worker.call(lambda engine: engine.complete).result(LIMIT) is False
    with pytest.raises(ZeroDivisionError):
        watched.worker.call(lambda _: 1 // 0).result(LIMIT)
    assert watched.worker.call(lambda engine: engine.writes).result(LIMIT) == 0


def test_everything_is_looked_at_again_after_a_while() -> None:
    watched = Watched(observe_seconds=0.2)
    try:
        world, *_ = routed()
        watched.stop_watching()
        watched.worker.snapshot(1, world.values)
        watched.until(1)
        victim = next(found for found in Bench(watched.kernel).ours().values() if isinstance(found, Link))
        watched.kernel.uproot(victim)
        watched.until_held(world)
    finally:
        watched.close()


def test_what_was_carried_out_says_which_requests_asked_for_it(watched: Watched) -> None:
    world, *_ = routed()
    with capture_logs() as logs:
        watched.worker.snapshot(1, world.values)
        watched.until(1)
        added = world.port(1, 2)
        watched.worker.delta(2, [added], [], ("req-1", "req-2"))
        watched.until(2)
        watched.worker.delta(3, [world.port(1, 2)], [])
        watched.until(3)
        watched.until_held(world)
    (said,) = (line for line in logs if line["event"] == "carried out and verified")
    assert (said["revision"], said["requests"]) == (2, ["req-1", "req-2"])
    assert said["seconds"] >= 0
