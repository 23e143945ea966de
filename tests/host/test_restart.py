"""The agent as its systemd unit would run it: bounded capabilities, killed, started again; nothing is lost."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onehop.agent.localcopy import LocalCopy
from onehop.net import naming
from onehop.net.identifier import HostName
from tests.unit.test_packaging import unit
from tests.worlds import World

pytestmark = pytest.mark.root
LIMIT = 60


class Machine:
    """A network namespace with a mount namespace of its own, as one host of a lab has; gone with its holder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ready = directory / "ready"
        script = (
            f"mount -t tmpfs tmpfs /run/netns && ip link set lo up && "
            f"ip link add underlay type bridge && ip addr add 192.0.2.1/24 dev underlay && ip link set underlay up && "
            f"touch {ready} && exec sleep infinity"
        )
        Path("/run/netns").mkdir(parents=True, exist_ok=True)
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script])
        self.daemons: list[Daemon] = []
        until(ready.exists)

    def command(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", *words]

    def run(self, *words: str) -> str:
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=True).stdout

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.end(signal.SIGKILL)
        self.holder.kill()
        self.holder.wait()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, looking often."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it took too long"
        select.select([], [], [], 0.05)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        made.close()


class Daemon:
    """The agent, with the capabilities that its unit leaves it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.daemons.append(self)
        self.config = machine.directory / "agent.toml"
        self.config.write_text(
            f'host = "host-1"\ncontroller = "127.0.0.1:1"\nvtep = "192.0.2.1"\n'
            f'state_dir = "{machine.directory}/state"\nrun_dir = "{machine.directory}/run"\n'
        )
        left = unit("onehop-agent.service")["CapabilityBoundingSet"][0].split()
        bounding = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in left)])
        words = ["setpriv", "--bounding-set", bounding, "--inh-caps", "-all", "--no-new-privs"]
        self.process = subprocess.Popen(
            machine.command(*words, sys.executable, "-m", "onehop", "agent", "--config", str(self.config)),
            stderr=(machine.directory / "log").open("a"),
        )

    def status(self) -> dict[str, object]:
        words = [sys.executable, "-m", "onehop", "status", "--config", str(self.config), "--json"]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        assert self.process.poll() is None, (self.machine.directory / "log").read_text()
        return json.loads(ran.stdout) if ran.returncode == 0 else {}

    def until_in_sync(self) -> dict[str, object]:
        until(lambda: bool(self.status().get("in_sync")))
        return self.status()

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(LIMIT)


def test_killed_and_started_as_its_unit_would_the_agent_loses_no_namespace_and_writes_nothing(machine: Machine) -> None:
    world = World(2)
    for n in (1, 2):
        world.network(n)
        world.port(n, 1)
        world.port(n, 2)
    world.router(1, (1, 2))
    state = machine.directory / "state"
    state.mkdir()
    LocalCopy(state, HostName("host-1")).snapshot(7, world.values)
    router = naming.router_namespace(World.router_id(1))

    daemon = Daemon(machine)
    first = daemon.until_in_sync()
    assert first["failing"] == 0, first
    assert first["writes"]
    assert router in machine.run("ip", "netns")
    before = machine.run("ip", "-o", "link"), machine.run("ip", "-n", router, "-o", "addr")
    for number in (signal.SIGKILL, signal.SIGTERM):
        daemon.end(number)
        assert router in machine.run("ip", "netns")
        assert "qr-" in machine.run("ip", "-n", router, "link")
        daemon = Daemon(machine)
        again = daemon.until_in_sync()
        assert again["writes"] == 0, again
        assert again["failing"] == 0
    daemon.end(signal.SIGTERM)
    assert daemon.process.returncode == 0
    after = machine.run("ip", "-o", "link"), machine.run("ip", "-n", router, "-o", "addr")
    assert after == before
