"""`onehop controller` as a process: ready, reachable, and ended by SIGTERM."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from onehop.controller import daemon, pki
from onehop.errors import BusyError, SettingsError
from onehop.store import Store

pytestmark = pytest.mark.slow

LIMIT = 40


class Controller:
    """A controller with ephemeral ports, its readiness told as to systemd."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        pki.init(directory / "pki")
        self.config = directory / "controller.toml"
        self.config.write_text(
            f'database_url = "{url}"\nstate_dir = "{directory}/state"\npki_dir = "{directory}/pki"\n'
            f'api_listen = "127.0.0.1:0"\nstream_listen = "127.0.0.1:0"\nmetrics_listen = "127.0.0.1:0"\n'
        )
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(directory / "notify"))
        self.systemd.settimeout(LIMIT)
        self.process: subprocess.Popen[str] | None = None

    def start(self, *prefix: str, pass_fds: tuple[int, ...] = (), **environment: str) -> None:
        words = [sys.executable, "-m", "onehop", "controller", "--config", str(self.config)]
        self.process = subprocess.Popen(
            [*prefix, *words],
            env={**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify"), **environment},
            pass_fds=pass_fds,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.systemd.recv(100) == b"READY=1"

    def running(self) -> dict[str, object]:
        return dict(json.loads((self.directory / "state" / "controller.json").read_text()))

    def end(self) -> tuple[int, str]:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, log

    def close(self) -> None:
        self.systemd.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def controller(tmp_path: Path, new_database_url: Callable[[str, bool], str]) -> Iterator[Controller]:
    made = Controller(tmp_path, new_database_url("sqlite", True))
    try:
        yield made
    finally:
        made.close()


def test_it_says_where_it_listens_and_ends_cleanly(controller: Controller) -> None:
    controller.start()
    running = controller.running()
    assert controller.process is not None
    assert running["pid"] == controller.process.pid
    with urlopen(f"http://{running['api']}/", timeout=LIMIT) as answer:
        assert answer.status in (200, 300)
    status, log = controller.end()
    assert status == 0, log
    assert "Traceback" not in log
    assert not (controller.directory / "state" / "controller.json").exists()


def test_it_takes_listening_sockets_by_name(controller: Controller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as stream:
        shell = f'exec 3<&{api.fileno()} 4<&{stream.fileno()}; exec "$@"'
        controller.start(
            "bash", "-c", shell, "bash",
            pass_fds=(api.fileno(), stream.fileno()),
            LISTEN_FDS="2",
            LISTEN_FDNAMES="api:stream",
        )  # fmt: skip
        running = controller.running()
        assert running["api"] == f"127.0.0.1:{api.getsockname()[1]}"
        assert running["stream"] == f"127.0.0.1:{stream.getsockname()[1]}"
        assert controller.end()[0] == 0


def test_without_a_ca_it_says_what_to_run(controller: Controller) -> None:
    for path in (controller.directory / "pki").iterdir():
        path.unlink()
    words = [sys.executable, "-m", "onehop", "controller", "--config", str(controller.config)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ran.returncode == 1
    assert "onehop pki init" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_port_that_is_taken_is_said_in_a_sentence(controller: Controller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        text = controller.config.read_text().replace(
            'api_listen = "127.0.0.1:0"', f'api_listen = "127.0.0.1:{other.getsockname()[1]}"'
        )
        controller.config.write_text(text)
        words = [sys.executable, "-m", "onehop", "controller", "--config", str(controller.config)]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ran.returncode == 1
    assert "api_listen" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_database_that_is_away_when_the_log_is_to_be_cut_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "PRUNE_SECONDS", 0.0)

    class Away(Store):
        """Cannot be reached the first time, and is asked again."""

        def __init__(self) -> None:
            self.asked = 0

        def prune(self, keep: int | None = None) -> int:  # noqa: ARG002 - as it is called
            self.asked += 1
            if self.asked == 1:
                raise BusyError("the database was restarted")
            raise KeyboardInterrupt

    store = Away()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(daemon._prune(store))
    assert store.asked == 2


def test_an_address_that_is_not_ours_is_said_in_few_words() -> None:
    with pytest.raises(SettingsError) as refused:
        daemon._listen("api_listen", "192.0.2.77:9696")
    assert str(refused.value) == "cannot listen on 192.0.2.77:9696 (api_listen): Cannot assign requested address"
