"""What a kernel tells of changes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from onehop.kernel.base import Kernel
from onehop.objects import Bridge, Link, Namespace
from onehop.reconciler.plan import Create, Delete, Replace
from tests.contract import things
from tests.contract.hosts import Host, LinuxHost
from tests.contract.things import ALL, ROUTER, carry_out, put

LIMIT = 20.0


class Heard:
    """What a watch told, and how to wait for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []
        self._news = threading.Condition()

    def __call__(self, namespace: str, link: str | None) -> None:
        with self._news:
            self.told.append((namespace, link))
            self._news.notify_all()

    def forget(self) -> None:
        with self._news:
            self.told.clear()

    def waits_for(self, wanted: Callable[[list[tuple[str, str | None]]], bool]) -> bool:
        with self._news:
            return self._news.wait_for(lambda: wanted(self.told), LIMIT)

    def of(self, namespace: str, link: str | None = None) -> bool:
        """Whether it is told in time that a link, or all of its namespace, changed."""
        return self.waits_for(lambda told: (namespace, link) in told or (namespace, None) in told)


@contextmanager
def watching(kernel: Kernel) -> Iterator[Heard]:
    heard = Heard()
    stop = kernel.watch(heard)
    try:
        yield heard
    finally:
        stop()


@contextmanager
def quiet(host: LinuxHost) -> Iterator[Heard]:
    """A watch that has told all about what was done so far."""
    with watching(host.kernel) as heard:
        last = Link(namespace="", name="last", spec=Bridge(), alias="", mtu=1500)
        host.plant(last)
        assert heard.waits_for(lambda told: ("", "last") in told)
        heard.forget()
        yield heard


@pytest.fixture
def linux() -> Iterator[LinuxHost]:
    host = LinuxHost()
    try:
        put(host.kernel, *ALL)
        yield host
    finally:
        host.close()


def test_a_link_that_is_made_is_told(kernel: Kernel) -> None:
    with watching(kernel) as heard:
        put(kernel, things.bridge)
        assert heard.of("", "brq1")


def test_a_change_in_a_namespace_made_before_is_told(kernel: Kernel) -> None:
    put(kernel, *ALL)
    with watching(kernel) as heard:
        carry_out(kernel, Delete(things.four))
        assert heard.of(ROUTER, "qr-1")


def test_a_change_in_a_namespace_made_after_is_told(kernel: Kernel) -> None:
    with watching(kernel) as heard:
        put(kernel, *ALL)
        assert heard.of(ROUTER, "qr-1")
        heard.forget()
        changed = msgspec.structs.replace(things.neighbour, mac="fa:16:3e:00:00:99")
        carry_out(kernel, Replace(things.neighbour, changed))
        assert heard.of(ROUTER, "qr-1")


def test_two_watches_are_both_told_and_one_can_end(kernel: Kernel) -> None:
    with watching(kernel) as first:
        with watching(kernel) as second:
            put(kernel, things.bridge)
            assert first.of("", "brq1")
            assert second.of("", "brq1")
        carry_out(kernel, Delete(things.bridge))
        assert first.of("", "brq1")


def test_somebody_elses_link_is_told(host: Host) -> None:
    with watching(host.kernel) as heard:
        host.plant(Link(namespace="", name="docker0", spec=Bridge(), alias="", mtu=1500))
        assert heard.of("", "docker0")


def test_a_namespace_that_comes_is_told(host: Host) -> None:
    with watching(host.kernel) as heard:
        host.plant(Namespace(namespace="qrouter-2", mark=""))
        assert heard.of("qrouter-2")


BEHIND_OUR_BACK = {
    "connected route": (ROUTER, "ip route del 10.0.1.0/24 dev qr-1"),
    "connected route6": (ROUTER, "ip -6 route del fd00:1::/64 dev qr-1"),
    "a router stops to forward": (ROUTER, "sysctl -qw net.ipv4.ip_forward=0"),
    "a router begins to forward IPv6": (ROUTER, "sysctl -qw net.ipv6.conf.all.forwarding=1"),
    "address": (ROUTER, "ip address del 10.0.1.1/24 dev qr-1"),
    "address6": (ROUTER, "ip address del fd00:1::1/64 dev qr-1"),
    "route": (ROUTER, "ip route del 192.168.7.0/24"),
    "route6": (ROUTER, "ip -6 route del fd07::/64"),
    "rule": (ROUTER, "ip rule del priority 1000"),
    "rule6": (ROUTER, "ip -6 rule del priority 1001"),
    "born rule": (ROUTER, "ip rule del priority 32767"),
    "neighbour": (ROUTER, "ip neighbour del 10.0.1.7 dev qr-1"),
    "link": (ROUTER, "ip link set qr-1 down"),
    "ruleset": (ROUTER, "nft delete table inet onehop"),
    "suppressed": ("brq1", "ip neighbour del 10.0.1.7 dev brq1"),
    "entry": ("vxlan-5", "bridge fdb del fa:16:3e:00:00:07 dev vxlan-5 master"),
    "tunnel": ("vxlan-5", "bridge fdb del fa:16:3e:00:00:07 dev vxlan-5 self"),
    "guard": ("", "nft flush table netdev onehop-net-1"),
    "port": ("tap1", "ip link set tap1 nomaster"),
}


@pytest.mark.root
@pytest.mark.parametrize("what", BEHIND_OUR_BACK)
def test_what_is_done_behind_our_back_is_told(linux: LinuxHost, what: str) -> None:
    where, command = BEHIND_OUR_BACK[what]
    with quiet(linux) as heard:
        if where == ROUTER:
            linux.run(ROUTER, *command.split())
            assert heard.of(ROUTER)
        else:
            linux.run("", *command.split())
            assert heard.of("", where or None)


@pytest.mark.root
def test_the_loss_of_a_namespace_is_told(linux: LinuxHost) -> None:
    with quiet(linux) as heard:
        linux.run("", "umount", str(linux.directory / ROUTER))
        assert heard.of(ROUTER)


@pytest.mark.root
def test_learned_neighbours_and_foreign_routes_and_tables_are_not_told(linux: LinuxHost) -> None:
    with quiet(linux) as heard:
        linux.run("", "ip", "link", "set", "last", "up")
        linux.run(ROUTER, "ip", "route", "add", "blackhole", "10.77.0.0/16")
        linux.run(ROUTER, "nft", "add", "table", "inet", "other")
        linux.run(
            ROUTER, "ip", "neighbour", "add", "10.0.1.9", "lladdr", "fa:16:3e:00:00:99", "dev", "qr-1", "nud", "stale"
        )
        linux.run("", "ip", "link", "set", "last", "down")
        assert heard.waits_for(lambda told: told.count(("", "last")) >= 2)
        assert ROUTER not in {namespace for namespace, _ in heard.told}


@pytest.mark.root
def test_our_own_ruleset_makes_nothing_suspect(linux: LinuxHost) -> None:
    with quiet(linux) as heard:
        changed = msgspec.structs.replace(things.guard, body=things.guard.body.replace("10.0.1.1", "10.0.1.2"))
        carry_out(linux.kernel, Replace(things.guard, changed))
        linux.run("", "ip", "link", "set", "last", "up")
        assert heard.of("", "last")
        assert ("", None) not in heard.told


@pytest.mark.root
def test_a_watch_keeps_no_deleted_namespace_alive(linux: LinuxHost) -> None:
    with quiet(linux) as heard:
        carry_out(linux.kernel, Delete(things.namespace))
        assert heard.waits_for(lambda told: (ROUTER, None) in told)
        carry_out(linux.kernel, Create(things.namespace))
        numbers = linux.run("", "ip", "-o", "netns", "list-id").splitlines()
        assert len(numbers) <= 2
