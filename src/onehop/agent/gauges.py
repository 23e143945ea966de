"""The agent's numbers under their names, and whether it can do its work."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from onehop.agent.engine import Engine
from onehop.agent.hub import Hub
from onehop.agent.meter import Meter
from onehop.agent.outcome import Outcome
from onehop.agent.sampler import Sampler
from onehop.agent.source import Source
from onehop.agent.worker import Worker
from onehop.metric.listener import Health, Readiness
from onehop.metric.scrape import Scrape
from onehop.metric.scrape import Source as Numbers
from onehop.metric.tally import Sample
from onehop.model.topology import Ref

ANSWER_SECONDS = 5.0
LOOKS_MISSED = 3
"""So many looks at the whole kernel in a row may be missed."""

_TASKS = Path("/proc/self/task")
_THREADS = ("onehop-kernel", "kernel_")
"""Begins of the names of the threads in which it is compared and changed."""

_TICKS = 100.0
"""USER_HZ (proc_pid_stat(5)) of every Linux that we run on."""


class Census:
    """How many resources are how, kept up with each pass."""

    def __init__(self) -> None:
        self._states: dict[Ref, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def outcome(self, outcome: Outcome) -> None:
        """A pass is done."""
        for ref, entry in outcome.changed.items():
            before = self._states.pop(ref, None)
            if before is not None:
                self._counts[ref[0], before] -= 1
            if entry is not None:
                self._states[ref] = entry.state
                self._counts[ref[0], entry.state] += 1

    def samples(self) -> list[Sample]:
        """Kind and state → number; 0 of what once was, so that an alert on it ends."""
        return [(place, float(number)) for place, number in list(self._counts.items())]


class Gauges:
    """Everything that an agent tells of itself.

    Args:
        engine: read without a lock; what it hands out is whole at any moment.
        worker: the thread that runs it.
        hub, source, meter, sampler: parts of the agent.
        observe_seconds: how often the whole kernel is read.
    """

    def __init__(
        self,
        engine: Engine,
        worker: Worker,
        hub: Hub,
        source: Source,
        meter: Meter,
        sampler: Sampler,
        observe_seconds: float,
    ) -> None:
        self.census = Census()
        self._engine = engine
        self._worker = worker
        self._hub = hub
        self._source = source
        self._observe_seconds = observe_seconds
        self._meter = meter
        self._sampler = sampler

    def health(self, plugs: Callable[[], int]) -> Health:
        """What the listener serves.

        Args:
            plugs: gives the number of plugs.
        """
        return Health(Scrape("agent", self._numbers(plugs)).text, self.ready, self.dead)

    def dead(self) -> str:
        """Why the agent should be restarted, or ""."""
        return "" if self._worker.thread.is_alive() else "the thread that changes the kernel has ended"

    async def ready(self) -> Readiness:
        """Whether there is a view, the kernel is as it says, and was looked at lately."""
        source = self._source

        def look(engine: Engine) -> tuple[bool, bool, int, float]:
            return engine.complete, engine.idle, sum(map(len, engine.failing.values())), engine.looked_at

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                complete, idle, failing, looked_at = await self._hub.ask(look)
        except TimeoutError:
            return Readiness((f"the reconciler did not answer within {ANSWER_SECONDS:g} s: it is busy or stuck",))
        why = []
        if not complete:
            why.append(f"there is no view yet, neither a controller's nor a copy: {source.error}")
        if not idle or source.applied < source.synced:
            why.append("the kernel is not yet as the view wants it")
        if failing:
            why.append(f"{failing} kernel objects fail: `onehop status` names them")
        age = time.monotonic() - looked_at
        if complete and age > LOOKS_MISSED * self._observe_seconds:
            seen = f"{age:.0f} s ago" if age != float("inf") else "never"
            why.append(f"the whole kernel was last read back {seen}")
        return Readiness(tuple(why))

    def _numbers(self, plugs: Callable[[], int]) -> Mapping[str, Numbers]:
        engine, source, ledger = self._engine, self._source, self._engine.ledger
        meter, sampler = self._meter, self._sampler
        return {
            "onehop_agent_connected": _one(lambda: source.connected),
            "onehop_agent_view_revision": _one(self._wanted),
            "onehop_agent_applied_revision": _one(lambda: source.applied),
            "onehop_agent_lag_revisions": _one(lambda: max(0, self._wanted() - source.applied)),
            "onehop_agent_complete": _one(lambda: engine.complete),
            "onehop_agent_in_sync": _one(self._in_sync),
            "onehop_agent_look_age_seconds": _one(lambda: max(0.0, time.monotonic() - engine.looked_at)),
            "onehop_agent_plugs": _one(plugs),
            "onehop_agent_resources": self.census.samples,
            "onehop_agent_objects": ledger.objects,
            "onehop_agent_failing_objects": ledger.failing,
            "onehop_flow_packets_total": self._flows,
            "onehop_apply_seconds": ledger.applies,
            "onehop_pass_seconds": ledger.passes,
            "onehop_reconcile_cpu_seconds_total": _one(self._cpu),
            "onehop_kernel_ops_total": _one(lambda: engine.writes),
            "onehop_drift_repairs_total": ledger.repairs,
            "onehop_leaks_removed_total": ledger.leaks,
            "onehop_owner_changes_total": ledger.turns,
            "onehop_owned_routers": _one(lambda: len(ledger.owned)),
            "onehop_drops_total": sampler.reasons,
            "onehop_port_drops_total": sampler.ports,
            "onehop_router_drops_total": sampler.routers,
            "onehop_external_leg_drops_total": sampler.legs,
            "onehop_drops_age_seconds": _one(sampler.age),
            "onehop_port_block_ports": meter.room,
            "onehop_port_block_used_ports": meter.used,
            "onehop_port_block_exhausted_total": meter.exhausted,
        }

    def _wanted(self) -> int:
        return max(self._source.wanted, self._engine.desire.view.revision)

    def _flows(self) -> list[Sample]:
        shortened = self._engine.shortened()
        return [] if shortened is None else [((way,), float(n)) for way, n in shortened._asdict().items()]

    def _in_sync(self) -> bool:
        last, source = self._hub.last, self._source
        return last is not None and last.settled and not last.errors and source.applied >= source.synced

    def _cpu(self) -> float:
        mine = [thread for thread in threading.enumerate() if thread.name.startswith(_THREADS)]
        return sum(cpu_seconds(thread.native_id) for thread in mine if thread.native_id is not None)


def cpu_seconds(thread: int) -> float:
    """CPU time that a thread of this process took, by its id; 0 for one that has ended."""
    try:
        stat = (_TASKS / str(thread) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    # Behind the name, which may hold anything but ends with the last parenthesis: utime and stime are 12th and 13th.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _one(number: Callable[[], float]) -> Callable[[], list[Sample]]:
    return lambda: [((), float(number()))]
