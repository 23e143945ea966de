"""Addresses, MACs and VNIs: none twice, and none refused while there is one."""

import time

import pytest
import sqlalchemy as sa

from onehop.errors import NotFoundError, PoolFullError, ReferencedError, TakenError
from onehop.net import address
from onehop.store import Row, Store, Transaction
from onehop.store.table import ALLOCATION
from tests.store import rows


def subnet_of(store: Store, cidr: str, *pools: tuple[str, str]) -> Row:
    """A subnet on a network of its own."""
    return store.run(lambda tx: rows.subnet(tx, rows.network(tx)["id"], cidr, *pools))


def test_a_pool_gives_each_address_once_and_then_says_that_it_is_full(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/24", ("10.0.0.2", "10.0.0.4"), ("10.0.0.250", "10.0.0.251"))
    ports = [store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"])) for _ in range(5)]
    wanted = {f"10.0.0.{n}" for n in (2, 3, 4, 250, 251)}
    assert {p["fixed_ips"][0]["ip_address"] for p in ports} == wanted
    with pytest.raises(PoolFullError, match=subnet["id"]):
        store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"]))
    store.run(lambda tx: tx.delete("port", ports[1]["id"]))
    again = store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"]))
    assert again["fixed_ips"] == ports[1]["fixed_ips"]


def test_a_subnet_without_pools_is_full(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/31")
    with pytest.raises(PoolFullError):
        store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"]))


def test_the_next_subnet_helps_out_when_the_first_is_full(store: Store) -> None:
    full = subnet_of(store, "10.0.0.0/24")
    network = full["network_id"]
    other = store.run(lambda tx: rows.subnet(tx, network, "10.1.0.0/24", ("10.1.0.9", "10.1.0.9")))

    def make(tx: Transaction) -> dict[str, str]:
        ip = tx.allocate_ip("p", [full["id"], other["id"]])
        tx.insert("port", {"id": "p", "project_id": "", "network_id": network, "mac_address": "m", "fixed_ips": [ip]})
        return ip

    assert store.run(make) == {"subnet_id": other["id"], "ip_address": "10.1.0.9"}


def test_an_ipv6_subnet_gives_canonical_addresses_in_its_pool(store: Store) -> None:
    subnet = subnet_of(store, "2001:db8::/64", ("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff"))
    ports = [store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"])) for _ in range(8)]
    found = [p["fixed_ips"][0]["ip_address"] for p in ports]
    assert len(set(found)) == 8
    assert all(address.parse_ip(ip) == ip and address.contains("2001:db8::/64", ip) for ip in found)


def test_a_claimed_address_is_refused_to_another_port_and_the_transaction_goes_on(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/24", ("10.0.0.2", "10.0.0.9"))
    ip = {"subnet_id": subnet["id"], "ip_address": "10.0.0.77"}
    first = store.run(lambda tx: rows.port(tx, subnet["network_id"], fixed_ips=[ip]))

    def claim(tx: Transaction) -> str | None:
        with pytest.raises(TakenError) as caught:
            tx.claim_ip("other", subnet["id"], "10.0.0.77")
        assert (caught.value.resource, caught.value.attributes) == ("allocation", ("subnet_id", "ip_address"))
        assert tx.claim_ip(first["id"], **ip) == ip
        rows.network(tx)
        return tx.holder_of_ip(subnet["id"], "10.0.0.77")

    assert store.run(claim) == first["id"]


def test_fixed_ips_are_the_one_truth_about_what_a_port_holds(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/24", ("10.0.0.2", "10.0.0.9"))
    port = store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"]))
    given = port["fixed_ips"][0]["ip_address"]
    moved = [{"subnet_id": subnet["id"], "ip_address": "10.0.0.100"}]
    store.run(lambda tx: tx.update("port", port["id"], {"fixed_ips": moved}))
    with store.read() as tx:
        assert tx.holder_of_ip(subnet["id"], "10.0.0.100") == port["id"]
        assert tx.holder_of_ip(subnet["id"], given) is None


def test_two_ports_cannot_both_write_one_fixed_ip(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/24")
    ip = {"subnet_id": subnet["id"], "ip_address": "10.0.0.5"}
    store.run(lambda tx: rows.port(tx, subnet["network_id"], fixed_ips=[ip]))
    with pytest.raises(TakenError):
        store.run(lambda tx: rows.port(tx, subnet["network_id"], fixed_ips=[ip]))
    with store.read() as tx:
        assert tx.count("port") == 1


def test_an_address_for_a_port_that_never_comes_is_not_kept(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/24", ("10.0.0.2", "10.0.0.9"))
    with pytest.raises(ReferencedError):
        store.run(lambda tx: tx.allocate_ip("nobody", [subnet["id"]]))
    with store.read() as tx:
        assert tx.connection.execute(sa.select(sa.func.count()).select_from(ALLOCATION)).scalar_one() == 0


def test_a_released_address_of_another_port_stays(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/24", ("10.0.0.2", "10.0.0.2"))
    port = store.run(lambda tx: rows.port(tx, subnet["network_id"], subnet["id"]))
    store.run(lambda tx: tx.release_ips("other", [(subnet["id"], "10.0.0.2")]))
    with store.read() as tx:
        assert tx.holder_of_ip(subnet["id"], "10.0.0.2") == port["id"]


def test_a_subnet_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.run(lambda tx: tx.allocate_ip("p", ["nowhere"]))


@pytest.mark.slow
def test_a_nearly_full_sixteen_finds_its_last_addresses_and_its_end_quickly(store: Store) -> None:
    subnet = subnet_of(store, "10.0.0.0/16", ("10.0.0.1", "10.0.255.254"))
    network = subnet["network_id"]
    left = {"10.0.0.1", "10.0.127.13", "10.0.255.254"}

    def fill(tx: Transaction) -> None:
        port = rows.port(tx, network)
        numbers = (n.to_bytes(4, "big") for n in range(0x0A000001, 0x0A00FFFF))
        taken = [
            {"subnet_id": subnet["id"], "octets": n, "ip_address": address.unpack(n), "port_id": port["id"]}
            for n in numbers
            if address.unpack(n) not in left
        ]
        tx.connection.execute(sa.insert(ALLOCATION), taken)

    store.run(fill)
    begin = time.process_time()
    ports = [store.run(lambda tx: rows.port(tx, network, subnet["id"])) for _ in range(3)]
    assert {p["fixed_ips"][0]["ip_address"] for p in ports} == left
    for _ in range(3):
        with pytest.raises(PoolFullError):
            store.run(lambda tx: rows.port(tx, network, subnet["id"]))
    assert time.process_time() - begin < 3


def test_a_mac_is_not_given_twice_on_one_network(store: Store) -> None:
    network = store.run(rows.network)
    ports = [store.run(lambda tx: rows.port(tx, network["id"])) for _ in range(20)]
    macs = {p["mac_address"] for p in ports}
    assert len(macs) == 20
    assert all(address.parse_mac(mac) == mac and mac.startswith("fa:16:3e:") for mac in macs)


def test_vnis_come_from_their_range_until_it_is_used_up(store: Store) -> None:
    def make() -> Row:
        return store.run(lambda tx: rows.network(tx, **{"provider:segmentation_id": tx.allocate_vni(5, 8)}))

    made = [make() for _ in range(4)]
    assert {n["provider:segmentation_id"] for n in made} == {5, 6, 7, 8}
    with pytest.raises(PoolFullError, match="5 to 8"):
        make()
    store.run(lambda tx: tx.delete("network", made[2]["id"]))
    assert make()["provider:segmentation_id"] == made[2]["provider:segmentation_id"]
