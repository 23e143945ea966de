"""Owners without a controller: hosts agree on who acts, with real packets; the controller takes that up."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from onehop.lab import fabric, plan, power
from onehop.lab.namespace import inside
from onehop.lab.prober import probing
from onehop.lab.state import FABRIC
from onehop.lab.streaming import serving, streaming
from tests.dataplane.capture import capture
from tests.dataplane.north import SLACK, North
from tests.dataplane.owning import INTERVAL, alone, answerers, holds, mended, other_than, owned_world, restored
from tests.dataplane.site import until
from tests.dataplane_north.echo import ping, tcp

pytestmark = pytest.mark.slow
OUTSIDE = plan.OUTSIDE
FOUND = 1.0
"""Seconds: `onehop.agent.reach` finds a silent host in that time."""


TAKEN = 0.3
"""Seconds that taking over may take then."""


@pytest.fixture(scope="module")
def whole() -> Iterator[North]:
    """The world, once for the module."""
    with owned_world("alone") as made:
        yield made


@pytest.fixture
def north(whole: North) -> North:
    """The world as it was made."""
    return restored(whole)


@contextmanager
def nobody(north: North) -> Iterator[None]:
    """No controller runs meanwhile."""
    power.controller(north.site.directory, "kill")
    try:
        yield
    finally:
        power.controller(north.site.directory, "start")


def _works(north: North, *names: str) -> None:
    """Floating IPs answer, and what is translated to the gateway's address comes back."""
    for name in names:
        assert until(lambda name=name: ping(north.at("outside"), north.ip(name)) == north.ip(name), 5)
        assert until(lambda name=name: tcp(north.at(name + "2"), OUTSIDE), 5)


def test_the_labs_controller_keeps_its_place_on_the_underlay_whichever_cables_are_out(north: North) -> None:
    """Or hosts would look for it at an address that went with a cable, for 20 seconds."""
    command = ("ip", "-br", "link", "show", "underlay")
    pins = north.site.directory.pins(FABRIC)
    shown = inside(pins, lambda: subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert plan.STREAM_MAC in shown


def test_an_owner_that_loses_its_power_is_followed_by_the_next_though_no_controller_runs(north: North) -> None:
    """Streams of other hosts through its address go on; the controller takes up who acts."""
    owner, heir, site = north.owner, other_than(north.owner), north.site
    near, gateway = "a" if heir == "host-1" else "b", north.gateway
    with nobody(north), serving(site.directory, "outside"):
        with (
            streaming(site.directory, north.name(near + "2"), OUTSIDE) as one,
            streaming(site.directory, north.name("c2"), OUTSIDE) as two,
            probing(site.directory, "outside", north.name("c"), north.ip("c")) as probes,
        ):
            begin = time.monotonic()
            power.stop_host(site.directory, owner)
            assert until(lambda: holds(north, heir, gateway), FOUND + TAKEN + SLACK + 2)
            seconds = time.monotonic() - begin
            assert until(lambda: ping(north.at("outside"), north.ip("c")) == north.ip("c"), 5)
            probes.settle()
            ended = [stream.end() for stream in (one, two)]
        gaps = [round(result.gap, 2) for result in ended]
        print(f"{heir} had it after {seconds:.2f} s; streams paused {gaps} s; {probes.result.lost} probes lost")
        assert [result.error for result in ended] == ["", ""]
        assert seconds <= FOUND + TAKEN + SLACK
        assert len(answerers(north, gateway)) == 1
        _works(north, near, "c")
    site.wait()
    assert until(lambda: north.owner == heir, 5), north.shown()
    assert holds(north, heir, gateway)
    assert len(answerers(north, gateway)) == 1
    north.power_on(owner)
    north.ready()
    assert north.owner == heir, "no pre-emption"
    assert not holds(north, owner, gateway)
    _works(north, "a", "b", "c")


def test_an_owner_that_comes_back_finds_who_followed_and_nobody_answers_twice(north: North) -> None:
    """Nobody but the other hosts tells it. A restart of the agent that acts loses no packet."""
    owner, heir, site = north.owner, other_than(north.owner), north.site
    gateway = north.gateway
    with nobody(north):
        power.stop_host(site.directory, owner)
        assert until(lambda: holds(north, heir, gateway), FOUND + TAKEN + SLACK + 2)
        assert until(lambda: ping(north.at("outside"), north.ip("c")) == north.ip("c"), 5)
        with probing(site.directory, "outside", north.name("c"), north.ip("c")) as probes:
            north.power_on(owner)
            near = "a" if owner == "host-1" else "b"
            assert until(lambda: holds(north, owner, north.ip(near)), 10)
            assert not holds(north, owner, gateway)
            assert len(answerers(north, gateway)) == 1
            for action in ("kill", "start"):
                power.agent(site.directory, heir, action)
            probes.settle()
            assert until(lambda: ping(north.at("outside"), gateway) == gateway, 5)
            assert holds(north, heir, gateway)
        assert probes.result.lost == 0
        _works(north, "a", "b", "c")
    north.ready()
    assert until(lambda: north.owner == heir, 5), north.shown()
    assert len(answerers(north, gateway)) == 1


def test_an_owner_that_loses_its_way_outside_is_followed_and_its_instances_go_by_the_next(north: North) -> None:
    owner, heir, site = north.owner, other_than(north.owner), north.site
    near, gateway = "a" if owner == "host-1" else "b", north.gateway
    with nobody(north):
        fabric.cut(site.directory, owner, "external")
        begin = time.monotonic()
        assert until(lambda: holds(north, heir, gateway), 5)
        print(f"{heir} had it after {time.monotonic() - begin:.2f} s")
        answer = until(lambda: tcp(north.at(near + "2"), OUTSIDE), 5)
        assert answer is not None
        assert answer.seen == gateway
        _works(north, "c")
        fabric.mend(site.directory, owner, "external")
        assert until(lambda: holds(north, owner, north.ip(near)), 10)
        assert not holds(north, owner, gateway), "no pre-emption"
        assert len(answerers(north, gateway)) == 1
    north.ready()
    assert until(lambda: north.owner == heir, 5), north.shown()


def test_an_owner_that_is_only_cut_off_from_the_underlay_is_not_followed(north: North) -> None:
    """It answers outside, and without a controller nobody can say who is right."""
    owner, heir, site = north.owner, other_than(north.owner), north.site
    gateway = north.gateway
    with nobody(north):
        fabric.cut(site.directory, owner, "underlay", carrier=True)
        assert not until(lambda: holds(north, heir, gateway), FOUND + 3)
        assert holds(north, owner, gateway)
        assert len(answerers(north, gateway)) == 1
        fabric.mend(site.directory, owner, "underlay")
        _works(north, "a", "b", "c")
    north.ready()
    assert north.owner == owner


@pytest.mark.parametrize("first", ["external", "underlay"])
def test_two_that_could_not_hear_each_other_agree_within_an_interval(north: North, first: str) -> None:
    """Both answer, each on its side; then one of the networks comes back, and then the other."""
    owner, heir, site = north.owner, other_than(north.owner), north.site
    gateway = north.gateway
    with nobody(north):
        for switch in ("underlay", "external"):
            fabric.cut(site.directory, owner, switch, carrier=True)
        assert until(lambda: holds(north, heir, gateway), FOUND + TAKEN + SLACK + 2)
        assert holds(north, owner, gateway), "it cannot know"
        fabric.mend(site.directory, owner, first)
        begin = time.monotonic()
        assert until(lambda: holds(north, owner, gateway) != holds(north, heir, gateway), 5)
        seconds = time.monotonic() - begin
        print(f"one gave up {seconds:.2f} s after they could hear each other by the {first} network")
        assert seconds <= INTERVAL + SLACK
        mended(north)
        _works(north, "a", "b", "c")
        assert until(lambda: holds(north, owner, gateway) != holds(north, heir, gateway), 5), "both may have given up"
        assert len(answerers(north, gateway)) == 1
        acts = owner if holds(north, owner, gateway) else heir
        alone(north, acts, gateway, 1)
    north.ready()
    assert until(lambda: north.owner == acts, 5), north.shown()
    assert len(answerers(north, gateway)) == 1


def test_a_router_that_has_only_ipv6_outside_is_followed_and_its_owner_asks_before_it_publishes(north: North) -> None:
    site, client = north.site, north.client
    fixed = [{"subnet_id": north.ext.v6["id"]}]
    router = north.router(external_gateway_info={"network_id": north.ext.id, "external_fixed_ips": fixed})
    path = f"/v2.0/routers/{router}"
    shown = client.get(path)["router"]
    (address,) = [ip["ip_address"] for ip in shown["external_gateway_info"]["external_fixed_ips"]]
    owner = next(str(host["host"]) for host in shown["gateway_hosts"] if host["owner"])
    heir = other_than(owner)

    def has(host: str) -> bool:
        return f" {address}/" in site.run(host, "ip", "-n", f"qrouter-{router}", "-o", "addr", check=False)

    try:
        assert until(lambda: ping(north.at("outside"), address) == address, 10)
        with nobody(north):
            power.stop_host(site.directory, owner)
            assert until(lambda: has(heir), FOUND + TAKEN + SLACK + 2)
            assert until(lambda: ping(north.at("outside"), address) == address, 5)
            with capture(site, "upstream", "ext0") as seen:
                north.power_on(owner)
                assert until(lambda: any((f.sender, f.target) == ("::", address) for f in seen.of("ns")), 10)
            assert not until(lambda: has(owner), 3)
            assert ping(north.at("outside"), address) == address
        north.ready()
        assert has(heir)
        assert not has(owner)
    finally:
        client.put(path, {"router": {"external_gateway_info": {}}})
