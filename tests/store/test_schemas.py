"""From every earlier schema a database comes to the present one with all that it holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from onehop.model.topology import ref
from onehop.store import Row, Store, migration
from onehop.store.table import TABLES
from tests.conftest import POSTGRESQL, SQLITE
from tests.store import rows

ID = "00000000-0000-4000-8000-000000000001"
LISTS = ("tags", "routes", "allowed_address_pairs", "allocation_pools", "dns_nameservers", "host_routes", "candidates")
SAID: dict[str, object] = {
    "id": ID,
    "host": "host-1",
    "binding_host_id": "host-1",
    "project_id": rows.PROJECT,
    "status": "ACTIVE",
    "mtu": 1450,
    "provider_network_type": "vxlan",
    "provider_segmentation_id": 7,
    "ip_version": 4,
    "cidr": "10.0.0.0/24",
    "ip_address": "10.0.0.10",
    "octets": b"\x0a\x00\x00\x0a",
    "mac_address": "fa:16:3e:00:00:01",
    "fixed_ips": f'[{{"subnet_id":"{ID}","ip_address":"10.0.0.10"}}]',
    "floating_ip_address": "203.0.113.9",
    "internal_ip_address": "10.0.0.10",
    "protocol": "tcp",
    "snat": "distributed",
    "transit_ip": "169.254.1.2",
    "transit_mac": "fa:16:3e:00:00:02",
    "address": "10.0.0.10",
    "first": 1024,
    "size": 1024,
    "direction": "ingress",
    "ethertype": "IPv4",
    "device_owner": "",
    "security_groups": f'["{ID}"]',
    **dict.fromkeys(LISTS, "[]"),
    **dict.fromkeys(("configurations", "binding_profile", "profile"), "{}"),
}
"""What columns of these names hold, so that all of it fits together."""

EMPTY = {("floatingip", "port_id"), ("security_group_rule", "protocol")}
"""Columns without a value: what leads to forwarded ports leads nowhere else."""


def schemas() -> list[str]:
    """Every version, the first one first."""
    script = ScriptDirectory(str(Path(migration.__file__).with_name("migrations")))
    return [step.revision for step in script.walk_revisions()][::-1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_a_database_of_any_earlier_schema_comes_to_this_one_with_a_row_of_every_table(
    new_database_url: Callable[[str, bool], str], kind: str
) -> None:
    """No row changes, each is read as what is made today, and more can be made."""
    assert len(schemas()) >= 5
    for schema in schemas()[:-1]:
        url = new_database_url(kind, False)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            migration.run(connection, schema)
            before = _filled(connection)
        store = Store.open(url)
        with engine.connect() as connection:
            for name, row in before.items():
                assert row in _rows(connection, name, row), (schema, name)
        with store.read() as tx:
            assert migration.differences(tx.connection) == [], schema
            for name in before.keys() & TABLES.keys():
                assert tx.select(name), (schema, name)
            revision, values = tx.snapshot()
        assert revision == 7
        assert {ref(value)[0] for value in values} >= {"network", "subnet", "port", "router", "floatingip"}
        (router,) = (value for value in values if ref(value) == ("router", ID))
        assert router.gateway is not None  # type: ignore[union-attr]  # it is a router
        assert [place.blocks[0].first for place in router.gateway.hosts] == [1024]  # type: ignore[union-attr]  # as above
        store.run(rows.network)
        assert store.revision() == 8
        store.close()
        engine.dispose()


def _filled(connection: sa.Connection) -> dict[str, Row]:
    """A row in every table of a schema, which names the rows of the others; what is in them."""
    tables = sa.MetaData()
    tables.reflect(connection)
    given: dict[str, Row] = {}
    for table in tables.sorted_tables:
        if table.name == "revision":
            connection.execute(sa.update(table).values(value=7))
        elif table.name != "alembic_version":
            given[table.name] = {column.name: _value(table, column) for column in table.columns}
            connection.execute(sa.insert(table).values(given[table.name]))
    return given


def _value(table: sa.Table, column: sa.Column[Any]) -> object:
    """Something that fits; what refers to another row names the one there is."""
    if (table.name, column.name) in EMPTY:
        return None
    if column.name in SAID:
        return SAID[column.name]
    if column.foreign_keys or column.name == "network_id":
        return ID
    if column.nullable:
        return None
    return {int: 1, bool: False, float: 1.0}.get(column.type.python_type, "word")


def _rows(connection: sa.Connection, name: str, like: Row) -> list[Row]:
    """A table's rows, as far as they have the columns of another."""
    columns = [sa.column(column) for column in like]
    return [dict(row) for row in connection.execute(sa.select(*columns).select_from(sa.table(name))).mappings()]
