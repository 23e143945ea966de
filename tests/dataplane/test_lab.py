"""The lab's command line: a contract that test suites outside of this project rely on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onehop.client import Client
from onehop.errors import ApiError
from tests.dataplane.site import Site, World, until

NAME = f"cli-{os.getpid()}"
PROGRAM = [sys.executable, "-m", "onehop", "lab"]


def lab(*arguments: str, name: str = NAME, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run `onehop lab`."""
    command, *rest = arguments
    return subprocess.run(
        [*PROGRAM, command, "--name", name, *rest], text=True, input=text, capture_output=True, timeout=120, check=False
    )


def status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab("status", "--json").stdout)
    return found


def traces(word: str) -> set[str]:
    """Everything on the machine that a lab of that name could have left: processes, mounts, directories."""
    found = {f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if word in line}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            words = entry / "environ"
            if f"/{word}\0".encode() in _read(words):
                found.add(f"process {entry.name} {_read(entry / 'cmdline')!r}")
    return found | {str(path) for path in Path("/run").glob(f"onehop/lab/{word}*")}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def machine() -> tuple[str, ...]:
    """The machine's own namespace names, links, rules and what lies in ``/run``."""
    commands = (["ip", "netns"], ["ip", "-br", "link"], ["ip", "rule"], ["nft", "list", "ruleset"], ["ls", "/run"])
    return tuple(subprocess.run(c, text=True, capture_output=True, check=True).stdout for c in commands)


@pytest.fixture(scope="module")
def up() -> Iterator[dict[str, Any]]:
    """A lab of two hosts, one of them without external network, made by the command line."""
    try:
        done = lab("up", "--hosts", "2", "--gateway-hosts", "1", "--no-external-hosts", "1", "--json")
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)
    finally:
        lab("down")


def test_status_has_exactly_the_keys_of_the_contract(up: dict[str, Any]) -> None:
    assert set(up) == {
        "name", "endpoint", "clouds_yaml", "cloud", "external", "controllers", "hosts", "instances",
    }  # fmt: skip
    assert set(up["external"]) == {
        "physical_network", "cidr", "gateway", "outside", "cidr_v6", "gateway_v6", "outside_v6",
    }  # fmt: skip
    assert [set(item) for item in up["controllers"]] == [{"name", "state", "pid"}]
    keys = {"name", "state", "vtep", "gateway_host", "agent_pid", "revision", "in_sync"}
    assert [set(item) for item in up["hosts"]] == [keys, keys]
    assert [(h["name"], h["state"], h["gateway_host"], h["in_sync"]) for h in up["hosts"]] == [
        ("host-1", "running", True, True),
        ("host-2", "running", False, True),
    ]
    assert up["instances"] == []
    assert up["name"] == NAME


def test_up_again_is_harmless_and_a_different_lab_is_refused(up: dict[str, Any]) -> None:
    again = lab("up", "--hosts", "2", "--gateway-hosts", "1", "--no-external-hosts", "1", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["hosts"] == up["hosts"]
    other = lab("up", "--hosts", "3")
    assert other.returncode == 1
    assert "down" in other.stderr
    assert status()["hosts"] == up["hosts"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--hosts", "3", "--gateway-hosts", "3", "--no-external-hosts", "1"),
        ("up", "--hosts", "0"),
        ("boot", "x", "--port", "no-uuid", "--host", "host-1"),
        ("boot", "../x", "--port", "00000000-0000-4000-8000-000000000000", "--host", "host-1"),
        ("host", "host-1", "kill"),
        ("nonsense",),
    ],
)
def test_what_was_typed_wrong_is_status_2(up: dict[str, Any], arguments: tuple[str, ...]) -> None:
    done = lab(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip() != ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("boot", "x", "--port", "00000000-0000-4000-8000-000000000000", "--host", "host-9"), "host-9"),
        (("boot", "x", "--port", "00000000-0000-4000-8000-000000000000", "--host", "host-1"), "port"),
        (("move", "nobody", "--host", "host-1"), "nobody"),
        (("delete", "nobody"), "nobody"),
        (("exec", "nobody", "--", "true"), "nobody"),
        (("host", "host-9", "stop"), "host-9"),
    ],
)
def test_what_does_not_exist_is_status_1_and_a_sentence(
    up: dict[str, Any], arguments: tuple[str, ...], word: str
) -> None:
    done = lab(*arguments)
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_exec_passes_streams_and_exit_status_through(up: dict[str, Any]) -> None:
    done = lab("exec", "host-1", "--", "sh", "-c", "cat; echo word >&2; exit 7", text="in")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in", "word\n")
    assert lab("exec", "outside", "--", "ping", "-c1", "-W1", up["external"]["gateway"]).returncode == 0
    assert lab("exec", "outside", "--", "ping", "-c1", "-W1", up["external"]["gateway_v6"]).returncode == 0
    assert lab("exec", "upstream", "--", "ip", "-6", "route", "add", "fd77::/64", "dev", "lo").returncode == 0
    assert lab("exec", "upstream", "--", "ip", "-6", "route", "del", "fd77::/64", "dev", "lo").returncode == 0


def test_host_names_are_private_to_each_host(up: dict[str, Any]) -> None:
    assert lab("exec", "host-1", "--", "ip", "netns", "add", "mine").returncode == 0
    assert "mine" in lab("exec", "host-1", "--", "ip", "netns").stdout
    assert "mine" not in lab("exec", "host-2", "--", "ip", "netns").stdout
    assert "mine" not in subprocess.run(["ip", "netns"], text=True, capture_output=True, check=True).stdout
    assert lab("exec", "host-1", "--", "ip", "netns", "exec", "mine", "true").returncode == 0
    assert lab("exec", "host-1", "--", "ip", "netns", "del", "mine").returncode == 0


def test_in_a_host_the_agents_commands_find_its_agent(up: dict[str, Any]) -> None:
    for host in ("host-1", "host-2"):
        done = lab("exec", host, "--", sys.executable, "-m", "onehop", "status", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["host"] == host


def test_a_host_without_external_network_has_no_link_to_it(up: dict[str, Any]) -> None:
    assert "br-ex" in lab("exec", "host-1", "--", "ip", "link").stdout
    assert "br-ex" not in lab("exec", "host-2", "--", "ip", "link").stdout


def test_an_instance_lives_from_boot_to_delete(up: dict[str, Any]) -> None:
    client = Client(up["endpoint"])
    net = client.post("/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
    for version, cidr in ((4, "10.1.0.0/24"), (6, "fd01::/64")):
        subnet = {"network_id": net, "ip_version": version, "cidr": cidr}
        client.post("/v2.0/subnets", {"subnet": subnet})
    ports = [client.post("/v2.0/ports", {"port": {"network_id": net}})["port"] for _ in range(2)]
    for number, port in enumerate(ports, 1):
        done = lab("boot", f"vm{number}", "--port", port["id"], "--host", f"host-{number}", "--json")
        assert done.returncode == 0, done.stderr
    seen = {item["name"]: item for item in json.loads(done.stdout)["instances"]}
    assert set(seen["vm1"]) == {"name", "port", "host", "state", "fixed_ips"}
    assert seen["vm1"] == {
        "name": "vm1",
        "port": ports[0]["id"],
        "host": "host-1",
        "state": "up",
        "fixed_ips": [item["ip_address"] for item in ports[0]["fixed_ips"]],
    }
    for address in seen["vm2"]["fixed_ips"]:
        assert lab("exec", "vm1", "--", "ping", "-c1", "-W1", address).returncode == 0
    assert lab("exec", "host-1", "--", "ip", "netns", "exec", "vm1", "true").returncode == 0
    assert client.get(f"/v2.0/ports/{ports[0]['id']}")["port"]["status"] == "ACTIVE"
    taken = lab("boot", "vm1", "--port", ports[0]["id"], "--host", "host-1")
    assert (taken.returncode, "vm1" in taken.stderr) == (1, True)
    for number in (1, 2):
        assert lab("delete", f"vm{number}").returncode == 0
    assert status()["instances"] == []
    port = client.get(f"/v2.0/ports/{ports[0]['id']}")["port"]
    assert (port["status"], port["binding:host_id"]) == ("DOWN", "")
    assert lab("exec", "vm1", "--", "true").returncode == 1
    for port in ports:
        client.delete(f"/v2.0/ports/{port['id']}")
    client.delete(f"/v2.0/networks/{net}")
    client.close()


def test_daemons_and_hosts_stop_and_start_and_twice_is_harmless(up: dict[str, Any]) -> None:
    for action in ("stop", "kill"):
        for _ in range(2):
            assert lab("agent", "host-1", action).returncode == 0
            assert lab("controller", action).returncode == 0
        seen = status()
        assert seen["hosts"][0]["agent_pid"] is None
        assert seen["hosts"][0]["state"] == "running"
        assert seen["controllers"][0] == {"name": seen["controllers"][0]["name"], "state": "stopped", "pid": None}
        for _ in range(2):
            assert lab("controller", "start").returncode == 0
            assert lab("agent", "host-1", "start").returncode == 0
        assert lab("wait").returncode == 0
        assert status()["endpoint"] == up["endpoint"]
    for _ in range(2):
        assert lab("host", "host-2", "stop").returncode == 0
    assert [host["state"] for host in status()["hosts"]] == ["running", "stopped"]
    assert lab("exec", "host-2", "--", "true").returncode == 1
    for _ in range(2):
        assert lab("host", "host-2", "start").returncode == 0
    assert lab("wait", "--timeout", "20").returncode == 0
    assert all(host["in_sync"] for host in status()["hosts"])


def test_clients_of_openstack_use_the_clouds_as_they_are(up: dict[str, Any]) -> None:
    client = Client(up["endpoint"])
    net = client.post("/v2.0/networks", {"network": {"name": "admins-own"}})["network"]["id"]
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": up["clouds_yaml"]}
    openstack = str(Path(sys.executable).with_name("openstack"))

    def names(cloud: str) -> str:
        command = [openstack, "--os-cloud", cloud, "network", "list", "-f", "value", "-c", "Name"]
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout

    assert "admins-own" in names(up["cloud"])
    assert "admins-own" not in names("project-a")
    with pytest.raises(ApiError) as refused:
        Client(up["endpoint"], user=("project-a", "wrong")).get("/v2.0/networks")
    assert refused.value.status == 401
    client.delete(f"/v2.0/networks/{net}")
    client.close()


def test_a_shell_that_evaluates_env_uses_the_lab(up: dict[str, Any]) -> None:
    binaries = Path(sys.executable).parent
    script = 'eval "$1" && onehop lab status --json && openstack network list -f value -c Name'
    words = ["sh", "-eu", "-c", script, "sh", lab("env").stdout]
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    ran = subprocess.run(words, env=environment, text=True, capture_output=True, check=True)
    assert json.JSONDecoder().raw_decode(ran.stdout)[0]["name"] == NAME
    assert lab("env", name="nowhere").returncode == 1


def test_down_leaves_the_machine_as_it_was(site: Site, world: World) -> None:
    """While another lab goes on."""
    before, name = machine(), f"gone-{os.getpid()}"
    try:
        assert lab("up", "--hosts", "1", "--gateway-hosts", "0", name=name).returncode == 0
        assert traces(name) != set()
        assert machine() == before
    finally:
        done = lab("down", name=name)
    assert done.returncode == 0, done.stderr
    assert lab("down", name=name).returncode == 0
    assert traces(name) == set()
    assert machine() == before
    box = world.instance(world.network(), "host-1")
    site.ping(box, box.v4)


def test_jumbo_frames_of_the_underlay_are_there_for_instances() -> None:
    name = f"jumbo-{os.getpid()}"
    try:
        done = lab("up", "--hosts", "2", "--underlay-mtu", "9000", "--json", name=name)
        assert done.returncode == 0, done.stderr
        client = Client(json.loads(done.stdout)["endpoint"])
        net = client.post("/v2.0/networks", {"network": {}})["network"]
        client.post("/v2.0/subnets", {"subnet": {"network_id": net["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}})
        ports = [client.post("/v2.0/ports", {"port": {"network_id": net["id"]}})["port"] for _ in range(2)]
        client.close()
        for number, port in enumerate(ports, 1):
            done = lab("boot", f"vm{number}", "--port", port["id"], "--host", f"host-{number}", name=name)
            assert done.returncode == 0, done.stderr
        address = ports[1]["fixed_ips"][0]["ip_address"]
        ping = ("exec", "vm1", "--", "ping", "-c1", "-W1", "-M", "do", address, "-s")
        assert net["mtu"] == 8950
        assert lab(*ping, str(8950 - 28), name=name).returncode == 0
        assert lab(*ping, str(8950 - 27), name=name).returncode == 1
    finally:
        lab("down", name=name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(number: signal.Signals) -> None:
    name = f"stop{number}-{os.getpid()}"
    # Whoever runs the tests in the background has them, and so their children, ignore SIGINT: `up` shall not.
    heeding = ["env", f"--default-signal={signal.Signals(number).name.removeprefix('SIG')}", *PROGRAM]
    with subprocess.Popen(
        [*heeding, "up", "--name", name], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        assert "controller" in process.stdout.readline()
        process.send_signal(number)
        rest = process.communicate(timeout=60)[0]
    assert process.returncode == 1, rest
    assert "Traceback" not in rest
    assert traces(name) == set()


def test_a_killed_up_is_taken_down_by_down() -> None:
    name = f"killed-{os.getpid()}"
    with subprocess.Popen(
        [*PROGRAM, "up", "--name", name], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        assert "controller" in process.stdout.readline()
        process.kill()
    assert traces(name) != set()
    assert lab("down", name=name).returncode == 0
    assert until(lambda: traces(name) == set())


def test_without_root_up_says_so() -> None:
    # A stranger who may read whatever root may: the interpreter can lie in a folder that only root enters.
    reads = "-all,+dac_read_search"
    stranger = ["setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={reads}", f"--ambient-caps={reads}"]
    done = subprocess.run([*stranger, *PROGRAM, "up", "--name", "nobody"], text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "root" in done.stderr
    assert "Traceback" not in done.stderr


_ANYWHERE = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from onehop.lab.mount import prepare_pins
from onehop.lab.namespace import Pins, create

folder = Path(sys.argv[1])
shared, private = folder / "net", folder / "mnt"
os.sched_setaffinity(0, {int(word) for word in sys.argv[2:]})
prepare_pins(shared, private)

def make(processor):
    os.sched_setaffinity(0, {processor})
    pins = Pins(shared / str(processor), private / str(processor))
    create(pins, lambda: None)
    return pins.exist()

with ThreadPoolExecutor(1) as pool:
    assert all(pool.map(make, sorted(os.sched_getaffinity(os.getpid()))))
"""


def test_a_node_is_made_whichever_processor_made_the_mounts_that_one_stands_in(tmp_path: Path) -> None:
    """Linux 6.18 numbers namespaces by processor, and pins no mount namespace with a lower number than one's own."""
    processors = sorted(os.sched_getaffinity(0))
    for processor in processors:
        folder = tmp_path / str(processor)
        folder.mkdir()
        inside = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", _ANYWHERE, str(folder)]
        words = ["taskset", "--cpu-list", str(processor), *inside, *map(str, processors)]
        done = subprocess.run(words, text=True, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
