"""Controllers as processes on one PostgreSQL, each at an address of loopback that it keeps over its lives."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from onehop.controller import pki
from tests.controllers.postgres import Postgres

LIMIT = 60.0
API_PORT, STREAM_PORT = 7696, 7697


class NotStartedError(Exception):
    """A controller did not come up; its log is in the message."""


class Controller:
    """One of them.

    Attributes:
        api, stream: host and port.
        paused: whether it was told to stop for a while.
    """

    def __init__(self, number: int, place: Path, pki_dir: Path, url: str) -> None:
        # An address of loopback for each test run, so that nobody else has these ports.
        host = f"127.{64 + number}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        self.api, self.stream = f"{host}:{API_PORT}", f"{host}:{STREAM_PORT}"
        self.paused = False
        self.number = number
        self._place = place / f"controller-{number}"
        self._place.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        (self._place / "controller.toml").write_text(
            f'database_url = "{url}"\nstate_dir = "{self._place}/state"\npki_dir = "{pki_dir}"\n'
            f'api_listen = "{self.api}"\nstream_listen = "{self.stream}"\nphysical_networks = ["external"]\n'
            f'metrics_listen = ""\napi_requests_per_second = 0\nlog_format = "json"\nport_block_size = 64\n'
        )

    @property
    def log(self) -> str:
        """All that it wrote so far, in every life."""
        return (self._place / "log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether there is a process, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it said where it listens."""
        return self.running and (self._place / "state/controller.json").exists()

    def start(self) -> None:
        """Start it, without waiting."""
        (self._place / "state/controller.json").unlink(missing_ok=True)
        words = [sys.executable, "-m", "onehop", "controller", "--config", str(self._place / "controller.toml")]
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def until_ready(self) -> None:
        """Wait until it is; one that ended because the database was not there is started again, as systemd does.

        Raises:
            NotStartedError: it took too long.
        """
        deadline = time.monotonic() + LIMIT
        while not self.ready:
            if time.monotonic() > deadline:
                raise NotStartedError(self.log[-3000:])
            if not self.running:
                self.start()
            select.select([], [], [], 0.05)

    def kill(self) -> None:
        """As a power failure, or the kernel when memory is short."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(LIMIT)
        self.paused = False

    def pause(self) -> None:
        """Stop it where it is; its connections stay."""
        self._signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.paused = False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


class Cluster:
    """A PostgreSQL and controllers; made running, ended by `close`."""

    def __init__(self, place: Path, number: int) -> None:
        self.pki = place / "pki"
        pki.init(self.pki)
        self.postgres = Postgres()
        self.controllers: list[Controller] = []
        try:
            self.postgres.start()
            self.controllers = [Controller(n, place, self.pki, self.postgres.url) for n in range(number)]
            for controller in self.controllers:
                controller.start()
            for controller in self.controllers:
                controller.until_ready()
        except BaseException:
            self.close()
            raise

    def heal(self) -> None:
        """Let everything run again."""
        for controller in self.controllers:
            controller.resume()
        for controller in self.controllers:
            controller.until_ready()

    def close(self) -> None:
        """End everything."""
        for controller in self.controllers:
            controller.kill()
        self.postgres.close()
