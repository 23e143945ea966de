"""The change log: revisions are in commit order, and nobody who reads on ever misses a change."""

import threading

import pytest
import sqlalchemy as sa

from onehop.errors import StaleError
from onehop.store import Row, Store, Transaction
from onehop.store.table import CHANGE_LOG, REVISION
from tests.store import rows


def test_a_transaction_is_one_revision_for_all_it_changed(store: Store) -> None:
    def both(tx: Transaction) -> tuple[Row, Row]:
        network = rows.network(tx)
        return network, rows.subnet(tx, network["id"], "10.0.0.0/24")

    network, subnet = store.run(both)
    with store.read() as tx:
        assert {(c.revision, c.kind, c.id, c.deleted) for c in tx.changes(0)} == {
            (1, "network", network["id"], False),
            (1, "subnet", subnet["id"], False),
        }


def test_a_transaction_that_changes_nothing_has_no_revision(store: Store) -> None:
    store.run(lambda tx: tx.select("network"))
    assert store.revision() == 0


def test_a_binding_is_a_change_of_its_port(store: Store) -> None:
    network = store.run(rows.network)
    port = store.run(lambda tx: rows.port(tx, network["id"]))
    before = store.revision()
    store.run(lambda tx: tx.insert("binding", {"port_id": port["id"], "host": "h1", "status": "ACTIVE"}))
    store.run(lambda tx: tx.delete("binding", (port["id"], "h1")))
    with store.read() as tx:
        assert [(c.kind, c.id, c.deleted) for c in tx.changes(before)] == [("port", port["id"], False)] * 2


def test_a_removed_resource_is_logged_as_deleted(store: Store) -> None:
    network = store.run(rows.network)
    store.run(lambda tx: tx.delete("network", network["id"]))
    with store.read() as tx:
        assert [c.deleted for c in tx.changes(0)] == [False, True]


def test_a_limit_never_splits_a_revision(store: Store) -> None:
    store.run(rows.network)
    store.run(lambda tx: [rows.network(tx) for _ in range(5)])
    store.run(rows.network)
    with store.read() as tx:
        assert [c.revision for c in tx.changes(0, limit=1)] == [1]
        assert [c.revision for c in tx.changes(0, limit=3)] == [1, 2, 2, 2, 2, 2]
        assert [c.revision for c in tx.changes(1, limit=5)] == [2, 2, 2, 2, 2]
        assert [c.revision for c in tx.changes(2)] == [3]
        assert tx.changes(3) == []


def test_after_pruning_an_old_reader_is_told_to_take_a_snapshot(store: Store) -> None:
    for _ in range(5):
        store.run(rows.network)
    assert store.prune(keep=2) == 3
    with store.read() as tx:
        assert [c.revision for c in tx.changes(3)] == [4, 5]
        with pytest.raises(StaleError, match="snapshot"):
            tx.changes(2)
        assert tx.snapshot()[0] == 5
    assert store.prune(keep=2) == 0


def test_the_change_log_does_not_grow_for_ever(database_url: str) -> None:
    store = Store.open(database_url, keep=3)
    network = store.run(rows.network)
    store.run(lambda tx: tx.connection.execute(sa.update(REVISION).values(value=998)))
    for _ in range(2):
        store.run(lambda tx: tx.touch("network", network["id"]))
    with store.read() as tx:
        assert tx.connection.execute(sa.select(CHANGE_LOG.c.revision).order_by("revision")).scalars().all() == [
            999,
            1000,
        ]
        with pytest.raises(StaleError):
            tx.changes(996)
    store.close()


def test_a_reader_from_the_future_is_told_to_take_a_snapshot(store: Store) -> None:
    with store.read() as tx, pytest.raises(StaleError):
        tx.changes(1)


def test_a_read_transaction_sees_one_revision_while_others_write(store: Store) -> None:
    store.run(rows.network)
    with store.read() as tx:
        assert tx.revision() == 1
        store.run(rows.network)
        assert tx.revision() == 1
        assert len(tx.select("network")) == 1
        assert len(tx.changes(0)) == 1
    assert store.revision() == 2


def test_a_reader_of_revision_n_never_finds_a_later_change_up_to_n(database_url: str) -> None:
    """Two slow writers on two controllers overlap as much as they can; a third reads on all the time."""
    first, second, reader = (Store.open(database_url) for _ in range(3))
    seen: list[int] = []
    done = threading.Event()

    def write(store: Store) -> None:
        for _ in range(20):
            with store.write() as tx:
                rows.network(tx)
                done.wait(0.002)
                rows.network(tx)

    def read() -> None:
        since = 0
        while True:
            ended = done.is_set()
            with reader.read() as tx:
                newest = tx.revision()
                found = [c.revision for c in tx.changes(since, limit=7)]
            assert found == sorted(found)
            assert all(since < revision <= newest for revision in found)
            seen.extend(found)
            since = max([since, *found])
            if ended and not found:
                return

    writers = [threading.Thread(target=write, args=(store,)) for store in (first, second)]
    follower = threading.Thread(target=read)
    for thread in (*writers, follower):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    follower.join()
    for store in (first, second, reader):
        store.close()
    assert seen == [revision for revision in range(1, 41) for _ in range(2)]


def test_a_second_writer_waits_until_the_first_has_committed(database_url: str) -> None:
    first, second = Store.open(database_url), Store.open(database_url)
    entered, revisions = threading.Event(), {}

    def later() -> None:
        entered.set()
        with second.write() as tx:
            revisions["seen by the second"] = tx.revision()
            rows.network(tx)

    thread = threading.Thread(target=later)
    with first.write() as tx:
        thread.start()
        entered.wait(5)
        thread.join(0.1)
        assert thread.is_alive()
        rows.network(tx)
    thread.join()
    first.close()
    second.close()
    assert revisions == {"seen by the second": 1}
