"""Packet walks 3 to 8 with real packets, whole: API, controller, agents, kernel; and what happens to owners.

`tests/dataplane_north` asks the same of the compiler alone, with far more pairs.
"""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from onehop.lab import plan, power
from onehop.lab.prober import probing
from onehop.lab.streaming import serving, streaming
from tests.dataplane.capture import capture
from tests.dataplane.north import DETECTION, SLACK, North, north_world
from tests.dataplane.owning import answerers
from tests.dataplane.site import until
from tests.dataplane_north.echo import PORT, ping, tcp, udp

BIG = bytes(range(256)) * 16
EVERYBODY = ("a", "a2", "b", "b2", "c", "c2")
WITHOUT = ("a2", "b2", "c2")
OUTSIDE = plan.OUTSIDE


@pytest.fixture(scope="module")
def whole() -> Iterator[North]:
    """The world, once for the module."""
    with north_world(f"north-{os.getpid()}") as made:
        yield made


@pytest.fixture
def north(whole: North) -> North:
    """The world with everything running, whatever the test before did."""
    whole.restore()
    return whole


def _holders(north: North, address: str) -> list[str]:
    """Hosts whose copy of the router has an address on a link."""
    namespace = f"qrouter-{north.router_id}"
    hosts = north.site.hosts
    return [h for h in hosts if f" {address}/" in north.site.run(h, "ip", "-n", namespace, "-o", "addr")]


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_floating_ip_answers_the_outside_from_the_address_called(north: North, name: str) -> None:
    outside, address = north.at("outside"), north.ip(name)
    assert ping(outside, address) == address
    for ask in (tcp, udp):
        answer = ask(outside, address, octets=BIG)
        assert answer is not None, f"{ask.__name__} to {address} of {name}"
        assert (answer.source, answer.seen) == (address, OUTSIDE)
    assert ping(outside, north.boxes[name].v4) is None


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_one_host_answers_for_a_floating_ip_its_instances_or_the_owner_where_that_has_no_leg(
    north: North, name: str
) -> None:
    holder = north.boxes[name].host if name != "c" else north.owner
    assert _holders(north, north.ip(name)) == [holder]
    found = north.site.run(holder, "ip", "-n", f"qrouter-{north.router_id}", "-o", "link")
    macs = answerers(north, north.ip(name))
    assert len(macs) == 1
    assert macs.pop() in found


def test_one_host_answers_for_the_gateway_address_the_owner(north: North) -> None:
    assert _holders(north, north.gateway) == [north.owner]
    assert len(answerers(north, north.gateway)) == 1


@pytest.mark.parametrize("caller", EVERYBODY)
def test_inside_calls_a_floating_ip_and_that_address_answers(north: North, caller: str) -> None:
    seen_as = north.ip(caller) if caller in north.floating else north.gateway
    for name in north.floating:
        address = north.ip(name)
        assert ping(north.at(caller), address) == address, f"{caller} to the floating IP of {name}"
        answer = tcp(north.at(caller), address)
        assert answer is not None, f"{caller} to the floating IP of {name}"
        assert (answer.source, answer.seen) == (address, seen_as)


@pytest.mark.parametrize("caller", EVERYBODY)
def test_the_outside_sees_an_external_address_and_never_a_private_one(north: North, caller: str) -> None:
    seen_as = north.ip(caller) if caller in north.floating else north.gateway
    with capture(north.site, "upstream", "ext0") as wire:
        assert ping(north.at(caller), OUTSIDE, size=4000) == OUTSIDE
        for ask in (tcp, udp):
            answer = ask(north.at(caller), OUTSIDE, octets=BIG)
            assert answer is not None, f"{ask.__name__} from {caller}"
            assert (answer.source, answer.seen) == (OUTSIDE, seen_as)
        senders = {frame.sender for frame in wire.of("ip")}
    assert senders == {OUTSIDE, seen_as}


def test_each_host_translates_to_ports_that_no_other_host_uses(north: North) -> None:
    ports = {name: {(tcp(north.at(name), OUTSIDE) or pytest.fail(name)).port for _ in range(20)} for name in WITHOUT}
    blocks = {name: {port // 1024 for port in found} for name, found in ports.items()}
    assert all(len(found) == 1 for found in blocks.values()), ports
    assert len(set.union(*blocks.values())) == len(WITHOUT), ports


def test_nothing_comes_in_by_the_gateway_address_but_answers_and_ping(north: North) -> None:
    outside = north.at("outside")
    assert ping(outside, north.gateway) == north.gateway
    seen = tcp(north.at("c2"), OUTSIDE)
    assert seen is not None
    assert tcp(outside, north.gateway, seen.port) is None
    assert udp(outside, north.gateway, seen.port) is None
    assert tcp(outside, north.gateway, PORT) is None


def test_a_floating_ip_leads_to_one_port_after_the_other_and_old_connections_end(north: North) -> None:
    """Disassociated: within a second no packet of an old connection passes, and the address is nobody's."""
    floating = north.floating_ip()
    address, outside = floating["floating_ip_address"], north.at("outside")
    assert north.status(floating) == "DOWN"
    assert ping(outside, address) is None
    north.associate(floating, north.boxes["a2"].port)
    assert north.becomes(floating, "ACTIVE", limit=1 + SLACK)
    assert ping(outside, address) == address
    assert _holders(north, address) == ["host-1"]
    sock = outside.inside(lambda: socket.create_connection((address, PORT), timeout=5))
    with sock:
        sock.recv(100)
        sock.sendall(b"before")
        assert sock.recv(100) == b"before"
        begin = time.monotonic()
        north.associate(floating, None)
        assert until(lambda: _holders(north, address) == [], limit=5)
        assert time.monotonic() - begin <= 1 + SLACK
        sock.settimeout(1)
        sock.sendall(b"after")
        with pytest.raises(OSError, match=r"timed out|reset|unreachable|No route"):
            sock.recv(100)
    assert ping(outside, address) is None
    assert north.becomes(floating, "DOWN")
    north.associate(floating, north.boxes["b2"].port)
    assert north.becomes(floating, "ACTIVE", limit=1 + SLACK)
    answer = tcp(outside, address)
    assert answer is not None
    assert (answer.source, answer.seen) == (address, OUTSIDE)
    assert _holders(north, address) == ["host-2"]
    assert len(answerers(north, address)) == 1
    north.client.delete(f"/v2.0/floatingips/{floating['id']}")
    # The address goes before its translation does: who knows the MAC still reaches it for that moment.
    assert until(lambda: _holders(north, address) == [] and ping(outside, address) is None, limit=2 + SLACK)


def test_a_floating_ip_goes_with_its_instance_and_its_connections_go_on(north: North) -> None:
    floating, site, box = north.floating_ip(north.boxes["b2"].port), north.site, north.boxes["b2"]
    address = floating["floating_ip_address"]
    assert north.becomes(floating, "ACTIVE")
    gaps = []
    with serving(site.directory, box.name), streaming(site.directory, "outside", address) as stream:
        for target in ("host-1", "host-2"):
            with probing(site.directory, "outside", box.name, address) as probes:
                north.move(box, target)
                assert until(lambda target=target: _holders(north, address) == [target])
            gaps.append(probes.result.gap)
            assert len(answerers(north, address)) == 1
        result = stream.end()
    print(f"moved twice; probes' gaps {gaps} ms, stream's gap {result.gap:.2f} s")
    assert (result.error, result.back) == ("", result.sent)
    assert max(gaps) <= 200
    north.client.delete(f"/v2.0/floatingips/{floating['id']}")


@pytest.mark.parametrize("name", WITHOUT)
def test_a_forwarded_port_leads_to_its_instance_and_another_port_nowhere(north: North, name: str) -> None:
    floating = north.floating_ip()
    address, path = floating["floating_ip_address"], f"/v2.0/floatingips/{floating['id']}/port_forwardings"
    for protocol in ("tcp", "udp"):
        rule = {
            "protocol": protocol,
            "internal_port_id": north.boxes[name].port,
            "internal_ip_address": north.boxes[name].v4,
            "internal_port": PORT,
            "external_port": 8080,
        }
        north.client.post(path, {"port_forwarding": rule})
    assert north.becomes(floating, "ACTIVE")
    north.site.wait()
    for ask in (tcp, udp):
        answer = ask(north.at("outside"), address, 8080, octets=BIG)
        assert answer is not None, f"{ask.__name__} to {name}"
        assert (answer.source, answer.seen) == (address, OUTSIDE)
        assert ask(north.at("outside"), address, 8081) is None
    from_inside = tcp(north.at("a"), address, 8080)
    assert from_inside is not None
    assert (from_inside.source, from_inside.seen) == (address, north.ip("a"))


def test_a_killed_agent_of_the_owner_loses_nothing_and_nobody_takes_over(north: North) -> None:
    owner = north.owner
    other = "b2" if owner == "host-1" else "a2"

    def silence() -> float:
        hosts = north.client.get("/onehop/v1/status")["hosts"]
        return time.time() - next(host["heartbeat_at"] for host in hosts if host["name"] == owner)

    with probing(north.site.directory, north.name(other), "outside", OUTSIDE) as probes:
        power.agent(north.site.directory, owner, "kill")
        assert until(lambda: silence() > 2 * DETECTION, limit=20)
        assert north.owner == owner
        assert _holders(north, north.gateway) == [owner]
        probes.settle()
        power.agent(north.site.directory, owner, "start")
        north.ready()
    assert north.owner == owner
    assert probes.result.sent > 2000 * DETECTION
    assert probes.result.lost == 0


def test_a_drained_owner_hands_over_at_once_and_gets_nothing_back(north: North) -> None:
    owner, site = north.owner, north.site
    heir = next(host for host in ("host-1", "host-2") if host != owner)
    with (
        serving(site.directory, "outside"),
        streaming(site.directory, north.name("c2"), OUTSIDE) as far,
        streaming(site.directory, north.name("a2"), OUTSIDE) as one,
        streaming(site.directory, north.name("b2"), OUTSIDE) as two,
    ):
        begin = time.monotonic()
        north.drain(owner)
        assert until(lambda: _holders(north, north.gateway) == [heir], limit=10)
        seconds = time.monotonic() - begin
        results = [stream.end() for stream in (far, one, two)]
    print(f"drained in {seconds:.2f} s, gaps {[round(r.gap, 3) for r in results]}")
    assert [result.error for result in results] == [""] * 3
    assert max(result.gap for result in results) <= 0.25 + SLACK
    assert north.owner == heir
    assert len(answerers(north, north.gateway)) == 1
    north.drain(owner, undo=True)
    north.ready()
    assert north.owner == heir


@pytest.mark.parametrize("turn", [1, 2])
def test_streams_survive_the_owners_power_loss_within_the_detection_time(north: North, turn: int) -> None:
    """Each turn kills the owner that the last one chose: the host that came back owns nothing."""
    owner, site = north.owner, north.site
    letter, heir = ("a", "host-2") if owner == "host-1" else ("b", "host-1")
    other = "b2" if letter == "a" else "a2"
    with (
        serving(site.directory, "outside"),
        streaming(site.directory, north.name(other), OUTSIDE) as near,
        streaming(site.directory, north.name("c2"), OUTSIDE) as far,
        probing(site.directory, north.name(other), "outside", OUTSIDE) as probes,
    ):
        assert near.seen[0] == far.seen[0] == north.gateway
        power.stop_host(site.directory, owner)
        assert ping(north.at("outside"), north.ip(letter)) is None
        assert until(lambda: north.owner == heir, limit=20)
        assert north.becomes(north.floating[letter], "DOWN")
        probes.settle()
        results = [near.end(), far.end()]
    gap = probes.result.gap / 1000
    print(f"turn {turn}: {owner} died; probes' gap {gap:.2f} s, streams' gaps {[round(r.gap, 2) for r in results]}")
    assert [result.error for result in results] == ["", ""]
    assert all(result.back == result.sent > 0 for result in results)
    assert gap <= DETECTION + 0.3 + SLACK
    assert _holders_running(north) == [heir]
    north.power_on(owner)
    north.ready()
    assert north.owner == heir, "no pre-emption"
    assert len(answerers(north, north.gateway)) == 1
    assert ping(north.at("outside"), north.ip(letter)) == north.ip(letter)


def _holders_running(north: North) -> list[str]:
    hosts = [host.name for host in north.site.directory.read().hosts.values() if host.running]
    namespace = f"qrouter-{north.router_id}"
    return [h for h in hosts if f" {north.gateway}/" in north.site.run(h, "ip", "-n", namespace, "-o", "addr")]
