"""Many agents in one process that only receive: the real protocol with TLS, no kernel, of a view only its digest.

They connect, resume, beat, acknowledge and come back with the same waits as real agents. What 1,000 machines do on
their own CPUs has to fit beside the controller on the CPUs of one; so a value that many are sent is decoded and weighed
once, and one task gives all signs of life.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.protocol import State

from onehop import __version__
from onehop.agent import credential
from onehop.agent.greeting import call_with, welcomed
from onehop.agent.roster import Roster
from onehop.errors import OnehopError
from onehop.model.topology import Ref, Value, ref
from onehop.wire import (
    PROTOCOL_VERSION,
    Applied,
    Heartbeat,
    Hello,
    InSync,
    Refused,
    Status,
    encode,
)
from onehop.wire.digest import text_of, weight

TURN_SECONDS, PARTS = 0.1, 10
"""How often each agent is looked at, whether it is time for its sign of life, and in how many parts."""


class _Snapshot(msgspec.Struct, tag="snapshot"):
    first: bool
    values: tuple[msgspec.Raw, ...]


class _Delta(msgspec.Struct, tag="delta"):
    upserts: tuple[msgspec.Raw, ...] = ()
    removes: tuple[Ref, ...] = ()


_MESSAGES: msgspec.msgpack.Decoder[_Snapshot | _Delta | InSync | Heartbeat | Refused] = msgspec.msgpack.Decoder(
    _Snapshot | _Delta | InSync | Heartbeat | Refused
)
_VALUES: msgspec.msgpack.Decoder[Value] = msgspec.msgpack.Decoder(Value)


@lru_cache(maxsize=100_000)
def weighed(value: bytes) -> tuple[Ref, int]:
    """Ref and weight of an encoded value."""
    decoded = _VALUES.decode(value)
    return ref(decoded), weight(decoded)


class Receiver:
    """One agent.

    Attributes:
        host: its name.
        weights: what its view holds, by ref.
        revision: at which it was told to be whole; 0 before.
        connected: whether it was told so in this session.
        values: how many it was sent.
        heard: when it was last sent each value, in seconds of `time.perf_counter`.
        vtep: its address.
        gateway: whether it is a gateway host.
        pace: seconds between two of its signs of life, as the controller said.
    """

    def __init__(
        self, host: str, number: int, state_dir: Path, gateway: bool, address: Callable[[], str], longest: float
    ) -> None:
        self.host = host
        self.weights: dict[Ref, int] = {}
        self.revision = 0
        self.connected = False
        self.values = 0
        self.heard: dict[Ref, float] = {}
        self.gateway = gateway
        self.vtep = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        # Each host has an address of its own: a controller lets few strangers in from one.
        self._source = f"127.{128 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        self.pace = 0.0
        self._beaten = 0.0
        self._connection: ClientConnection | None = None
        self._changed = False
        self._hello = Hello(
            version=PROTOCOL_VERSION,
            host=host,
            software=__version__,
            vtep=self.vtep,
            underlay_mtu=1500,
            physical_networks=("external",) if gateway else (),
            gateway_host=gateway,
        )
        self._tls: ssl.SSLContext = credential.client_context(state_dir)
        self._roster = Roster(host, ("controller",), longest, random.random)
        self._address = address

    def forget(self) -> None:
        """Begin without a view, as a host that was set up anew."""
        self.weights, self.revision = {}, 0

    async def run(self) -> None:
        """Keep a session open until cancelled."""
        while True:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, OnehopError, OSError, TimeoutError):
                async with call_with(self._address(), self._tls, self._source) as connection:
                    await self._session(connection)
            wait = self._roster.ended() if self.connected else self._roster.failed()
            self.connected = False
            await asyncio.sleep(wait)

    async def _session(self, connection: ClientConnection) -> None:
        digest = text_of(sum(self.weights.values())) if self.weights else ""
        said = msgspec.structs.replace(self._hello, revision=self.revision, digest=digest)
        await connection.send(encode(said))
        self.pace = (await welcomed(connection)).heartbeat_seconds
        self._connection = connection
        try:
            await self._listen(connection)
        finally:
            self._connection = None

    def beat(self, now: float) -> None:
        """Give a sign of life, if it is time; what is on its way to a controller that is slow is one too."""
        connection = self._connection
        if connection is None or now < self._beaten + self.pace or connection.protocol.state is not State.OPEN:
            return
        self._beaten = now
        if not connection.transport.get_write_buffer_size():
            connection.protocol.send_binary(encode(Heartbeat(revision=self.revision)))
            connection.send_data()

    async def _listen(self, connection: ClientConnection) -> None:
        async for frame in connection:
            message = _MESSAGES.decode(cast(bytes, frame))
            if isinstance(message, _Snapshot):
                if message.first:
                    self.weights = {}
                self._take(message.values)
            elif isinstance(message, _Delta):
                self._take(message.upserts)
                for gone in message.removes:
                    self.weights.pop(gone, None)
                self._changed = True
            elif isinstance(message, InSync):
                if not self.connected:
                    await connection.send(encode(Status(revision=message.revision, full=True, statuses=())))
                if not self.connected or self._changed:
                    await connection.send(encode(Applied(revision=message.revision)))
                self.revision, self.connected, self._changed = message.revision, True, False

    def _take(self, values: Sequence[msgspec.Raw]) -> None:
        now = time.perf_counter()
        for value in values:
            name, mass = weighed(bytes(value))
            self.weights[name] = mass
            self.heard[name] = now
        self.values += len(values)
        self._changed = True


class Fleet:
    """All of them, in the running event loop.

    Args:
        longest: wait between two calls, in seconds.

    Attributes:
        address: of the controller's stream; may change while it is away.
        receivers: the agents.
    """

    def __init__(self, longest: float) -> None:
        self.address = ""
        self._longest = longest
        self.receivers: list[Receiver] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, host: str, state_dir: Path, gateway: bool) -> None:
        """One more; it connects at `start`."""
        number = len(self.receivers) + 1
        self.receivers.append(Receiver(host, number, state_dir, gateway, lambda: self.address, self._longest))

    def start(self) -> None:
        """Let all call."""
        self._tasks = [asyncio.ensure_future(receiver.run()) for receiver in self.receivers]
        self._tasks.append(asyncio.ensure_future(self._beat()))

    async def _beat(self) -> None:
        """Let all give signs of life, each at its pace."""
        while True:
            for part in range(PARTS):
                await asyncio.sleep(TURN_SECONDS / PARTS)
                now = time.monotonic()
                for receiver in self.receivers[part::PARTS]:
                    receiver.beat(now)

    async def stop(self) -> None:
        """Let all hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
