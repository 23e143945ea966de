"""Gateways at their limits, whole: ports that run out, several addresses, a second external network."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from onehop.lab import plan
from onehop.lab.streaming import serving, streaming
from tests.dataplane import answering, lan
from tests.dataplane.capture import capture
from tests.dataplane.north import North, north_world
from tests.dataplane.owning import answerers
from tests.dataplane.site import Box, Net, until
from tests.dataplane_north.echo import ping, tcp, udp
from tests.dataplane_north.wire import ipv4, send, udp_segment

pytestmark = pytest.mark.slow
OUTSIDE = plan.OUTSIDE
LARGEST = 16_384
"""Port blocks of this size are three to an address: one for each host of the lab, and none to spare."""


@pytest.fixture(scope="module")
def north() -> Iterator[North]:
    with north_world(f"far-{os.getpid()}") as made:
        yield made


class Another:
    """A router of its own, with a network and an instance on each host."""

    def __init__(self, north: North, external: Net, **settings: Any) -> None:
        self.north = north
        self.net = north.network()
        addresses = settings.pop("addresses", 1)
        self.id = north.router(**settings)
        fixed = [{"subnet_id": external.v4["id"]}] * addresses
        self.gateway({"network_id": external.id, "external_fixed_ips": fixed})
        north.afterwards(lambda: self.gateway({}))
        north.join(self.id, subnet_id=self.net.v4["id"])
        self.boxes: list[Box] = [north.instance(self.net, host) for host in north.site.hosts]
        for box in self.boxes:
            north.echo.serve(north.spot(box.name))
        north.site.wait()

    def gateway(self, info: dict[str, Any]) -> None:
        """Set the gateway."""
        self.north.client.put(f"/v2.0/routers/{self.id}", {"router": {"external_gateway_info": info}})

    def shown(self) -> dict[str, Any]:
        """The router."""
        found: dict[str, Any] = self.north.client.get(f"/v2.0/routers/{self.id}")["router"]
        return found

    @property
    def addresses(self) -> list[str]:
        """Its IPv4 addresses outside."""
        return [str(ip["ip_address"]) for ip in self.shown()["external_gateway_info"]["external_fixed_ips"]]

    @property
    def owner(self) -> str:
        """The host that owns them."""
        return next(str(host["host"]) for host in self.shown()["gateway_hosts"] if host["owner"])

    def holders(self, address: str) -> list[str]:
        """Hosts that have an address on a link of this router."""
        site = self.north.site
        lines = {h: site.run(h, "ip", "-n", f"qrouter-{self.id}", "-o", "addr", check=False) for h in site.hosts}
        return [host for host, found in lines.items() if f" {address}/" in found]


def _log(north: North, host: str) -> str:
    return (north.site.directory.host(host) / "agent.log").read_text()


def test_ports_that_run_out_are_told_by_log_and_status_and_nobody_else_notices(north: North) -> None:
    """The kernel refuses what finds no port: one line, a sentence on the router, and other destinations as before."""
    full = Another(north, north.ext, port_block_size=LARGEST)
    box = full.boxes[0]
    held = {h["host"]: h["port_blocks"] for h in full.shown()["gateway_hosts"]}
    assert [len(blocks) for blocks in held.values()] == [1, 1, 1]
    words = "connections found no free source port"
    assert words not in _log(north, "host-1")
    # Nobody reads these: what is not answered keeps its port for half a minute.
    many = [ipv4(box.v4, OUTSIDE, 17, udp_segment(1024 + n, 5353)) for n in range(LARGEST + 2000)]
    send(north.spot(box.name), *many)
    reason = until(lambda: full.shown()["status_reason"], 20)
    assert words in reason
    assert "port_block_size" in reason
    assert full.shown()["status"] == "ACTIVE"
    said = [line for line in _log(north, "host-1").splitlines() if words in line]
    assert len(said) == 1
    assert full.id in said[0]
    assert full.shown()["gateway_hosts"][0]["port_blocks"] == held["host-1"], "there is none to give"
    # A port is free for every other destination, and for those who do not need one.
    answer = tcp(north.spot(box.name), OUTSIDE)
    assert answer is not None
    assert answer.seen == full.addresses[0]
    for other in full.boxes[1:]:
        assert udp(north.spot(other.name), OUTSIDE) is not None
    assert north.shown()["status_reason"] == ""
    assert ping(north.at("outside"), north.ip("a")) == north.ip("a")
    # More of it is no more lines.
    send(north.spot(box.name), *many[:3000])
    assert ping(north.spot(box.name), OUTSIDE) == OUTSIDE
    assert len([line for line in _log(north, "host-1").splitlines() if words in line]) == 1


def test_a_gateway_with_two_addresses_answers_for_both_and_keeps_what_uses_the_one_that_stays(north: North) -> None:
    two = Another(north, north.ext, addresses=2)
    one, other = two.addresses
    blocks = {h["host"]: {b["address"] for b in h["port_blocks"]} for h in two.shown()["gateway_hosts"]}
    assert set().union(*blocks.values()) == {one, other}
    for address in (one, other):
        assert until(lambda address=address: ping(north.at("outside"), address) == address)
        assert two.holders(address) == [two.owner]
        assert len(answerers(north, address)) == 1
    seen = {}
    for box in two.boxes:
        answer = udp(north.spot(box.name), OUTSIDE, octets=bytes(4096))
        assert answer is not None, box
        assert {answer.seen} == blocks[box.host]
        seen[box.name] = answer.seen
    owner, heir = two.owner, next(h for h in ("host-1", "host-2") if h != two.owner)
    site = north.site
    with ExitStack() as stack:
        stack.enter_context(serving(site.directory, "outside"))
        streams = [stack.enter_context(streaming(site.directory, box.name, OUTSIDE)) for box in two.boxes]
        north.drain(owner)
        assert until(lambda: all(two.holders(address) == [heir] for address in (one, other)), 10)
        results = [stream.end() for stream in streams]
    assert [(r.error, r.back) for r in results] == [("", r.sent) for r in results]
    assert [stream.seen[0] for stream in streams] == [seen[box.name] for box in two.boxes]
    north.drain(owner, undo=True)
    # One goes: who was seen from it is seen from the other, the rest do not notice.
    two.gateway({"network_id": north.ext.id, "external_fixed_ips": [{"ip_address": one}]})
    site.wait()
    for box in two.boxes:
        answer = until(lambda box=box: udp(north.spot(box.name), OUTSIDE), 5)
        assert answer is not None
        assert answer.seen == one
    assert two.holders(other) == []
    assert ping(north.at("outside"), other) is None


def test_two_external_networks_are_led_to_by_those_hosts_that_reach_each_and_by_nobody_else(north: North) -> None:
    """Host 1 reaches both, host 2 only the first one, host 3 neither."""
    site = north.site
    lan.lay(site, "host-1")
    second = north.network(
        lan.SUBNET,
        **{
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": lan.PHYSICAL,
        },
    )
    far = Another(north, second)
    (address,) = far.addresses
    assert address.startswith("198.18.0.")
    assert far.owner == "host-1"
    assert [h["host"] for h in far.shown()["gateway_hosts"] if h["candidate"]] == ["host-1"]
    for box in far.boxes:
        answer = until(lambda box=box: udp(north.spot(box.name), OUTSIDE, octets=bytes(4096)), 5)
        assert answer is not None, box
        assert answer.seen == address
        with capture(site, "upstream", "ext0") as seen:
            assert tcp(north.spot(box.name), OUTSIDE) is not None
            assert not [f for f in seen.of("ip") if address in (f.sender, f.target)], "not by the other network"
    floating = [north.floating_ip_on(second, box.port) for box in far.boxes]
    for made, box in zip(floating, far.boxes, strict=True):
        assert north.becomes(made, "ACTIVE"), box
        target = str(made["floating_ip_address"])
        for caller in (north.at("outside"), north.at("a"), north.at("b2")):
            answer = until(lambda caller=caller, target=target: tcp(caller, target), 5)
            assert answer is not None, (box, caller)
            assert answer.source == target
        assert len(answering.answerers(north.site, target, link="ext1")[target]) == 1
        # And back: a floating IP of the first network.
        answer = tcp(north.spot(box.name), north.ip("c"))
        assert answer is not None
        assert (answer.source, answer.seen) == (north.ip("c"), target)
    assert ping(north.at("outside"), north.gateway) == north.gateway
    # The one host that reaches it loses it.
    site.run("host-1", "ip", "link", "set", lan.BRIDGE, "down")
    assert until(lambda: far.shown()["status"] == "ERROR", 8)
    assert f"physical network {lan.PHYSICAL}" in far.shown()["status_reason"]
    assert north.shown()["status"] == "ACTIVE"
    for name in ("a", "b", "c"):
        assert ping(north.at("outside"), north.ip(name)) == north.ip(name)
    assert ping(north.at("outside"), address) is None
    site.run("host-1", "ip", "link", "set", lan.BRIDGE, "up")
    assert until(lambda: far.shown()["status"] == "ACTIVE", 8)
    assert until(lambda: ping(north.at("outside"), address) == address, 5)
    for box in far.boxes:
        assert until(lambda box=box: tcp(north.spot(box.name), OUTSIDE), 5) is not None
