"""Whoever has not shown who they are: few places, for a short time, and none of those that hosts need."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from onehop.controller import stream
from onehop.controller.door import Door
from onehop.system import listen
from onehop.wire import PROTOCOL_VERSION, Joined, JoinRequest, decode_joined, encode
from tests.unit.controller.streams import LIMIT, Site, eventually, request_for


@pytest.fixture
def small() -> Iterator[Door]:
    """Three places, two of them for one address."""
    listener = Door(listen("127.0.0.1", 0), strangers=3, per_source=2)
    yield listener
    listener.close()


def come(to: Door, source: str) -> socket.socket:
    """Somebody who connects and says nothing."""
    stranger = socket.socket()
    stranger.settimeout(LIMIT)
    stranger.bind((source, 0))
    stranger.connect(to.getsockname())
    return stranger


def test_beyond_its_places_an_address_is_hung_up_on_and_others_are_not(small: Door) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(come(small, "127.0.0.2"))
            stack.enter_context(small.accept()[0])
        third = stack.enter_context(come(small, "127.0.0.2"))
        with pytest.raises(ConnectionAbortedError):
            small.accept()
        assert third.recv(1) == b""
        stack.enter_context(come(small, "127.0.0.3"))
        stack.enter_context(small.accept()[0])
        stack.enter_context(come(small, "127.0.0.4"))
        with pytest.raises(ConnectionAbortedError):
            small.accept()
        assert (small.strangers, small.refused) == (3, 2)
    assert small.strangers == 0


def test_whoever_shows_who_they_are_leaves_their_place_to_the_next(small: Door) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(come(small, "127.0.0.2"))
            guest, peer = small.accept()
            stack.enter_context(guest)
            small.known(peer)
        assert small.strangers == 0


async def silent(site: Site, stack: contextlib.AsyncExitStack, number: int) -> list[asyncio.StreamReader]:
    """So many who connect from one address and say nothing, not even of TLS."""
    host, _, port = site.address.rpartition(":")
    readers = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=("127.0.0.2", 0))
        stack.callback(writer.close)
        readers.append(reader)
    return readers


@pytest.mark.slow
def test_who_says_nothing_is_hung_up_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HELLO_SECONDS", 0.2)

    async def scenario() -> None:
        async with site.running(), contextlib.AsyncExitStack() as stack:
            for reader in await silent(site, stack, 4):
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.wait_for(reader.read(), LIMIT) == b""

    asyncio.run(scenario())


def test_who_says_nothing_keeps_no_host_out(site: Site) -> None:
    site.strangers = 5

    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), contextlib.AsyncExitStack() as stack:
            await silent(site, stack, 4)
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: agent.syncs > 0)

    asyncio.run(scenario())


@pytest.mark.slow
def test_strangers_who_never_ask_keep_nobody_from_joining(site: Site) -> None:
    async def scenario() -> None:
        site.store.run(lambda tx: tx.add_host("host-1"))
        secret = site.store.run(lambda tx: tx.create_join_token("host-1"))
        async with site.running(), contextlib.AsyncExitStack() as stack:
            for _ in range(2 * stream.JOINS_AT_ONCE):
                await stack.enter_async_context(site.connection(None, "/v1/join"))
            async with site.connection(None, "/v1/join") as connection:
                asked = JoinRequest(version=PROTOCOL_VERSION, token=secret, request=request_for("host-1"))
                await connection.send(encode(asked))
                assert isinstance(decode_joined(await asyncio.wait_for(connection.recv(), LIMIT)), Joined)

    asyncio.run(scenario())


def test_hosts_take_no_places_of_strangers_however_many_there_are(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.strangers = 2

    async def scenario() -> None:
        directories = {name: site.host(name) for name in ("host-1", "host-2", "host-3", "host-4")}
        async with site.running(), contextlib.AsyncExitStack() as stack:
            for name, directory in directories.items():
                agent = await stack.enter_async_context(site.agent(name, directory))
                await agent.until(lambda agent=agent: agent.syncs > 0)
            await eventually(lambda: len(site.stream.sessions) == 4)
            with pytest.raises(InvalidStatus):
                async with site.connection(None, "/v1/nothing"):
                    pass

    asyncio.run(scenario())
