"""Backup: a snapshot of the store as an archive, made while controllers work. It only reads, and migrates nothing."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from onehop.errors import BusyError, ConflictError, NotFoundError, StoreError
from onehop.store import archive, migration
from onehop.store.archive import Manifest
from onehop.store.database import Database, parse
from onehop.store.postgresql import Postgresql
from onehop.store.sqlite import Sqlite, copy
from onehop.system import sync_directory

_AT_ONCE = 1000


def backup(url: str, path: Path, clock: Callable[[], float] = time.time) -> Manifest:
    """Keep everything that a store holds, as of one moment, in a new file of mode 0600.

    The file is read back before it gets its name, so that there is none or a good one.

    Args:
        url: as for `Store.open`.
        path: which must not exist.
        clock: seconds since the epoch.

    Raises:
        ConflictError: the file exists.
        NotFoundError: there is no database, or nothing in it.
        StoreError: the database cannot be read, or a newer onehop has migrated it.
        OSError: the file cannot be written.
    """
    parsed = parse(url)
    if path.exists():
        raise ConflictError(f"{path} exists: give another name, or remove it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        made_at = clock()
        if parsed.drivername == "sqlite":
            copy(Path(parsed.database or ""), temporary)
        else:
            _copy_rows(Postgresql(parsed), temporary)
        manifest = archive.seal(temporary, parsed.get_backend_name(), made_at)
        _keep(temporary, path)
    finally:
        for left in (temporary, *(temporary.with_name(temporary.name + end) for end in ("-journal", "-wal", "-shm"))):
            left.unlink(missing_ok=True)
    return manifest


def _keep(temporary: Path, path: Path) -> None:
    """Give a whole file its name, unless somebody else took it meanwhile."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise ConflictError(f"{path} exists: give another name, or remove it") from None
    temporary.replace(path)
    sync_directory(path.parent)


def _copy_rows(database: Database, path: Path) -> None:
    """Everything in one snapshot of a database, into an empty SQLite file."""
    try:
        with contextlib.closing(database), contextlib.closing(Sqlite(parse(f"sqlite:///{path.absolute()}"))) as file:
            with database.read() as source:
                schema = migration.current(source)
            if schema is None:
                raise NotFoundError("there is nothing in the database yet: start a controller first")
            with file.write() as target:
                # Made by the same steps as the database was, so that an older one can be kept before an update. Before
                # the snapshot is taken: a server ends a transaction in which nothing is asked for some seconds.
                migration.run(target, schema)
                with database.read() as source:
                    if migration.current(source) != schema:
                        raise BusyError("another process is migrating the database: try again")
                    _fill(source, target)
                target.commit()
    except DBAPIError as error:
        raise StoreError(f"the database cannot be read: {error.orig}") from error


def _fill(source: Connection, target: Connection) -> None:
    tables = sa.MetaData()
    tables.reflect(target)
    for table in reversed(tables.sorted_tables):
        target.execute(sa.delete(table))
    for table in tables.sorted_tables:
        # Without types: text, numbers and octets as they are kept.
        plain = sa.table(table.name, *(sa.column(column.name) for column in table.columns))
        found = source.execution_options(yield_per=_AT_ONCE).execute(sa.select(plain))
        for part in found.mappings().partitions():
            target.execute(sa.insert(plain), [dict(row) for row in part])
