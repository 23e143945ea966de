"""An agent that comes back is sent what it lacks, and no more."""

import asyncio

from onehop.controller.memory import MAX_STEPS, Memory, Steps
from onehop.controller.stream import Stream
from onehop.model.topology import Ref
from onehop.wire import Applied, encode
from tests.unit.controller.streams import Site, bound_port, eventually, hello_of


def test_an_agent_that_comes_back_with_the_view_of_now_is_sent_nothing(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        _, port = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", directory) as agent:
            await agent.until(lambda: port in agent.ids("port"))
            revision, digest = agent.revision, agent.digest
        # Another life of the controller, which remembers nothing.
        site.stream = Stream(site.store, site.settings)
        async with site.running(), site.agent("host-1", directory, revision=revision, digest=digest) as agent:
            await agent.until(lambda: agent.syncs > 0)
            assert agent.snapshots == agent.upserts == 0

    asyncio.run(scenario())


def test_an_agent_that_comes_back_later_is_sent_what_changed(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        network, port = bound_port(site, "host-1")
        async with site.running():
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: port in agent.ids("port"))
                await agent.apply()
                await eventually(lambda: site.stream.sessions["host-1"].applied >= agent.revision)
                view, revision, digest = agent.view, agent.revision, agent.digest
            _, added = bound_port(site, "host-1", network_id=network)
            site.store.run(lambda tx: tx.delete("port", port))
            async with site.agent("host-1", directory, revision=revision, digest=digest) as agent:
                agent.view = dict(view)
                await agent.until(lambda: agent.ids("port") == {added})
                assert agent.snapshots == 0
                assert agent.upserts <= 4

    asyncio.run(scenario())


def test_an_agent_with_an_unknown_view_is_sent_everything(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        _, port = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", directory, revision=10_000, digest="0" * 32) as agent:
            await agent.until(lambda: port in agent.ids("port"))
            assert agent.snapshots == 1

    asyncio.run(scenario())


def test_what_an_older_session_hears_is_nothing_to_the_next_one() -> None:
    one: Ref = ("port", "1")
    two: Ref = ("port", "2")
    older = Memory(5, {one})
    next_ = older.handed_on()
    next_.add({two})
    older.base, older.refs = 9, set()
    assert next_.since(5) == {one, two}


def test_a_late_word_of_a_cut_session_takes_nothing_from_an_agent_that_came_back(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        network, port = bound_port(site, "host-1")
        async with site.running(), site.agent("host-1", directory) as first:
            await first.until(lambda: port in first.ids("port"))
            view, revision, digest = dict(first.view), first.revision, first.digest
            # It hears nothing any more, not even that its session ends, but what it says still arrives.
            first.connection.transport.pause_reading()
            session = site.stream.sessions["host-1"]
            async with site.connection(directory) as second:
                await second.send(encode(hello_of("host-1", revision=revision, digest=digest)))
                await eventually(lambda: site.stream.sessions["host-1"] is not session)
                _, added = bound_port(site, "host-1", network_id=network)
                await eventually(lambda: site.stream._feed.shares.topology.revision > revision)
                await first.connection.send(encode(Applied(revision=revision)))
                await eventually(lambda: session.applied >= revision)
                second.transport.abort()
            async with site.agent("host-1", directory, revision=revision, digest=digest) as third:
                third.view = view
                await third.until(lambda: added in third.ids("port"))
            first.connection.transport.abort()

    asyncio.run(scenario())


def test_what_came_and_went_while_a_controller_slept_is_not_left_with_an_agent_that_another_told(site: Site) -> None:
    """The one that slept goes over it in one step, in which there is nothing of it."""

    async def scenario() -> None:
        directory = site.host("host-1")
        network, port = bound_port(site, "host-1")
        other = Site(site.store, site.directory)
        async with site.running(), other.running():
            async with site.agent("host-1", directory) as agent:
                await agent.until(lambda: port in agent.ids("port"))
                await agent.apply()
                await eventually(lambda: site.stream.sessions["host-1"].applied >= agent.revision)
            async with site.stream._feed._lock:
                async with other.agent("host-1", directory) as agent:
                    _, brief = bound_port(site, "host-1", network_id=network)
                    await agent.until(lambda: agent.ids("port") == {port, brief})
                    view, revision, digest = agent.view, agent.revision, agent.digest
                site.store.run(lambda tx: tx.delete("port", brief))
            async with site.agent("host-1", directory, revision=revision, digest=digest) as agent:
                agent.view = dict(view)
                await agent.until(lambda: agent.syncs > 0)
                assert agent.ids("port") == {port}

    asyncio.run(scenario())


def test_of_steps_the_newest_are_known() -> None:
    steps = Steps()
    for revision in range(MAX_STEPS + 3):
        steps.add(2 * revision)
    assert 4 not in steps
    assert 6 in steps
    assert 7 not in steps
    memory = Memory(6, {("port", "1")})
    assert memory.since(6, stood=False) == memory.since(8) == {("port", "1")}
    assert memory.since(7, stood=False) is memory.since(5) is None
