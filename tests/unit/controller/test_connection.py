"""What a connection to an agent writes: how often, and to whom it does not."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from websockets.asyncio.server import Server
from websockets.protocol import State
from websockets.server import ServerProtocol

from onehop.controller.connection import Connection


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.waiting


def opened() -> tuple[Connection, Wire]:
    """A connection whose handshake is done; in a running loop."""
    connection, wire = Connection(ServerProtocol(state=State.OPEN), cast(Server, SimpleNamespace())), Wire()
    connection.transport = cast(Any, wire)
    return connection, wire


def test_messages_that_are_sent_together_are_written_once() -> None:
    async def scenario() -> None:
        connection, wire = opened()
        await connection.put([b"one", b"two"])
        await connection.put([b"three"])
        assert wire.written == [b"\x82\x03one\x82\x03two", b"\x82\x05three"]

    asyncio.run(scenario())


def test_a_sign_of_life_goes_to_nobody_who_is_slow_or_gone() -> None:
    async def scenario() -> None:
        connection, wire = opened()
        connection.sign(b"alive")
        wire.waiting = 1
        connection.sign(b"slow")
        wire.waiting, connection.protocol.state = 0, State.CLOSING
        connection.sign(b"gone")
        assert wire.written == [b"\x82\x05alive"]

    asyncio.run(scenario())
