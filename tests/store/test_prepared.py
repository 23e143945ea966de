"""Prepared statements: as SQLAlchemy answers, on both databases, and with its errors."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from onehop.errors import TakenError
from onehop.store import Store
from onehop.store.prepared import Prepared
from onehop.store.table import ALLOCATION, TABLES, VNI
from tests.conftest import POSTGRESQL
from tests.store import rows
from tests.store.test_migration import NewDatabase


@pytest.mark.parametrize("resource", sorted(TABLES))
def test_a_prepared_query_answers_what_sqlalchemy_answers(store: Store, resource: str) -> None:
    def fill() -> None:
        network = store.run(rows.network)["id"]
        subnet = store.run(lambda tx: rows.subnet(tx, network, "10.0.0.0/24", ("10.0.0.2", "10.0.0.9")))["id"]
        store.run(lambda tx: tx.add_host("h1"))
        store.run(lambda tx: rows.port(tx, network, subnet, host="h1", tags=["a"], admin_state_up=False))
        store.run(lambda tx: rows.router(tx, network))

    fill()
    statement = sa.select(TABLES[resource])
    with store.read() as tx:
        expected = [tuple(row) for row in tx.connection.execute(statement)]
        assert [tuple(row) for row in Prepared(statement).execute(tx.connection, {}).all()] == expected
        first = Prepared(statement).execute(tx.connection, {}).first()
        assert (None if first is None else tuple(first)) == (expected[0] if expected else None)


def test_what_a_constraint_refuses_is_sqlalchemys_error_and_in_a_transaction_ours(store: Store) -> None:
    insert = Prepared(sa.insert(VNI))
    taken = {"vni": 7, "kind": "network", "id": "x"}
    both = [taken, {**taken, "id": "y"}]
    with store.write() as tx:
        with pytest.raises(IntegrityError):
            insert.execute_many(tx.connection, both)
        tx.connection.rollback()
    with pytest.raises(TakenError) as refused, store.write() as tx:
        tx.session.change_many(insert, both)
    assert refused.value.attributes == ("vni",)
    with store.read() as tx:
        assert Prepared(sa.select(VNI.c.id)).execute(tx.connection, {}).first() is None


def test_a_missing_parameter_is_an_error_and_no_null(store: Store) -> None:
    with pytest.raises(KeyError, match="octets"), store.write() as tx:
        Prepared(sa.insert(ALLOCATION)).execute(tx.connection, {"subnet_id": "x", "ip_address": "10.0.0.1"})


@pytest.mark.parametrize("kind", [POSTGRESQL])
def test_a_connection_that_broke_below_a_prepared_statement_is_given_up(
    new_database_url: NewDatabase, kind: str
) -> None:
    store = Store.open(new_database_url(kind, True))
    one = Prepared(sa.select(sa.literal(1)))
    with store.read() as tx:
        backend = tx.connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
        with store.read() as other:
            other.connection.execute(sa.select(sa.func.pg_terminate_backend(backend)))
        with pytest.raises(OperationalError) as lost:
            one.execute(tx.connection, {})
        assert lost.value.connection_invalidated
    with store.read() as tx:
        assert one.execute(tx.connection, {}).one()[0] == 1
    store.close()
