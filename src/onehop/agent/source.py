"""The source of the view: the stream from a controller. Connects, resumes, reports, comes back after every failure."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from onehop.agent.board import Entry, statuses_of
from onehop.agent.greeting import answers, call, hello, welcomed, why
from onehop.agent.outcome import Outcome
from onehop.agent.reach import Verdict
from onehop.agent.roster import Roster
from onehop.errors import OnehopError, StateError, WireError
from onehop.log import logger
from onehop.model.reign import Reign
from onehop.model.topology import Ref, Topology, Value
from onehop.settings import AgentSettings
from onehop.system import until_one_ends
from onehop.wire import (
    MAX_VALUES,
    Acting,
    Applied,
    Ask,
    Delta,
    Heartbeat,
    InSync,
    PortUse,
    Reach,
    Refused,
    Snapshot,
    Usage,
    Welcome,
    decode_from_controller,
    encode,
    known,
)
from onehop.wire.digest import digest_of

LOG = logger("agent")
MAX_ACTING = 1000
"""Of more, the rest is told once these were taken up."""

FRESH_SECONDS = 2.5
"""A controller that was silent for longer confirms nothing: it gives a sign of life each second."""


class Source:
    """One agent's side of the stream.

    Args:
        settings: whom to call, and as whom.
        underlay_mtu: told to the controller.
        view: gives the view that is there now, or None before the first.
        snapshot: takes a whole new view, and ids of requests to the API that it comes from.
        delta: takes a change of it and the same; also an empty one, which only moves the revision.

    Attributes:
        controller: address of the controller that it talks, or last talked, to.
        connected: whether the session is open and the view complete.
        error: why it is not.
        wanted: newest revision that a controller told of.
        synced: revision at which a controller last said that the view is whole, as it did `syncs` times.
        applied: revision that the last pass brought the kernel to.
        entries: state of every resource, as the passes said.
    """

    def __init__(
        self,
        settings: AgentSettings,
        underlay_mtu: int,
        view: Callable[[], Awaitable[Topology | None]],
        snapshot: Callable[[int, list[Value], tuple[str, ...]], None],
        delta: Callable[[int, list[Value], list[Ref], tuple[str, ...]], None],
    ) -> None:
        self._roster = Roster(
            settings.host, settings.controllers, settings.reconnect_seconds, random.SystemRandom().random
        )
        self.controller = self._roster.address
        self.connected = False
        self.error = "not connected yet"
        self.wanted = self.synced = 0
        self.syncs = 0
        self.applied = 0
        self.errors = 0
        self.entries: dict[Ref, Entry] = {}
        self._settings = settings
        self._underlay_mtu = underlay_mtu
        self._view = view
        self._snapshot = snapshot
        self._delta = delta
        self._wake = asyncio.Event()
        self._judged = asyncio.Event()
        self._verdict = Verdict()
        self._unsaid: dict[Ref, Entry | None] = {}
        self._revision = 0
        self._settled = False
        self._full_due = True
        self._homeward = False
        self._synced: int | None = None
        self._said_applied: tuple[int, int] | None = None
        self._connection: ClientConnection | None = None
        self._spoke = 0.0
        self._asked = self._answered = 0
        self._uses: tuple[PortUse, ...] = ()
        self._acting: tuple[Acting, ...] = ()
        self._answer = asyncio.Event()
        self._reached = self._said_reached = frozenset(settings.physical_networks)

    def fresh(self) -> bool:
        """Whether a controller spoke within the last `FRESH_SECONDS`, and the view is complete."""
        return self.connected and time.monotonic() - self._spoke < FRESH_SECONDS

    async def confirms(self, seconds: float) -> bool:
        """Whether a controller says in time that the view is that of now; all that was new in it was taken by then."""
        connection = self._connection
        if connection is None or not self.connected:
            return False
        self._asked += 1
        number = self._asked
        try:
            async with asyncio.timeout(seconds):
                await connection.send(encode(Ask(number=number)))
                while self._answered < number:
                    self._answer.clear()
                    await self._answer.wait()
        except (ConnectionClosed, TimeoutError):
            self._spoke = 0.0  # fresh again with its next word
            return False
        return self.connected

    def reaches(self, networks: frozenset[str]) -> None:
        """This host reaches these physical networks now."""
        self._reached = networks
        self._judged.set()

    def uses(self, uses: tuple[PortUse, ...]) -> None:
        """Port blocks are used so far; what no controller hears is measured again."""
        self._uses = uses
        self._judged.set()

    def acting(self, reigns: tuple[Reign, ...]) -> None:
        """Hosts agreed on who acts as these routers' owners; a controller is told until it takes that up."""
        self._acting = tuple(
            Acting(router=r.router, generation=r.generation, epoch=r.epoch, owner=r.owner, vacant=r.vacant)
            for r in reigns
        )
        self._judged.set()

    def outcome(self, outcome: Outcome) -> None:
        """A pass is done: keep what it changed, and tell the controller."""
        for ref, entry in outcome.changed.items():
            if entry is None:
                self.entries.pop(ref, None)
            else:
                self.entries[ref] = entry
        self._unsaid.update(outcome.changed)
        self._revision, self._settled, self.errors = outcome.revision, outcome.settled, outcome.errors
        if outcome.settled:
            self.applied = outcome.revision
        self._wake.set()

    def judged(self, verdict: Verdict) -> None:
        """What the probes of other gateway hosts say is new."""
        self._verdict = verdict
        self._judged.set()

    async def run(self) -> None:
        """Keep a session open until cancelled."""
        roster = self._roster
        while True:
            self.controller, self._homeward = roster.address, False
            try:
                await self._session()
                self.error = "the controller closed the connection"
            except (ConnectionClosed, InvalidHandshake, OnehopError, OSError, TimeoutError) as error:
                self.error = why(error)
            self._connection, self._asked, self._answered = None, 0, 0
            whole, self._synced, self.connected = self._synced is not None, None, False
            if self._homeward:
                wait = roster.home()
            else:
                wait = roster.ended() if whole else roster.failed()
                if roster.failures == 1:
                    LOG.warning("not connected to a controller", address=self.controller, why=self.error)
            await asyncio.sleep(wait)

    async def _session(self) -> None:
        async with call(self.controller, Path(self._settings.state_dir)) as connection:
            welcome = await self._greet(connection)
            self._full_due = True
            self._connection = connection
            if self._acting:
                self._judged.set()
            await until_one_ends(
                self._listen(connection),
                self._say(connection),
                self._live(connection, welcome.heartbeat_seconds),
                self._look_home(),
            )

    async def _look_home(self) -> None:
        """Return once the controller that this host prefers answers; never while it is the present one."""
        home = self._roster.order[0]
        while not self._homeward:
            await asyncio.sleep(self._roster.patience())
            self._homeward = self._roster.away and await answers(home, Path(self._settings.state_dir))
        LOG.info("goes back to its first controller", address=home)

    async def _greet(self, connection: ClientConnection) -> Welcome:
        view = await self._view()
        self._said_reached = self._reached
        digest = await asyncio.to_thread(digest_of, view) if view is not None else ""
        said = hello(self._settings, self._underlay_mtu, self._said_reached)
        revision = view.revision if view is not None else 0
        await connection.send(encode(msgspec.structs.replace(said, revision=revision, digest=digest)))
        return await welcomed(connection)

    async def _listen(self, connection: ClientConnection) -> None:
        values: list[Value] | None = None
        upserts: list[Value] = []
        removes: list[Ref] = []
        async for frame in connection:
            message = known(decode_from_controller, frame)
            self._spoke = time.monotonic()
            if isinstance(message, Snapshot):
                values = [*(values or ()), *message.values] if not message.first else list(message.values)
            elif isinstance(message, Delta):
                upserts += message.upserts
                removes += message.removes
            elif isinstance(message, InSync):
                if values is not None:
                    self._snapshot(message.revision, values + upserts, message.requests)
                else:
                    self._delta(message.revision, upserts, removes, message.requests)
                values, upserts, removes = None, [], []
                self._in_sync(message.revision)
                self._answered = max(self._answered, message.answers)
                self._answer.set()
            elif isinstance(message, Heartbeat):
                self.wanted = max(self.wanted, message.revision)
            elif isinstance(message, Refused):
                raise StateError(message.reason)
            elif message is not None:
                raise WireError("a second Welcome in one session")

    def _in_sync(self, revision: int) -> None:
        if not self.connected:
            LOG.info("in sync with a controller", address=self.controller, revision=revision)
        self._synced = self.synced = revision
        self.syncs += 1
        self.wanted = revision
        self.connected = True
        self.error = ""

    async def _say(self, connection: ClientConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            # Before it was told what is, an agent judges an old view, which may be of another database.
            if self._synced is None or self._revision > self._synced:
                continue
            revision = self._revision
            if self._full_due and self._settled:
                self._unsaid.clear()
                self._full_due = False
                for status in statuses_of(revision, self.entries, full=True):
                    await connection.send(encode(status))
                self._said_applied = None
            elif self._unsaid:
                unsaid, self._unsaid = self._unsaid, {}
                for status in statuses_of(revision, unsaid, full=False):
                    await connection.send(encode(status))
            if self._settled and not self._full_due and self._said_applied != (revision, self.errors):
                self._said_applied = (revision, self.errors)
                await connection.send(encode(Applied(revision=revision, errors=self.errors)))

    async def _live(self, connection: ClientConnection, seconds: float) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                # A new verdict on another gateway host does not wait for the next beat.
                await asyncio.wait_for(self._judged.wait(), seconds)
            self._judged.clear()
            if self._said_reached != self._reached:
                self._said_reached = self._reached
                await connection.send(encode(Reach(physical_networks=tuple(sorted(self._reached)))))
            uses, self._uses = self._uses, ()
            if uses:
                await connection.send(encode(Usage(routers=uses[:MAX_VALUES])))
            answering, silent = (tuple(sorted(hosts)) for hosts in (self._verdict.answering, self._verdict.silent))
            sign = Heartbeat(
                revision=self.applied, answering=answering, silent=silent, acting=self._acting[:MAX_ACTING]
            )
            await connection.send(encode(sign))
