"""Opening a database: made new, brought up to date, or refused."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from onehop.errors import NewerDatabaseError, SettingsError, StoreError
from onehop.store import Store, Transaction, migration
from onehop.store.record import Approval
from tests.conftest import POSTGRESQL, SQLITE
from tests.store import rows

NewDatabase = Callable[[str, bool], str]


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_the_migrated_schema_is_the_one_that_RESOURCES_ask_for(new_database_url: NewDatabase, kind: str) -> None:  # noqa: N802 - the list's name
    store = Store.open(new_database_url(kind, False))
    with store.read() as tx:
        assert migration.differences(tx.connection) == []
    store.close()


def test_a_database_that_is_up_to_date_is_opened_as_it_is(database_url: str) -> None:
    store = Store.open(database_url)
    network = store.run(rows.network)
    store.close()
    again = Store.open(database_url)
    with again.read() as tx:
        assert tx.get("network", network["id"]) == network
        assert tx.revision() == 1
    again.close()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_controllers_that_start_at_once_migrate_once(new_database_url: NewDatabase, kind: str) -> None:
    url = new_database_url(kind, False)
    opened: list[Store] = []
    start = threading.Barrier(4)

    def begin() -> None:
        start.wait(10)
        opened.append(Store.open(url))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for store in opened:
        store.run(rows.network)
    assert [store.revision() for store in opened] == [4, 4, 4, 4]
    for store in opened:
        store.close()


def test_a_database_of_a_newer_onehop_is_refused_with_a_sentence(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(NewerDatabaseError, match=r"9999.*upgrade onehop on this machine"):
        Store.open(database_url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "not a URL"),
        ("mysql://host/name", "mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_forms_that_can(url: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=rf"{reason}.*sqlite:////absolute/path"):
        Store.open(url)


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot reach the database") as caught:
        Store.open(f"postgresql+psycopg://onehop:hunter2@/onehop?host={tmp_path}")
    assert "hunter2" not in str(caught.value)


def test_a_sqlite_file_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "onehop.db"
    store = Store.open(f"sqlite:///{path}")
    store.run(rows.network)
    assert {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {
        "onehop.db": 0o600,
        "onehop.db-shm": 0o600,
        "onehop.db-wal": 0o600,
    }
    store.close()


def test_a_sqlite_store_acknowledges_only_what_is_on_disk(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/onehop.db")
    with store.write() as tx:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert tx.connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
    store.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "onehop.db"
    path.write_bytes(b"precious " * 1000)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"precious " * 1000


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/onehop\.db"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/onehop.db")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_what_a_database_of_the_first_schema_holds_is_kept(new_database_url: NewDatabase, kind: str) -> None:
    url = new_database_url(kind, False)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        migration.run(connection, "0001")
        connection.execute(
            sa.text(
                "INSERT INTO network (id, name, project_id, admin_state_up, mtu, status, shared, "
                "port_security_enabled, router_external, provider_network_type, provider_segmentation_id, description, "
                "created_at, updated_at, revision_number) VALUES ('n', 'blue', 'p', true, 1450, 'ACTIVE', false, true, "
                "false, 'vxlan', 7, '', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 3)"
            )
        )
    engine.dispose()
    store = Store.open(url)
    with store.read() as tx:
        assert migration.differences(tx.connection) == []
        row = tx.get("network", "n")
    assert row is not None
    assert (row["name"], row["revision_number"], row["status"], row["status_reason"]) == ("blue", 3, "ACTIVE", "")
    store.run(lambda tx: rows.subnet(tx, "n", "10.0.0.0/24"))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_port_blocks_of_an_older_database_are_of_the_first_ipv4_address(
    new_database_url: NewDatabase, kind: str
) -> None:
    url = new_database_url(kind, False)
    store = Store.open(url)
    host = rows.add_gateway_host(store, 1, "external", "lan")

    def make(tx: Transaction) -> list[tuple[str, str]]:
        made = []
        for cidr, physical in (("172.29.0.0/24", "external"), ("172.30.0.0/24", "lan")):
            outside = rows.external(tx, cidr, physical)
            (subnet,) = tx.select("subnet", {"network_id": [outside["id"]]})
            router = rows.router(tx)["id"]
            port = rows.gateway(tx, router, outside)["port_id"]
            last = f"{cidr.rpartition('.')[0]}.240"
            fixed = [tx.claim_ip(port, subnet["id"], last), *rows.known(tx, "port", port)["fixed_ips"]]
            tx.update("port", port, {"fixed_ips": fixed})
            made.append((router, last))
        return made

    made = store.run(make)
    store.close()
    _back_to_0002(url)
    store = Store.open(url)
    with store.read() as tx:
        assert migration.differences(tx.connection) == []
        for router, first in made:
            (place,) = tx.gateways([router])[router]["hosts"]
            assert (place["host"], place["blocks"]) == (host, [{"address": first, "first": 1024, "size": 1024}])
        freed = tx.connection.exec_driver_sql("SELECT address, first, host, freed_at FROM port_block WHERE host = 'h'")
        assert [tuple(row) for row in freed] == [(made[0][1], 2048, "h", 5.5)]
    assert store.run(lambda tx: tx.add_port_block(made[1][0], host))
    store.close()


def _back_to_0002(url: str) -> None:
    """The table as it was, with what is in it, and a block in quarantine."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = connection.exec_driver_sql("SELECT router_id, first, size, host FROM port_block ORDER BY address").all()
        connection.exec_driver_sql("DROP TABLE port_block")
        connection.exec_driver_sql(
            "CREATE TABLE port_block (router_id TEXT NOT NULL, first INTEGER NOT NULL, size INTEGER NOT NULL, "
            "host TEXT NOT NULL, freed_at DOUBLE PRECISION, CONSTRAINT port_block_pkey PRIMARY KEY (router_id, first))"
        )
        held = sa.table("port_block", *map(sa.column, ("router_id", "first", "size", "host", "freed_at")))
        blocks = [row._asdict() for row in found]
        connection.execute(sa.insert(held), [{**block, "freed_at": None} for block in blocks])
        connection.execute(sa.insert(held), {**blocks[0], "first": 2048, "host": "h", "freed_at": 5.5})
        for table in ("approval", "rbac_policy", "security_group_port", "security_group_rule", "security_group"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("ALTER TABLE port DROP COLUMN security_groups")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_ports_made_before_security_groups_get_their_projects_default_group(
    new_database_url: NewDatabase, kind: str
) -> None:
    url = new_database_url(kind, False)
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        _insert(connection, "network", id="n", project_id="a", vni=None)
        for id, project, owner, secure in (
            ("p1", "a", "compute:x", True),
            ("p2", "a", "", True),
            ("p3", "b", "", True),
            ("p4", "b", "", False),
            ("p5", "c", "network:router_gateway", True),
        ):
            _insert(
                connection,
                "port",
                id=id,
                project_id=project,
                network_id="n",
                mac_address=id,
                device_owner=owner,
                port_security_enabled=secure,
            )
    engine.dispose()
    store = Store.open(url)
    with store.read() as tx:
        assert migration.differences(tx.connection) == []
        defaults = {group["project_id"]: group for group in tx.select("security_group")}
        assert set(defaults) == {"a", "b"}
        groups = {port["id"]: port["security_groups"] for port in tx.select("port")}
        a, b = defaults["a"]["id"], defaults["b"]["id"]
        assert groups == {"p1": [a], "p2": [a], "p3": [b], "p4": [], "p5": []}
        assert [port["id"] for port in tx.select("port", {"security_groups": [a]})] == ["p1", "p2"]
        rules = tx.select("security_group_rule", {"security_group_id": [a]})
        said = {(rule["direction"], rule["ethertype"], rule["remote_group_id"]) for rule in rules}
        both = ("IPv4", "IPv6")
        assert said == {("egress", v, None) for v in both} | {("ingress", v, a) for v in both}
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_hosts_of_an_older_database_may_be_what_they_are(new_database_url: NewDatabase, kind: str) -> None:
    url = new_database_url(kind, False)
    engine = sa.create_engine(url)
    said = '{"vtep": "192.0.2.1", "gateway_host": true, "physical_networks": ["lan", "external"]}'
    with engine.begin() as connection:
        migration.run(connection, "0005")
        for name, words in (("gw", said), ("never-spoke", "{}")):
            _insert(connection, "agent", id=name, host=name, configurations=words)
            _insert(connection, "liveness", host=name)
    engine.dispose()
    store = Store.open(url)
    with store.read() as tx:
        assert migration.differences(tx.connection) == []
        approved = {host.name: host.approved for host in tx.hosts()}
    assert approved == {"gw": Approval(True, ("external", "lan")), "never-spoke": Approval()}
    store.close()


def _insert(connection: sa.Connection, table: str, **values: object) -> None:
    """A row with the emptiest value of every column that is not named."""
    found = sa.Table(table, sa.MetaData(), autoload_with=connection)
    empty: dict[str, object] = {}
    for column in found.columns:
        if not column.nullable:
            json = column.name in ("fixed_ips", "allowed_address_pairs", "tags")
            kind = column.type.python_type
            empty[column.name] = "[]" if json else "{}" if column.name == "binding_profile" else kind()
    known = {name: value for name, value in values.items() if name in found.c}
    connection.execute(sa.insert(found).values({**empty, **known}))
