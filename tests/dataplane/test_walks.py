"""Packet walks 1 and 2 with real packets, IPv4 and IPv6."""

import re
from typing import Any

import pytest

from tests.dataplane.capture import capture
from tests.dataplane.conftest import Square
from tests.dataplane.site import Site, World, until

FAMILIES = pytest.mark.parametrize("family", [4, 6])


@FAMILIES
@pytest.mark.parametrize("peer", ["red_1b", "red_2"])
def test_instances_of_one_subnet_reach_each_other_without_a_hop(
    site: Site, square: Square, family: int, peer: str
) -> None:
    other = getattr(square, peer)
    assert site.ttl(square.red_1, other.address(family)) == 64
    site.no_ping(square.red_1, "10.255.255.1" if family == 4 else "fd00:ffff::1")


@FAMILIES
@pytest.mark.parametrize("peer", ["blue_1", "blue_2", "blue_3"])
def test_a_packet_to_another_subnet_loses_one_hop_once(site: Site, square: Square, family: int, peer: str) -> None:
    other = getattr(square, peer)
    assert site.ttl(square.red_1, other.address(family)) == 63
    site.no_ping(square.red_1, other.address(family), "-t", "1")


@FAMILIES
def test_traceroute_shows_one_hop_the_gateway(site: Site, square: Square, family: int) -> None:
    subnet = square.red.v4 if family == 4 else square.red.v6
    target = square.blue_2.address(family)

    def hops() -> list[str]:
        shown = site.run(square.red_1.name, "traceroute", f"-{family}", "-n", "-q", "1", "-w", "2", target)
        return [line.split()[1] for line in shown.splitlines()[1:]]

    # Linux sends an ICMP error of one kind to one address once a second only (icmp_ratelimit).
    seen = until(lambda: found if "*" not in (found := hops()) else None, limit=15)
    assert seen == [subnet["gateway_ip"], target]


@FAMILIES
def test_the_gateway_is_the_same_on_every_host_and_stays_at_home(site: Site, square: Square, family: int) -> None:
    """Same address, same MAC; and nothing about it crosses the underlay."""
    gateway = (square.blue.v4 if family == 4 else square.blue.v6)["gateway_ip"]
    boxes = (square.blue_1, square.blue_2, square.blue_3)
    with capture(site, "host-1", "underlay0") as one, capture(site, "host-2", "underlay0") as two:
        for box in boxes:
            site.run(box.name, "ip", "neigh", "flush", "dev", "eth0")
            site.ping(box, gateway)
        seen = one.frames + two.frames
    macs = {site.run(box.name, "ip", "neigh", "show", gateway).split()[4] for box in boxes}
    assert len(macs) == 1
    assert [f for f in seen if f.vni == square.blue.vni and (gateway in (f.sender, f.target) or f.source in macs)] == []


@FAMILIES
def test_a_known_address_is_asked_for_at_home(site: Site, square: Square, family: int) -> None:
    """ARP and ND are answered on the source host: no question and no answer is seen on the underlay."""
    with capture(site, "host-1", "underlay0") as seen:
        site.run(square.red_1.name, "ip", "neigh", "flush", "dev", "eth0")
        site.ping(square.red_1, square.red_2.address(family))
        site.ping(square.red_1, square.blue_2.address(family))
        answers = [f for f in seen.frames if f.vni == square.red.vni and f.kind in ("ip", "ip6")]
        questions = [f for f in seen.of("arp", "ns", "na", "rs", "ra") if f.vni is not None]
    assert answers != []
    assert questions == []


@FAMILIES
def test_the_packet_is_routed_where_it_starts(site: Site, square: Square, family: int) -> None:
    """On the wire it is in the destination's network already, sent by the gateway's MAC, and so is the reply."""
    subnet = square.blue.v4 if family == 4 else square.blue.v6
    with capture(site, "host-1", "underlay0") as seen:
        site.ping(square.red_1, square.blue_2.address(family))
        frames = [f for f in seen.of("ip", "ip6") if f.vni is not None]
    assert {f.vni for f in frames if f.sender == square.red_1.address(family)} == {square.blue.vni}
    assert {f.vni for f in frames if f.sender == square.blue_2.address(family)} == {square.red.vni}
    gateway = site.run(square.blue_2.name, "ip", "neigh", "show", subnet["gateway_ip"]).split()
    assert {f.source for f in frames if f.sender == square.red_1.address(family)} == {
        gateway[gateway.index("lladdr") + 1]
    }


def test_every_host_of_the_router_has_it_and_no_other_thing(site: Site, square: Square) -> None:
    for host in ("host-1", "host-2", "host-3"):
        assert f"qrouter-{square.router}" in site.namespaces(host)
        assert {square.red.bridge, square.blue.bridge} <= site.links(host)


@FAMILIES
def test_routed_traffic_between_subnets_is_not_tracked(site: Site, square: Square, family: int) -> None:
    site.ping(square.red_1, square.blue_2.address(family), answers=3)
    namespace = f"qrouter-{square.router}"
    for host in ("host-1", "host-2"):
        counter = "/proc/sys/net/netfilter/nf_conntrack_count"
        assert site.run(host, "ip", "netns", "exec", namespace, "cat", counter) == "0\n"


def test_tcp_and_large_udp_pass_between_subnets(site: Site, square: Square) -> None:
    with site.running(square.blue_2.name, "iperf3", "-s", "-1", "--forceflush") as server:
        assert server.stdout is not None
        assert "Server listening" in "".join(server.stdout.readline() for _ in range(2))
        shown = site.run(square.red_1.name, "iperf3", "-c", square.blue_2.v4, "-n", "5M")
    assert re.search(r"receiver", shown)
    site.ping(square.red_1, square.blue_2.v4, "-s", "4000")
    site.ping(square.red_1, square.blue_2.v6, "-s", "4000")


def test_the_mtu_of_a_network_is_the_underlays_less_the_tunnel(site: Site, square: Square) -> None:
    assert square.red.mtu == 1450
    assert "mtu 1450" in site.run(square.red_1.name, "ip", "link", "show", "eth0")
    site.ping(square.red_1, square.red_2.v4, "-M", "do", "-s", str(1450 - 28))
    site.no_ping(square.red_1, square.red_2.v4, "-M", "do", "-s", str(1450 - 27))


@FAMILIES
def test_a_router_says_how_large_a_packet_may_be(site: Site, world: World, family: int) -> None:
    """Networks of different MTU: the source learns the smaller one by an ICMP error from its gateway."""
    large, small = world.network(), world.network(mtu=1300)
    world.router(large, small)
    source, sink = world.instance(large, "host-1"), world.instance(small, "host-2")
    address, header = sink.address(family), 28 if family == 4 else 48
    refused = site.result(source.name, "ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", address)
    assert refused.returncode != 0
    assert "mtu" in (refused.stdout + refused.stderr).lower()
    assert "mtu 1300" in site.run(source.name, "ip", "route", "get", address)
    site.ping(source, address, "-M", "do", "-s", str(1300 - header))


@FAMILIES
def test_broadcast_and_multicast_reach_every_instance_of_the_network_and_no_other(
    site: Site, square: Square, family: int
) -> None:
    group = "224.0.0.251" if family == 4 else "ff02::fb"
    kind = "ip" if family == 4 else "ip6"
    boxes: list[Any] = [square.red_1b, square.red_2, square.blue_1, square.blue_2]
    destinations = (group, "255.255.255.255") if family == 4 else (group,)
    for destination in destinations:
        with (
            capture(site, boxes[0].name, "eth0") as near,
            capture(site, boxes[1].name, "eth0") as far,
            capture(site, boxes[2].name, "eth0") as other,
            capture(site, boxes[3].name, "eth0") as distant,
        ):
            options = ["-b"] if destination == "255.255.255.255" else []
            site.result(
                square.red_1.name,
                "ping",
                "-n",
                "-c",
                "2",
                "-i",
                "0.1",
                "-W",
                "0.3",
                *options,
                "-I",
                "eth0",
                destination,
            )
            counts = [len([f for f in c.of(kind) if f.target == destination]) for c in (near, far, other, distant)]
        assert counts == [2, 2, 0, 0]
