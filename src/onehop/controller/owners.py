"""Owners: takes what lost and drained hosts own and gives it to others; what leads to lost ones' instances is down.

A host that comes back owns nothing until it is given something: there is no pre-emption. Generations decide between an
old and a new owner; the store raises them with each change.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from onehop.controller.liveness import Liveness
from onehop.errors import StoreError
from onehop.log import logger
from onehop.metric.tally import Tally
from onehop.net.identifier import HostName
from onehop.store import Store

LOG = logger("owners")
TICK_SECONDS = 0.05
PACE_SECONDS = 0.25
AT_ONCE = 4
"""A drained host is relieved of so many routers at a time: the work of a hand-over must not make packets wait."""

PATIENCE_SECONDS = 2.0
"""The next few wait until the hosts have done what the last ones asked of them, but not longer."""

PARTING_SECONDS = 1.5
"""After it owns nothing, a drained host steers on for so long what still comes to it (an ARP interval, and the way)."""

ENTITLED_SECONDS = 1.0
"""Which hosts may speak of which is at most so old."""

WRITTEN_SECONDS = 0.6
"""A sign of life is written down at most so much later than it was heard."""


class Owners:
    """Watches over the owners of routers.

    Attributes:
        moves: routers that were given to another owner, by why (``lost``, ``drained``).
        lost: hosts that were judged lost.

    Args:
        store: who owns what.
        liveness: who is lost, as this controller hears it.
        part: ends the session of a host that is lost, if there is one: whoever comes back says everything again.
        applied: the revisions that the hosts which are connected here have brought their kernels to.
    """

    def __init__(
        self,
        store: Store,
        liveness: Liveness,
        part: Callable[[HostName], None] = lambda _host: None,
        applied: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        self._store = store
        self._liveness = liveness
        self._part = part
        self._applied = applied
        self._handled: frozenset[HostName] = frozenset()
        self._looked_at = -1
        self._relieved_at = self._moved_at = -math.inf
        self._moved_to = 0
        self.moves = Tally([("lost",), ("drained",)])
        self.lost = Tally([()])
        self._entitled: Mapping[str, Collection[str]] = {}
        self._asked_of: set[HostName] = set()
        self._asked_at = -math.inf

    async def run(self) -> None:
        """Judge, and relieve drained hosts, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._judge())
            group.create_task(self._drain())

    async def _drain(self) -> None:
        while True:
            await asyncio.sleep(PACE_SECONDS)
            try:
                await asyncio.to_thread(self.relieve, time.monotonic())
            except StoreError as error:
                LOG.error("drained hosts could not be relieved and are relieved later", error=str(error))

    def relieve(self, now: float) -> int:
        """Take the next few routers from drained hosts; returns how many.

        Raises:
            StoreError: the database cannot be used now.
        """
        revision = self._store.revision()
        busy = any(applied < self._moved_to for applied in self._applied())
        if revision == self._looked_at or (busy and now < self._moved_at + PATIENCE_SECONDS):
            return 0
        with self._store.read() as tx:
            drained = tx.count("agent", {"admin_state_up": [False]}) > 0
        moved = self._store.run(lambda tx: tx.relieve(AT_ONCE)) if drained else 0
        if moved:
            self._relieved_at = now
            self.moves.add("drained", number=moved)
        elif drained and now < self._relieved_at + PARTING_SECONDS:
            return 0
        elif drained:
            moved = self._store.run(lambda tx: tx.dismiss(AT_ONCE))
        if moved:
            self._moved_at, self._moved_to = now, self._store.revision()
        else:
            self._looked_at = revision
        return moved

    async def _judge(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            suspects = self._liveness.suspects()
            if not suspects:
                self._handled = frozenset()
                continue
            before = self._handled
            try:
                await asyncio.to_thread(self.judge, suspects)
                for host in sorted(self._handled - before):
                    self._part(host)
            except StoreError as error:
                LOG.error("owners could not be judged and are judged again", error=str(error))

    def judge(self, suspects: set[HostName]) -> int:
        """Hand over what the lost ones of some hosts own; returns the number of routers.

        Raises:
            StoreError: the database cannot be used now.
        """
        now = time.monotonic()
        silent = {host for host in suspects if self._liveness.silent(host, now)}
        entitled = self._observers(silent, now)
        self._handled &= self._liveness.lost(silent, now, entitled=entitled)
        if self._liveness.lost(silent, now, entitled=entitled) <= self._handled:
            return 0
        lost = frozenset(self._liveness.lost(silent, now, self._elsewhere(now), entitled))
        if lost <= self._handled:
            return 0
        moved = self._store.run(lambda tx: tx.hand_over(lost))
        self.moves.add("lost", number=moved)
        self.lost.add(number=len(lost - self._handled))
        self._handled = lost
        for host in sorted(lost):
            LOG.warning("a host is lost; others own what it owned, and no floating IP answers there", lost=host)
        return moved

    def _observers(self, hosts: set[HostName], now: float) -> Mapping[str, Collection[str]]:
        """Whose word about these counts; asked for anew when they change, and now and then."""
        if hosts != self._asked_of or now >= self._asked_at + ENTITLED_SECONDS:
            with self._store.read() as tx:
                self._entitled = tx.observers(hosts) if hosts else {}
            self._asked_of, self._asked_at = hosts, now
        return self._entitled

    def _elsewhere(self, now: float) -> dict[HostName, float]:
        """When each host last spoke to another controller, by our clock; what was written here is left out."""
        with self._store.read() as tx:
            hosts = tx.hosts()
        wall = time.time()
        written = {HostName(h.name): now - max(0.0, wall - h.heartbeat_at) for h in hosts if h.heartbeat_at is not None}
        return {name: at for name, at in written.items() if at > self._liveness.spoke(name) + WRITTEN_SECONDS}
