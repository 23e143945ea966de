"""A PostgreSQL server of one test's own, which it may stop, kill and start again."""

import os
import pwd
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.databases import NoServerError, as_postgres, program

LIMIT = 60.0
OPTIONS = {
    "listen_addresses": "",
    # The machine stays up: what a process handed to the kernel is there after its end.
    "fsync": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "150",
}


class Postgres:
    """The server, its data in a directory that the account of PostgreSQL can reach.

    Attributes:
        url: of its one database.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="onehop-controllers-")
        self._place = Path(self._folder.name)
        self._server: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self._place, account.pw_uid, account.pw_gid)
        initdb = [program("initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        words = [*as_postgres(), *initdb, "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        subprocess.run(words, check=True, cwd="/", stdout=subprocess.DEVNULL)
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._place}"

    @property
    def _data(self) -> Path:
        return self._place / "data"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            NoServerError: it does not.
        """
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command = [*as_postgres(), program("postgres"), "-D", str(self._data), "-k", str(self._place), *options]
        with (self._place / "log").open("ab") as log:
            self._server = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                self.ask("SELECT 1")
            except psycopg.OperationalError as error:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    raise NoServerError((self._place / "log").read_text()[-2000:]) from error
                select.select([], [], [], 0.05)
            else:
                return

    def stop(self, how: signal.Signals) -> None:
        """SIGINT ends every session first, SIGQUIT ends at once and leaves recovery to the next start."""
        assert self._server is not None
        self._server.send_signal(how)
        self._server.wait(LIMIT)

    def ask(self, statement: str) -> None:
        """Have it do something."""
        with psycopg.connect(host=str(self._place), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def close(self) -> None:
        """End it and remove everything."""
        if self._server is not None and self._server.poll() is None:
            self.stop(signal.SIGQUIT)
        self._folder.cleanup()
