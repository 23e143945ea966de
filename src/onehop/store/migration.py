"""Bringing a database up to date when it is opened. The steps are in `onehop.store.migrations`, written by hand."""

import threading
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from onehop.errors import NewerDatabaseError, StoreError
from onehop.store.table import METADATA, REVISION

_ALEMBIC = threading.Lock()
"""Alembic keeps the migration that runs in a global."""


def run(connection: Connection, to: str = "head") -> None:
    """Migrate to the newest schema that this onehop knows.

    Args:
        connection: in a transaction that is the only writer; nothing is committed here.
        to: an older schema instead, to make a database as it was.

    Raises:
        NewerDatabaseError: the database's schema is unknown here.
    """
    newest, known = _versions()
    schema = current(connection)
    if schema == newest:
        return
    if schema is not None and schema not in known:
        raise NewerDatabaseError(
            f"the database has schema {schema}, but this onehop knows {newest} as the newest: "
            "upgrade onehop on this machine, or restore the backup from before the other one was started"
        )
    with _ALEMBIC:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    if connection.execute(sa.select(REVISION.c.only)).first() is None:
        connection.execute(sa.insert(REVISION).values(only=1, value=0, pruned=0))


def require_newest(connection: Connection) -> None:
    """Refuse a database that is in another schema than the newest known here.

    Raises:
        StoreError: it is.
    """
    schema = current(connection)
    if schema != head():
        raise StoreError(
            f"the database has schema {schema}, but this onehop knows {head()}: another version "
            "migrated it while this one ran; restart this controller with that version"
        )


def current(connection: Connection) -> str | None:
    """The schema version of a database; None of one without tables of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(schema: str) -> bool:
    """Whether this onehop knows a schema version."""
    return schema in _versions()[1]


def head() -> str:
    """The newest schema version that this onehop knows."""
    return _versions()[0]


def differences(connection: Connection) -> list[object]:
    """How the database's schema differs from the tables that RESOURCES ask for; empty where it does not."""
    # Alembic's comparison is slow to import and for tests only.
    from alembic.autogenerate import compare_metadata

    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))


@cache
def _versions() -> tuple[str, frozenset[str]]:
    """The newest schema version that we know, and all of them."""
    script = ScriptDirectory.from_config(_config())
    newest = script.get_current_head()
    if newest is None:
        raise LookupError("the package has no migrations")
    return newest, frozenset(s.revision for s in script.walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config
