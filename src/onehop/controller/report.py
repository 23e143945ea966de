"""What agents say, written to the store in batches by a thread, so that neither the event loop nor an agent waits.

Memory is bounded: of each resource only the newest status of a host is kept, and only of resources in its share.
"""

import asyncio
import contextlib

import msgspec

from onehop.errors import NotFoundError, OnehopError, StoreError
from onehop.log import logger
from onehop.model.topology import Ref
from onehop.net.identifier import HostName
from onehop.store import Heartbeat, Status, Store, Transaction
from onehop.wire import ResourceStatus

LOG = logger("stream")
RETRY_SECONDS = 1.0
BEAT_SECONDS = 0.25
AT_ONCE = 2000
"""Statuses, and reports, in one transaction: nobody else writes meanwhile."""


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
        some: list[tuple[HostName, _Pending]] = []
        left = AT_ONCE
        for host, pending in batch.items():
            some.append((host, pending))
            left -= 1 + len(pending.statuses)
            if left <= 0:
                await self._write_some(some)
                some, left = [], AT_ONCE
        if some:
            await self._write_some(some)

    async def _write_some(self, some: list[tuple[HostName, _Pending]]) -> None:
        """In one transaction; what cannot be written waits, and keeps nobody else's from being written."""
        try:
            await asyncio.to_thread(self._put, some)
        except (OnehopError, OSError) as error:
            if len(some) > 1 and not isinstance(error, StoreError | OSError):
                for one in some:
                    await self._write_some([one])
                return
            await self._failed(error)
            for host, pending in some:
                self._put_back(host, pending)

    async def _flush_beats(self) -> None:
        beats, self._beats = self._beats, {}
        if not beats:
            return
        try:
            await asyncio.to_thread(self._store.put_heartbeats, list(beats.values()))
        except (OnehopError, OSError) as error:
            await self._failed(error)
            self._beats = {**beats, **self._beats}
            self._beats_wake.set()

    async def _failed(self, error: Exception) -> None:
        LOG.error("what agents reported could not be written to the store and is tried again", error=str(error))
        await asyncio.sleep(RETRY_SECONDS)

    def _put(self, some: list[tuple[HostName, _Pending]]) -> None:
        def put(tx: Transaction) -> None:
            for host, pending in some:
                with contextlib.suppress(NotFoundError):  # the host was removed meanwhile
                    tx.put_statuses(
                        host,
                        list(pending.statuses.values()),
                        session=pending.session,
                        revision=pending.revision,
                        full=pending.full,
                    )

        self._store.run(put)

    def _put_back(self, host: HostName, old: _Pending) -> None:
        new = self._pending.get(host)
        if new is None:
            self._pending[host] = old
        elif new.session == old.session and not new.full:
            new.statuses = {**old.statuses, **new.statuses}
            new.full = old.full
        self._statuses_wake.set()
