"""The store as a whole: opening, transactions and their end, wake-ups."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from onehop.errors import BusyError, StoreError, UnusableError
from onehop.log import request_id
from onehop.store import change, host, migration
from onehop.store.cause import Causes
from onehop.store.database import Database, parse
from onehop.store.postgresql import Postgresql
from onehop.store.record import Heartbeat, Rules
from onehop.store.session import Session
from onehop.store.sqlite import Sqlite
from onehop.store.transaction import Transaction
from onehop.store.wake import Listener, Wake

T = TypeVar("T")

ATTEMPTS = 5
KEEP = 100_000
CHECK_SECONDS = 2.0
_RULES = Rules()


class Store:
    """One database. Thread-safe; made by `open`, ended by `close`."""

    def __init__(self, database: Database, clock: Callable[[], float], keep: int, rules: Rules) -> None:
        self._database = database
        self._rules = rules
        self._keep = keep
        self._clock = clock
        self._causes = Causes()
        self._wake = Wake(database, self.revision)

    @classmethod
    def open(
        cls, url: str, *, clock: Callable[[], float] = time.time, keep: int = KEEP, rules: Rules = _RULES
    ) -> "Store":
        """Open a database and bring it up to date; several processes may do so at once.

        Args:
            url: ``sqlite:////absolute/path`` (made if it is not there, mode 0600) or ``postgresql+psycopg://…``.
            clock: seconds since the epoch.
            keep: how many revisions the change log keeps; every thousandth commit forgets older ones.
            rules: what an operator may choose about allocation.

        Raises:
            SettingsError: not a URL of a database that we can use.
            NewerDatabaseError: a newer onehop has migrated it.
            StoreError: it cannot be reached or opened.
        """
        parsed = parse(url)
        database: Database = Sqlite(parsed) if parsed.drivername == "sqlite" else Postgresql(parsed)
        try:
            with database.write() as connection:
                migration.run(connection)
                connection.commit()
        except BaseException:
            database.close()
            raise
        return cls(database, clock, keep, rules)

    def close(self) -> None:
        """End wake-ups and close every connection. Transactions must have ended."""
        self._wake.close()
        self._database.close()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A read-only transaction that sees one snapshot and never waits for writers.

        Raises:
            StoreError: the database cannot be read.
        """
        try:
            with self._database.read() as connection:
                yield Transaction(Session(connection, self._clock(), writable=False))
        except DBAPIError as error:
            raise self._failed(error) from error

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A write transaction: committed at the end, rolled back on an exception. Prefer `run`, which tries again.

        Raises:
            BusyError: no turn to write within 30 seconds, or the connection was lost.
            StoreError: the database cannot be written.
        """
        try:
            with self._write() as transaction:
                yield transaction
        except DBAPIError as error:
            raise self._failed(error) from error

    def run(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in a write transaction and commit; its answer. `fn` may be called again after a transient failure.

        Raises:
            BusyError: no turn to write within 30 seconds, or the database failed again and again.
            StoreError: the database cannot be written (disk full, connection refused).
            TakenError, ReferencedError: a constraint that is only checked at the commit.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self._write() as transaction:
                    return fn(transaction)
            except DBAPIError as error:
                if attempt + 1 == ATTEMPTS or not self._database.is_transient(error):
                    raise self._failed(error) from error
            time.sleep(0.01 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _write(self) -> Iterator[Transaction]:
        """As `write`, with the database's own errors while it is sure that nothing was committed."""
        with self._database.write() as connection:
            session = Session(connection, self._clock(), writable=True, rules=self._rules)
            yield Transaction(session)
            if session.spoiled:
                raise RuntimeError("a constraint had refused a change, but its error was caught: let it through")
            revision = change.record(session, self._keep)
            try:
                with session.constrained():
                    connection.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    message = "the database was lost while committing: look whether the change was made, then try again"
                    raise BusyError(message) from error
                raise
        if revision is not None:
            if request := request_id():
                self._causes.add(revision, request)
            self._wake.committed(revision)

    def _failed(self, error: DBAPIError) -> StoreError:
        if self._database.is_transient(error):
            return BusyError(f"the database is busy or was restarted: {error.orig}")
        if self._database.is_unusable(error):
            return UnusableError(f"the database cannot be used now, mend it and try again: {error.orig}")
        return StoreError(f"the database cannot be used: {error.orig}")

    def revision(self) -> int:
        """The newest revision; cheap."""
        with self.read() as transaction:
            return transaction.revision()

    def check(self) -> None:
        """Find out whether all can be done here: a snapshot read, in the schema that we know, and something written.

        Nothing is changed: what is written is rolled back.

        Raises:
            StoreError: it cannot; the sentence says what.
        """
        try:
            with self._database.read() as connection:
                migration.require_newest(connection)
            with self._database.write(CHECK_SECONDS) as connection:
                change.touch(connection)
                connection.rollback()
        except DBAPIError as error:
            raise self._failed(error) from error

    def requests(self, after: int, until: int) -> tuple[str, ...]:
        """Ids of the requests that made the revisions after one until another, where this process committed them."""
        return self._causes.between(after, until)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(revision)` after commits of this and of other processes; the answer ends that.

        It is called in a thread of the store, with the newest revision known (several commits may be one call), and
        must return soon and not raise: hand over to an event loop with ``loop.call_soon_threadsafe``. Read
        `Transaction.changes` from where you are, not from that number.
        """
        return self._wake.subscribe(listener)

    def put_heartbeats(self, beats: Sequence[Heartbeat]) -> None:
        """Write down signs of life of hosts, many at once; no revision, no change log."""
        self.run(lambda transaction: host.beat(transaction.session, beats))

    def prune(self, keep: int | None = None) -> int:
        """Forget all but the last `keep` revisions (those of `open`) of the change log now; how many rows went."""
        last = self._keep if keep is None else keep
        return self.run(lambda transaction: change.prune(transaction.session, last))
