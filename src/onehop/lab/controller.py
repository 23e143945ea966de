"""The lab's controller: one process, its API on the machine's loopback, its stream on the lab's underlay."""

import random
import socket
import sys
import time
from pathlib import Path

from onehop.client import Client
from onehop.errors import ConflictError, StateError, UnreachableError
from onehop.lab import plan, process
from onehop.lab.namespace import inside
from onehop.lab.state import FABRIC, Directory

READY_SECONDS = 30
STOP_SECONDS = 10

_PORTS = range(20000, 32000)
"""Below the ports that Linux gives to clients, so that the port is still free when the controller is started again."""


def program(*arguments: str) -> list[str]:
    """The command line of onehop itself, with this very interpreter."""
    return [sys.executable, "-m", "onehop", *arguments]


def pid_file(directory: Directory) -> Path:
    """Where the controller's process is kept."""
    return directory.controller / "controller.pid"


def choose_port() -> int:
    """A TCP port of the loopback that nobody listens on.

    Raises:
        StateError: none found.
    """
    for port in random.sample(_PORTS, 50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StateError(f"found no free TCP port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")


def _listen(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise ConflictError(f"cannot listen on {address}:{port} for the controller: {error.strerror}") from error
    return sock


def start(directory: Directory) -> None:
    """Start the controller and wait until its API answers; harmless when it runs.

    Raises:
        StateError: it ended, or did not answer in time; with the end of its log.
    """
    state = directory.read()
    if process.load(pid_file(directory)) is None:
        api = _listen("127.0.0.1", state.api_port)
        stream = inside(directory.pins(FABRIC), lambda: _listen(plan.STREAM, plan.STREAM_PORT))
        with api, stream:
            started = process.spawn(
                program("controller", "--config", str(directory.controller / "controller.toml")),
                directory.controller / "controller.log",
                directory.path,
                sockets=(("api", api), ("stream", stream)),
            )
        process.save(pid_file(directory), started)
    _wait_ready(directory)


def _wait_ready(directory: Directory) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        client = Client(directory.endpoint, timeout=READY_SECONDS)
        try:
            client.get("/")
        except UnreachableError as error:
            if process.load(pid_file(directory)) is None:
                raise StateError(f"the controller ended: {tail(directory.controller / 'controller.log')}") from error
            if time.monotonic() > deadline:
                raise StateError(
                    f"the controller does not answer: {tail(directory.controller / 'controller.log')}"
                ) from error
            time.sleep(0.05)
        else:
            return
        finally:
            client.close()


def stop(directory: Directory, polite: bool) -> None:
    """Stop the controller, or kill it; harmless when it does not run."""
    process.end(pid_file(directory), STOP_SECONDS if polite else 0)


def tail(log: Path, lines: int = 5) -> str:
    """The end of a log, and where it is."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        return f"({log}: {error.strerror})"
    return "\n".join([f"the end of {log}:", *text.splitlines()[-lines:]]) if text else f"({log} is empty)"
