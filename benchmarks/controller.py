"""A real controller as a process of its own, with everything it needs in a temporary directory; and a PostgreSQL."""

import json
import os
import pwd
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

LIMIT_S = 60.0
ONEHOP = (sys.executable, "-m", "onehop")


class NotStartedError(Exception):
    """A process did not come up; its output is in the message."""


@contextmanager
def controller(database_url: str = "") -> Iterator[tuple[int, int]]:
    """A controller on loopback without authentication; gives the port of its API and its process id.

    Args:
        database_url: empty is a SQLite file of its own.
    """
    with tempfile.TemporaryDirectory(prefix="onehop-bench-") as folder:
        place = Path(folder)
        config = place / "controller.toml"
        config.write_text(
            f'database_url = "{database_url or f"sqlite:///{place}/store.sqlite"}"\n'
            f'state_dir = "{place}/state"\npki_dir = "{place}/pki"\n'
            'api_listen = "127.0.0.1:0"\nstream_listen = "127.0.0.1:0"\nmetrics_listen = "127.0.0.1:0"\n'
            'log_level = "warning"\n'
        )
        subprocess.run([*ONEHOP, "pki", "init", "--config", str(config)], check=True, stdout=subprocess.DEVNULL)
        process = start("controller", "--config", str(config))
        try:
            appears(place / "state/controller.json", process)
            where = json.loads((place / "state/controller.json").read_text())
            yield int(where["api"].rpartition(":")[2]), process.pid
        finally:
            end(process)


def start(*words: str) -> "subprocess.Popen[bytes]":
    """Start one of our daemons."""
    return subprocess.Popen([*ONEHOP, *words], stdin=subprocess.DEVNULL)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End it politely and wait."""
    process.terminate()
    process.wait(LIMIT_S)


def appears(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a file is there.

    Raises:
        NotStartedError: the process ended before, or it took too long.
    """
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotStartedError(f"{path.name} did not appear; exit status {process.poll()}")
        select.select([], [], [], 0.02)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB."""
    return resident(Path(f"/proc/{pid}/status").read_text())


def resident(status: str) -> float:
    """Resident memory in MiB, of what ``/proc/<pid>/status`` said."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def postgresql() -> Iterator[str]:
    """A private PostgreSQL server with its defaults (it syncs), on a unix socket only; gives a database's URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[4]))
    if not programs:
        raise NotStartedError("PostgreSQL is missing: install the Debian package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="onehop-bench-pg-"))
    before = []
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        before = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]
    data, log = str(folder / "data"), folder / "log"
    initdb = [str(programs[-1].with_name("initdb")), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*before, *initdb, "--locale=C.UTF-8"], check=True, cwd="/", stdout=subprocess.DEVNULL)
    with log.open("wb") as output:
        words = [*before, str(programs[-1]), "-D", data, "-k", str(folder), "-c", "listen_addresses="]
        server = subprocess.Popen(words, cwd="/", stdout=output, stderr=output)
    try:
        _await(folder, server)
        yield f"postgresql+psycopg://postgres@/bench?host={folder}"
    finally:
        server.terminate()
        server.wait(LIMIT_S)
        shutil.rmtree(folder)


def _await(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE bench"))
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError((folder / "log").read_text()) from error
            select.select([], [], [], 0.1)
        else:
            return
