"""What becomes of routers and floating IPs when gateway hosts are lost: heirs, generations, statuses."""

import pytest

from onehop.controller.liveness import Liveness
from onehop.controller.owners import Owners
from onehop.net.identifier import HostName
from onehop.store import Row, Status, Store
from tests.store import rows
from tests.store.rows import add_gateway_host
from tests.store.test_gateway import given, routed

ONE, TWO = "gw-1", "gw-2"


class World:
    """Two gateway hosts, a router with a gateway, and a floating IP that both hosts call ACTIVE."""

    def __init__(self, store: Store, hosts: int = 2) -> None:
        self.store = store
        for number in range(1, hosts + 1):
            add_gateway_host(store, number)
        external = store.run(rows.external)
        network, router = store.run(routed)
        self.router = str(router["id"])
        store.run(lambda tx: rows.gateway(tx, self.router, external))
        port = store.run(lambda tx: rows.port(tx, network["id"]))
        led = {
            "project_id": rows.PROJECT,
            "floating_network_id": external["id"],
            "floating_ip_address": "172.29.0.5",
            "router_id": self.router,
            "port_id": port["id"],
        }
        self.floating_ip = str(store.run(lambda tx: tx.insert("floatingip", led))["id"])

    def says(self, host: str, state: str) -> None:
        """A host says how the floating IP is."""
        said = [Status("floatingip", self.floating_ip, state)]
        self.store.run(lambda tx: tx.put_statuses(host, said, session=1, revision=tx.revision() + 1))

    @property
    def gateway(self) -> Row:
        return given(self.store, self.router)

    @property
    def status(self) -> str:
        with self.store.read() as tx:
            return str((tx.get("floatingip", self.floating_ip) or {})["status"])

    def lose(self, *hosts: str) -> int:
        return self.store.run(lambda tx: tx.hand_over(hosts))


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def test_what_a_lost_host_owns_goes_to_another_with_a_newer_generation(world: World) -> None:
    before = world.gateway
    heir = TWO if before["owner"] == ONE else ONE
    assert world.lose(str(before["owner"])) == 1
    assert world.gateway["owner"] == heir
    assert world.gateway["generation"] > before["generation"]
    assert world.lose(str(before["owner"])) == 0


def test_a_router_whose_every_candidate_is_lost_keeps_its_owner(world: World) -> None:
    before = world.gateway
    assert world.lose(ONE, TWO) == 0
    assert world.gateway == before


def test_a_floating_ip_that_only_a_lost_host_called_active_is_down_until_somebody_says_it_again(world: World) -> None:
    owner = str(world.gateway["owner"])
    world.says(owner, "ACTIVE")
    assert world.status == "ACTIVE"
    world.lose(owner)
    assert world.status == "DOWN"
    world.says(owner, "ACTIVE")
    assert world.status == "DOWN", "another publishes it now"
    world.says(TWO if owner == ONE else ONE, "ACTIVE")
    assert world.status == "ACTIVE"


def test_a_host_is_handed_over_once_and_not_while_its_agent_speaks(world: World) -> None:
    owner = HostName(str(world.gateway["owner"]))
    heir = HostName(TWO if owner == ONE else ONE)
    liveness = Liveness(1e-9, 0.0)
    owners = Owners(world.store, liveness)
    liveness.hear(heir, 1e12, silent=[owner])
    liveness.hear(owner, 1e12)
    assert owners.judge({owner}) == 0, "its agent speaks"
    liveness.forget(owner)
    assert owners.judge({owner}) == 1
    assert world.gateway["owner"] == heir
    assert owners.judge({owner}) == 0


def _judged(world: World, *speakers: tuple[str, tuple[str, ...], tuple[str, ...]]) -> int:
    """How many routers are handed over because of what some hosts say of others: name, answering, silent."""
    liveness = Liveness(0.0001, 0.0)
    owners = Owners(world.store, liveness)
    # In the future, so that they have just spoken, whenever it is looked.
    for name, answering, silent in speakers:
        liveness.hear(HostName(name), float("inf"), answering, silent)
    return owners.judge(liveness.suspects())


def test_only_a_candidate_of_its_routers_says_that_a_host_is_lost(world: World) -> None:
    owner = str(world.gateway["owner"])
    heir = TWO if owner == ONE else ONE
    stranger = "thief"
    world.store.run(lambda tx: tx.add_host(stranger))
    assert _judged(world, (stranger, (), (owner,))) == 0
    assert world.gateway["owner"] == owner
    assert _judged(world, (heir, (), (owner,))) == 1
    assert world.gateway["owner"] == heir


def test_a_stranger_who_says_that_a_lost_host_answers_keeps_nobody_from_following(world: World) -> None:
    owner = str(world.gateway["owner"])
    heir = TWO if owner == ONE else ONE
    assert _judged(world, ("thief", (owner,), ()), (heir, (), (owner,))) == 1
    assert world.gateway["owner"] == heir


def test_a_floating_ip_is_down_while_the_host_of_its_instance_is_lost_though_the_owner_publishes_it(
    world: World,
) -> None:
    owner, far = str(world.gateway["owner"]), "far"
    world.store.run(lambda tx: tx.add_host(far, physical_networks=["external"]))
    world.store.run(lambda tx: tx.open_session(far, vtep="192.0.2.77", underlay_mtu=1500, physical_networks=[]))
    with world.store.read() as tx:
        port = str((tx.get("floatingip", world.floating_ip) or {})["port_id"])
    world.store.run(lambda tx: tx.insert("binding", {"port_id": port, "host": far, "status": "ACTIVE"}))
    world.says(owner, "ACTIVE")
    assert world.status == "DOWN", "nobody translates it yet"
    world.says(far, "ACTIVE")
    assert world.status == "ACTIVE"
    world.lose(far)
    assert world.status == "DOWN"
    world.says(far, "ACTIVE")
    assert world.status == "ACTIVE"


def test_a_floating_ip_needs_the_owner_only_while_the_host_of_its_instance_reaches_nothing(world: World) -> None:
    owner, far = str(world.gateway["owner"]), "far"
    world.store.run(lambda tx: tx.add_host(far, physical_networks=["external"]))
    world.store.run(lambda tx: tx.open_session(far, vtep="192.0.2.77", underlay_mtu=1500, physical_networks=[]))
    with world.store.read() as tx:
        port = str((tx.get("floatingip", world.floating_ip) or {})["port_id"])
    world.store.run(lambda tx: tx.insert("binding", {"port_id": port, "host": far, "status": "ACTIVE"}))
    world.says(far, "ACTIVE")
    assert world.status == "DOWN"
    world.store.run(lambda tx: tx.reach(far, ["external"]))
    assert world.status == "ACTIVE"
    world.store.run(lambda tx: tx.reach(far, []))
    assert world.status == "DOWN"
    world.says(owner, "ACTIVE")
    assert world.status == "ACTIVE"


def _adopt(world: World, owner: str, generation: int | None = None, host: str = TWO) -> str | None:
    number = world.gateway["generation"] if generation is None else generation
    return world.store.run(lambda tx: tx.adopt_owner(world.router, number, owner, host))


def test_the_owner_that_hosts_chose_is_taken_up_with_a_newer_generation(world: World) -> None:
    before = world.gateway
    assert _adopt(world, TWO) == TWO
    assert world.gateway["owner"] == TWO
    assert world.gateway["generation"] > before["generation"]


def test_a_choice_that_confirms_the_owner_begins_a_new_generation_too(world: World) -> None:
    before = world.gateway
    assert _adopt(world, before["owner"]) == before["owner"]
    assert world.gateway["generation"] > before["generation"]


def test_a_choice_of_hosts_that_comes_late_or_from_elsewhere_changes_nothing(world: World) -> None:
    before = world.gateway
    assert _adopt(world, TWO, before["generation"] - 1) is None
    assert _adopt(world, TWO, host="gw-9") is None
    world.store.run(lambda tx: tx.add_host("near"))
    legs = {"device_id": [world.router], "device_owner": ["network:router_interface_distributed"]}
    network = world.store.run(lambda tx: tx.select("port", legs))[0]["network_id"]
    world.store.run(lambda tx: rows.port(tx, network, host="near"))
    before = world.gateway
    assert "near" in {place["host"] for place in before["hosts"]}
    assert _adopt(world, TWO, host="near") is None
    assert world.gateway == before


def test_hosts_that_chose_who_can_be_no_owner_are_given_another(world: World) -> None:
    before = world.gateway
    assert _adopt(world, "gw-9") in (ONE, TWO)
    assert world.gateway["owner"] in (ONE, TWO)
    assert world.gateway["generation"] > before["generation"]
