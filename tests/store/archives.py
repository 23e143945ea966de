"""Stores with something in them, kept in a file and brought back."""

from pathlib import Path

import sqlalchemy as sa

from onehop.store import Row, Store, Transaction
from onehop.store.backup import backup
from onehop.store.restore import Restored, restore
from onehop.store.table import METADATA
from tests.store import rows
from tests.store.outside import routed

NOW = 1_800_000_000.0


def populated(store: Store) -> Row:
    """Something in most tables; the router."""
    for number in (1, 2):
        rows.add_gateway_host(store, number)
    external = store.run(rows.external)

    def make(tx: Transaction) -> Row:
        network, router = routed(tx)
        subnet = rows.subnet(tx, network["id"], "10.0.0.0/24", ("10.0.0.10", "10.0.0.99"))
        rows.port(tx, network["id"], subnet["id"], host="gw-1")
        rows.gateway(tx, router["id"], external)
        tx.add_certificate("gw-1", "aa", NOW + 1000)
        tx.add_certificate("gw-2", "bb", NOW + 1000)
        return router

    return store.run(make)


def everything(url: str) -> dict[str, list[Row]]:
    """All rows of all tables, in an order of their own."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = {
            name: sorted((dict(row) for row in connection.execute(sa.select(table)).mappings()), key=repr)
            for name, table in METADATA.tables.items()
        }
    engine.dispose()
    return found


def kept(url: str, path: Path, now: float = NOW) -> Path:
    backup(url, path, lambda: now)
    return path


def brought_back(path: Path, url: str, now: float = NOW, *, replace: bool = True) -> Restored:
    return restore(path, url, replace=replace, clock=lambda: now)
