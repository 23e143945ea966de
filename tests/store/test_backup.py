"""Backup and restore: one moment of the store, whole or not at all, and newer than all that anybody remembers."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from onehop.errors import ArchiveError, ConflictError, NotFoundError
from onehop.store import Store, migration
from onehop.store.aftermath import MARGIN, PER_SECOND
from onehop.store.archive import check
from onehop.store.restore import restore
from onehop.store.table import METADATA
from tests.conftest import POSTGRESQL, SQLITE
from tests.store import rows
from tests.store.archives import NOW, brought_back, everything, kept, populated
from tests.store.outside import blocks_of, given

pytestmark = pytest.mark.slow

NewDatabase = Callable[[str, bool], str]
UNTOUCHED = METADATA.tables.keys() - {"change_log", "join_token", "revision", "gateway", "liveness", "port_block"}
"""Tables that a restore brings back exactly as they were."""


@pytest.fixture
def now() -> list[float]:
    return [NOW]


@pytest.fixture
def store(database_url: str, now: list[float]) -> Iterator[Store]:
    opened = Store.open(database_url, clock=lambda: now[0])
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_a_backup_of_either_database_is_restored_on_either(
    store: Store, database_url: str, new_database_url: NewDatabase, kind: str, tmp_path: Path
) -> None:
    populated(store)
    before = everything(database_url)
    path = kept(database_url, tmp_path / "backup")
    url = new_database_url(kind, False)
    restored = brought_back(path, url, replace=False)
    after = everything(url)
    assert {name: after[name] for name in UNTOUCHED} == {name: before[name] for name in UNTOUCHED}
    assert (after["change_log"], after["join_token"]) == ([], [])
    assert restored.manifest == check(path)
    assert restored.manifest.revision == store.revision()
    assert [len(after[name]) for name in ("gateway", "liveness")] == [1, 2]
    again = Store.open(url)
    with again.read() as tx:
        assert migration.differences(tx.connection) == []
        assert tx.revision() == restored.revision
    assert again.run(rows.network)
    again.close()


def test_a_backup_is_of_one_moment_while_others_write(store: Store, database_url: str, tmp_path: Path) -> None:
    """Each transaction makes a pair: a backup with half of one, or of another revision, would be a mixture."""
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            store.run(lambda tx: [rows.network(tx), rows.network(tx)])
            wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        revisions = []
        for number in range(3):
            wrote.clear()
            assert wrote.wait(60)
            path = kept(database_url, tmp_path / f"{number}")
            with closing(sqlite3.connect(path)) as connection:
                (networks,) = connection.execute("SELECT count(*) FROM network").fetchone()
            revisions.append(check(path).revision)
            assert networks == 2 * revisions[-1]
    finally:
        stop.set()
        writer.join()
    assert revisions == sorted(set(revisions))


def test_a_backup_is_for_its_owner_alone_and_replaces_nothing(store: Store, database_url: str, tmp_path: Path) -> None:
    store.run(rows.network)
    (tmp_path / "there").mkdir()
    path = kept(database_url, tmp_path / "there" / "backup")
    content = path.read_bytes()
    with pytest.raises(ConflictError, match=r"backup exists: give another name"):
        kept(database_url, path)
    assert path.read_bytes() == content
    assert [(p.name, p.stat().st_mode & 0o777) for p in path.parent.iterdir()] == [("backup", 0o600)]


@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL])
def test_where_there_is_no_store_nothing_is_kept(new_database_url: NewDatabase, kind: str, tmp_path: Path) -> None:
    url = new_database_url(kind, False)
    (tmp_path / "there").mkdir()
    with pytest.raises((NotFoundError, ArchiveError), match=r"there is no(thing in the)? database"):
        kept(url, tmp_path / "there" / "backup")
    assert list((tmp_path / "there").iterdir()) == []
    assert kind != SQLITE or not Path(url.removeprefix("sqlite:///")).exists()


def test_a_store_that_somebody_has_open_is_not_restored(store: Store, database_url: str, tmp_path: Path) -> None:
    store.run(rows.network)
    path = kept(database_url, tmp_path / "backup")
    before = everything(database_url)
    with pytest.raises(ConflictError, match="stop every controller"):
        brought_back(path, database_url)
    assert everything(database_url) == before
    store.close()
    assert brought_back(path, database_url).thrown_away == 1


def test_a_store_that_holds_something_is_only_replaced_when_told(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    store.run(rows.network)
    path = kept(database_url, tmp_path / "backup")
    store.run(rows.network)
    store.close()
    before = everything(database_url)
    with pytest.raises(ConflictError, match=r"a store at revision 2 already.*--replace"):
        brought_back(path, database_url, replace=False)
    assert everything(database_url) == before
    assert brought_back(path, database_url).thrown_away == 2
    assert len(everything(database_url)["network"]) == 1


def test_a_restore_that_fails_anywhere_leaves_the_store_as_it_was(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    populated(store)
    path = kept(database_url, tmp_path / "backup")
    store.run(rows.network)
    store.close()
    before = everything(database_url)
    for table in ("network", "port", "port_block", "change_log"):

        def fail(copied: str, at: str = table) -> None:
            if copied == at:
                raise ConflictError(f"after {at}")

        with pytest.raises(ConflictError, match=f"^after {table}$"):
            restore(path, database_url, replace=True, copied=fail)
        assert everything(database_url) == before


def test_what_a_restored_store_says_is_newer_than_all_that_anybody_knows(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    """Of the store that is replaced, of one that was lost, and of one restored from the same backup before."""
    router = populated(store)
    path = kept(database_url, tmp_path / "backup")
    kept_at = store.revision()
    for _ in range(20):
        store.run(rows.network)
    lost = store.revision()
    store.close()
    first = brought_back(path, database_url)
    assert first.revision >= lost + MARGIN
    again = Store.open(database_url)
    assert given(again, router["id"])["generation"] == first.revision
    with again.read() as tx:
        assert {host.connected for host in tx.hosts()} == {False}
        for known in (kept_at, lost):
            with pytest.raises(Exception, match="take a snapshot"):
                tx.changes(known)
    assert again.run(lambda tx: tx.assign_owner(router["id"], None)) > first.revision
    again.close()
    path_of_other = tmp_path / "other.db"
    later = brought_back(path, f"sqlite:///{path_of_other}", NOW + 60, replace=False)
    assert later.revision == kept_at + MARGIN + 60 * PER_SECOND
    assert brought_back(path, f"sqlite:///{path_of_other}", NOW - 9999).revision > later.revision


def test_port_blocks_that_may_have_been_given_since_wait_as_if_they_had_just_come_back(
    store: Store, database_url: str, tmp_path: Path, now: list[float]
) -> None:
    router = populated(store)
    before = blocks_of(store, router["id"])
    path = kept(database_url, tmp_path / "backup")
    rows.add_gateway_host(store, 3)
    assert blocks_of(store, router["id"])["gw-3"]
    store.close()
    now[0] += 3600
    brought_back(path, database_url, now[0])
    again = Store.open(database_url, clock=lambda: now[0])
    assert blocks_of(again, router["id"]) == before
    rows.add_gateway_host(again, 3)
    assert blocks_of(again, router["id"]) == {**before, "gw-3": []}
    now[0] += 601
    again.run(lambda tx: tx.refill_port_blocks())
    assert blocks_of(again, router["id"])["gw-3"]
    again.close()


def test_a_certificate_that_was_revoked_stays_so_and_one_issued_since_stays_known(
    store: Store, database_url: str, tmp_path: Path, now: list[float]
) -> None:
    populated(store)
    token = store.run(lambda tx: tx.create_join_token("gw-1", 1000))
    path = kept(database_url, tmp_path / "backup")
    store.run(lambda tx: tx.redeem_join_token(token))
    store.run(lambda tx: tx.add_certificate("gw-1", "cc", NOW + 2000))
    store.run(lambda tx: tx.revoke_certificates("gw-2"))
    store.close()
    brought_back(path, database_url)
    again = Store.open(database_url, clock=lambda: now[0])
    with again.read() as tx:
        assert {c.serial: c.revoked_at for c in tx.certificates()} == {"aa": None, "bb": NOW, "cc": None}
    with pytest.raises(NotFoundError, match="used up"):
        again.run(lambda tx: tx.redeem_join_token(token))
    again.close()
