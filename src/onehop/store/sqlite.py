"""The store on SQLite: one file, readers with snapshots (WAL), one writer at a time."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from onehop.errors import BusyError, ConflictError, NotFoundError, StoreError
from onehop.store.database import IN_USE, WRITE_TIMEOUT, Database
from onehop.store.prepared import Prepared
from onehop.store.turn import Turn

_READERS = 4
_MORE_READERS = 60
_POLL = 0.001
_UNUSABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
)
_LISTEN = 0.1
_BEGIN_READ = Prepared(sa.text("BEGIN"))
_BEGIN_WRITE = Prepared(sa.text("BEGIN IMMEDIATE"))


class Sqlite(Database):
    """One file, which other processes may have open too.

    Threads of this process queue for the one writing connection. Against another process's writer the head of the
    queue asks for SQLite's lock again each millisecond: SQLite's own waiting sleeps up to 100 ms at a time.
    """

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "")
        _create(self._path)
        _use_wal(self._path)
        self._turn = Turn()
        self._writer = _engine(url, 1, 0, writes=True)
        self._readers = _engine(url, _READERS, _MORE_READERS, writes=False)
        self._ear: sqlite3.Connection | None = None
        self._version = -1

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See `Database.read`."""
        try:
            connection = self._readers.connect()
        except PoolTimeoutError as error:
            raise BusyError(f"{_READERS + _MORE_READERS} readers are at work already") from error
        with connection:
            connection.begin()
            yield connection

    @contextmanager
    def write(self, timeout: float = WRITE_TIMEOUT) -> Iterator[Connection]:
        """See `Database.write`."""
        deadline = time.monotonic() + timeout
        with self._turn.wait(timeout), self._writer.connect() as connection:
            while True:
                try:
                    connection.begin()
                    break
                except OperationalError as error:
                    if not self.is_transient(error):
                        raise
                if time.monotonic() > deadline:
                    raise BusyError(f"another process held the database {self._path} for {timeout:g} s")
                time.sleep(_POLL)
            yield connection

    @contextmanager
    def write_alone(self) -> Iterator[Connection]:
        """See `Database.write_alone`."""
        if _is_open(self._path):
            raise ConflictError(IN_USE.format(f"another process has {self._path} open"))
        with self.write() as connection:
            yield connection

    def is_transient(self, error: DBAPIError) -> bool:
        """See `Database.is_transient`."""
        code = getattr(error.orig, "sqlite_errorcode", 0)
        return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def is_unusable(self, error: DBAPIError) -> bool:
        """See `Database.is_unusable`."""
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _UNUSABLE

    def announce(self, revision: int) -> None:
        """Nothing to do: `heard` sees it in the file."""

    def heard(self, timeout: float) -> bool:
        """See `Database.heard`: looks at the file's version, which costs a few microseconds."""
        time.sleep(min(timeout, _LISTEN))
        if self._ear is None:
            self._ear = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        version = int(self._ear.execute("PRAGMA data_version").fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def close(self) -> None:
        """See `Database.close`."""
        if self._ear is not None:
            self._ear.close()
        self._readers.dispose()
        self._writer.dispose()


def copy(source: Path, target: Path) -> None:
    """Everything in a database as of one moment, into an empty file; others may read and write it meanwhile.

    Raises:
        NotFoundError: there is no such file.
        StoreError: it cannot be read, or the other not be written.
    """
    if not source.exists():
        raise NotFoundError(f"there is no database {source}")
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=WRITE_TIMEOUT)) as here,
            closing(sqlite3.connect(target)) as there,
        ):
            here.backup(there)
    except sqlite3.Error as error:
        raise StoreError(f"the database {source} could not be copied: {error}") from error


def _is_open(path: Path) -> bool:
    """Whether anybody has the file open who has read or written it."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        try:
            # With write-ahead logging only who is alone gets this.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise StoreError(f"cannot open the database {path}: {error}") from error
            return True
        connection.execute("ROLLBACK")
    return False


def _create(path: Path) -> None:
    """Make the file, readable for its owner alone; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"cannot open the database {path}: {error.strerror}") from error


def _engine(url: URL, size: int, more: int, *, writes: bool) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=more,
        connect_args={"check_same_thread": False, "timeout": WRITE_TIMEOUT, "isolation_level": None},
    )

    def connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # FULL: an acknowledged write survives a power failure. It costs one fsync for each commit.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # The head of the writers' queue asks for the lock again and again: see the class.
        connection.execute("PRAGMA busy_timeout = 0" if writes else "PRAGMA query_only = ON")

    def begin(connection: Connection) -> None:
        (_BEGIN_WRITE if writes else _BEGIN_READ).execute(connection, {})

    sa.event.listen(engine, "connect", connect)
    sa.event.listen(engine, "begin", begin)
    return engine


def _use_wal(path: Path) -> None:
    """Write-ahead logging, which the file remembers; another process may be doing the same just now."""
    deadline = time.monotonic() + WRITE_TIMEOUT
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise StoreError(f"cannot open the database {path}: {error}") from error
            except sqlite3.DatabaseError as error:
                raise StoreError(f"{path} is damaged or no database of ours: {error}") from error
            else:
                if mode == ("wal",):
                    return
                raise StoreError(f"the file system of {path} cannot do write-ahead logging: put it on a local disk")
            time.sleep(_POLL)
