"""What the parts of a transaction share: the connection, the clock's reading, and what has changed so far."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.exc import IntegrityError

from onehop.store import refusal
from onehop.store.prepared import Answer, Given, Prepared
from onehop.store.record import Rules

Result = CursorResult[*tuple[Any, ...]]
_RULES = Rules()


class Session:
    """The state of one transaction.

    Attributes:
        connection: in a transaction already.
        writable: whether it may change anything.
        time: seconds since the epoch when it began.
        dirty: (kind, id) → whether it is deleted, of everything that goes into the change log.
        rules: what an operator may choose about allocation.
        claimed: port id → addresses that it took in this transaction, as pairs of subnet id and address.
        pools: subnet id → its IP version and allocation pools as numbers, as far as they were read; whoever changes a
            subnet takes it out.
        touched: (resource, id) whose revision number has grown already through a child.
        spoiled: a constraint refused a statement; nothing of this transaction may stay.
    """

    __slots__ = ("claimed", "connection", "dirty", "pools", "rules", "spoiled", "time", "touched", "writable")

    def __init__(self, connection: Connection, time: float, *, writable: bool, rules: Rules = _RULES) -> None:
        self.connection = connection
        self.writable = writable
        self.time = time
        self.rules = rules
        self.dirty: dict[tuple[str, str], bool] = {}
        self.claimed: dict[str, set[tuple[str, str]]] = {}
        self.pools: dict[str, tuple[int, list[tuple[int, int]]]] = {}
        self.touched: set[tuple[str, str]] = set()
        self.spoiled = False

    @property
    def now(self) -> str:
        """The time as the API writes it."""
        return stamp(self.time)

    def mark(self, kind: str, id: str, *, deleted: bool = False) -> None:
        """Put a resource into the change log."""
        self.dirty[kind, id] = deleted

    def ask(self, statement: Prepared, given: Given) -> Answer:
        """Execute a prepared query."""
        return statement.execute(self.connection, given)

    def change(self, statement: Prepared, given: Given) -> Answer:
        """Execute a prepared change. Raises as `write`."""
        self._require_writable()
        with self.constrained():
            return statement.execute(self.connection, given)

    def change_many(self, statement: Prepared, rows: Sequence[Given]) -> None:
        """Execute a prepared change for each of some rows. Raises as `write`."""
        self._require_writable()
        with self.constrained():
            statement.execute_many(self.connection, rows)

    def read(self, statement: Executable, parameters: dict[str, Any] | None = None) -> Result:
        """Execute a query."""
        return self.connection.execute(statement, parameters)

    def write(
        self, statement: Executable, parameters: Sequence[dict[str, Any]] | dict[str, Any] | None = None
    ) -> Result:
        """Execute a change.

        Raises:
            TakenError, ReferencedError: a constraint forbids it; the transaction is spoiled.
            RuntimeError: this transaction may only read.
        """
        self._require_writable()
        with self.constrained():
            return self.connection.execute(statement, parameters)

    def _require_writable(self) -> None:
        if not self.writable:
            raise RuntimeError("a transaction of Store.read cannot write: use Store.run or Store.write")

    @contextmanager
    def constrained(self) -> Iterator[None]:
        """Turn what a constraint refuses into our errors."""
        try:
            yield
        except IntegrityError as error:
            self.spoiled = True
            raise refusal.of(error) from error


def stamp(time: float) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ`` of seconds since the epoch."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
