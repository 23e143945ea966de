"""Router advertisements with real packets: guests find address and way out by themselves, from their own host's leg."""

import re
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from onehop.lab import instance, plan, power
from onehop.lab.prober import probing
from onehop.net.address import eui64, link_local
from tests.dataplane.capture import Frame, capture
from tests.dataplane.site import Box, Net, Site, World, settled, until

PATIENCE = 5.0
AT_ONCE = 0.5
SOON = 1.0


class Sown:
    """Two networks whose IPv6 addresses grow by themselves, on one router; an instance of each on two hosts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.red: Net = world.network(advertised="slaac")
        self.blue: Net = world.network(advertised="slaac")
        self.router = world.router(self.red, self.blue)
        self.red_1: Box = world.instance(self.red, "host-1")
        self.red_2: Box = world.instance(self.red, "host-2")
        self.blue_2: Box = world.instance(self.blue, "host-2")


@pytest.fixture(scope="module")
def sown(site: Site) -> Iterator[Sown]:
    """The world, for tests that do not change it."""
    with settled(site) as world:
        yield Sown(world)


def _routes(site: Site, box: Box) -> str:
    return site.run(box.name, "ip", "-6", "route", "show", "default")


def _leg_mac(site: Site, net: Net) -> str:
    ports = site.client.get(f"/v2.0/ports?network_id={net.id}&device_owner=network:router_interface_distributed")
    return next(str(p["mac_address"]) for p in ports["ports"] if p["fixed_ips"][0]["subnet_id"] == net.v6["id"])


def _solicit(site: Site, box: Box) -> None:
    """Ask for routers, as a guest's kernel does when its link comes up."""
    option = struct.pack("!BB", 1, 1) + bytes.fromhex(box.mac.replace(":", ""))

    def ask() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            sock.sendto(struct.pack("!BBHI", 133, 0, 0, 0) + option, ("ff02::2", 0, 0, socket.if_nametoindex("eth0")))

    site.inside(box.name, ask)


def _lifetime(frame: Frame) -> int:
    return int.from_bytes(frame.octets[14 + 40 + 6 : 14 + 40 + 8])


def test_an_instance_finds_its_address_and_its_way_out_by_itself(site: Site, sown: Sown) -> None:
    for box in (sown.red_1, sown.red_2, sown.blue_2):
        assert box.v6 == eui64(box.net.v6["cidr"], box.mac)
        held = site.run(box.name, "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global")
        assert re.findall(r"inet6 (\S+)/64 .*\bdynamic\b", held) == [box.v6], held
        mac = _leg_mac(site, box.net)
        assert until(lambda box=box: "proto ra" in _routes(site, box), SOON)
        assert f"default via {link_local(mac)} dev eth0 proto ra" in _routes(site, box)
        assert f"mtu {box.net.mtu}" in site.run(box.name, "ip", "link", "show", "dev", "eth0")


def test_instances_with_such_addresses_reach_each_other(site: Site, sown: Sown) -> None:
    site.ping(sown.red_1, sown.red_2.v6)
    assert site.ttl(sown.red_1, sown.blue_2.v6) == 63
    assert site.ttl(sown.red_2, sown.blue_2.v6) == 63
    site.ping(sown.blue_2, sown.red_1.v6)


def test_who_asks_for_routers_is_answered_at_once_by_the_leg_of_its_own_host_and_nobody_else_hears_of_it(
    site: Site, sown: Sown
) -> None:
    site.wait()
    mac = _leg_mac(site, sown.red)
    with (
        capture(site, "host-1", plan.UNDERLAY_LINK) as wire,
        capture(site, sown.red_1.name, "eth0") as asking,
        capture(site, sown.red_2.name, "eth0") as other,
        capture(site, sown.blue_2.name, "eth0") as far,
    ):
        begin = time.monotonic()
        _solicit(site, sown.red_1)
        assert until(lambda: asking.of("ra"), AT_ONCE), "nobody answers"
        assert time.monotonic() - begin < AT_ONCE
        # Whoever were to hear of it as well has heard of it before this is answered.
        site.ping(sown.red_1, sown.red_2.v6, answers=3)
        answers = [f for f in asking.of("ra") if f.destination == sown.red_1.mac]
        assert [(f.source, f.sender, f.target) for f in answers] == [(mac, link_local(mac), link_local(sown.red_1.mac))]
        assert _lifetime(answers[0]) >= 1800
        assert not [f for f in wire.of("rs", "ra") if f.vni is not None]
        assert not other.of("rs")
        assert not [f for f in (*other.of("ra"), *far.of("ra")) if f.destination in (sown.red_1.mac, "")]


def test_a_removed_interface_is_withdrawn_at_once_and_addresses_stay(site: Site, world: World) -> None:
    net, other = world.network(advertised="slaac"), world.network(advertised="slaac")
    router = world.router(net, other)
    boxes = [world.instance(net, host) for host in ("host-1", "host-2")]
    stays = world.instance(other, "host-1")
    assert until(lambda: all("proto ra" in _routes(site, box) for box in (*boxes, stays)), SOON)
    with capture(site, "host-1", plan.UNDERLAY_LINK) as wire, capture(site, boxes[0].name, "eth0") as seen:
        site.client.put(f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": net.v6["id"]})
        for box in boxes:
            assert until(lambda box=box: "default" not in _routes(site, box), PATIENCE), box
        assert [_lifetime(f) for f in seen.of("ra")][-1:] == [0]
        assert not [f for f in wire.of("ra") if f.vni is not None]
    assert boxes[0].v6 in site.run(boxes[0].name, "ip", "-6", "addr")
    site.ping(boxes[0], boxes[1].v6)
    assert "proto ra" in _routes(site, stays)


def test_an_interface_added_later_gives_instances_their_addresses(site: Site, world: World) -> None:
    net = world.network(advertised="slaac")
    early = world.instance(net, "host-1")
    assert early.v6 not in site.run(early.name, "ip", "-6", "addr")
    world.router(net)
    assert until(lambda: early.v6 in site.run(early.name, "ip", "-6", "addr"), PATIENCE)
    assert until(lambda: "proto ra" in _routes(site, early), SOON)


def test_while_the_agent_is_dead_nothing_is_lost_and_afterwards_who_asks_is_answered(site: Site, world: World) -> None:
    red, blue = world.network(advertised="slaac"), world.network(advertised="slaac")
    world.router(red, blue)
    one, two = world.instance(red, "host-1"), world.instance(blue, "host-1")
    site.wait()
    assert until(lambda: all("proto ra" in _routes(site, box) for box in (one, two)), SOON)
    with capture(site, one.name, "eth0") as seen, probing(site.directory, one.name, two.name, two.v6) as probes:
        power.agent(site.directory, "host-1", "kill")
        before = len(seen.of("ra"))
        _solicit(site, one)
        probes.settle()
        assert len(seen.of("ra")) == before
        power.agent(site.directory, "host-1", "start")
        site.wait()
        _solicit(site, one)
        assert until(lambda: [f for f in seen.of("ra") if f.destination == one.mac], PATIENCE)
        assert all(_lifetime(f) >= 1800 for f in seen.of("ra"))
    assert probes.result.lost == 0
    assert "proto ra" in _routes(site, one)


def test_instances_and_outside_reach_each_other_by_advertised_ways(site: Site, world: World) -> None:
    external, net = world.external(), world.network(advertised="slaac")
    router = world.router(net)
    gateway = {"external_gateway_info": {"network_id": external.id}}
    shown = site.client.put(f"/v2.0/routers/{router}", {"router": gateway})["router"]
    try:
        ips = shown["external_gateway_info"]["external_fixed_ips"]
        own = next(ip["ip_address"] for ip in ips if ":" in ip["ip_address"])
        boxes = [world.instance(net, host) for host in ("host-1", "host-2")]
        site.wait()
        site.run("upstream", "ip", "-6", "route", "replace", net.v6["cidr"], "via", own)
        for box in boxes:
            assert until(lambda box=box: "proto ra" in _routes(site, box), SOON)
            site.ping(box, plan.OUTSIDE_V6)
            site.ping("outside", box.v6)
    finally:
        site.result("upstream", "ip", "-6", "route", "del", net.v6["cidr"])
        site.client.put(f"/v2.0/routers/{router}", {"router": {"external_gateway_info": {}}})


def test_an_instance_that_moves_keeps_its_way_out(site: Site, world: World) -> None:
    red, blue = world.network(advertised="slaac"), world.network(advertised="slaac")
    world.router(red, blue)
    moving, other = world.instance(red, "host-1"), world.instance(blue, "host-2")
    assert until(lambda: "proto ra" in _routes(site, moving), SOON)
    with capture(site, moving.name, "eth0") as seen:
        world.move(moving, "host-3")
        site.ping(moving, other.v6)
        assert not [f for f in seen.of("ra") if _lifetime(f) == 0]
    assert "proto ra" in _routes(site, moving)
    instance.delete(site.directory, moving.name)
