"""A stream server on loopback with real TLS, and fake agents that talk to it as real ones do."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect

from onehop.controller import pki
from onehop.controller.door import Door
from onehop.controller.stream import Stream
from onehop.model.topology import Ref, Value, ref
from onehop.net.identifier import HostName
from onehop.settings import ControllerSettings
from onehop.store import Store
from onehop.system import listen
from onehop.wire import (
    PROTOCOL_VERSION,
    Applied,
    Delta,
    Hello,
    InSync,
    ResourceStatus,
    Snapshot,
    Status,
    Welcome,
    decode_from_controller,
    encode,
)
from onehop.wire.digest import digest_of
from tests.store import rows

LIMIT = 60
"""Seconds after which a test that waits has failed."""


class Site:
    """A store, a CA and a running stream."""

    def __init__(self, store: Store, directory: Path, **settings: object) -> None:
        self.store = store
        self.directory = directory
        self.pki = directory / "pki"
        if not self.pki.exists():
            pki.init(self.pki)
        given = {"heartbeat_seconds": 1.0, "agent_down_seconds": 10.0, **settings}
        self.settings = ControllerSettings(pki_dir=str(self.pki), **given)  # type: ignore[arg-type]  # fields by name
        self.stream = Stream(store, self.settings)
        self.address = ""
        self.strangers: int | None = None

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["Site"]:
        listener = listen("127.0.0.1", port)
        if self.strangers is not None:
            listener = Door(listener, self.strangers, self.strangers)
        # Small, so that a slow reader is felt after little data; accepted connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        ready = asyncio.Event()
        task = asyncio.ensure_future(self.stream.run(listener, ready.set))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait((task, waiting), timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set(), task
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def host(self, name: str, *physical: str) -> Path:
        """Add a host, with a certificate; returns the directory with its files.

        Where it may reach physical networks, it may be a gateway host too.
        """
        self.store.run(lambda tx: tx.add_host(name, gateway_host=bool(physical), physical_networks=physical))
        return self.certify(name)

    def certify(self, name: str, into: str | None = None, days: float = pki.CERTIFICATE_DAYS) -> Path:
        """A certificate for a host, which the store knows, with the CA's beside it."""
        directory = self.directory / (into or name)
        directory.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        certificate = pki.sign_host(self.pki, HostName(name), request.public_bytes(serialization.Encoding.PEM), days)
        expires = certificate.not_valid_after_utc.timestamp()
        self.store.run(lambda tx: tx.add_certificate(name, pki.serial_of(certificate), expires))
        (directory / "host.key").write_bytes(pki.private_pem(key))
        (directory / "ca.crt").write_bytes((self.pki / pki.CA_CERTIFICATE).read_bytes())
        (directory / "host.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return directory

    def tls(self, directory: Path | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.pki / pki.CA_CERTIFICATE)
        if directory is not None:
            context.load_cert_chain(directory / "host.crt", directory / "host.key")
        return context

    @asynccontextmanager
    async def connection(
        self, directory: Path | None, path: str = "/v1/stream", **options: object
    ) -> AsyncIterator[ClientConnection]:
        async with connect(
            f"wss://{self.address}{path}",
            ssl=self.tls(directory),
            server_hostname=pki.CONTROLLER_NAME,
            proxy=None,
            compression=None,
            **options,  # type: ignore[arg-type]  # passed on as given
        ) as connection:
            yield connection

    @asynccontextmanager
    async def narrow(self, directory: Path) -> AsyncIterator[ClientConnection]:
        """A connection that holds little on its way."""
        host, _, port = self.address.rpartition(":")
        with socket.socket() as carrier:
            carrier.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
            carrier.connect((host, int(port)))
            carrier.setblocking(False)
            async with self.connection(directory, sock=carrier, max_queue=1) as connection:
                yield connection

    @asynccontextmanager
    async def agent(self, name: str, directory: Path, **hello: object) -> AsyncIterator["FakeAgent"]:
        """A connected agent that takes whatever it is sent."""
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self.connection(directory))
            agent = FakeAgent(connection, name)
            await agent.greet(**hello)
            task = asyncio.ensure_future(agent.listen())
            try:
                yield agent
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def hello_of(name: str, **given: object) -> Hello:
    number = int(name.rpartition("-")[2])
    values: dict[str, object] = {"version": PROTOCOL_VERSION, "host": name, "vtep": f"192.0.2.{number}", **given}
    return Hello(**values)  # type: ignore[arg-type]  # fields by name


class FakeAgent:
    """Keeps a view as a real agent does, and counts what it was sent."""

    def __init__(self, connection: ClientConnection, name: str) -> None:
        self.connection = connection
        self.name = name
        self.view: dict[Ref, Value] = {}
        self.revision = 0
        self.syncs = 0
        self.answered = 0
        self.snapshots = 0
        self.upserts = 0
        self.requests: list[str] = []
        self.pace = 0.0
        self.changed = asyncio.Condition()

    async def greet(self, **given: object) -> None:
        await self.connection.send(encode(hello_of(self.name, **given)))
        answer = decode_from_controller(await asyncio.wait_for(self.connection.recv(), LIMIT))
        assert isinstance(answer, Welcome), answer
        self.pace = answer.heartbeat_seconds

    async def listen(self) -> None:
        staged: dict[Ref, Value] | None = None
        async for frame in self.connection:
            message = decode_from_controller(frame)
            staged = dict(self.view) if staged is None else staged
            if isinstance(message, Snapshot):
                staged = {} if message.first else staged
                staged.update((ref(value), value) for value in message.values)
                self.snapshots += message.first
            elif isinstance(message, Delta):
                staged.update((ref(value), value) for value in message.upserts)
                self.upserts += len(message.upserts)
                for gone in message.removes:
                    staged.pop(gone, None)
            elif isinstance(message, InSync):
                async with self.changed:
                    self.view, staged = staged, None
                    self.revision = message.revision
                    self.requests += message.requests
                    self.syncs += 1
                    self.answered = message.answers
                    self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, looking after each InSync."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), LIMIT)

    async def apply(self, *statuses: ResourceStatus, full: bool = False) -> None:
        """Report, and acknowledge the view."""
        await self.connection.send(encode(Status(revision=self.revision, full=full, statuses=statuses)))
        await self.connection.send(encode(Applied(revision=self.revision)))

    @property
    def digest(self) -> str:
        return digest_of(self.view.values())

    def ids(self, kind: str) -> set[str]:
        return {id for found, id in self.view if found == kind}


def request_for(name: str) -> str:
    """A signing request that asks for a name, with a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, False)
    return asked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds that nobody tells of."""
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(0.01)


def bound_port(site: Site, host: str, cidr: str = "10.0.0.0/24", network_id: str | None = None) -> tuple[str, str]:
    """A port bound to a host, on a new network or a given one: ids of network and port."""

    def make(tx: rows.Transaction) -> tuple[str, str]:
        network = network_id or rows.network(tx)["id"]
        subnets = tx.select("subnet", {"network_id": [network]})
        subnet = subnets[0] if subnets else rows.subnet(tx, network, cidr, (cidr[:-4] + "10", cidr[:-4] + "250"))
        return network, rows.port(tx, network, subnet["id"], host=host)["id"]

    return site.store.run(make)
