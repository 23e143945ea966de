"""What fails below the store: processes that die, connections that break, disks that are full. Nothing is half done."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from onehop.errors import BusyError, StoreError, UnusableError
from onehop.store import Store, Transaction, postgresql
from tests.conftest import POSTGRESQL, SQLITE
from tests.store import rows
from tests.store.test_migration import NewDatabase
from tests.store.test_wake import Bell

DYING = """
import os, sys
from onehop.store import Store
from tests.store import rows
store = Store.open(sys.argv[1])
with store.write() as tx:
    rows.network(tx, name="half")
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server_store(new_database_url: NewDatabase) -> Store:
    """A store on PostgreSQL; the test closes it."""
    return Store.open(new_database_url("postgresql", True))


def break_connections(store: Store) -> None:
    """End every connection to the store's database but the one that says so."""
    with store.read() as tx:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        tx.connection.exec_driver_sql(f"{others} WHERE datname = current_database() AND pid != pg_backend_pid()")


@pytest.mark.slow
def test_a_controller_that_dies_in_a_transaction_leaves_nothing_and_holds_nobody_up(database_url: str) -> None:
    store = Store.open(database_url)
    command = [sys.executable, "-c", DYING, database_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    store.run(lambda tx: rows.network(tx, name="whole"))
    with store.read() as tx:
        assert [n["name"] for n in tx.select("network")] == ["whole"]
        assert tx.revision() == 1
    store.close()


def test_a_full_disk_is_a_sentence_and_the_next_write_works_again(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/onehop.db")

    def limit(pages: int) -> None:
        with store.write() as tx:
            tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    limit(1)
    with pytest.raises(UnusableError, match="full"):
        store.run(lambda tx: [rows.network(tx, description="x" * 250) for _ in range(200)])
    limit(1_000_000)
    store.run(rows.network)
    with store.read() as tx:
        assert tx.count("network") == 1
        assert tx.revision() == 1
    store.close()


def test_a_database_that_cannot_be_reached_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="cannot reach the database"):
        Store.open(f"postgresql+psycopg://postgres@/onehop?host={tmp_path}")


def test_a_writer_that_has_no_turn_is_told_so(new_database_url: NewDatabase) -> None:
    url = new_database_url(SQLITE, True)
    first, second = Store.open(url), Store.open(url)
    with first.write(), pytest.raises(BusyError, match=r"0\.05 s"), second._database.write(0.05):
        raise AssertionError("two writers at once")
    with first.write(), pytest.raises(BusyError, match=r"0\.05 s"), first._database.write(0.05):
        raise AssertionError("two writers at once")
    first.run(rows.network)
    second.run(rows.network)
    first.close()
    second.close()


@pytest.mark.postgresql
def test_a_controller_that_has_no_turn_is_told_so(server_store: Store) -> None:
    with server_store.write(), pytest.raises(BusyError, match=r"0\.05 s"), server_store._database.write(0.05):
        raise AssertionError("two writers at once")
    server_store.close()


@pytest.mark.postgresql
def test_a_broken_connection_is_made_anew(server_store: Store) -> None:
    bell = Bell()
    server_store.subscribe(bell)
    server_store.run(rows.network)
    break_connections(server_store)
    assert server_store.revision() == 1
    server_store.run(rows.network)
    assert bell.wait_for(2)
    server_store.close()


@pytest.mark.postgresql
def test_a_transaction_whose_connection_breaks_is_run_again(server_store: Store) -> None:
    attempts: list[int] = []

    def change(tx: Transaction) -> None:
        rows.network(tx)
        attempts.append(1)
        if len(attempts) == 1:
            break_connections(server_store)
        rows.network(tx)

    server_store.run(change)
    with server_store.read() as tx:
        assert tx.count("network") == 2
        assert tx.revision() == 1
    assert len(attempts) == 2
    server_store.close()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_what_a_database_refuses_otherwise_is_a_sentence(new_database_url: NewDatabase, kind: str) -> None:
    store = Store.open(new_database_url(kind, True))
    with pytest.raises(StoreError, match="the database cannot be used"):
        store.run(lambda tx: tx.connection.execute(sa.text("SELECT * FROM nowhere")))
    with pytest.raises(StoreError, match="the database cannot be used"), store.read() as tx:
        tx.connection.execute(sa.text("SELECT * FROM nowhere"))
    store.run(rows.network)
    store.close()


@pytest.mark.postgresql
def test_a_controller_that_is_paused_in_a_transaction_loses_its_turn_and_nothing_else(
    new_database_url: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "PAUSE_MS", 200)
    url = new_database_url("postgresql", True)
    paused, other = Store.open(url), Store.open(url)
    tries = []

    def slow(tx: Transaction) -> None:
        rows.network(tx, name="slow")
        tries.append(tx)
        if len(tries) == 1:
            # Another gets its turn while this one says nothing, and would not otherwise.
            other.run(lambda tx: rows.network(tx, name="other"))

    paused.run(slow)
    with other.read() as tx:
        assert sorted(row["name"] for row in tx.select("network")) == ["other", "slow"]
        assert tx.revision() == 2
    assert len(tries) == 2
    paused.close()
    other.close()


@pytest.mark.postgresql
def test_others_are_told_later_when_no_connection_is_left_to_tell_them(
    new_database_url: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_POOL", 1), ("_MORE", 0), ("WRITE_TIMEOUT", 0.2)):
        monkeypatch.setattr(postgresql, name, value)
    store = Store.open(new_database_url("postgresql", True))
    bell = Bell()
    store.subscribe(bell)
    with store.read():
        store._database.announce(1)
    store.run(rows.network)
    assert bell.wait_for(1)
    store.close()
