"""What one who connects can take from the others: connections, long frames, attempts."""

import asyncio
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from onehop.wire import Ask, Heartbeat, encode
from tests.unit.controller.streams import LIMIT, Site, eventually


@pytest.mark.slow
def test_strangers_without_a_certificate_are_429_when_they_come_too_often(site: Site) -> None:
    async def scenario() -> None:
        async with site.running():
            statuses = set()
            for _ in range(130):
                with pytest.raises(InvalidStatus) as caught:
                    async with site.connection(None, "/v1/nothing"):
                        pass
                statuses.add(caught.value.response.status_code)
                if 429 in statuses:
                    break
            assert statuses == {404, 429}
            directory = site.host("host-1")
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: agent.syncs > 0)

    asyncio.run(scenario())


@pytest.mark.slow
def test_an_agent_that_says_too_much_is_read_no_faster_than_it_may_speak(tmp_path: Path, site: Site) -> None:
    """Four seconds' worth at once, and the rest as it may come: what is asked behind it is answered after that."""
    other = tmp_path / "other"
    other.mkdir()
    slow = Site(site.store, other, stream_frames_per_second=100)

    async def scenario() -> None:
        async with slow.running(), slow.agent("host-1", slow.host("host-1")) as agent:
            await agent.until(lambda: agent.syncs > 0)
            begun = asyncio.get_running_loop().time()
            for _ in range(500):
                await agent.connection.send(encode(Heartbeat(revision=0)))
            await agent.connection.send(encode(Ask(number=7)))
            await agent.until(lambda: agent.answered == 7)
            # 501 frames, less 400 at once and what was saved up for: at 100 a second.
            assert asyncio.get_running_loop().time() - begun >= 0.9

    asyncio.run(scenario())


def test_a_frame_that_is_too_long_ends_the_session_and_no_other(site: Site) -> None:
    async def scenario() -> None:
        one, two = site.host("host-1"), site.host("host-2")
        async with site.running(), site.agent("host-2", two) as calm, site.agent("host-1", one) as agent:
            await agent.connection.send(b"x" * (1 << 21))
            async with asyncio.timeout(LIMIT):
                await agent.connection.wait_closed()
            await eventually(lambda: set(site.stream.sessions) == {"host-2"})
            await calm.until(lambda: calm.syncs > 0)

    asyncio.run(scenario())


def test_connections_beyond_the_limit_are_503(tmp_path: Path, site: Site) -> None:
    other = tmp_path / "other"
    other.mkdir()
    small = Site(site.store, other, stream_connections=1)

    async def scenario() -> None:
        one, two = small.host("host-1"), small.host("host-2")
        async with small.running():
            async with small.agent("host-1", one) as agent:
                await agent.until(lambda: agent.syncs > 0)
                with pytest.raises(InvalidStatus) as caught:
                    async with small.connection(two):
                        pass
                assert caught.value.response.status_code == 503
            await eventually(lambda: not small.stream.sessions)
            async with small.agent("host-2", two) as agent:
                await agent.until(lambda: agent.syncs > 0)

    asyncio.run(scenario())
