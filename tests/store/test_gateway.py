"""Gateways in the store: what each host of a router is given, when, and that no two are given the same."""

import ipaddress
from collections.abc import Callable, Iterator

import pytest

from onehop.errors import NotFoundError, PoolFullError, TakenError
from onehop.net import naming
from onehop.store import Row, Rules, Store, Transaction
from tests.store import rows
from tests.store.rows import add_gateway_host, say_hello

WIDE = (1, 2**24 - 1)


@pytest.fixture
def now() -> list[float]:
    return [1_800_000_000.0]


@pytest.fixture
def store(database_url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock is set by the test."""
    opened = Store.open(database_url, clock=lambda: now[0], rules=Rules(quarantine_seconds=600))
    try:
        yield opened
    finally:
        opened.close()


def run(store: Store, fn: Callable[[Transaction], Row]) -> Row:
    return store.run(fn)


def hosts_of(store: Store, router_id: str) -> list[str]:
    with store.read() as tx:
        return [place["host"] for place in tx.gateways([router_id])[router_id]["hosts"]]


def given(store: Store, router_id: str) -> Row:
    with store.read() as tx:
        return tx.gateways([router_id])[router_id]


def blocks_of(store: Store, router_id: str) -> dict[str, list[tuple[int, int]]]:
    found = given(store, router_id)["hosts"]
    return {place["host"]: [(b["first"], b["size"]) for b in place["blocks"]] for place in found}


def routed(tx: Transaction, **values: object) -> tuple[Row, Row]:
    """A network, and a router with a leg on it."""
    network = rows.network(tx)
    return network, rows.router(tx, network["id"], **values)


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


def test_a_removed_host_gives_its_places_back(store: Store, now: list[float]) -> None:
    for n in (1, 2):
        add_gateway_host(store, n)
    external = store.run(rows.external)
    _, router = store.run(routed)
    before = run(store, lambda tx: rows.gateway(tx, router["id"], external))
    store.run(lambda tx: tx.remove_host(before["owner"]))
    after = given(store, router["id"])
    assert after["owner"] == before["candidates"][1]
    assert hosts_of(store, router["id"]) == [after["owner"]]
    lost = blocks_of_before(before, before["owner"])
    add_gateway_host(store, 3)
    assert blocks_of(store, router["id"])["gw-3"] != [lost]
    now[0] += 601
    add_gateway_host(store, 4)
    assert blocks_of(store, router["id"])["gw-4"] == [lost]


def blocks_of_before(gateway: Row, host: str) -> tuple[int, int]:
    (block,) = next(place["blocks"] for place in gateway["hosts"] if place["host"] == host)
    return block["first"], block["size"]


def test_a_cleared_gateway_leaves_nothing(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    _, router = store.run(routed)
    gateway = run(store, lambda tx: rows.gateway(tx, router["id"], external))
    store.run(lambda tx: tx.clear_gateway(router["id"]))
    store.run(lambda tx: tx.delete("port", gateway["port_id"]))
    with store.read() as tx:
        assert tx.gateways([router["id"]]) == {}
        for table in ("gateway", "place", "port_block"):
            assert tx.connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0  # noqa: S608 - fixed


@pytest.mark.parametrize(("size", "room", "first"), [(64, 1008, 1024), (4096, 15, 4096), (16384, 3, 16384)])
def test_blocks_are_multiples_of_their_size_and_end_with_the_ports(
    store: Store, size: int, room: int, first: int
) -> None:
    external = store.run(rows.external)
    network, router = store.run(lambda tx: routed(tx, port_block_size=size))
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    store.run(lambda tx: rows.port(tx, network["id"], host="h"))
    for _ in range(min(room, 16) - 1):
        assert store.run(lambda tx: tx.add_port_block(router["id"], "h"))
    blocks = blocks_of(store, router["id"])["h"]
    assert blocks[0] == (first, size)
    assert all(base % size == 0 and base >= 1024 and base + size <= 65536 for base, _ in blocks)
    assert len({base for base, _ in blocks}) == min(room, 16)
    if room <= 16:
        assert not store.run(lambda tx: tx.add_port_block(router["id"], "h"))


def test_blocks_of_an_older_size_are_not_overlapped(store: Store) -> None:
    external = store.run(rows.external)
    network, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    store.run(lambda tx: tx.update("router", router["id"], {"port_block_size": 4096}))
    store.run(lambda tx: rows.port(tx, network["id"], host="h2"))
    store.run(lambda tx: tx.update("router", router["id"], {"port_block_size": 64}))
    store.run(lambda tx: rows.port(tx, network["id"], host="h3"))
    assert blocks_of(store, router["id"]) == {"h1": [(1024, 1024)], "h2": [(4096, 4096)], "h3": [(2048, 64)]}


def test_a_host_without_a_block_has_a_place_and_is_given_one_when_there_is_one(store: Store, now: list[float]) -> None:
    external = store.run(rows.external)
    network, router = store.run(lambda tx: routed(tx, port_block_size=16384))
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    ports = [store.run(lambda tx, n=n: rows.port(tx, network["id"], host=f"h{n}")) for n in range(1, 5)]
    blocks = blocks_of(store, router["id"])
    assert [len(blocks[f"h{n}"]) for n in range(1, 5)] == [1, 1, 1, 0]
    assert store.run(lambda tx: tx.refill_port_blocks()) == 0
    freed = blocks["h1"]
    store.run(lambda tx: tx.delete("port", ports[0]["id"]))
    before = store.revision()
    assert store.run(lambda tx: tx.refill_port_blocks()) == 0
    with store.read() as tx:
        assert [(change.kind, change.id) for change in tx.changes(before)] == [("router", router["id"])]
    assert "h1" not in blocks_of(store, router["id"])
    now[0] += 599
    assert store.run(lambda tx: tx.refill_port_blocks()) == 0
    now[0] += 1
    assert store.run(lambda tx: tx.refill_port_blocks()) == 1
    assert blocks_of(store, router["id"])["h4"] == freed


def test_a_host_that_comes_back_is_given_its_own_block_out_of_quarantine(store: Store) -> None:
    external = store.run(rows.external)
    network, router = store.run(lambda tx: routed(tx, port_block_size=16384))
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    ports = [store.run(lambda tx, n=n: rows.port(tx, network["id"], host=f"h{n}")) for n in range(1, 4)]
    mine = blocks_of(store, router["id"])["h1"]
    store.run(lambda tx: tx.delete("port", ports[0]["id"]))
    store.run(lambda tx: rows.port(tx, network["id"], host="h4"))
    assert blocks_of(store, router["id"])["h4"] == []
    store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    assert blocks_of(store, router["id"])["h1"] == mine


def test_a_router_has_at_most_255_hosts_and_idle_ones_make_room(store: Store) -> None:
    external = store.run(rows.external)
    network, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))

    def fill(tx: Transaction) -> list[Row]:
        return [rows.port(tx, network["id"], host=f"h{n}") for n in range(255)]

    ports = store.run(fill)
    assert len({place["number"] for place in given(store, router["id"])["hosts"]}) == 255
    store.run(lambda tx: rows.port(tx, network["id"], host="late"))
    assert "late" not in hosts_of(store, router["id"])
    store.run(lambda tx: tx.delete("port", ports[7]["id"]))
    store.run(lambda tx: rows.port(tx, network["id"], host="later"))
    assert "later" in hosts_of(store, router["id"])
    assert "h7" not in hosts_of(store, router["id"])


def test_a_block_for_a_host_without_a_place_is_refused(store: Store) -> None:
    external = store.run(rows.external)
    _, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    with pytest.raises(NotFoundError, match="has no place"):
        store.run(lambda tx: tx.add_port_block(router["id"], "h1"))
