"""The store on PostgreSQL: for several controllers. One writer at a time in the cluster, by an advisory lock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from onehop.errors import BusyError, ConflictError, StoreError, UnusableError
from onehop.log import logger
from onehop.store.database import IN_USE, WRITE_TIMEOUT, Database

WRITER = 0x6F6E65686F7001
"""Key of the advisory lock that makes one writer ("onehop" and 1)."""

CHANNEL = "onehop_revision"

_NAME = "onehop"
"""How our connections are called in ``pg_stat_activity``."""

_OTHERS = sa.text(
    "SELECT CAST(client_addr AS TEXT) AS client_addr FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = :name AND pid <> pg_backend_pid()"
)
_GONE_SECONDS, _POLL = 4.0, 0.05
"""The server takes a moment to notice that a client has ended."""

PAUSE_MS = 5_000
"""Milliseconds without a word from a writer after which the database ends its transaction."""

_LOCK_MS = int(WRITE_TIMEOUT * 1000)
_REACH: dict[str, Any] = {
    "application_name": _NAME,
    # A database whose machine is gone says nothing: without these a connection to it waits for many minutes.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_PATIENCE, _PATIENCE_EACH = 10, 3
"""Seconds to connect, and to each of several servers: a machine without power does not refuse, it says nothing."""
_LOG = logger("store")

_POOL = 8
_MORE = 24
_UNUSABLE = ("25006", "53", "57", "58", "XX001", "XX002")
"""Beginnings of SQLSTATEs: read-only, out of resources, operator intervention, system error, corrupted."""

_TRANSIENT = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
)


class Postgresql(Database):
    """A database that several controllers share.

    A writer first takes an advisory lock that it holds until after its commit: what it reads afterwards (READ
    COMMITTED, each statement sees the latest) nobody else can change. Readers never wait for it.

    The URL may name several servers, ``?host=one:5432&host=two:5432&target_session_attrs=read-write``: whichever
    takes writes is connected to, anew after each connection that is lost.
    """

    def __init__(self, url: URL) -> None:
        several = len(url.normalized_query.get("host", ())) > 1
        self._reach = {**_REACH, "connect_timeout": _PATIENCE_EACH if several else _PATIENCE}
        self._engine = sa.create_engine(
            url,
            pool_size=_POOL,
            max_overflow=_MORE,
            pool_timeout=WRITE_TIMEOUT,
            pool_pre_ping=True,
            # A controller that is paused in a transaction may not keep the others from writing.
            connect_args={
                **self._reach,
                "options": f"-c idle_in_transaction_session_timeout={PAUSE_MS} -c lock_timeout={_LOCK_MS}",
            },
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._side = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._url = url
        self._ear: psycopg.Connection[tuple[object, ...]] | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See `Database.read`."""
        with self._connect(self._snapshots) as connection:
            connection.begin()
            yield connection

    @contextmanager
    def write(self, timeout: float = WRITE_TIMEOUT) -> Iterator[Connection]:
        """See `Database.write`."""
        with self._connect(self._engine) as connection:
            try:
                if timeout != WRITE_TIMEOUT:
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = {max(1, int(timeout * 1000))}"))
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER)))
            except OperationalError as error:
                if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                    raise BusyError(f"another controller held the right to write for {timeout:g} s") from error
                raise
            yield connection

    @contextmanager
    def write_alone(self) -> Iterator[Connection]:
        """See `Database.write_alone`."""
        deadline = time.monotonic() + _GONE_SECONDS
        with self.write() as connection:
            while (other := connection.execute(_OTHERS, {"name": _NAME}).first()) is not None:
                if time.monotonic() < deadline:
                    time.sleep(_POLL)
                    connection.execute(sa.select(sa.func.pg_stat_clear_snapshot()))
                    continue
                where = other.client_addr or "this machine"
                raise ConflictError(IN_USE.format(f"a process on {where} is connected to the database"))
            yield connection

    def is_transient(self, error: DBAPIError) -> bool:
        """See `Database.is_transient`."""
        return error.connection_invalidated or isinstance(error.orig, _TRANSIENT)

    def is_unusable(self, error: DBAPIError) -> bool:
        """See `Database.is_unusable`."""
        state = getattr(error.orig, "sqlstate", None) or ""
        return state.startswith(_UNUSABLE)

    def announce(self, revision: int) -> None:
        """See `Database.announce`: a NOTIFY outside of any write, because inside it takes a lock that all share."""
        try:
            with self._side.connect() as connection:
                connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(revision))))
        except SQLAlchemyError as error:
            # Others look by themselves when nothing was heard for a while.
            _LOG.info("other controllers were not told of a revision", revision=revision, reason=str(error))

    def heard(self, timeout: float) -> bool:
        """See `Database.heard`."""
        try:
            if self._ear is None:
                self._ear = psycopg.connect(**self._address(), autocommit=True, **self._reach)
                self._ear.execute(f"LISTEN {CHANNEL}")
                return True
            for _ in self._ear.notifies(timeout=timeout, stop_after=1):
                break
        except psycopg.Error as error:
            if self._ear is not None:
                self._ear.close()
            self._ear = None
            raise StoreError(f"the connection that listens for changes is lost: {error}") from error
        # After silence too: a notification may have been lost with a connection.
        return True

    def close(self) -> None:
        """See `Database.close`."""
        if self._ear is not None:
            self._ear.close()
        self._engine.dispose()

    def _address(self) -> dict[str, Any]:
        """As the engine connects: libpq itself would take the last of several hosts alone, port and all."""
        return dict(self._engine.dialect.create_connect_args(self._url)[1])

    @contextmanager
    def _connect(self, engine: sa.Engine) -> Iterator[Connection]:
        try:
            connection = engine.connect()
        except PoolTimeoutError as error:
            raise BusyError(f"all {_POOL + _MORE} connections to the database are in use") from error
        except OperationalError as error:
            raise UnusableError(f"cannot reach the database {self._url.render_as_string()}: {error.orig}") from error
        with connection:
            yield connection
