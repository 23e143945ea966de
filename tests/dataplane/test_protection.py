"""Port protection, whole: API, controller, agents, kernel, and what an operator sees (tests/security has the rest)."""

import json
import sys
from typing import Any

import pytest

from onehop.errors import ApiError
from onehop.net.address import link_local
from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from tests.dataplane.capture import Capture, Frame, capture
from tests.dataplane.site import Box, World, until
from tests.dataplane_north.wire import ipv4, udp_segment

SPOOFED = "10.99.99.99"


def _emit(world: World, box: Box, *frames: bytes) -> None:
    def work() -> None:
        import socket

        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("eth0", 0))
            for frame in frames:
                sock.send(frame)

    world.site.inside(box.name, work)


def _frame(source: str, target: str, packet: bytes) -> bytes:
    return bytes.fromhex((target + source).replace(":", "")) + b"\x08\0" + packet


def _spoofed(box: Box, victim: Box, source: str = SPOOFED) -> bytes:
    return _frame(box.mac, victim.mac, ipv4(source, victim.v4, 17, udp_segment(9, 9)))


def _shown(world: World, host: str, port: str) -> dict[str, Any]:
    config = world.site.directory.host(host) / "agent.toml"
    words = (sys.executable, "-m", "onehop", "port", "show", port, "--json", "--config", str(config))
    found: dict[str, Any] = json.loads(world.site.run(host, *words))
    return found


def _counted(world: World, box: Box) -> dict[str, int]:
    return {one["reason"]: one["packets"] for one in _shown(world, box.host, box.port)["refused"] if one["packets"]}


def _spoofs(seen: Capture, source: str = SPOOFED) -> list[Frame]:
    return [frame for frame in seen.frames if frame.sender == source]


@pytest.mark.parametrize("host", ["host-1", "host-2"])
def test_what_a_port_must_not_say_is_refused_and_counted_and_shown(world: World, host: str) -> None:
    net = world.network()
    world.router(net)
    attacker, victim = world.instance(net, "host-1"), world.instance(net, host)
    with capture(world.site, victim.name, "eth0") as seen:
        claim = gratuitous_arp(attacker.mac, victim.v4)
        claim6 = unsolicited_advertisement(attacker.mac, net.v6["gateway_ip"])
        _emit(world, attacker, _spoofed(attacker, victim), _spoofed(attacker, victim), claim, claim6)
        world.site.ping(attacker, victim.v4)
        world.site.ping(attacker, victim.v6)
        world.site.ping(attacker, net.v4["gateway_ip"])
        assert _spoofs(seen) == []
        assert not [f for f in seen.of("arp") if f.source == attacker.mac and f.sender == victim.v4]
    assert _counted(world, attacker) == {"source-address": 2, "arp-sender": 1, "neighbour-discovery": 1}
    text = world.site.run(
        "host-1", sys.executable, "-m", "onehop", "port", "show", attacker.port, "--config",
        str(world.site.directory.host("host-1") / "agent.toml"),
    )  # fmt: skip
    assert "protection" in text
    assert "source-address" in text
    assert attacker.mac in text


def test_the_switch_is_on_the_port_and_its_network_and_is_shown(world: World) -> None:
    net = world.network(port_security_enabled=False)
    attacker, victim = (world.instance(net, host, security_groups=[]) for host in ("host-1", "host-2"))
    assert not _shown(world, "host-1", attacker.port)["protected"]
    with capture(world.site, victim.name, "eth0") as seen:
        _emit(world, attacker, _spoofed(attacker, victim))
        assert until(lambda: _spoofs(seen))
    protected = {"port_security_enabled": True, "security_groups": [world.open_group()]}
    world.client.put(f"/v2.0/ports/{attacker.port}", {"port": protected})
    world.site.wait()
    assert _shown(world, "host-1", attacker.port)["protected"]
    with capture(world.site, victim.name, "eth0") as seen:
        _emit(world, attacker, _spoofed(attacker, victim))
        world.site.ping(attacker, victim.v4)
        assert _spoofs(seen) == []
    assert _counted(world, attacker) == {"source-address": 1}


def test_a_pair_opens_what_it_says_at_once_and_closes_it_again(world: World) -> None:
    net = world.network()
    box, victim = world.instance(net, "host-1"), world.instance(net, "host-2")
    path = f"/v2.0/ports/{box.port}"
    with capture(world.site, victim.name, "eth0") as seen:
        world.client.put(path, {"port": {"allowed_address_pairs": [{"ip_address": SPOOFED}]}})
        world.site.wait()
        _emit(world, box, _spoofed(box, victim))
        assert until(lambda: _spoofs(seen))
    with pytest.raises(ApiError) as refused:
        world.client.put(path, {"port": {"port_security_enabled": False}})
    assert refused.value.status == 409
    world.client.put(path, {"port": {"allowed_address_pairs": []}})
    world.site.wait()
    with capture(world.site, victim.name, "eth0") as seen:
        _emit(world, box, _spoofed(box, victim))
        world.site.ping(box, victim.v4)
        assert _spoofs(seen) == []


def test_nothing_else_that_is_set_on_a_port_takes_its_protection_away(world: World) -> None:
    net = world.network()
    victim = world.instance(net, "host-2")
    settings = (
        {"device_owner": "network:dhcp"},
        {"device_owner": "compute:x", "description": "network:router_gateway"},
        {"binding:profile": {"port_security_enabled": False, "trusted": True}},
    )
    for setting in settings:
        box = world.instance(net, "host-1", **setting)
        assert _shown(world, "host-1", box.port)["protected"]
        with capture(world.site, victim.name, "eth0") as seen:
            _emit(world, box, _spoofed(box, victim))
            world.site.ping(box, victim.v4)
            assert _spoofs(seen) == [], setting


def test_an_instance_that_moved_is_as_protected_as_before(world: World) -> None:
    net = world.network()
    box, victim = world.instance(net, "host-1"), world.instance(net, "host-2")
    world.move(box, "host-3")
    with capture(world.site, victim.name, "eth0") as seen:
        _emit(world, box, _spoofed(box, victim))
        world.site.ping(box, victim.v4)
        assert _spoofs(seen) == []
    assert _shown(world, "host-3", box.port)["refused"]


def test_an_instance_comes_up_without_anything_refused(world: World) -> None:
    net = world.network()
    world.router(net)
    box = world.instance(net, "host-1")
    world.site.ping(box, net.v6["gateway_ip"])
    assert "dadfailed" not in world.site.run(box.name, "ip", "-6", "addr")
    assert link_local(box.mac) in world.site.run(box.name, "ip", "-6", "addr")
    assert _counted(world, box) == {}
