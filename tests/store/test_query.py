"""Filters, order and pages."""

from typing import Any

import pytest

from onehop.errors import InputError, NotFoundError
from onehop.store import Row, Store, Transaction
from tests.store import rows


def names(found: list[Row]) -> list[str]:
    """The rows' names."""
    return [row["name"] for row in found]


@pytest.fixture
def five(store: Store) -> Store:
    """Networks a to e: two projects, b shared, c without description, d and e with tags."""

    def fill(tx: Transaction) -> None:
        for number, name in enumerate("abcde"):
            values: dict[str, Any] = {"project_id": "one" if number < 3 else "two", "description": f"d{number // 2}"}
            if name == "b":
                values["shared"] = True
            if name in "de":
                values["tags"] = ["x", "y"] if name == "d" else ["x", "z"]
            rows.network(tx, name=name, **values)

    store.run(fill)
    return store


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, "abcde"),
        ({"name": ["a", "d", "nobody"]}, "ad"),
        ({"name": ["a"], "project_id": ["two"]}, ""),
        ({"name": []}, ""),
        ({"shared": [True]}, "b"),
        ({"shared": [False], "project_id": ["one"]}, "ac"),
        ({"provider:physical_network": [None]}, "abcde"),
        ({"provider:physical_network": ["p"]}, ""),
        ({"tags": ["x"]}, "de"),
        ({"tags": ["x", "y"]}, "d"),
        ({"tags-any": ["y", "z"]}, "de"),
        ({"not-tags": ["x", "y"]}, "abce"),
        ({"not-tags-any": ["y", "z"]}, "abc"),
        ({"name": ["' OR 1=1 --"]}, ""),
    ],
)
def test_a_row_is_found_when_every_filter_holds(five: Store, where: dict[str, list[Any]], found: str) -> None:
    with five.read() as tx:
        assert names(tx.select("network", where, sort=[("name", "asc")])) == list(found)
        assert tx.count("network", where) == len(found)


def test_what_is_ones_own_or_shared_is_found_together(five: Store) -> None:
    with five.read() as tx:
        mine: list[dict[str, list[Any]]] = [{"project_id": ["two"]}, {"shared": [True]}]
        assert names(tx.select("network", any_of=mine, sort=[("name", "asc")])) == ["b", "d", "e"]


def test_a_subnet_is_found_by_its_networks_attributes(five: Store) -> None:
    with five.write() as tx:
        for network in tx.select("network", {"name": ["a", "b"]}, sort=[("name", "asc")]):
            rows.subnet(tx, network["id"], "10.0.0.0/24", name=f"of {network['name']}")
    with five.read() as tx:
        assert names(tx.select("subnet", {"network_id.shared": [True]})) == ["of b"]
        assert names(tx.select("subnet", {"network_id.name": ["a"]})) == ["of a"]


def test_a_port_is_found_by_its_addresses(store: Store) -> None:
    network = store.run(rows.network)
    one, two = (
        store.run(lambda tx, cidr=cidr: rows.subnet(tx, network["id"], cidr))["id"]
        for cidr in ("10.1.0.0/16", "fd00::/64")
    )
    for name, ips in (("a", [(one, "10.1.0.5"), (two, "fd00::5")]), ("b", [(one, "10.1.0.55")]), ("c", [])):
        fixed_ips = [{"subnet_id": s, "ip_address": ip} for s, ip in ips]
        store.run(lambda tx, name=name, ips=fixed_ips: rows.port(tx, network["id"], name=name, fixed_ips=ips))

    with store.read() as tx:

        def found(**where: list[str]) -> str:
            given = {f"fixed_ips.{name}": values for name, values in where.items()}
            return "".join(names(tx.select("port", given, sort=[("name", "asc")])))

        assert found(ip_address=["10.1.0.5"]) == "a"
        assert found(ip_address=["10.1.0.5", "10.1.0.55"]) == "ab"
        assert found(subnet_id=[two]) == "a"
        assert found(ip_address_substr=["1.0.5"]) == "ab"
        assert found(ip_address_substr=["FD00"]) == "a"
        assert found(ip_address_substr=["%"]) == found(ip_address_substr=["_"]) == ""
        assert found(subnet_id=[two], ip_address=["10.1.0.5"]) == ""


def test_rows_are_ordered_by_several_keys(five: Store) -> None:
    with five.read() as tx:
        found = tx.select("network", sort=[("description", "desc"), ("name", "asc")])
        assert names(found) == ["e", "c", "d", "a", "b"]


def test_text_is_ordered_by_code_point_on_both_databases(store: Store) -> None:
    for name in ("b", "B", "a", "_", "ä"):
        store.run(lambda tx, name=name: rows.network(tx, name=name))
    with store.read() as tx:
        assert names(tx.select("network", sort=[("name", "asc")])) == ["B", "_", "a", "b", "ä"]


@pytest.mark.parametrize(
    "sort", [[("name", "asc")], [("description", "desc"), ("name", "asc")], [("shared", "desc")], []]
)
def test_pages_put_together_are_the_whole_list(five: Store, sort: list[tuple[str, str]]) -> None:
    with five.read() as tx:
        whole = tx.select("network", sort=sort)
        forward: list[Row] = []
        while page := tx.select("network", sort=sort, limit=2, marker=forward[-1]["id"] if forward else None):
            forward += page
        backward: list[Row] = []
        while page := tx.select(
            "network", sort=sort, limit=2, marker=backward[0]["id"] if backward else None, reverse=True
        ):
            backward = page + backward
    assert forward == backward == whole


def test_pages_go_past_values_that_are_null(store: Store) -> None:
    for name in ("a", "b", "c", "d"):
        flat = {"provider:physical_network": name, "provider:segmentation_id": None} if name in "bd" else {}
        store.run(lambda tx, name=name, flat=flat: rows.network(tx, name=name, **flat))
    sort = [("provider:physical_network", "asc"), ("name", "asc")]
    with store.read() as tx:
        first = tx.select("network", sort=sort, limit=3)
        rest = tx.select("network", sort=sort, marker=first[-1]["id"])
    assert names(first + rest) == ["a", "c", "b", "d"]


def test_a_marker_that_is_not_there_is_not_found(five: Store) -> None:
    with five.read() as tx, pytest.raises(NotFoundError, match="nobody"):
        tx.select("network", marker="nobody", limit=1)


def test_what_cannot_be_filtered_or_sorted_by_is_refused_by_name(five: Store) -> None:
    with five.read() as tx:
        for where in ({"colour": ["red"]}, {"fixed_ips.ip_address": ["10.0.0.1"]}, {"name.shared": [True]}):
            with pytest.raises(InputError):
                tx.select("network", where)
        for sort in (("colour", "asc"), ("name", "up"), ("subnets", "asc")):
            with pytest.raises(InputError):
                tx.select("network", sort=[sort])
        with pytest.raises(InputError):
            tx.select("port", {"allowed_address_pairs": ["x"]})


def test_changed_since_finds_what_changed_at_that_time_or_later(database_url: str) -> None:
    now = [1_000_000.0]
    store = Store.open(database_url, clock=lambda: now[0])
    store.run(lambda tx: rows.network(tx, name="old"))
    now[0] += 60
    new = store.run(lambda tx: rows.network(tx, name="new"))
    with store.read() as tx:
        assert names(tx.select("network", {"changed_since": [new["updated_at"]]})) == ["new"]
    assert new["created_at"] == "1970-01-12T13:47:40Z"
    store.close()
