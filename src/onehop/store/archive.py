"""The archive: a backup as one SQLite file, whichever database it is of. It tells whether it is whole, and of what.

Its tables are the store's, in the schema that the database had; one more, `MANIFEST`, says what it is and holds a
digest of all others. It refuses: to change a database, and to believe anything of a file whose digest is wrong.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import msgspec

from onehop import __version__
from onehop.errors import ArchiveError
from onehop.store import migration

FORMAT = 1
MANIFEST = "onehop_backup"
_HEADER = b"SQLite format 3\0"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of.

    Attributes:
        format: `FORMAT` of who made it.
        made_at: seconds since the epoch.
        software: version of onehop that made it.
        database: ``sqlite`` or ``postgresql``.
        schema: of the database then.
        revision: of the store then.
        rows: how many there are in all tables.
        digest: of all tables but this one.
    """

    format: int
    made_at: float
    software: str
    database: str
    schema: str
    revision: int
    rows: int
    digest: str


def seal(path: Path, database: str, made_at: float) -> Manifest:
    """Make a file that holds a store's tables an archive, and make sure that it can be read back.

    Args:
        path: the SQLite file, which nobody else uses.
        database: what it is a copy of.
        made_at: when, in seconds since the epoch.

    Raises:
        ArchiveError: it cannot be read back, or is no store that this onehop knows.
    """
    with closing(_connect(path, "rw")) as connection:
        if not {"alembic_version", "revision"} <= _tables(connection).keys():
            raise ArchiveError("there is nothing in the database yet: start a controller first")
        # One file, without companions: it is carried elsewhere.
        connection.execute("PRAGMA journal_mode = DELETE")
        # Nothing is left of what was deleted before.
        connection.execute("VACUUM")
        rows, digest = _digest(connection)
        manifest = Manifest(
            format=FORMAT,
            made_at=made_at,
            software=__version__,
            database=database,
            schema=_schema(connection),
            revision=int(connection.execute("SELECT value FROM revision").fetchone()[0]),
            rows=rows,
            digest=digest,
        )
        connection.execute(f"CREATE TABLE {MANIFEST} (manifest TEXT NOT NULL)")
        text = msgspec.json.encode(manifest).decode()
        connection.execute(f"INSERT INTO {MANIFEST} VALUES (?)", (text,))  # noqa: S608  # a constant
    return check(path)


def check(path: Path, name: Path | None = None) -> Manifest:
    """What a file is a backup of, once all of it was read and found whole.

    Args:
        path: the file.
        name: what errors call it, if not that.

    Raises:
        ArchiveError: it is no backup, not whole, or of a newer onehop.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise ArchiveError(f"{name or path} is no backup that `onehop db backup` made")
        with closing(_connect(path, "ro&immutable=1")) as connection:
            return _checked(connection, name or path)
    except sqlite3.DatabaseError as error:
        raise ArchiveError(f"{name or path} is damaged ({error}): use another backup") from error


def _checked(connection: sqlite3.Connection, path: Path) -> Manifest:
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",):
        raise ArchiveError(f"{path} is damaged ({found[0]}): use another backup")
    if MANIFEST not in _tables(connection):
        raise ArchiveError(f"{path} is a database, but no backup that `onehop db backup` made")
    try:
        (text,) = connection.execute(f"SELECT manifest FROM {MANIFEST}").fetchone()  # noqa: S608  # a constant
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, TypeError) as error:
        raise ArchiveError(f"{path} is damaged (its manifest: {error}): use another backup") from None
    if manifest.format > FORMAT or not migration.is_known(manifest.schema):
        raise ArchiveError(
            f"{path} was made by onehop {manifest.software} (schema {manifest.schema}), and this one knows "
            f"{migration.head()} as the newest: use that version here"
        )
    if _digest(connection) != (manifest.rows, manifest.digest) or _schema(connection) != manifest.schema:
        raise ArchiveError(f"{path} is damaged (its digest is wrong): use another backup")
    dangling = connection.execute("PRAGMA foreign_key_check").fetchone()
    if dangling is not None:
        raise ArchiveError(f"{path} is not whole (a row of {dangling[0]} names one that is not there)")
    return manifest


def _schema(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _digest(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number of rows, and a digest of every table's words and rows."""
    hashed, rows = blake2b(digest_size=32), 0
    for name, sql in _tables(connection).items():
        if name == MANIFEST:
            continue
        hashed.update(msgspec.msgpack.encode((name, sql)))
        for row in _rows(connection, name):
            hashed.update(msgspec.msgpack.encode(row))
            rows += 1
    return rows, hashed.hexdigest()


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    listed = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    return dict(connection.execute(listed).fetchall())


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    yield from connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')  # noqa: S608  # named by the file itself


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
