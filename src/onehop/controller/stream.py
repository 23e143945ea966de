"""The stream: listens for agents, lets in whom the store knows, and passes every change on to whom it concerns.

Paths: ``/v1/stream`` needs a certificate that the store knows and has not revoked, and the name in it is the host;
``/v1/ca`` gives the CA's certificate to anybody; ``/v1/join`` takes a one-time token instead of a certificate;
``/v1/renew`` gives whom ``/v1/stream`` would let in a new certificate for the one that it shows.
"""

import asyncio
import http
import socket
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from onehop import __version__
from onehop.controller import pki
from onehop.controller.attention import Attention
from onehop.controller.feed import Feed
from onehop.controller.join import join, renew
from onehop.controller.liveness import Liveness
from onehop.controller.memory import Memory
from onehop.controller.owners import Owners
from onehop.controller.report import Reports
from onehop.controller.session import Session
from onehop.errors import OnehopError, WireError
from onehop.log import logger
from onehop.model.topology import Ref
from onehop.net.identifier import HostName, parse_host
from onehop.settings import ControllerSettings
from onehop.store import Heartbeat, Store
from onehop.wire import MAX_FRAME, PROTOCOL_VERSION, Hello, Refused, Welcome, decode_from_agent, encode
from onehop.wire.digest import digest_of

LOG = logger("stream")
HELLO_SECONDS = 10
REFILL_SECONDS = 60
SIGNS = 3
"""How many signs of life an agent gives in the time of silence after which a host may be lost."""

JOINS_AT_ONCE = 16
STREAM_PATH, CA_PATH, JOIN_PATH, RENEW_PATH = "/v1/stream", "/v1/ca", "/v1/join", "/v1/renew"


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
        self._hosts: WeakKeyDictionary[ServerConnection, HostName] = WeakKeyDictionary()
        self._liveness = Liveness(settings.owner_detection_seconds, time.monotonic())
        self._attention = Attention(store, self._liveness)
        self._owners = Owners(store, self._liveness, self._part, lambda: [s.applied for s in self.sessions.values()])
        self._joins = asyncio.Semaphore(JOINS_AT_ONCE)

    @property
    def sessions(self) -> dict[HostName, Session]:
        """Agents that are connected, by host."""
        return dict(self._sessions)

    async def run(self, listener: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled.

        Args:
            listener: bound and listening.
            ready: called once agents are let in.
        """
        context = pki.server_context(self._pki)
        await self._feed.start()
        async with (
            asyncio.TaskGroup() as group,
            serve(
                self._handle,
                sock=listener,
                ssl=context,
                process_request=self._admit,
                compression=None,
                max_size=MAX_FRAME,
                max_queue=4,
                write_limit=65_536,
                open_timeout=HELLO_SECONDS,
                ping_interval=self._settings.heartbeat_seconds,
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

    def _changed(self, dirty: dict[HostName, set[Ref]], removed: set[HostName]) -> None:
        for host, refs in dirty.items():
            if host in self._memories:
                self._memories[host].add(refs)
            if host in self._sessions:
                self._sessions[host].owe(refs)
        for host in removed:
            self._memories.pop(host, None)
            if host in self._sessions:
                LOG.warning("host was removed; its session ends", host=host)
                self._feed.later(self._sessions[host].close("this host was removed from the controller"))
        for session in self._sessions.values():
            session.moved()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Decide by path and certificate; None lets it go on."""
        path = request.path.partition("?")[0]
        if path == CA_PATH:
            body = (self._pki / pki.CA_CERTIFICATE).read_bytes()
            return _response(http.HTTPStatus.OK, body, "application/x-pem-file")
        if path == JOIN_PATH:
            return None
        if path not in (STREAM_PATH, RENEW_PATH):
            return _response(http.HTTPStatus.NOT_FOUND, b"there is no such path\n")
        refusal = await self._recognise(connection)
        if refusal is None:
            return None
        LOG.warning("refused a connection", reason=refusal, peer=str(connection.remote_address))
        return _response(http.HTTPStatus.FORBIDDEN, refusal.encode() + b"\n")

    async def _recognise(self, connection: ServerConnection) -> str | None:
        """Why this peer is not let in, or None: then its host is known."""
        name, serial = _peer(connection)
        if name is None or serial is None:
            return "a certificate is needed; run `onehop agent join` with a token of `onehop host add`"
        host = parse_host(name)

        def look() -> str | None:
            with self._store.read() as tx:
                certificate = tx.certificate(serial)
                if certificate is None or certificate.host != host or tx.host(host) is None:
                    return f"the certificate of host {host} is unknown here; let the host join again"
                if certificate.revoked_at is not None:
                    return f"the certificate of host {host} was revoked; let the host join again"
                return None

        refusal = await asyncio.to_thread(look)
        if refusal is None:
            self._hosts[connection] = host
        return refusal

    async def _handle(self, connection: ServerConnection) -> None:
        host = self._hosts.pop(connection, None)
        try:
            if host is not None and not _is_renewal(connection):
                await self._talk(connection, host)
                return
            async with self._joins, asyncio.timeout(HELLO_SECONDS):
                if host is not None:
                    await renew(connection, self._store, self._pki, host)
                else:
                    await join(connection, self._store, self._pki)
        except (OnehopError, TimeoutError) as error:
            reason = str(error) or "it took too long"
            LOG.warning("ended a connection", host=host, reason=reason, peer=str(connection.remote_address))
            await _refuse(connection, reason)
        except ConnectionClosed:
            LOG.info("connection is gone", host=host)

    async def _talk(self, connection: ServerConnection, host: HostName) -> None:
        async with asyncio.timeout(HELLO_SECONDS):
            hello = decode_from_agent(await connection.recv())
        self._attention.forget(host)
        number = await asyncio.to_thread(self._open, host, hello)
        if not isinstance(hello, Hello):
            raise WireError("a session begins with a Hello")
        await self._feed.catch_up()
        memory = self._memories.setdefault(host, Memory())
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
                        version=PROTOCOL_VERSION,
                        software=__version__,
                        heartbeat_seconds=min(
                            self._settings.heartbeat_seconds, self._settings.owner_detection_seconds / SIGNS
                        ),
                    )
                )
            )
            session.begin(hello, await self._same(host, hello))
            await session.run()
        finally:
            if self._sessions.get(host) is session:
                del self._sessions[host]
                self._reports.beat(Heartbeat(host, number, False, session.applied))
            LOG.info("agent disconnected", host=host, session=number)

    def _open(self, host: HostName, hello: object) -> int:
        if not isinstance(hello, Hello):
            raise WireError("a session begins with a Hello")
        if hello.version != PROTOCOL_VERSION:
            raise WireError(
                f"the agent speaks version {hello.version} of the protocol and this controller version "
                f"{PROTOCOL_VERSION}; install the same onehop on both"
            )
        if hello.host != host:
            raise WireError(f"the agent calls itself {hello.host}, but its certificate is {host}'s")
        return self._store.run(
            lambda tx: tx.open_session(
                host,
                vtep=hello.vtep,
                underlay_mtu=hello.underlay_mtu,
                physical_networks=sorted(set(hello.physical_networks)),
                details={"version": hello.software, "gateway_host": hello.gateway_host},
            )
        )

    def _part(self, host: HostName) -> None:
        if host in self._sessions:
            self._feed.later(self._sessions[host].close("this host was lost; it has to begin again"))

    async def _same(self, host: HostName, hello: Hello) -> bool:
        if not hello.digest:
            return False
        values = list(self._feed.shares.share(host))
        return await asyncio.to_thread(digest_of, values) == hello.digest


def _is_renewal(connection: ServerConnection) -> bool:
    return connection.request is not None and connection.request.path.partition("?")[0] == RENEW_PATH


async def _refuse(connection: ServerConnection, reason: str) -> None:
    try:
        async with asyncio.timeout(2):
            await connection.send(encode(Refused(reason=reason[:1000])))
            await connection.close()
    except (ConnectionClosed, TimeoutError):
        connection.transport.abort()


def _peer(connection: ServerConnection) -> tuple[str | None, str | None]:
    """Name and serial number of the peer's certificate, which TLS has verified."""
    certificate = connection.transport.get_extra_info("ssl_object").getpeercert()
    if not certificate:
        return None, None
    names = [value for part in certificate["subject"] for key, value in part if key == "commonName"]
    serial = format(int(certificate["serialNumber"], 16), "x")
    return (names[0], serial) if len(names) == 1 else (None, None)


def _response(status: http.HTTPStatus, body: bytes, type_: str = "text/plain") -> Response:
    headers = Headers({"Content-Type": type_, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status.value, status.phrase, headers, body)
