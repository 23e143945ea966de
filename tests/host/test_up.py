"""`onehop up`: controller and agent on one real host, here a machine of its own in namespaces."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.test_restart import LIMIT, Machine, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

_ASK = """
import json, sys, urllib.request
method, path, body = sys.argv[1:4]
request = urllib.request.Request("http://127.0.0.1:9696/v2.0/" + path, method=method, data=body.encode() or None)
with urllib.request.urlopen(request, timeout=30) as answer:
    sys.stdout.write(answer.read().decode() or "null")
"""


class Single:
    """A machine, and `onehop up` on it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.directory = machine.directory / "up"
        self.process: subprocess.Popen[bytes] | None = None

    def onehop(self, *words: str) -> list[str]:
        return self.machine.command(sys.executable, "-m", "onehop", *words)

    def start(self) -> str:
        """Start it; what it said when it was ready."""
        given = ("--dir", str(self.directory), "--host", "only", "--run-dir", str(self.machine.directory / "run"))
        said = self.machine.directory / "said"
        with said.open("w") as out:
            process = self.process = subprocess.Popen(self.onehop("up", *given), stdout=out)
        until(lambda: "Ctrl-C" in said.read_text() or process.poll() is not None)
        return said.read_text()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(LIMIT)
        self.process = None
        return status

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        text = json.dumps(body) if body is not None else ""
        return json.loads(self.machine.run(sys.executable, "-c", _ASK, method, path, text))

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.onehop(*words), capture_output=True, text=True, check=False, timeout=LIMIT)

    def audit(self) -> tuple[int, dict[str, Any]]:
        files = [f"--{part}={self.directory}/{part}.toml" for part in ("controller", "agent")]
        done = self.run("audit", *files, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Single]:
    machine = Machine(tmp_path)
    made = Single(machine)
    try:
        yield made
    finally:
        if made.process is not None:
            made.stop()
        machine.close()


def found(document: dict[str, Any]) -> list[str]:
    """The findings of an audit, as ``check: result``."""
    return [f"{r['check']}: {r['result']}" for r in document["results"] if r["state"] == "finding"]


def test_a_single_host_comes_up_by_one_command_and_keeps_what_it_has(single: Single) -> None:
    assert "only is up" in single.start()
    network = single.ask("POST", "networks", {"network": {"name": "n"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}
    subnet_id = single.ask("POST", "subnets", {"subnet": subnet})["subnet"]["id"]
    router = single.ask("POST", "routers", {"router": {"name": "r"}})["router"]["id"]
    single.ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet_id})
    values = {"network_id": network, "binding:host_id": "only"}
    port = single.ask("POST", "ports", {"port": values})["port"]
    single.machine.run("ip", "netns", "add", "web")
    plugged = single.run("plug", port["id"], "--netns", "web", "--config", f"{single.directory}/agent.toml")
    assert plugged.returncode == 0, plugged.stderr
    address = port["fixed_ips"][0]["ip_address"]
    inside = ("ip", "netns", "exec", "web")
    single.machine.run(*inside, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
    single.machine.run(*inside, "ip", "link", "set", "eth0", "up")
    single.machine.run(*inside, "ping", "-c", "1", "-W", "5", "10.0.0.1")

    assert single.stop() == 0
    single.machine.run(*inside, "ping", "-c", "1", "-W", "5", "10.0.0.1")
    single.start()
    until(lambda: single.ask("GET", f"ports/{port['id']}")["port"]["status"] == "ACTIVE")
    assert single.ask("GET", "agents")["agents"][0]["alive"] is True


def test_the_audit_of_a_single_host_is_clean_and_finds_what_is_done_to_it(single: Single) -> None:
    single.start()
    until(lambda: single.audit()[1]["findings"] == 0)
    status, document = single.audit()
    assert (status, found(document)) == (0, [])
    assert {result["where"] for result in document["results"]} == {"controller", "host"}
    (single.directory / "agent" / "host.key").chmod(0o644)
    single.machine.run("ip", "netns", "add", "qrouter-other")
    status, document = single.audit()
    said = " ".join(found(document))
    assert status == 1
    assert "host.key has mode 0644" in said
    assert "qrouter-other is not ours" in said
    human = single.run("audit", "--agent", f"{single.directory}/agent.toml")
    assert human.returncode == 1
    assert "CWE-664 lifetime" in human.stdout


def test_the_agent_gives_away_what_it_does_not_need(single: Single) -> None:
    single.start()
    _, document = single.audit()
    (capabilities,) = [r for r in document["results"] if r["check"] == "capabilities of the agent"]
    assert capabilities["state"] == "ok"
