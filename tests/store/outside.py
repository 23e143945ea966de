"""Short ways to ask what a router's gateway was given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from onehop.store import Row, Rules, Store, Transaction
from tests.store import rows


def run(store: Store, fn: Callable[[Transaction], Row]) -> Row:
    return store.run(fn)


def hosts_of(store: Store, router_id: str) -> list[str]:
    with store.read() as tx:
        return [place["host"] for place in tx.gateways([router_id])[router_id]["hosts"]]


def given(store: Store, router_id: str) -> Row:
    with store.read() as tx:
        return tx.gateways([router_id])[router_id]


def blocks_of(store: Store, router_id: str) -> dict[str, list[tuple[int, int]]]:
    found = given(store, router_id)["hosts"]
    return {place["host"]: [(b["first"], b["size"]) for b in place["blocks"]] for place in found}


def routed(tx: Transaction, **values: object) -> tuple[Row, Row]:
    """A network, and a router with a leg on it."""
    network = rows.network(tx)
    return network, rows.router(tx, network["id"], **values)


@contextmanager
def clocked(database_url: str, now: list[float]) -> Iterator[Store]:
    """A store whose clock is set by the test, with a quarantine of ten minutes."""
    opened = Store.open(database_url, clock=lambda: now[0], rules=Rules(quarantine_seconds=600))
    try:
        yield opened
    finally:
        opened.close()
