"""Two PostgreSQL servers of one test's own, one the stand-by of the other, which it may stop, kill and promote.

Commits wait until both have them (``synchronous_standby_names``), so what was acknowledged outlives either.
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.databases import NoServerError, as_postgres, program

LIMIT = 60.0
PORTS = (5432, 5433)
OPTIONS = {
    "listen_addresses": "",
    # The machine stays up: what a process handed to the kernel is there after its end.
    "fsync": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "150",
    "synchronous_standby_names": "*",
    "wal_retrieve_retry_interval": "100ms",
    "wal_keep_size": "64MB",
}
_NOW = "SELECT pg_current_wal_flush_lsn()"
_FOLLOWED = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= '{}'"


class Postgres:
    """The servers, their data in a directory that the account of PostgreSQL can reach.

    Attributes:
        url: of their one database; names both.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="onehop-controllers-")
        self._place = Path(self._folder.name)
        self._servers: dict[int, subprocess.Popen[bytes]] = {}
        self._acting, self._other = PORTS
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self._place, account.pw_uid, account.pw_gid)
        given = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1"]
        self._run("initdb", "-D", str(self._data(self._acting)), *given, "--no-sync", "--no-instructions")
        hosts = "&".join(f"host={self._place}:{port}" for port in PORTS)
        self.url = f"postgresql+psycopg://postgres@/postgres?{hosts}&target_session_attrs=read-write"

    def start(self) -> None:
        """Start the one that acts, and wait until it answers; see that there is a stand-by.

        Raises:
            NoServerError: it does not, or there is none.
        """
        self._start(self._acting)
        if self._other not in self._servers:
            self._follow()

    def stop(self, how: signal.Signals) -> None:
        """Stop the one that acts: SIGINT ends every session first, SIGQUIT leaves recovery to the next start."""
        self._stop(self._acting, how)

    def fail_over(self) -> None:
        """Kill the one that acts, promote its stand-by, and give that a stand-by in turn.

        As whoever decides on it must: only one that has everything is promoted, and only once the other is gone.
        """
        self._until_followed()
        self._stop(self._acting, signal.SIGQUIT)
        self._acting, self._other = self._other, self._acting
        assert self.ask(f"SELECT pg_promote(true, {LIMIT:.0f})") is True
        self._follow()

    def ask(self, statement: str) -> object:
        """Have the one that acts do something; the first thing it answers."""
        with psycopg.connect(
            host=str(self._place), port=self._acting, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            answer = connection.execute(statement.encode()).fetchone()
        return None if answer is None else answer[0]

    def close(self) -> None:
        """End them and remove everything."""
        for port, server in self._servers.items():
            if server.poll() is None:
                self._stop(port, signal.SIGQUIT)
        self._folder.cleanup()

    def _follow(self) -> None:
        """Make the other one a stand-by, from a copy of the one that acts."""
        data = self._data(self._other)
        shutil.rmtree(data, ignore_errors=True)
        given = ["-D", str(data), "-h", str(self._place), "-p", str(self._acting), "-U", "postgres"]
        self._run("pg_basebackup", *given, "-R", "--checkpoint=fast", "--no-sync", "--wal-method=stream")
        self._start(self._other, waits=False)
        self._until_followed()

    def _until_followed(self) -> None:
        """Wait until the stand-by has everything that there is now."""
        statement = _FOLLOWED.format(self.ask(_NOW))
        self._until("has a stand-by", lambda: self.ask(statement) == 1)

    def _start(self, port: int, waits: bool = True) -> None:
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        words = [program("postgres"), "-D", str(self._data(port)), "-k", str(self._place), "-p", str(port), *options]
        with (self._place / "log").open("ab") as log:
            command = [*as_postgres(), *words]
            self._servers[port] = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if waits:
            self._until("answers", self._answers)

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == 1
        except psycopg.OperationalError:
            return False

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT
        while not condition():
            if time.monotonic() > deadline or any(server.poll() is not None for server in self._servers.values()):
                raise NoServerError(f"none that {what}: {(self._place / 'log').read_text()[-2000:]}")
            select.select([], [], [], 0.05)

    def _stop(self, port: int, how: signal.Signals) -> None:
        server = self._servers[port]
        server.send_signal(how)
        server.wait(LIMIT)

    def _data(self, port: int) -> Path:
        return self._place / f"data-{port}"

    def _run(self, name: str, *words: str) -> None:
        subprocess.run([*as_postgres(), program(name), *words], check=True, cwd="/", stdout=subprocess.DEVNULL)
