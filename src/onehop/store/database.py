"""What SQLite and PostgreSQL do differently: connections, snapshots, the right to write, hearing of other processes."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from onehop.errors import SettingsError

WRITE_TIMEOUT = 30.0
"""Seconds that a writer waits for its turn."""

IN_USE = "{}: stop every controller, and whatever else uses the database, and try again"


class Database(ABC):
    """One database, from several threads."""

    @abstractmethod
    def read(self) -> AbstractContextManager[Connection]:
        """A connection in a read-only transaction that sees one snapshot; rolled back at the end."""

    @abstractmethod
    def write(self, timeout: float = WRITE_TIMEOUT) -> AbstractContextManager[Connection]:
        """A connection in a transaction that is the only writer in the cluster; the caller commits, else rolled back.

        Raises:
            BusyError: no turn within `timeout` seconds.
        """

    @abstractmethod
    def write_alone(self) -> AbstractContextManager[Connection]:
        """As `write`, for what no controller that runs would understand; before anything else is asked of this object.

        Raises:
            ConflictError: somebody else has the database open.
        """

    @abstractmethod
    def is_transient(self, error: DBAPIError) -> bool:
        """Whether the same transaction may well succeed when it is run again."""

    @abstractmethod
    def is_unusable(self, error: DBAPIError) -> bool:
        """Whether it is the database's place that fails (a full, read-only or broken disk), and not what was asked."""

    @abstractmethod
    def announce(self, revision: int) -> None:
        """Tell other processes of a commit, where the database can. Losing an announcement only costs time."""

    @abstractmethod
    def heard(self, timeout: float) -> bool:
        """Wait until another process may have committed, or for `timeout` seconds; from one thread only.

        Returns:
            False where it certainly has not.

        Raises:
            StoreError: the database cannot be asked now; the next call tries again.
        """

    @abstractmethod
    def close(self) -> None:
        """Close every connection."""


def parse(url: str) -> URL:
    """The parsed URL of a database that we can use.

    Raises:
        SettingsError: says which forms there are.
    """
    forms = "sqlite:////absolute/path or postgresql+psycopg://user@host/name"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(f"database_url is not a URL: write {forms}") from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise SettingsError(f"database_url names {parsed.drivername}, which onehop does not know: write {forms}")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise SettingsError(
            f"database_url names no file, and a database in memory would lose everything: write {forms}"
        )
    return parsed
