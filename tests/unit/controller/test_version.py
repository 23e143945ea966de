"""Agents of other versions of the protocol, on a real stream."""

import asyncio
import itertools

import msgspec
import pytest

from onehop.net.identifier import HostName
from onehop.wire import (
    OLDEST_VERSION,
    PROTOCOL_VERSION,
    Applied,
    Ask,
    FromController,
    Heartbeat,
    InSync,
    ResourceStatus,
    Status,
    Welcome,
    decode_from_controller,
    encode,
)
from tests.store import rows
from tests.unit.controller.streams import LIMIT, FakeAgent, Site, bound_port, eventually, hello_of
from tests.unit.wire.version2 import misunderstood


class OldAgent(FakeAgent):
    """An agent of the last version: it ends the session at the first word that it does not understand."""

    async def hear(self) -> FromController:
        frame = await asyncio.wait_for(self.connection.recv(), LIMIT)
        assert isinstance(frame, bytes)
        assert misunderstood(msgspec.msgpack.decode(frame)) == ""
        return decode_from_controller(frame)

    async def hello(self, **given: object) -> None:
        """Say hello, and be answered in the version that it speaks."""
        await self.connection.send(encode(hello_of(self.name, version=OLDEST_VERSION, **given)))
        answer = await self.hear()
        assert isinstance(answer, Welcome)
        assert answer.version == OLDEST_VERSION

    async def until_sync(self) -> list[FromController]:
        """All that comes before the next InSync, and that."""
        heard = [await self.hear()]
        while not isinstance(heard[-1], InSync):
            heard.append(await self.hear())
        return [message for message in heard if not isinstance(message, Heartbeat)]

    async def acknowledged(self, site: Site, revision: int) -> int:
        """Say that a revision is applied, and ask whether that is the newest, until the controller has taken it."""
        async with asyncio.timeout(LIMIT):
            for number in itertools.count(1):
                await self.connection.send(encode(Applied(revision=revision)))
                await self.connection.send(encode(Ask(number=number)))
                *_, answer = await self.until_sync()
                assert isinstance(answer, InSync)
                assert (answer.revision, answer.answers) == (revision, number)
                if site.stream._memories[HostName(self.name)].base == revision:
                    break
        return revision


def _status(site: Site, port: str) -> str:
    with site.store.read() as tx:
        return str(rows.known(tx, "port", port)["status"])


def test_an_agent_of_the_last_version_gets_its_share_reports_and_comes_back(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        network, port = bound_port(site, "host-1")
        async with site.running():
            async with site.connection(directory) as connection:
                agent = OldAgent(connection, "host-1")
                await agent.hello()
                *_, synced = await agent.until_sync()
                assert isinstance(synced, InSync)
                active = ResourceStatus(kind="port", id=port, state="ACTIVE")
                await connection.send(encode(Status(revision=synced.revision, full=True, statuses=(active,))))
                await connection.send(encode(Applied(revision=synced.revision)))
                await eventually(lambda: _status(site, port) == "ACTIVE")
                site.store.run(lambda tx: tx.update("network", network, {"name": "other"}))
                *changed, synced = await agent.until_sync()
                assert [type(message).__name__ for message in changed] == ["Delta"]
                assert isinstance(synced, InSync)
                revision = await agent.acknowledged(site, synced.revision)
            async with site.connection(directory) as connection:
                again = OldAgent(connection, "host-1")
                await again.hello(revision=revision, digest="0" * 32)
                assert [type(message).__name__ for message in await again.until_sync()] == ["InSync"]

    asyncio.run(scenario())


@pytest.mark.parametrize("ahead", [0, 1, 96])
def test_an_agent_of_this_version_or_a_newer_one_is_answered_in_this_one(site: Site, ahead: int) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        async with site.running(), site.connection(directory) as connection:
            newer = msgspec.to_builtins(hello_of("host-1", version=PROTOCOL_VERSION + ahead))
            await connection.send(msgspec.msgpack.encode({**newer, "mood": "good"}))
            answer = decode_from_controller(await connection.recv())
            assert isinstance(answer, Welcome)
            assert answer.version == PROTOCOL_VERSION

    asyncio.run(scenario())


def test_a_message_that_only_a_newer_agent_knows_does_not_end_the_session(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        _, port = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: ("port", port) in agent.view)
            await agent.connection.send(msgspec.msgpack.encode({"type": "gossip", "about": "host-2"}))
            await agent.apply(ResourceStatus(kind="port", id=port, state="ACTIVE"))
            await eventually(lambda: _status(site, port) == "ACTIVE")

    asyncio.run(scenario())
