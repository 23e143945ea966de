"""The controller's numbers under their names, and whether it can do its work.

What the store knows is read with a few grouped counts in the thread of the scrape, at most every few seconds, whoever
scrapes how often. All else is read off values that the event loop replaces whole.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from onehop.controller.requests import Requests
from onehop.controller.session import Session
from onehop.controller.stream import Stream
from onehop.errors import OnehopError
from onehop.log import logger
from onehop.metric.listener import Health, Readiness
from onehop.metric.scrape import Scrape, Source
from onehop.metric.tally import Sample
from onehop.model.gateway import FIRST_PORT, LAST_PORT
from onehop.settings import ControllerSettings
from onehop.store import Census, HostRow, Store

LOG = logger("metric")
FRESH_SECONDS = 5.0
CHECK_SECONDS = 5.0
_PORTS = LAST_PORT + 1 - FIRST_PORT


class Stored:
    """What the store knows, as read last. In the thread of the scrape.

    Args:
        store: where from.

    Attributes:
        up: whether it could be read.
    """

    def __init__(self, store: Store) -> None:
        self.up = False
        self.revision = 0
        self.hosts: list[HostRow] = []
        self.census: Census | None = None
        self._store = store
        self._read_at = float("-inf")

    def refresh(self) -> None:
        """Read again, if that is some time ago. What cannot be read stays as it was, and `up` says so."""
        if time.monotonic() - self._read_at < FRESH_SECONDS:
            return
        try:
            with self._store.read() as tx:
                self.revision, self.hosts, self.census = tx.revision(), tx.hosts(), tx.census()
        except (OnehopError, OSError) as error:
            self.up = False
            LOG.warning("the store could not be read for metrics", why=str(error))
            return
        self.up = True
        self._read_at = time.monotonic()


class Gauges:
    """Everything that a controller tells of itself.

    Args:
        store: open.
        stream: to the agents.
        requests: to the API.
        settings: when a host is silent.
    """

    def __init__(self, store: Store, stream: Stream, requests: Requests, settings: ControllerSettings) -> None:
        self._store = store
        self._stream = stream
        self._stored = Stored(store)
        self._down_seconds = settings.agent_down_seconds
        self._scrape = Scrape("controller", self._numbers(requests))
        self._turn = asyncio.Lock()

    def health(self) -> Health:
        """What the listener serves."""
        return Health(self._text, self.ready)

    async def ready(self) -> Readiness:
        """Whether the database can be read and written, in the schema that this controller knows."""
        async with self._turn:
            checking = asyncio.ensure_future(asyncio.to_thread(self._store.check))
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await asyncio.shield(checking)
            except TimeoutError:
                checking.add_done_callback(_seen)
                return Readiness((f"the database did not answer within {CHECK_SECONDS:g} s",))
            except (OnehopError, OSError) as error:
                return Readiness((str(error),))
        return Readiness()

    def _text(self) -> bytes:
        self._stored.refresh()
        return self._scrape.text()

    def _numbers(self, requests: Requests) -> Mapping[str, Source]:
        stream, stored = self._stream, self._stored
        return {
            "onehop_revision": _one(lambda: stream.topology.revision),
            "onehop_feed_lag_revisions": _one(lambda: max(0, stored.revision - stream.topology.revision)),
            "onehop_store_up": _one(lambda: stored.up),
            "onehop_resources": lambda: self._of_census(lambda c: [(p, float(n)) for p, n in c.resources.items()]),
            "onehop_hosts": self._hosts,
            "onehop_host_silent_seconds": self._silent,
            "onehop_host_lag_revisions": lambda: self._sessions(self._lag),
            "onehop_host_lag_seconds": lambda: self._sessions(_behind),
            "onehop_host_owed_refs": lambda: self._sessions(lambda session: session.owed),
            "onehop_stream_connections": _one(lambda: stream.connections),
            "onehop_stream_sessions": _one(lambda: len(stream.sessions)),
            "onehop_host_owned_routers": self._owned,
            "onehop_routers_without_owner": lambda: self._of_census(lambda c: [((), float(c.ownerless))]),
            "onehop_owner_moves_total": stream.owners.moves,
            "onehop_hosts_lost_total": stream.owners.lost,
            "onehop_port_blocks": lambda: self._of_census(lambda c: [((), float(c.blocks))]),
            "onehop_port_block_free_ports": lambda: self._of_census(lambda c: [((), float(_PORTS - c.most_ports))]),
            "onehop_port_block_shortages_total": stream.attention.shortages,
            "onehop_api_requests_total": requests.number,
            "onehop_api_request_seconds": requests.seconds,
        }

    def _of_census(self, what: Callable[[Census], list[Sample]]) -> list[Sample]:
        """Nothing where the store was never read: a number that nobody knows is not 0."""
        return what(self._stored.census) if self._stored.census is not None else []

    def _silences(self) -> Iterator[tuple[str, float]]:
        now = time.time()
        for host in self._stored.hosts:
            if host.heartbeat_at is not None:
                yield host.name, max(0.0, now - host.heartbeat_at)

    def _silent(self) -> list[Sample]:
        return [((name,), seconds) for name, seconds in self._silences()]

    def _hosts(self) -> list[Sample]:
        alive = sum(seconds <= self._down_seconds for _, seconds in self._silences())
        return [(("alive",), float(alive)), (("silent",), float(len(self._stored.hosts) - alive))]

    def _sessions(self, number: Callable[[Session], float]) -> list[Sample]:
        return [((host,), float(number(session))) for host, session in self._stream.sessions.items()]

    def _lag(self, session: Session) -> int:
        return max(0, self._stream.topology.revision - session.applied)

    def _owned(self) -> list[Sample]:
        view = self._stream.topology
        owners = Counter(r.gateway.owner for r in view.routers.values() if r.gateway is not None and r.gateway.owner)
        return [((host,), float(owners.get(host, 0))) for host in view.hosts]


def _behind(session: Session) -> float:
    since = session.behind_since
    return 0.0 if since is None else max(0.0, time.monotonic() - since)


def _seen(checking: "asyncio.Future[None]") -> None:
    """Whoever asked has gone; what came of it is of the past."""
    if not checking.cancelled() and (error := checking.exception()) is not None:
        LOG.warning("the database answered too late, and no", why=str(error))


def _one(number: Callable[[], float]) -> Callable[[], list[Sample]]:
    return lambda: [((), float(number()))]
