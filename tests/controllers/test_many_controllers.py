"""Three controllers on one PostgreSQL are killed, paused and cut off: no promise to clients or agents is broken.

The seed decides what clients do and what breaks, in which order; ``ONEHOP_SEED`` chooses it. When what happens depends
on the machine, so a history that fails is printed whole.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from onehop.controller.share import Shares
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.store import Store
from onehop.store.table import CHANGE_LOG
from tests.controllers.checker import violations
from tests.controllers.clients import Client, call
from tests.controllers.cluster import Cluster
from tests.controllers.faults import Faults
from tests.controllers.followers import Follower, Followers
from tests.controllers.history import Final, History, Logged
from tests.unit.controller.streams import Site

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]

LIMIT = 120.0
CONTROLLERS, CLIENTS, SECONDS = 3, 4, 20.0
HOSTS, GATEWAYS = ("h-1", "h-2", "h-3", "h-4"), ("gw-5", "gw-6")


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds that nobody tells of."""
    deadline = time.monotonic() + LIMIT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        pause.wait(0.05)


class World:
    """Cluster, store, agents and the networks that clients' ports are on."""

    def __init__(self, place: Path) -> None:
        self.cluster = Cluster(place, CONTROLLERS)
        self.store = Store.open(self.cluster.postgres.url)
        streams = [controller.stream for controller in self.cluster.controllers]
        site = Site(self.store, place)
        names = (*HOSTS, *GATEWAYS)
        self.agents = Followers(
            [
                Follower(
                    number, name in GATEWAYS, site.host(name, *(["external"] if name in GATEWAYS else [])), streams
                )
                for number, name in enumerate(names, 1)
            ]
        )
        self.agents.start()

    def close(self) -> None:
        self.agents.end()
        self.store.close()
        self.cluster.close()

    def post(self, plural: str, **values: object) -> Any:
        singular = plural.removesuffix("s")
        return call(self.cluster.controllers[0].api, "POST", plural, {singular: values}, 60)[singular]

    def network(self, number: int, **values: object) -> tuple[str, str]:
        network = self.post("networks", name=f"n{number}", **values)["id"]
        subnet = self.post("subnets", network_id=network, ip_version=4, cidr=f"10.0.{number}.0/24")["id"]
        return network, subnet

    def networks(self) -> list[str]:
        """Two networks without a router, and two with one that leads outside."""
        outside = {"provider:network_type": "flat", "provider:physical_network": "external", "router:external": True}
        external, _ = self.network(9, **outside)
        made = [self.network(number) for number in range(1, 5)]
        for _, subnet in made[2:]:
            router = self.post("routers", external_gateway_info={"network_id": external})["id"]
            path = f"routers/{router}/add_router_interface"
            call(self.cluster.controllers[0].api, "PUT", path, {"subnet_id": subnet}, 60)
        return [network for network, _ in made]

    def gateways(self) -> dict[str, str]:
        """Gateway hosts → ids of their agents in the API."""
        agents = call(self.cluster.controllers[0].api, "GET", "agents", patience=60)["agents"]
        return {agent["host"]: agent["id"] for agent in agents if agent["host"] in GATEWAYS}

    def in_sync(self) -> bool:
        """Whether every agent was told the newest revision; none may have ended by itself."""
        assert [agent.failure for agent in self.agents.all if agent.failure] == []
        newest = self.store.revision()
        return all(a.source.connected and a.view is not None and a.view.revision == newest for a in self.agents.all)

    def share(self, agent: Follower) -> dict[Ref, Value]:
        """What an agent's view should be, worked out anew from the database."""
        with self.store.read() as tx:
            topology = Topology(*tx.snapshot())
        return {ref(value): value for value in Shares(topology).share(agent.host)}

    def final(self) -> Final:
        with self.store.read() as tx:
            ports = [row for row in tx.select("port") if not row["device_owner"]]
            log = CHANGE_LOG.c
            columns = sa.select(log.revision, log.id, log.deleted).where(log.kind == "port").order_by(log.revision)
            entries = tx.connection.execute(columns).all()
        return Final(
            names={row["id"]: row["name"] for row in ports},
            addresses={
                row["id"]: tuple((ip["subnet_id"], ip["ip_address"]) for ip in row["fixed_ips"]) for row in ports
            },
            places={row["id"]: (row["network_id"], row["binding:host_id"]) for row in ports},
            log=tuple(Logged(*entry) for entry in entries),
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_no_promise_is_broken_while_controllers_and_database_come_and_go(world: World) -> None:
    seed = os.environ.get("ONEHOP_SEED", "") or secrets.token_hex(4)
    print(f"ONEHOP_SEED={seed}")
    until(world.in_sync)
    networks = world.networks()
    history = History()
    apis = [controller.api for controller in world.cluster.controllers]
    places = [(network, host) for network in networks for host in HOSTS]
    clients = [Client(number, seed, apis, places, history) for number in range(CLIENTS)]
    faults = Faults(seed, world.cluster, world.agents, world.gateways(), history)
    for client in clients:
        client.start()
    try:
        faults.run(SECONDS)
    finally:
        for client in clients:
            client.end()
        for client in clients:
            client.join(LIMIT)
    world.cluster.heal()
    print("\n".join(faults.done))
    assert [client.failure for client in clients if client.failure is not None] == []
    until(world.in_sync)
    world.agents.end()
    operations, final = history.all(), world.final()
    sights = [sight for agent in world.agents.all for sight in agent.sights]
    print(f"{len(operations)} operations, {history.acknowledged()} acknowledged, {len(sights)} sights")
    broken = violations(operations, final, sights)
    concerned = [str(one) for one in (*operations, *final.log) if one.port and any(one.port in said for said in broken)]
    assert broken == [], "\n".join([*broken, *concerned])
    assert history.acknowledged() > len(operations) // 2
    assert len({reign for sight in sights for reign in sight.reigns}) > 2, "no owner ever changed"
    assert any(blocks for sight in sights for blocks in sight.blocks.values()), "no port block was given"
    for agent in world.agents.all:
        assert {ref(value): value for value in agent.view or ()} == world.share(agent)
        assert agent.holds_its_view(), agent.host
