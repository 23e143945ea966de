"""The stream: listens for agents, talks with whom the gate lets in, and passes every change on to whom it concerns."""

import asyncio
import itertools
import math
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from onehop import __version__
from onehop.controller import pki
from onehop.controller.attention import Attention
from onehop.controller.connection import Connection
from onehop.controller.door import Door
from onehop.controller.feed import Feed
from onehop.controller.gate import Gate, Peer, is_renewal
from onehop.controller.join import join, renew
from onehop.controller.liveness import Liveness
from onehop.controller.memory import Memory
from onehop.controller.opening import AT_ONCE, Arrival, Opening
from onehop.controller.owners import Owners
from onehop.controller.report import Reports
from onehop.controller.session import Session
from onehop.controller.together import Together
from onehop.errors import OnehopError, WireError
from onehop.log import logger
from onehop.model.topology import Ref, Topology
from onehop.net.identifier import HostName
from onehop.settings import ControllerSettings
from onehop.store import Heartbeat, Store
from onehop.wire import MAX_FRAME, Hello, Refused, Welcome, agreed, decode_from_agent, encode
from onehop.wire import Heartbeat as WireHeartbeat
from onehop.wire.digest import text_of

LOG = logger("stream")
HELLO_SECONDS = 10
PULSES = 20
"""In so many parts are the agents that are given a sign of life, one after another."""

PINGS = 3
"""How often an agent is pinged in the time after which it counts as down; its signs of life come besides."""

REFILL_SECONDS = 60
SIGNS = 3
"""How many signs of life an agent gives in the time of silence after which a host may be lost."""

JOINS_AT_ONCE = 16
NEWER = "an agent's view is newer than the store: was an older one put in its place without `onehop db restore`?"


class Stream:
    """Everything between the store and the agents of this controller.

    Args:
        store: open.
        settings: heartbeat and directories.
    """

    def __init__(self, store: Store, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings
        self._pki = Path(settings.pki_dir)
        self._reports = Reports(store)
        self._feed = Feed(store, self._changed)
        self._sessions: dict[HostName, Session] = {}
        self._memories: dict[HostName, Memory] = {}
        self._gate = Gate(store, settings)
        self._liveness = Liveness(settings.owner_detection_seconds, time.monotonic())
        self._attention = Attention(store, self._liveness)
        self._owners = Owners(store, self._liveness, self._part, lambda: [s.applied for s in self.sessions.values()])
        self._opening = Together(Opening(store).all, AT_ONCE)
        self._joins = asyncio.Semaphore(JOINS_AT_ONCE)

    @property
    def connections(self) -> int:
        """Open connections with a host's certificate."""
        return self._gate.open

    @property
    def owners(self) -> Owners:
        """Who watches over routers' owners."""
        return self._owners

    @property
    def attention(self) -> Attention:
        """Who listens to what agents say of their hosts."""
        return self._attention

    @property
    def topology(self) -> Topology:
        """Everything, at the newest revision that is sent to agents."""
        return self._feed.shares.topology

    @property
    def sessions(self) -> dict[HostName, Session]:
        """Agents that are connected, by host."""
        return dict(self._sessions)

    async def run(self, listener: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled.

        Args:
            listener: bound and listening; it is closed, and a `Door` takes its place.
            ready: called once agents are let in.
        """
        context = pki.server_context(self._pki)
        door = listener if isinstance(listener, Door) else Door(listener)
        self._gate.known = door.known
        await self._feed.start()
        async with (
            asyncio.TaskGroup() as group,
            serve(
                self._handle,
                sock=door,
                ssl=context,
                ssl_handshake_timeout=HELLO_SECONDS,
                process_request=self._gate.admit,
                create_connection=Connection,
                compression=None,
                max_size=MAX_FRAME,
                max_queue=4,
                write_limit=65_536,
                open_timeout=HELLO_SECONDS,
                ping_interval=self._settings.agent_down_seconds / PINGS,
                ping_timeout=self._settings.agent_down_seconds,
                close_timeout=2,
                server_header=None,
            ),
        ):
            group.create_task(self._feed.run())
            group.create_task(self._reports.run())
            group.create_task(self._owners.run())
            group.create_task(self._attention.run())
            group.create_task(self._refill())
            group.create_task(self._pulse())
            ready()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                for session in self.sessions.values():
                    self._reports.beat(Heartbeat(session.host, session.number, False, session.applied))
                await self._reports.flush()

    async def _refill(self) -> None:
        """Now and then, give port blocks that came out of quarantine to hosts that found none."""
        while True:
            await asyncio.sleep(REFILL_SECONDS)
            try:
                await asyncio.to_thread(self._store.run, lambda tx: tx.refill_port_blocks())
            except (OnehopError, OSError) as error:
                LOG.error("port blocks could not be given out and are tried again", error=str(error))

    async def _pulse(self) -> None:
        """Give all agents a sign of life, some at a time, so that nothing else waits long behind it."""
        for turn in itertools.cycle(range(PULSES)):
            await asyncio.sleep(self._settings.heartbeat_seconds / PULSES)
            sign = encode(WireHeartbeat(revision=self.topology.revision))
            for session in itertools.islice(self.sessions.values(), turn, None, PULSES):
                session.pulse(sign)

    def _changed(self, dirty: dict[HostName, set[Ref]], removed: set[HostName]) -> None:
        for host, refs in dirty.items():
            if host in self._memories:
                self._memories[host].add(refs)
            if host in self._sessions:
                self._sessions[host].owe(refs, self._feed.requests)
        for host in removed:
            self._memories.pop(host, None)
            if host in self._sessions:
                LOG.warning("host was removed; its session ends", host=host)
                self._feed.later(self._sessions[host].close("this host was removed from the controller"))
        for session in self._sessions.values():
            session.moved()

    async def _handle(self, connection: ServerConnection) -> None:
        peer = self._gate.peer(connection)
        host = peer.host if peer is not None else None
        try:
            if peer is not None and not is_renewal(connection):
                await self._talk(cast(Connection, connection), peer)
                return
            async with asyncio.timeout(HELLO_SECONDS):
                if peer is not None:
                    await renew(connection, self._store, self._pki, peer.host, peer.serial)
                else:
                    await join(connection, self._store, self._pki, self._joins)
        except (OnehopError, TimeoutError) as error:
            reason = str(error) or "it took too long"
            LOG.warning("ended a connection", host=host, reason=reason, peer=str(connection.remote_address))
            await _refuse(connection, reason)
        except ConnectionClosed:
            LOG.info("connection is gone", host=host)
        finally:
            self._gate.leave(connection)

    async def _talk(self, connection: Connection, peer: Peer) -> None:
        host = peer.host
        async with asyncio.timeout(HELLO_SECONDS):
            hello = decode_from_agent(await connection.recv())
        self._attention.forget(host)
        if not isinstance(hello, Hello):
            raise WireError("a session begins with a Hello")
        agreed(hello.version, "agent")
        if hello.host != host:
            raise WireError(f"the agent calls itself {hello.host}, but its certificate is {host}'s")
        number = await self._opening.ask(Arrival(peer, hello))
        await self._feed.catch_up()
        memory = self._memories[host] = self._memories.get(host, Memory()).handed_on()
        session = Session(
            connection,
            host,
            number,
            self._feed.shares,
            memory,
            self._reports.add,
            self._reports.beat,
            self._settings.heartbeat_seconds,
            self._attention,
            self._feed.catch_up,
            self._settings.stream_frames_per_second,
        )
        older = self._sessions.get(host)
        self._sessions[host] = session
        if older is not None:
            await older.close("another agent of this host has connected")
        LOG.info("agent connected", host=host, session=number)
        self._reports.beat(Heartbeat(host, number, True, 0))
        try:
            await connection.send(
                encode(
                    Welcome(
                        version=agreed(hello.version, "agent"),
                        software=__version__,
                        heartbeat_seconds=self._pace(hello),
                    )
                )
            )
            if hello.revision > self.topology.revision:
                LOG.warning(NEWER, host=host, view=hello.revision, store=self.topology.revision)
            session.begin(hello, self._same(host, hello), hello.revision in self._feed.steps)
            await session.run()
        finally:
            if self._sessions.get(host) is session:
                del self._sessions[host]
                self._reports.beat(Heartbeat(host, number, False, session.applied))
            LOG.info("agent disconnected", host=host, session=number)

    def _pace(self, hello: Hello) -> float:
        """How often an agent is to give a sign of life: of gateway hosts it has to be known soon when they are lost."""
        often = self._settings.owner_detection_seconds / SIGNS if hello.gateway_host else math.inf
        return min(self._settings.heartbeat_seconds, often)

    def _part(self, host: HostName) -> None:
        if host in self._sessions:
            self._feed.later(self._sessions[host].close("this host was lost; it has to begin again"))

    def _same(self, host: HostName, hello: Hello) -> bool:
        return bool(hello.digest) and text_of(self._feed.shares.weight(host)) == hello.digest


async def _refuse(connection: ServerConnection, reason: str) -> None:
    try:
        async with asyncio.timeout(2):
            await connection.send(encode(Refused(reason=reason[:1000])))
            await connection.close()
    except (ConnectionClosed, TimeoutError):
        connection.transport.abort()
