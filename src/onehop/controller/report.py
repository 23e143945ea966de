"""What agents say, written to the store in batches by a thread, so that neither the event loop nor an agent waits.

Memory is bounded: of each resource only the newest status of a host is kept, and only of resources in its share.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from onehop.errors import NotFoundError, OnehopError
from onehop.log import logger
from onehop.model.topology import Ref
from onehop.net.identifier import HostName
from onehop.store import Heartbeat, Status, Store
from onehop.wire import ResourceStatus

LOG = logger("stream")
RETRY_SECONDS = 1.0
BEAT_SECONDS = 0.25


class _Pending(msgspec.Struct):
    session: int
    revision: int
    full: bool
    statuses: dict[Ref, Status]


class Reports:
    """Statuses and heartbeats on their way to the store.

    Args:
        store: where they go.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: dict[HostName, _Pending] = {}
        self._beats: dict[HostName, Heartbeat] = {}
        self._statuses_wake = asyncio.Event()
        self._beats_wake = asyncio.Event()

    def add(
        self, host: HostName, session: int, revision: int, statuses: list[ResourceStatus], full: bool = False
    ) -> None:
        """Take what a host said; `full`: that is all it has to say of anything."""
        pending = self._pending.get(host)
        if pending is None or full or pending.session != session:
            pending = self._pending[host] = _Pending(session, revision, full, {})
        pending.revision = max(pending.revision, revision)
        for status in statuses:
            state = None if status.state == "GONE" else status.state
            pending.statuses[status.kind, status.id] = Status(status.kind, status.id, state, status.reason)
        self._statuses_wake.set()

    def beat(self, heartbeat: Heartbeat) -> None:
        """Take a sign of life."""
        self._beats[HostName(heartbeat.host)] = heartbeat
        self._beats_wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_statuses())
            group.create_task(self._write_beats())

    async def flush(self) -> None:
        """Write what is there, now."""
        await self._flush_statuses()
        await self._flush_beats()

    async def _write_statuses(self) -> None:
        while True:
            await self._statuses_wake.wait()
            self._statuses_wake.clear()
            await self._flush_statuses()

    async def _write_beats(self) -> None:
        while True:
            await self._beats_wake.wait()
            # A revision that concerns nobody moves every host's mark: write those together.
            await asyncio.sleep(BEAT_SECONDS)
            self._beats_wake.clear()
            await self._flush_beats()

    async def _flush_statuses(self) -> None:
        batch, self._pending = self._pending, {}
        for host, pending in batch.items():
            if not await self._write(partial(self._put, host, pending)):
                self._put_back(host, pending)

    async def _flush_beats(self) -> None:
        beats, self._beats = self._beats, {}
        if beats and not await self._write(partial(self._store.put_heartbeats, list(beats.values()))):
            self._beats = {**beats, **self._beats}
            self._beats_wake.set()

    async def _write(self, what: Callable[[], object]) -> bool:
        """Whether it was written; if not, some time has passed."""
        try:
            await asyncio.to_thread(what)
        except NotFoundError:
            return True
        except (OnehopError, OSError) as error:
            LOG.error("what agents reported could not be written to the store and is tried again", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            return False
        return True

    def _put(self, host: HostName, pending: _Pending) -> None:
        statuses = list(pending.statuses.values())
        self._store.run(
            lambda tx: tx.put_statuses(
                host, statuses, session=pending.session, revision=pending.revision, full=pending.full
            )
        )

    def _put_back(self, host: HostName, old: _Pending) -> None:
        new = self._pending.get(host)
        if new is None:
            self._pending[host] = old
        elif new.session == old.session and not new.full:
            new.statuses = {**old.statuses, **new.statuses}
            new.full = old.full
        self._statuses_wake.set()
