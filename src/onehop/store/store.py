"""The store as a whole: opening, transactions and their end, wake-ups."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from onehop.errors import BusyError
from onehop.store import change, host, migration
from onehop.store.database import Database, parse
from onehop.store.postgresql import Postgresql
from onehop.store.record import Heartbeat
from onehop.store.session import Session
from onehop.store.sqlite import Sqlite
from onehop.store.transaction import Transaction
from onehop.store.wake import Listener, Wake

T = TypeVar("T")

ATTEMPTS = 5
KEEP = 100_000


class Store:
    """One database. Thread-safe; made by `open`, ended by `close`."""

    def __init__(self, database: Database, clock: Callable[[], float], keep: int) -> None:
        self._database = database
        self._keep = keep
        self._clock = clock
        self._wake = Wake(database, self.revision)

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time, keep: int = KEEP) -> "Store":
        """Open a database and bring it up to date; several processes may do so at once.

        Args:
            url: ``sqlite:////absolute/path`` (made if it is not there, mode 0600) or ``postgresql+psycopg://…``.
            clock: seconds since the epoch.
            keep: how many revisions the change log keeps; every thousandth commit forgets older ones.

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
        return cls(database, clock, keep)

    def close(self) -> None:
        """End wake-ups and close every connection. Transactions must have ended."""
        self._wake.close()
        self._database.close()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A read-only transaction that sees one snapshot and never waits for writers."""
        with self._database.read() as connection:
            yield Transaction(Session(connection, self._clock(), writable=False))

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A write transaction: committed at the end, rolled back on an exception. Prefer `run`, which tries again.

        Raises:
            BusyError: no turn to write within 30 seconds.
        """
        with self._database.write() as connection:
            session = Session(connection, self._clock(), writable=True)
            yield Transaction(session)
            if session.spoiled:
                raise RuntimeError(
                    "a transaction went on after a constraint had refused a change: let the error through"
                )
            revision = change.record(session, self._keep)
            with session.constrained():
                connection.commit()
        if revision is not None:
            self._wake.committed(revision)

    def run(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in a write transaction and commit; its answer. `fn` may be called again after a transient failure.

        Raises:
            BusyError: no turn to write within 30 seconds, or the database failed again and again.
            TakenError, ReferencedError: a constraint that is only checked at the commit.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self.write() as transaction:
                    return fn(transaction)
            except DBAPIError as error:
                if not self._database.is_transient(error):
                    raise
                failure = error
            time.sleep(0.01 * 2**attempt)
        raise BusyError(f"the database refused {ATTEMPTS} times: {failure.orig}") from failure

    def revision(self) -> int:
        """The newest revision; cheap."""
        with self.read() as transaction:
            return transaction.revision()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(revision)` after commits of this and of other processes; the answer ends that.

        It is called in a thread of the store, with the newest revision known (several commits may be one call), and
        must return soon and not raise: hand over to an event loop with ``loop.call_soon_threadsafe``. Read
        `Transaction.changes` from where you are, not from that number.
        """
        return self._wake.subscribe(listener)

    def put_heartbeats(self, beats: Sequence[Heartbeat]) -> None:
        """Write down signs of life of hosts, many at once; no revision, no change log."""
        with self._database.beat() as connection:
            host.beat(Session(connection, self._clock(), writable=True), beats)
            connection.commit()

    def prune(self, keep: int) -> int:
        """Forget all but the last `keep` revisions of the change log now; how many rows went."""
        return self.run(lambda transaction: change.prune(transaction.session, keep))
