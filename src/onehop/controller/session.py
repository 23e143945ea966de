"""One agent's connection: what it is owed, what it has, what it says.

Backpressure: while an agent is slow, what it is owed is a set of refs, at most as large as what it ever had and has;
the values are looked up when it is ready for them. Of a batch that is on its way the list of values is kept, one
chunk of it encoded. So a slow agent costs memory in proportion to its share, never to the changes that it misses.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from websockets.exceptions import ConnectionClosed

from onehop.controller.allowance import Allowance
from onehop.controller.connection import Connection
from onehop.controller.ear import Deaf, Ear
from onehop.controller.memory import Causes, Memory
from onehop.controller.share import Shares
from onehop.errors import WireError
from onehop.log import logger
from onehop.model.topology import Ref, Value, ref
from onehop.net.identifier import HostName
from onehop.store import Heartbeat
from onehop.system import until_one_ends
from onehop.wire import (
    MAX_VALUES,
    Applied,
    Ask,
    Delta,
    FromController,
    Hello,
    InSync,
    Reach,
    Refused,
    ResourceStatus,
    Snapshot,
    Status,
    Usage,
    decode_from_agent,
    encode,
    known,
)
from onehop.wire import Heartbeat as WireHeartbeat

LOG = logger("stream")
CHUNK = min(MAX_VALUES, 250)
BURST_SECONDS = 4
MAX_STATUSES = 200_000

T = TypeVar("T")
Report = Callable[[HostName, int, int, list[ResourceStatus], bool], None]


class Session:
    """One agent's connection, from its hello to its end.

    Args:
        connection: the open WebSocket.
        host: the name in its certificate.
        number: of the session, from the store.
        shares: who is sent what, always the newest.
        memory: of this host; kept when the session ends.
        report: takes statuses.
        beat: takes signs of life.
        heartbeat_seconds: how often a sign of life is worth being written down.
        ear: takes what else the agent says of its host.
        catch_up: lets `shares` become that of now.
        frames_per_second: what an agent sends faster than this for long is read no faster; 0 is no limit.
    """

    def __init__(
        self,
        connection: Connection,
        host: HostName,
        number: int,
        shares: Shares,
        memory: Memory,
        report: Report,
        beat: Callable[[Heartbeat], None],
        heartbeat_seconds: float,
        ear: Ear | None = None,
        catch_up: Callable[[], Awaitable[object]] | None = None,
        frames_per_second: float = 0,
    ) -> None:
        self.host = host
        self.number = number
        self.applied = 0
        self._connection = connection
        self._shares = shares
        self._memory = memory
        self._report = report
        self._beat = beat
        self._ear = ear or Deaf()
        self._catch_up = catch_up
        self._frames = Allowance(
            frames_per_second, asyncio.get_running_loop().time, burst=BURST_SECONDS * frames_per_second
        )
        self._asked = 0
        self._heartbeat_seconds = heartbeat_seconds
        self._wake = asyncio.Event()
        self._dirty: set[Ref] = set()
        self._anew = False
        self._causes = Causes()
        self._synced = 0
        self._sending = True
        self._late = True
        self._told = -1
        self._said_at = 0.0
        self.behind_since: float | None = None
        self._full: list[ResourceStatus] | None = None

    @property
    def owed(self) -> int:
        """How many refs wait until the agent is ready."""
        return len(self._dirty)

    def begin(self, hello: Hello, same: bool, stood: bool = True) -> None:
        """Decide what the agent needs first.

        Args:
            hello: what it said.
            same: its view is exactly the host's share of now, but for what `owe` was told of since.
            stood: this controller was at the view's revision itself.
        """
        has_view = bool(hello.digest) and hello.revision <= self._shares.topology.revision
        known = self._memory.since(hello.revision, stood) if has_view else None
        if same:
            LOG.info("agent is back with the view of now", host=self.host, revision=hello.revision)
        elif known is not None:
            self._dirty |= known
            LOG.info("agent is back and gets what changed", host=self.host, refs=len(known), since=hello.revision)
        else:
            self._anew = True
            self._memory.base = None
            self._memory.refs.clear()
            LOG.info("agent gets its whole share", host=self.host, since=hello.revision)
        self._wake.set()

    def owe(self, refs: set[Ref], requests: tuple[str, ...] = ()) -> None:
        """The values of these refs are new, by these requests to the API among others."""
        self._dirty |= refs
        self._causes.add(requests)
        self._wake.set()

    def moved(self) -> None:
        """There is a newer revision, which may or may not concern this host."""
        self._progress()

    async def close(self, reason: str) -> None:
        """End the session; the agent is told why, if it listens."""
        try:
            async with asyncio.timeout(2):
                await self._connection.send(encode(Refused(reason=reason)))
                await self._connection.close()
        except (ConnectionClosed, TimeoutError):
            self._connection.transport.abort()

    async def run(self) -> None:
        """Send and receive until the connection ends.

        Raises:
            WireError: the agent broke the protocol.
        """
        with contextlib.suppress(ConnectionClosed):
            await until_one_ends(self._send(), self._receive())

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not (self._late or self._dirty or self._anew):
                continue
            self._late = False
            self._sending = True
            revision, asked, requests = self._shares.topology.revision, self._asked, self._causes.take()
            last: list[bytes] = []
            for message in self._batch(revision):
                # `put` waits while the socket's buffer is full: this is where a slow agent stops us, and nobody else.
                if last:
                    await self._connection.put(last)
                last = [encode(message)]
            await self._connection.put([*last, encode(InSync(revision=revision, answers=asked, requests=requests))])
            self._synced, self._sending = revision, False
            self._progress()

    def _batch(self, revision: int) -> Iterator[FromController]:
        """All that the agent is owed at one revision, as messages."""
        upserts: list[Value] = []
        removes: list[Ref] = []
        anew, self._anew = self._anew, False
        dirty, self._dirty = self._dirty, set()
        if anew:
            upserts.extend(self._shares.share(self.host))
        else:
            for wanted in dirty:
                value = self._shares.value(self.host, wanted)
                if value is None:
                    removes.append(wanted)
                else:
                    upserts.append(value)
        upserts.sort(key=ref, reverse=True)
        if anew:
            yield Snapshot(revision=revision, first=True, values=tuple(_take(upserts)))
        while upserts:
            yield Delta(revision=revision, upserts=tuple(_take(upserts)))
        while removes:
            yield Delta(revision=revision, removes=tuple(_take(removes)))

    def pulse(self, sign: bytes) -> None:
        """It is time for a sign of life: `sign`, the one of the newest revision, or that revision where it is not told.

        Nothing of it concerns this host then, but its operator likes to see the newest number.
        """
        if self._sending:
            return
        if self._synced < self._shares.topology.revision:
            self._late = True
            self._wake.set()
        else:
            self._connection.sign(sign)

    async def _receive(self) -> None:
        async for frame in self._connection:
            while wait := self._frames.wait(self.host):
                # Not read is not lost: TCP stops an agent that says more than anybody can mean.
                await asyncio.sleep(wait)
            message = known(decode_from_agent, frame)
            if isinstance(message, Status):
                self._take_status(message)
            elif isinstance(message, Applied):
                if self._full is not None:
                    full, self._full = self._full, None
                    self._report(self.host, self.number, message.revision, full, True)
                self._acknowledged(message.revision)
            elif isinstance(message, WireHeartbeat):
                self._ear.hear(self.host, message.answering, message.silent)
                if message.acting:
                    self._ear.acting(self.host, message.acting)
                # Agents give more signs of life than need be written down.
                if asyncio.get_running_loop().time() >= self._said_at + self._heartbeat_seconds:
                    self._say()
            elif isinstance(message, Ask):
                if self._catch_up is not None:
                    await self._catch_up()
                self._asked = message.number
                self._late = True
                self._wake.set()
            elif isinstance(message, Reach):
                self._ear.reach(self.host, message.physical_networks)
            elif isinstance(message, Usage):
                self._ear.use(self.host, message.routers)
            elif isinstance(message, Refused):
                LOG.warning("agent ends the session", host=self.host, reason=message.reason)
                return
            elif message is not None:
                raise WireError("a second Hello in one session")

    def _acknowledged(self, revision: int) -> None:
        if revision > self._synced:
            raise WireError(f"the host applied revision {revision}, but was sent {self._synced}")
        self.applied = max(self.applied, revision)
        if revision == self._synced and not self._sending:
            self._memory.base = revision
            self._memory.refs = set(self._dirty)
        self._progress()

    def _take_status(self, message: Status) -> None:
        mine = [s for s in message.statuses if s.state == "GONE" or self._shares.value(self.host, (s.kind, s.id))]
        if len(mine) < len(message.statuses):
            LOG.info("dropped statuses of what is not shared", host=self.host, count=len(message.statuses) - len(mine))
        if not message.full:
            self._report(self.host, self.number, message.revision, mine, False)
            return
        self._full = [*(self._full or ()), *mine]
        if len(self._full) > MAX_STATUSES:
            raise WireError(f"a list of more than {MAX_STATUSES} statuses")

    def _progress(self) -> None:
        """What the host has applied, when everything it was sent is: the newest revision, though it was not told."""
        idle = not (self._sending or self._dirty or self._anew)
        if idle and self.applied >= self._synced:
            self.applied = self._shares.topology.revision
        behind = self.applied < self._shares.topology.revision
        if behind != (self.behind_since is not None):
            self.behind_since = asyncio.get_running_loop().time() if behind else None
        if self.applied != self._told:
            self._say()

    def _say(self) -> None:
        self._told = self.applied
        self._said_at = asyncio.get_running_loop().time()
        self._beat(Heartbeat(self.host, self.number, True, self.applied))


def _take(items: list[T]) -> list[T]:
    """Up to one chunk from the end of a list, which gets shorter."""
    chunk = items[: -CHUNK - 1 : -1]
    del items[-CHUNK:]
    return chunk
