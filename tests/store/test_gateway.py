"""Gateways in the store: what each host of a router is given, when, and who owns the addresses."""

import ipaddress

import pytest

from onehop.errors import NotFoundError, PoolFullError, TakenError
from onehop.net import naming
from onehop.store import Store, Transaction
from tests.store import rows
from tests.store.outside import given, hosts_of, routed, run
from tests.store.rows import add_gateway_host, say_hello

pytestmark = pytest.mark.slow


def test_a_place_is_a_number_two_macs_a_transit_address_and_a_block(store: Store) -> None:
    names = [add_gateway_host(store, n) for n in (1, 2, 3)]
    external = store.run(rows.external)
    network, router = store.run(routed)
    gateway = run(store, lambda tx: rows.gateway(tx, router["id"], external))
    assert [place["host"] for place in gateway["hosts"]] == names
    for what in ("number", "mac_address", "transit_ip", "transit_mac"):
        assert len({place[what] for place in gateway["hosts"]}) == 3
    for place in gateway["hosts"]:
        assert 1 <= place["number"] <= 255
        ip = ipaddress.IPv4Address(place["transit_ip"])
        assert ip in ipaddress.IPv4Network("169.254.0.0/16")
        assert f"{ip}/32" not in ("169.254.169.254/32", naming.ANCHOR)
        assert place["mac_address"].startswith("fa:16:3e:")
    assert sorted(b["first"] for place in gateway["hosts"] for b in place["blocks"]) == [1024, 2048, 3072]
    assert gateway["owner"] == gateway["candidates"][0]
    assert gateway["generation"] == store.revision()
    assert network["provider:segmentation_id"] != gateway["vni"]


def test_a_transit_network_and_a_network_never_share_a_vni(store: Store) -> None:
    external = store.run(rows.external)
    _, router = store.run(routed)
    gateway = run(store, lambda tx: rows.gateway(tx, router["id"], external, (5000, 5000)))
    assert gateway["vni"] == 5000
    with pytest.raises(PoolFullError):
        store.run(lambda tx: tx.allocate_vni(5000, 5000))
    with pytest.raises(TakenError) as caught:
        store.run(lambda tx: rows.network(tx, **{"provider:segmentation_id": 5000}))
    assert caught.value.resource == "vni"
    store.run(lambda tx: tx.clear_gateway(router["id"]))
    assert store.run(lambda tx: tx.allocate_vni(5000, 5000)) == 5000


def test_owners_are_spread_by_load(store: Store) -> None:
    names = [add_gateway_host(store, n) for n in (1, 2, 3)]
    external = store.run(rows.external)
    owners = []
    for _ in range(9):
        router = store.run(rows.router)
        owners.append(run(store, lambda tx, id=router["id"]: rows.gateway(tx, id, external))["owner"])
    assert sorted(owners) == sorted(names * 3)


def test_a_lost_owners_routers_go_to_more_than_one_host(store: Store) -> None:
    for n in range(1, 5):
        add_gateway_host(store, n)
    external = store.run(rows.external)
    routers = [store.run(rows.router)["id"] for _ in range(40)]
    for id in routers:
        store.run(lambda tx, id=id: rows.gateway(tx, id, external))
    seconds = {given(store, id)["candidates"][1] for id in routers if given(store, id)["owner"] == "gw-1"}
    assert len(seconds) > 1


def test_a_host_gets_a_place_in_the_transaction_that_binds_a_port_there(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    network, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    before = store.revision()
    store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    assert hosts_of(store, router["id"]) == ["gw-1", "h1"]
    with store.read() as tx:
        assert ("router", router["id"]) in {(c.kind, c.id) for c in tx.changes(before)}
    before = store.revision()
    store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    with store.read() as tx:
        assert {c.kind for c in tx.changes(before)} == {"port"}


def test_a_gateway_gives_places_to_all_hosts_of_its_component(store: Store) -> None:
    external = store.run(rows.external)

    def chain(tx: Transaction) -> tuple[str, str]:
        one, two, three, far = (rows.network(tx)["id"] for _ in range(4))
        near, other = rows.router(tx, one, two)["id"], rows.router(tx, two, three)["id"]
        for number, network in enumerate((one, two, three, far), 1):
            rows.port(tx, network, host=f"h{number}")
        return near, other

    near, other = store.run(chain)
    store.run(lambda tx: rows.gateway(tx, near, external))
    assert hosts_of(store, near) == ["h1", "h2", "h3"]
    with store.read() as tx:
        assert tx.gateways([other]) == {}


def test_an_interface_that_joins_two_components_gives_places_to_the_hosts_of_both(store: Store) -> None:
    external = store.run(rows.external)
    (one, left), (two, right) = store.run(routed), store.run(routed)
    for router in (left, right):
        store.run(lambda tx, id=router["id"]: rows.gateway(tx, id, external))
    store.run(lambda tx: rows.port(tx, one["id"], host="h1"))
    store.run(lambda tx: rows.port(tx, two["id"], host="h2"))
    assert (hosts_of(store, left["id"]), hosts_of(store, right["id"])) == (["h1"], ["h2"])
    store.run(lambda tx: rows.leg(tx, left["id"], two["id"]))
    assert hosts_of(store, left["id"]) == hosts_of(store, right["id"]) == ["h1", "h2"]


def test_a_port_that_becomes_an_interface_joins_too(store: Store) -> None:
    external = store.run(rows.external)
    router = store.run(rows.router)
    network = store.run(rows.network)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    port = store.run(lambda tx: rows.port(tx, network["id"]))
    assert hosts_of(store, router["id"]) == []
    taken = {"device_owner": "network:router_interface_distributed", "device_id": router["id"]}
    store.run(lambda tx: tx.update("port", port["id"], taken))
    assert hosts_of(store, router["id"]) == ["h1"]


def test_a_gateway_host_that_comes_later_becomes_candidate_but_takes_nothing_over(store: Store) -> None:
    external = store.run(rows.external)
    _, router = store.run(routed)
    assert run(store, lambda tx: rows.gateway(tx, router["id"], external))["owner"] is None
    add_gateway_host(store, 1)
    first = given(store, router["id"])
    assert (first["owner"], first["candidates"]) == ("gw-1", ["gw-1"])
    add_gateway_host(store, 2)
    add_gateway_host(store, 3, "elsewhere")
    second = given(store, router["id"])
    assert (second["owner"], second["generation"]) == ("gw-1", first["generation"])
    assert second["candidates"] == ["gw-1", "gw-2"]
    assert hosts_of(store, router["id"]) == ["gw-1", "gw-2"]


def test_a_hello_that_says_the_same_changes_nothing(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    _, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    before = store.revision()
    say_hello(store, "gw-1", 1)
    assert store.revision() == before


def test_an_owner_that_reaches_the_outside_no_more_is_followed_with_a_newer_generation(store: Store) -> None:
    for n in (1, 2):
        add_gateway_host(store, n)
    external = store.run(rows.external)
    _, router = store.run(routed)
    before = run(store, lambda tx: rows.gateway(tx, router["id"], external))
    lost, other = before["candidates"]
    say_hello(store, lost, int(lost[-1]), reached=False)
    after = given(store, router["id"])
    assert (after["owner"], after["candidates"]) == (other, [other])
    assert after["generation"] > before["generation"]
    say_hello(store, other, int(other[-1]), gateway_host=False)
    alone = given(store, router["id"])
    assert (alone["owner"], alone["candidates"]) == (None, [])
    assert alone["generation"] > after["generation"]


def test_an_owner_is_assigned_among_candidates_with_a_newer_generation(store: Store) -> None:
    for n in (1, 2):
        add_gateway_host(store, n)
    external = store.run(rows.external)
    _, router = store.run(routed)
    before = run(store, lambda tx: rows.gateway(tx, router["id"], external))
    second = before["candidates"][1]
    generation = store.run(lambda tx: tx.assign_owner(router["id"], second))
    assert generation > before["generation"]
    assert given(store, router["id"])["owner"] == second
    assert store.run(lambda tx: tx.assign_owner(router["id"], second)) == generation
    assert store.revision() == generation
    for wrong in ("gw-9", ""):
        with pytest.raises(NotFoundError):
            store.run(lambda tx, host=wrong: tx.assign_owner(router["id"], host))
