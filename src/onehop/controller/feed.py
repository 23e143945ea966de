"""The change feed: follows the store's change log and keeps everybody's share at the newest revision."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

from onehop.controller.memory import Steps
from onehop.controller.share import Shares
from onehop.errors import OnehopError, StaleError
from onehop.log import logger
from onehop.model.locality import changed_between
from onehop.model.topology import VALUES, Ref, Topology, Value, ref
from onehop.net.identifier import HostName
from onehop.store import Store

LOG = logger("stream")
POLL_SECONDS = 1.0
"""How often the log is looked at without being woken: a lost notification costs this much."""

GATHER_SECONDS = 0.025
"""The first change of a burst goes out at once, those behind it together: many cost hardly more than one."""

Changed = Callable[[dict[HostName, set[Ref]], set[HostName]], None]


class Feed:
    """Follows a store.

    Args:
        store: open.
        changed: told after every step which refs to send whom again, and which hosts were removed.

    Attributes:
        shares: who is sent what, at the newest revision.
        requests: ids of the requests to the API that made the last step, as far as they are known.
        steps: revisions that `shares` were at.
    """

    def __init__(self, store: Store, changed: Changed) -> None:
        self.shares = Shares(Topology())
        self.requests: tuple[str, ...] = ()
        self.steps = Steps()
        self._store = store
        self._changed = changed
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._next: asyncio.Future[bool] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Read everything."""
        revision, values = await asyncio.to_thread(self._snapshot)
        self.shares = Shares(Topology(revision, values))
        self.steps.add(revision)

    async def run(self) -> None:
        """Follow until cancelled."""
        loop = asyncio.get_running_loop()

        def woken(_revision: int) -> None:
            with contextlib.suppress(RuntimeError):  # The loop ended between the commit and this word of it.
                loop.call_soon_threadsafe(self._wake.set)

        stop = self._store.subscribe(woken)
        went_out = loop.time() - GATHER_SECONDS
        try:
            while True:
                try:
                    if await self.catch_up():
                        went_out = loop.time()
                except (OnehopError, OSError) as error:
                    LOG.error("the change log could not be read and is tried again", error=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()
                # Looking and finding nothing, as once each second, makes nobody wait.
                await asyncio.sleep(max(0.0, went_out + GATHER_SECONDS - loop.time()))
                self._wake.clear()
        finally:
            stop()

    async def catch_up(self) -> bool:
        """Go on to the store's newest revision of now; whether there was one.

        All who ask while another reading is under way share the one after it: a thousand agents that come back at once
        need not a thousand, one after another.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._catch_up())
        return await asyncio.shield(self._next)

    async def _catch_up(self) -> bool:
        async with self._lock:
            self._next = None
            old = self.shares.topology
            read = await asyncio.to_thread(self._read, old)
            if read is None:
                return False
            topology, changes, removed = read
            self.requests = self._store.requests(old.revision, topology.revision)
            concerned = self.shares.advance(topology, changes)
            self.steps.add(topology.revision)
            if self.requests:
                hosts = len(concerned)
                LOG.info("a change goes out", revision=topology.revision, requests=list(self.requests), hosts=hosts)
            self._changed(concerned, removed)
            return True

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside the feed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _read(self, old: Topology) -> tuple[Topology, set[Ref], set[HostName]] | None:
        try:
            with self._store.read() as tx:
                refs: set[Ref] = set()
                revision = old.revision
                while changes := tx.changes(revision):
                    refs |= {(change.kind, change.id) for change in changes if change.kind in VALUES}
                    revision = changes[-1].revision
                if revision == old.revision:
                    return None
                values = tx.values(refs)
        except StaleError:
            LOG.warning("the change log was cut before this controller had read it; reading everything")
            revision, everything = self._snapshot()
            new = Topology(revision, everything)
            return new, changed_between(old, new), _gone(old, new)
        upserts: list[Value] = [value for value in values.values() if value is not None]
        new = old.apply(revision, upserts, refs - {ref(value) for value in upserts})
        return new, refs, _gone(old, new)

    def _snapshot(self) -> tuple[int, list[Value]]:
        with self._store.read() as tx:
            return tx.snapshot()


def _gone(old: Topology, new: Topology) -> set[HostName]:
    return {name for name in old.hosts if name not in new.hosts}
