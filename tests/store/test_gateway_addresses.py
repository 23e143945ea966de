"""Several addresses of one gateway: whose ports a host is given, and what happens when one of them comes or goes."""

from collections.abc import Iterator

import pytest

from onehop.model.gateway import Gateway
from onehop.model.router import Router
from onehop.store import Row, Store, Transaction
from tests.store import rows
from tests.store.outside import clocked, given, routed

pytestmark = pytest.mark.slow

ONE, TWO, THREE = "172.29.0.201", "172.29.0.202", "172.29.0.203"


@pytest.fixture
def now() -> list[float]:
    return [1_800_000_000.0]


@pytest.fixture
def store(database_url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock is set by the test."""
    with clocked(database_url, now) as opened:
        yield opened


class Outside:
    """A router with a gateway that has just these addresses."""

    def __init__(self, store: Store, *ips: str, size: int = 1024) -> None:
        self.store = store
        external = store.run(rows.external)
        self.network, self.router = store.run(lambda tx: routed(tx, port_block_size=size))
        with store.read() as tx:
            (self.subnet,) = tx.select("subnet", {"network_id": [external["id"]]})
        store.run(lambda tx: rows.gateway(tx, self.router["id"], external))
        self.readdress(*ips)

    def readdress(self, *ips: str) -> None:
        fixed = [{"subnet_id": self.subnet["id"], "ip_address": ip} for ip in ips]

        def change(tx: Transaction) -> Row:
            port = tx.gateways([self.router["id"]])[self.router["id"]]["port_id"]
            for ip in fixed:
                tx.claim_ip(port, ip["subnet_id"], ip["ip_address"])
            return tx.update("port", port, {"fixed_ips": fixed})

        self.store.run(change)

    def bind(self, *hosts: str) -> list[Row]:
        return self.store.run(lambda tx: [rows.port(tx, self.network["id"], host=host) for host in hosts])

    def blocks(self) -> dict[str, list[tuple[str, int]]]:
        found = given(self.store, self.router["id"])["hosts"]
        return {place["host"]: [(b["address"], b["first"]) for b in place["blocks"]] for place in found}

    def use(self, host: str, used: int, address: str) -> None:
        self.store.run(lambda tx: tx.use_ports([(host, self.router["id"], used, 0, address)]))

    def gateway(self) -> Gateway:
        with self.store.read() as tx:
            value = tx.values([("router", self.router["id"])])["router", self.router["id"]]
        assert isinstance(value, Router)
        assert value.gateway is not None
        return value.gateway


def test_first_blocks_are_spread_over_the_addresses(store: Store) -> None:
    outside = Outside(store, ONE, TWO)
    outside.bind("h1", "h2", "h3", "h4")
    assert outside.blocks() == {"h1": [(ONE, 1024)], "h2": [(TWO, 1024)], "h3": [(ONE, 2048)], "h4": [(TWO, 2048)]}


def test_the_64th_host_has_a_block_of_the_second_address(store: Store) -> None:
    outside = Outside(store, ONE)
    outside.bind(*(f"h{n:02}" for n in range(1, 65)))
    before = outside.blocks()
    assert [host for host, blocks in before.items() if not blocks] == ["h64"]
    outside.readdress(ONE, TWO)
    assert outside.blocks() == {**before, "h64": [(TWO, 1024)]}


def test_a_further_block_is_of_the_same_address_until_that_is_full(store: Store) -> None:
    outside = Outside(store, ONE, TWO, size=16384)
    outside.bind("h1")
    for _ in range(2):
        outside.use("h1", 3 * 16384, ONE)
    assert outside.blocks()["h1"] == [(ONE, 16384), (ONE, 32768), (ONE, 49152)]
    outside.use("h1", 3 * 16384, ONE)
    assert outside.blocks()["h1"][3:] == [(TWO, 16384)]
    # Whoever is on the first stays there: more of the second would not help them.
    outside.use("h1", 3 * 16384, ONE)
    assert outside.blocks()["h1"][3:] == [(TWO, 16384)]
    outside.use("h1", 12288 - 1, TWO)
    assert outside.blocks()["h1"][3:] == [(TWO, 16384)]
    outside.use("h1", 12288, TWO)
    assert outside.blocks()["h1"][3:] == [(TWO, 16384), (TWO, 32768)]


def test_ports_of_one_address_are_in_quarantine_and_those_of_the_other_are_not(store: Store, now: list[float]) -> None:
    outside = Outside(store, ONE, size=16384)
    ports = outside.bind("h1", "h2", "h3")
    store.run(lambda tx: tx.delete("port", ports[0]["id"]))
    outside.bind("h4")
    assert (outside.blocks().get("h1"), outside.blocks()["h4"]) == (None, []), "h1 made room, in ten minutes"
    outside.readdress(ONE, TWO)
    outside.bind("h5", "h6")
    found = outside.blocks()
    assert [found[host] for host in ("h4", "h5", "h6")] == [[(TWO, base)] for base in (16384, 32768, 49152)]
    outside.bind("h7")
    assert outside.blocks()["h7"] == []
    now[0] += 601
    assert store.run(lambda tx: tx.refill_port_blocks()) == 1
    assert outside.blocks()["h7"] == [(ONE, 16384)]


def test_an_address_that_goes_frees_its_blocks_and_their_hosts_have_others(store: Store, now: list[float]) -> None:
    outside = Outside(store, ONE, TWO)
    outside.bind("h1", "h2", "h3")
    outside.readdress(TWO)
    assert outside.blocks() == {"h1": [(TWO, 2048)], "h2": [(TWO, 1024)], "h3": [(TWO, 3072)]}
    # It comes back while its ports are in quarantine.
    outside.readdress(TWO, ONE)
    outside.bind("h4")
    assert outside.blocks()["h4"] == [(ONE, 3072)]
    now[0] += 601
    outside.bind("h5")
    assert outside.blocks()["h5"] == [(ONE, 1024)]


def test_another_address_changes_no_block_that_there_is(store: Store) -> None:
    outside = Outside(store, ONE)
    outside.bind("h1", "h2")
    before = outside.gateway().hosts
    outside.readdress(TWO, ONE)
    assert outside.gateway().hosts == before
    assert [ip.ip_address for ip in outside.gateway().fixed_ips] == [TWO, ONE]
    outside.bind("h3")
    assert outside.blocks()["h3"] == [(TWO, 1024)]


def test_a_block_and_an_instance_that_come_together_are_of_one_revision(store: Store) -> None:
    outside = Outside(store, ONE)
    (port,) = outside.bind("h1")
    (place,) = outside.gateway().hosts
    with store.read() as tx:
        value = tx.values([("port", port["id"])])["port", port["id"]]
    assert [b.since for b in place.blocks] == [b.since for b in value.bindings] == [store.revision()]  # type: ignore[union-attr]  # a port, by its ref
