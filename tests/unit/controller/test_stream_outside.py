"""The stream and the way outside: what a gateway host's hello sets off, and what becomes of floating IPs."""

import asyncio

import msgspec

from onehop.model.router import Router
from onehop.wire import Acting, Heartbeat, ResourceStatus, encode
from tests.store import rows
from tests.unit.controller.streams import FakeAgent, Site, eventually


def floating_ip(site: Site) -> tuple[str, str]:
    """A router between a port on host-1 and the outside, and a floating IP of the port: ids of both."""

    def make(tx: rows.Transaction) -> tuple[str, str]:
        network, external = rows.network(tx)["id"], rows.external(tx)
        subnet = rows.subnet(tx, network, "10.0.0.0/24", ("10.0.0.10", "10.0.0.20"))["id"]
        router = rows.router(tx, network)["id"]
        rows.gateway(tx, router, external)
        port = rows.port(tx, network, subnet, host="host-1")
        led = {"port_id": port["id"], "fixed_ip_address": port["fixed_ips"][0]["ip_address"], "router_id": router}
        given = {"project_id": rows.PROJECT, "floating_network_id": external["id"], **led}
        return router, tx.insert("floatingip", {**given, "floating_ip_address": "172.29.0.5"})["id"]

    return site.store.run(make)


def owner(agent: FakeAgent, router: str) -> str | None:
    """Who the agent believes to be a router's owner."""
    value = agent.view.get(("router", router))
    return value.gateway.owner if isinstance(value, Router) and value.gateway is not None else None


def test_a_gateway_host_is_sent_what_it_may_own_though_no_port_is_bound_there(site: Site) -> None:
    async def scenario() -> None:
        one, two = (site.host(name, "external") for name in ("host-1", "host-2"))
        router, floating = floating_ip(site)
        reach = {"gateway_host": True, "physical_networks": ("external",)}
        async with site.running(), site.agent("host-1", one) as a:
            await a.until(lambda: floating in a.ids("floatingip"))
            assert owner(a, router) is None
            async with site.agent("host-2", two, **reach) as b:
                await b.until(lambda: owner(b, router) == "host-2")
                await a.until(lambda: owner(a, router) == "host-2")
                assert b.ids("floatingip") == {floating}
                assert len(b.ids("network")) == len(a.ids("network")) == 2
                assert b.ids("host") == a.ids("host") == {"host-1", "host-2"}

    asyncio.run(scenario())


def test_a_floating_ip_is_active_when_its_host_says_so(site: Site) -> None:
    async def scenario() -> None:
        directory = site.host("host-1", "external")
        _, floating = floating_ip(site)

        def status() -> str:
            with site.store.read() as tx:
                return str(rows.known(tx, "floatingip", floating)["status"])

        async with site.running(), site.agent("host-1", directory, physical_networks=("external",)) as agent:
            await agent.until(lambda: floating in agent.ids("floatingip"))
            assert status() == "DOWN"
            await agent.apply(ResourceStatus(kind="floatingip", id=floating, state="ACTIVE"))
            await eventually(lambda: status() == "ACTIVE")
            await agent.apply(ResourceStatus(kind="floatingip", id=floating, state="ERROR", reason="no leg"))
            await eventually(lambda: status() == "ERROR")

    asyncio.run(scenario())


def test_the_owner_that_hosts_chose_without_a_controller_is_taken_up(site: Site) -> None:
    async def scenario() -> None:
        one, two = (site.host(name, "external") for name in ("host-1", "host-2"))
        router, _ = floating_ip(site)
        reach = {"gateway_host": True, "physical_networks": ("external",)}
        async with site.running(), site.agent("host-1", one, **reach) as a:
            await a.until(lambda: owner(a, router) == "host-1")
            async with site.agent("host-2", two, **reach) as b:
                await b.until(lambda: owner(b, router) == "host-1")
                value = b.view["router", router]
                assert isinstance(value, Router)
                assert value.gateway is not None
                said = Acting(router=router, generation=value.gateway.generation, epoch=1, owner="host-2")
                await b.connection.send(encode(Heartbeat(revision=b.revision, acting=(said,))))
                await b.until(lambda: owner(b, router) == "host-2")
                laid_down = msgspec.structs.replace(said, owner="host-1")
                await b.connection.send(encode(Heartbeat(revision=b.revision, acting=(laid_down,))))
                await a.until(lambda: owner(a, router) == "host-2")

    asyncio.run(scenario())


def test_a_router_that_its_owner_laid_down_waits_for_whoever_followed_to_say_so(site: Site) -> None:
    async def scenario() -> None:
        one, two = (site.host(name, "external") for name in ("host-1", "host-2"))
        router, _ = floating_ip(site)
        reach = {"gateway_host": True, "physical_networks": ("external",)}
        async with site.running(), site.agent("host-1", one, **reach) as a, site.agent("host-2", two, **reach) as b:
            await b.until(lambda: owner(b, router) == "host-1")
            value = b.view["router", router]
            assert isinstance(value, Router)
            assert value.gateway is not None
            said = Acting(router=router, generation=value.gateway.generation, epoch=0, owner="host-1", vacant=True)
            followed = msgspec.structs.replace(said, epoch=1, owner="host-2", vacant=False)
            await a.connection.send(encode(Heartbeat(revision=a.revision, acting=(said,))))
            await b.connection.send(encode(Heartbeat(revision=b.revision, acting=(followed,))))
            await b.until(lambda: owner(b, router) == "host-2")

    asyncio.run(scenario())
