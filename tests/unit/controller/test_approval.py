"""A stolen certificate, and what its bearer can claim of the host: what no operator approved counts for nothing."""

import asyncio

from structlog.testing import capture_logs

from onehop.controller.attention import Attention
from onehop.controller.liveness import Liveness
from onehop.net.identifier import HostName
from onehop.store import HostRow
from onehop.store.record import Approval
from onehop.wire import Acting, Heartbeat, PortUse, Reach, Usage, encode
from tests.store import rows
from tests.unit.controller.streams import Site, eventually
from tests.unit.controller.test_stream_outside import floating_ip

ALL = {"gateway_host": True, "physical_networks": ("external", "lan")}


def known(site: Site, name: str) -> HostRow:
    with site.store.read() as tx:
        host = tx.host(name)
    assert host is not None
    return host


def gateway(site: Site, router: str) -> rows.Row:
    with site.store.read() as tx:
        return tx.gateways([router])[router]


def routed(site: Site) -> str:
    """A router between a port on host-1 and the outside, with host-2 as its owner; its id."""
    router, _ = floating_ip(site)
    rows.say_hello(site.store, "host-2", 2)
    assert gateway(site, router)["owner"] == "host-2"
    return router


def test_it_is_no_gateway_host_and_reaches_nothing_whatever_it_says(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        site.host("host-2", "external")
        site.host("host-3")
        network = site.store.run(rows.network)["id"]
        router = site.store.run(lambda tx: rows.router(tx, network))["id"]
        site.store.run(lambda tx: rows.gateway(tx, router, rows.external(tx)))
        rows.say_hello(site.store, "host-2", 2)
        async with site.running(), site.agent("host-1", thief, **ALL) as agent:
            await agent.until(lambda: agent.syncs > 0)
            await agent.connection.send(encode(Reach(physical_networks=("external", "lan", "more"))))
            await eventually(lambda: "more" in known(site, "host-1").refused.physical_networks)
            assert agent.ids("router") == agent.ids("network") == set()
            assert agent.ids("host") == {"host-1"}
        assert gateway(site, router)["candidates"] == ["host-2"]
        host = known(site, "host-1")
        assert (host.gateway_host, host.physical_networks) == (False, ())
        assert host.refused == Approval(True, ("external", "lan", "more"))

    with capture_logs() as logged:
        asyncio.run(scenario())
    assert any("an agent claims what its host was not approved for" in line["event"] for line in logged)


def test_an_approval_takes_effect_at_once_and_so_does_its_end(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1")
        router, _ = floating_ip(site)
        async with site.running(), site.agent("host-1", directory, **ALL) as agent:
            await agent.until(lambda: agent.syncs > 0)
            assert gateway(site, router)["owner"] is None
            site.store.run(lambda tx: tx.approve_host("host-1", gateway_host=True, physical_networks=["external"]))
            assert gateway(site, router)["owner"] == "host-1"
            assert known(site, "host-1").refused == Approval(False, ("lan",))
            site.store.run(lambda tx: tx.approve_host("host-1", gateway_host=False))
            assert gateway(site, router)["owner"] is None
            assert known(site, "host-1").physical_networks == ("external",)

    asyncio.run(scenario())


def test_it_names_no_owner_where_it_is_no_candidate(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-1")
        site.host("host-2", "external")
        router = routed(site)
        generation = gateway(site, router)["generation"]
        async with site.running(), site.agent("host-1", thief, **ALL) as agent:
            await agent.until(lambda: agent.syncs > 0)
            for said in (
                Acting(router=router, generation=generation, epoch=1, owner="host-1"),
                Acting(router=router, generation=generation, epoch=2, owner="host-2"),
                Acting(router=router, generation=generation, epoch=3, owner="host-1", vacant=True),
            ):
                await agent.connection.send(encode(Heartbeat(revision=agent.revision, acting=(said,))))
            # Taken in the order in which they come: what is seen of the last was seen of those before.
            await agent.connection.send(encode(Reach(physical_networks=("last",))))
            await eventually(lambda: known(site, "host-1").refused.physical_networks == ("last",))
        assert gateway(site, router)["owner"] == "host-2"
        assert gateway(site, router)["generation"] == generation

    asyncio.run(scenario())


def test_its_claims_hide_no_word_of_a_candidate_and_fill_no_memory(site: Site) -> None:
    site.host("host-1")
    site.host("host-2", "external")
    router = routed(site)
    site.host("host-3", "external")
    rows.say_hello(site.store, "host-3", 3)
    generation = gateway(site, router)["generation"]
    thief, honest = HostName("host-1"), HostName("host-3")

    async def scenario() -> None:
        attention = Attention(site.store, Liveness(1, 0))
        task = asyncio.ensure_future(attention.run())
        said = Acting(router=router, generation=generation, epoch=1, owner="host-3")
        lie = Acting(router=router, generation=generation, epoch=2**31 - 1, owner="host-1")
        for number in range(50):
            attention.acting(thief, (Acting(router=f"r{number}", generation=1, epoch=1, owner="x", vacant=True),))
        attention.acting(honest, (said,))
        attention.acting(thief, (lie,))
        await eventually(lambda: gateway(site, router)["owner"] == "host-3")
        assert len(attention._vacant[thief]) <= 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_it_is_given_no_ports_of_a_router_that_it_does_not_hold(site: Site) -> None:
    async def scenario() -> None:
        thief = site.host("host-3")
        site.host("host-1")
        site.host("host-2", "external")
        router = routed(site)
        before = gateway(site, router)["hosts"]
        async with site.running(), site.agent("host-3", thief, **ALL) as agent:
            await agent.until(lambda: agent.syncs > 0)
            for _ in range(3):
                await agent.connection.send(encode(Usage(routers=(PortUse(router=router, used=10**6, failed=9),))))
            await agent.connection.send(encode(Reach(physical_networks=("last",))))
            await eventually(lambda: known(site, "host-3").refused.physical_networks == ("last",))
        assert gateway(site, router)["hosts"] == before

    asyncio.run(scenario())
