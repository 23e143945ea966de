"""Opening a database: made new, brought up to date, or refused."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from onehop.errors import NewerDatabaseError, SettingsError, StoreError
from onehop.store import Store, migration
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
