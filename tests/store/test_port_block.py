"""Port blocks and places: how many there are, when they come back, and who gets them then."""

from collections.abc import Iterator

import pytest

from onehop.errors import NotFoundError
from onehop.store import Row, Status, Store, Transaction
from tests.store import rows
from tests.store.outside import blocks_of, clocked, given, hosts_of, routed, run
from tests.store.rows import add_gateway_host

pytestmark = pytest.mark.slow


@pytest.fixture
def now() -> list[float]:
    return [1_800_000_000.0]


@pytest.fixture
def store(database_url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock is set by the test."""
    with clocked(database_url, now) as opened:
        yield opened


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


def test_a_host_that_uses_three_quarters_of_its_ports_is_given_a_further_block(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    _, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    before = blocks_of(store, router["id"])["gw-1"]
    size = before[0][1]
    for used, number in ((size * 3 // 4 - 1, 1), (size * 3 // 4, 2), (size * 3 // 4, 2), (size * 2 * 3 // 4, 3)):
        store.run(lambda tx, used=used: tx.use_ports([("gw-1", router["id"], used, 0, "")]))
        found = blocks_of(store, router["id"])["gw-1"]
        assert len(found) == number
        assert all(first % size == 0 for first, _ in found)


def test_a_host_that_always_asks_for_more_is_given_three_quarters_of_the_ports(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    _, router = store.run(lambda tx: routed(tx, port_block_size=8192))
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    for _ in range(9):
        store.run(lambda tx: tx.use_ports([("gw-1", router["id"], 10**6, 0, "")]))
    assert len(blocks_of(store, router["id"])["gw-1"]) == (65_536 - 1024) * 3 // 4 // 8192


def test_a_host_that_does_not_need_a_router_any_more_is_given_no_further_ports(store: Store) -> None:
    add_gateway_host(store, 1)
    external = store.run(rows.external)
    network, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))
    port = store.run(lambda tx: rows.port(tx, network["id"], host="h1"))
    asked = [("h1", router["id"], 10**6, 0, "")]
    store.run(lambda tx: tx.use_ports(asked))
    assert len(blocks_of(store, router["id"])["h1"]) == 2
    store.run(lambda tx: tx.delete("port", port["id"]))
    store.run(lambda tx: tx.use_ports(asked))
    assert len(blocks_of(store, router["id"])["h1"]) == 2


def test_a_router_that_lacks_ports_is_active_with_a_reason_and_an_error_outweighs_it(store: Store) -> None:
    add_gateway_host(store, 1)
    add_gateway_host(store, 2)
    external = store.run(rows.external)
    _, router = store.run(routed)
    store.run(lambda tx: rows.gateway(tx, router["id"], external))

    def said(host: str, state: str, reason: str) -> tuple[str, str]:
        status = Status("router", router["id"], state, reason)
        store.run(lambda tx: tx.put_statuses(host, [status], session=1, revision=tx.revision()))
        with store.read() as tx:
            row = tx.get("router", router["id"]) or {}
        return row["status"], row["status_reason"]

    assert said("gw-2", "ACTIVE", "3 connections found no port") == ("ACTIVE", "gw-2: 3 connections found no port")
    assert said("gw-1", "ERROR", "no leg") == ("ERROR", "gw-1: no leg")
    assert said("gw-1", "ACTIVE", "") == ("ACTIVE", "gw-2: 3 connections found no port")
    assert said("gw-2", "ACTIVE", "") == ("ACTIVE", "")
