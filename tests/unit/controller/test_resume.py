"""An agent that comes back is sent what it lacks, and no more."""

import asyncio

from onehop.controller.stream import Stream
from tests.unit.controller.streams import Site, bound_port, eventually


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
