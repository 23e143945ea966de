"""Databases for tests: SQLite files, and a private PostgreSQL server that nobody outside of the run ever sees.

The server starts when the first test asks for it, listens on a unix socket in its own temporary directory only, and is
shared by all workers of pytest-xdist. A guardian process (this module as a program) owns it: when the test run ends, by
whatever means, the guardian stops the server and removes the directory.
"""

import itertools
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from onehop.store import Store, migration
from onehop.store.table import METADATA

VARIABLE = "ONEHOP_TEST_POSTGRESQL"
"""Environment variable with the server's directory: workers inherit it."""

_LIMIT = 60.0
_TEMPLATE = "migrated"
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "48MB",
    "max_connections": "200",
}
_numbers = itertools.count(1)
_clean: list[str] = []


class NoServerError(Exception):
    """The private PostgreSQL server did not start; says why."""


def directory() -> Path:
    """Where this run's server lives, made known to workers; nothing is there before the first use."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = str(Path(tempfile.gettempdir()) / f"onehop-postgresql-{os.getpid()}")
    return Path(os.environ[VARIABLE])


def new_database(migrated: bool = True) -> str:
    """URL of a PostgreSQL database without rows: without tables too, or with the schema that `Store.open` makes."""
    place = _started()
    if migrated and _clean:
        return _clean.pop()
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with _administrate(place) as connection:
        template = sql.Identifier(_TEMPLATE if migrated else "template0")
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template))
    return _url(place, name)


def give_back(url: str) -> None:
    """Empty a migrated database for the next test (quicker than a new one), or drop one that is not as it was."""
    name = str(make_url(url).database)
    with _administrate(directory()) as connection:
        others = connection.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s", [name]).fetchone()
    if others is None and _empty(name):
        _clean.append(url)
        return
    with _administrate(directory()) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _empty(name: str) -> bool:
    """Remove all rows; False where the schema is not the newest."""
    with _administrate(directory(), name) as connection:
        tables = {
            str(row[0]) for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
        if tables != {*METADATA.tables, "alembic_version"}:
            return False
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(migration.head(),)]:
            return False
        names = sql.SQL(", ").join(sql.Identifier(table) for table in METADATA.tables)
        connection.execute(sql.SQL("TRUNCATE {}").format(names))
        connection.execute('INSERT INTO revision ("only", value, pruned) VALUES (1, 0, 0)')
    return True


def stop() -> None:
    """End this run's server, if there is one, and wait until nothing of it is left."""
    guardian = directory() / "guardian"
    if not guardian.exists():
        shutil.rmtree(directory(), ignore_errors=True)
        return
    handle = os.pidfd_open(int(guardian.read_text()))
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], _LIMIT)[0]:
            raise NoServerError(f"the PostgreSQL server in {directory()} does not stop")
    finally:
        os.close(handle)


def _administrate(place: Path, name: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(host=str(place), user="postgres", dbname=name, autocommit=True)


def _url(place: Path, name: str) -> str:
    return f"postgresql+psycopg://postgres@/{name}?host={place}"


def _started() -> Path:
    """The directory of the running server; the first one who asks starts the guardian."""
    place = directory()
    if _is_first(place):
        owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        command = [sys.executable, "-m", "tests.databases", str(place), str(owner)]
        with (place / "guardian.log").open("wb") as log:
            subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + _LIMIT
    watch = select.poll()
    while not (place / "ready").exists():
        if (place / "failed").exists():
            raise NoServerError((place / "failed").read_text())
        if time.monotonic() > deadline:
            raise NoServerError(f"PostgreSQL did not start within {_LIMIT:g} s: see {place}/guardian.log")
        watch.poll(10)
    return place


def _is_first(place: Path) -> bool:
    """Make the directory, unless another worker or an earlier test has."""
    try:
        place.mkdir(mode=0o755)
    except FileExistsError:
        return False
    return True


# The guardian ------------------------------------------------------------------------------------------------


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs, of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4]))
    if not found:
        raise NoServerError(
            f"no {name} in /usr/lib/postgresql/*/bin: install the Debian package postgresql, "
            'or leave these tests out with -m "not postgresql"'
        )
    return str(found[-1])


def as_postgres() -> list[str]:
    """What to put before a command: root may not run PostgreSQL."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]


def _serve(place: Path, owner: int) -> None:
    """Run a server in `place` until the process `owner` ends or we are told to stop."""
    run = os.pidfd_open(owner)
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(place, account.pw_uid, account.pw_gid)
    data = place / "data"
    initdb = [program("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run([*as_postgres(), *initdb, "--no-sync", "--no-instructions"], check=True, cwd="/")
    options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
    command = [program("postgres"), "-D", str(data), "-k", str(place), *options]
    server = subprocess.Popen([*as_postgres(), *command], cwd="/")
    try:
        _await(place, server)
        with _administrate(place) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(_TEMPLATE)))
        Store.open(_url(place, _TEMPLATE)).close()
        (place / "ready").touch()
        select.select([run], [], [])
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(place: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _LIMIT
    watch = select.poll()
    while True:
        try:
            _administrate(place).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise NoServerError(f"PostgreSQL does not start: {error}") from error
            watch.poll(20)
        else:
            return


def _guard(place: Path, owner: int) -> None:
    (place / "guardian").write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _serve(place, owner)
    except Exception as error:  # noqa: BLE001  # whatever it is: the tests that wait must hear of it
        (place / "failed").write_text(f"{type(error).__name__}: {error}")
        run = os.pidfd_open(owner)
        select.select([run], [], [])
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]), int(sys.argv[2]))
