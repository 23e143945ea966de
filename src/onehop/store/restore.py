"""Restore: a store becomes what an archive holds, in one transaction, and goes on from there.

Who lived with the lost store knows more than the archive: agents hold views of later revisions and owners of later
generations, hosts use port blocks that were given since. So what is restored is made newer than all of that
(`onehop.store.aftermath`), and everybody takes it for news.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from onehop.errors import ConflictError, StoreError
from onehop.store import aftermath, archive, migration
from onehop.store.archive import Manifest
from onehop.store.database import Database, parse
from onehop.store.postgresql import Postgresql
from onehop.store.record import Certificate
from onehop.store.sqlite import Sqlite
from onehop.store.table import CERTIFICATE, CHANGE_LOG, JOIN_TOKEN, METADATA, REVISION

_AT_ONCE = 1000
_LEFT_OUT = (CHANGE_LOG, JOIN_TOKEN)
"""Agents begin anew; and a token that was used up since must not be good for another time."""


class Restored(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        manifest: of the archive.
        revision: at which the store goes on.
        thrown_away: revision of what was there before; 0 where that was nothing.
    """

    manifest: Manifest
    revision: int
    thrown_away: int


def restore(
    path: Path,
    url: str,
    *,
    replace: bool = False,
    clock: Callable[[], float] = time.time,
    copied: Callable[[str], None] = lambda _table: None,
) -> Restored:
    """Make a store what an archive holds. The archive may be of the other kind of database, and of an older onehop.

    Args:
        path: the archive; it is read whole before anything else is touched, and is not changed.
        url: as for `Store.open`.
        replace: throw away what is there.
        clock: seconds since the epoch.
        copied: told of each table; what it raises leaves the store as it was.

    Raises:
        ArchiveError: the file is no archive, not whole, or of a newer onehop.
        ConflictError: somebody has the store open, or there is something in it and it is not to be replaced.
        StoreError: the database cannot be written; it is as it was.
    """
    parsed = parse(url)
    with tempfile.TemporaryDirectory(prefix="onehop-restore-") as folder:
        file = Path(folder, "archive")
        shutil.copyfile(path, file)
        manifest = archive.check(file, path)
        try:
            with (
                contextlib.closing(Sqlite(parse(f"sqlite:///{file}"))) as source,
                contextlib.closing(Sqlite(parsed) if parsed.drivername == "sqlite" else Postgresql(parsed)) as target,
            ):
                return _restore(source, target, manifest, replace, clock(), copied)
        except DBAPIError as error:
            raise StoreError(f"the database cannot be written and is as it was: {error.orig}") from error


def _restore(
    source: Database, target: Database, manifest: Manifest, replace: bool, now: float, copied: Callable[[str], None]
) -> Restored:
    with source.write() as connection:
        migration.run(connection)
        connection.commit()
    with source.read() as old, target.write_alone() as new:
        migration.run(new)
        before = int(new.execute(sa.select(REVISION.c.value)).scalar_one())
        if before and not replace:
            raise ConflictError(
                f"there is a store at revision {before} already: `onehop db backup` keeps it, "
                "then --replace throws it away"
            )
        known = [Certificate(*row) for row in new.execute(sa.select(*CERTIFICATE.c))]
        _copy(old, new, copied)
        revision = aftermath.continue_from(new, manifest, before, known, now)
        new.commit()
    return Restored(manifest, revision, before)


def _copy(source: Connection, target: Connection, copied: Callable[[str], None]) -> None:
    for table in reversed(METADATA.sorted_tables):
        target.execute(sa.delete(table))
    for table in METADATA.sorted_tables:
        if table not in _LEFT_OUT:
            found = source.execution_options(yield_per=_AT_ONCE).execute(sa.select(table))
            for part in found.mappings().partitions():
                target.execute(sa.insert(table), [dict(row) for row in part])
        copied(table.name)
