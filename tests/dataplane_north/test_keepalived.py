"""keepalived in instances on three hosts (walk 9): wherever the address goes, whoever asks for it follows."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from onehop.model.port import Port
from onehop.net import naming
from onehop.net.identifier import HostName
from tests.dataplane_north.echo import ping
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import Site
from tests.keepalived import LOCAL, VIRTUAL_MAC, prepared
from tests.northern import Northern, gateway_ip6

pytestmark = [pytest.mark.root, pytest.mark.slow]

HOSTS = (1, 2, 3)
VIRTUAL = {4: "10.0.1.200", 6: "fd00:1::200"}
OUTER = "203.0.113.110"
SECONDS = 3.0
"""Within which everybody reaches the address where it went."""

ELECTION = 10.0
"""What keepalived may take to choose on a busy machine: three lost advertisements 0.5 s apart, and more."""


class Cluster(Site):
    """An instance with keepalived on each of three hosts, and on each one on another subnet that asks."""

    def __init__(self, version: int, virtual_mac: bool) -> None:
        world = Northern(six=True)
        world.network(1)
        world.network(2)
        world.router(1, [1, 2])
        world.gateway(1, 1, six=True)
        self.version = version
        self.members: list[Port] = []
        self.askers: list[Port] = []
        for host in HOSTS:
            mac = VIRTUAL_MAC[version] if virtual_mac else f"fa:16:3e:01:00:{2 * host - 1:02x}"
            self.members.append(world.port(1, host, pairs=[(mac, VIRTUAL[version]), (mac, LOCAL)]))
            self.askers.append(world.port(2, host))
        inside = world.port(1, None)
        world.floating_ip(110, inside, fixed=VIRTUAL[4])
        world.change(inside.id, fixed_ips=())
        super().__init__(world)
        everybody = (*self.members, *self.askers)
        self.start(everybody)
        self.upstream.run(*(f"ip -6 route add fd00:{n}::/64 via {gateway_ip6(1)}" for n in (1, 2)))
        for number, port in enumerate(self.members):
            self._stack.enter_context(_keepalived(self.instances[port.id], version, virtual_mac, 100 - 10 * number))

    def place(self, member: int) -> Place:
        """A member's namespace."""
        return self.instances[self.members[member].id]

    def cut(self, member: int, off: bool) -> None:
        """Let a member die, as far as anybody hears of it, or come back."""
        port = self.members[member]
        host = self.machines[HostName(str(port.host))].place
        host.run(f"ip link set {naming.tap(port.id)} {'down' if off else 'up'}")

    def holders(self) -> list[int]:
        """Members that have the address and could be heard."""
        found = []
        for member in range(len(self.members)):
            held = self.place(member).run("ip -o addr", "ip -o link show eth0")
            if f" {VIRTUAL[self.version]}/" in held and "NO-CARRIER" not in held:
                found.append(member)
        return found

    def everybody(self) -> list[tuple[Place, str]]:
        """Who asks, and for what: outside, the askers on each host, and the members that can."""
        inside = [(self.instances[port.id], VIRTUAL[self.version]) for port in self.askers]
        return [(self.outside, OUTER if self.version == 4 else VIRTUAL[6]), *inside]


@contextmanager
def _keepalived(place: Place, version: int, virtual_mac: bool, priority: int) -> Iterator[None]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onehop-keepalived-")))
        words = [f"{VIRTUAL[4]}/24"] if version == 4 else [f"{VIRTUAL[6]}/64"]
        command = ["nsenter", f"--net={place.path}", *prepared(folder, words, priority, virtual_mac)]
        log = stack.enter_context((folder / "log").open("w"))
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="module", params=[(4, False), (4, True), (6, False), (6, True)], ids=str)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The site, with keepalived that has agreed."""
    with Cluster(*request.param) as made:
        _holds(made, 0, 20)
        yield made


def _holds(cluster: Cluster, member: int, patience: float) -> None:
    until = time.monotonic() + patience
    while (found := cluster.holders()) != [member]:
        assert time.monotonic() < until, f"{found} instead of {member}"


def _answered(cluster: Cluster, patience: float) -> None:
    until = time.monotonic() + patience
    for place, target in cluster.everybody():
        while ping(place, target, patience=0.2) != target:
            assert time.monotonic() < until, f"{target} does not answer"


def test_the_address_answers_everybody_wherever_it_is(cluster: Cluster) -> None:
    _answered(cluster, 5)


def test_the_address_follows_when_its_holder_dies_and_when_it_comes_back(cluster: Cluster) -> None:
    _answered(cluster, 5)
    for member, heir in ((0, 1), (1, 2)):
        cluster.cut(member, off=True)
        _holds(cluster, heir, ELECTION)
        _answered(cluster, SECONDS)
    for member in (1, 0):
        cluster.cut(member, off=False)
        _holds(cluster, member, ELECTION)
        _answered(cluster, SECONDS)


def test_the_holder_uses_the_mac_that_it_was_told_to(cluster: Cluster) -> None:
    _answered(cluster, 5)
    shown = cluster.place(0).run("ip -o link")
    virtual = VIRTUAL_MAC[cluster.version] in shown
    assert virtual == bool(re.search(r"vrrp0@", shown))


def test_hosts_hold_what_was_compiled(cluster: Cluster) -> None:
    cluster.settled()
