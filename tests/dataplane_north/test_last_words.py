"""What must not go on although no other rule stops it: sources, strays and marks that a router's last chains keep."""

import struct

import pytest

from onehop.net import naming
from onehop.net.address import pack_mac
from tests.dataplane_north.echo import PORT, checksum, ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FORWARDED, GATEWAY, VIRTUAL, VIRTUAL_INSIDE, A, B, C, Stage
from tests.dataplane_north.wire import ACK, PUSH, RST, emit, ipv4, send, tcp_segment, udp_segment, watched
from tests.northern import BLOCK, router_of

pytestmark = pytest.mark.root

STEERED = "203.0.113.104"
"""The floating IP of c1: whoever else it comes to sends it to C."""


def _legs(stage: Stage) -> tuple[str, str]:
    """The external and the transit leg."""
    gateway = router_of(stage.world, 1).gateway
    assert gateway is not None
    return naming.external_leg(gateway.port_id), naming.transit_leg(gateway.port_id)


def _router(stage: Stage, host: int) -> Place:
    return stage.router(stage.world.host(host))


@pytest.mark.parametrize("caller", ["a2", "b2", "c2"])
def test_a_link_local_source_of_an_instance_reaches_no_other_host(owned_by_a: Stage, caller: str) -> None:
    stage = owned_by_a
    target = "203.0.113.101" if caller == "c2" else STEERED
    near = _router(stage, {"a": A, "b": B, "c": C}[caller[0]])
    with watched(near, _legs(stage)[1]) as seen:
        for source in ("169.254.7.7", "169.254.1.1"):
            send(stage.at(caller), *(ipv4(source, to, 17, udp_segment(5000, PORT)) for to in (target, FORWARDED)))
        # What was sent after them has passed: they have, or never will.
        assert udp(stage.at(caller), target) is not None
        senders = {f.sender for f in seen.read() if f.kind == "ip"}
    assert senders
    assert not {sender for sender in senders if sender.startswith("169.254.")}


@pytest.mark.parametrize("owner", [A, B])
def test_the_owner_hands_on_nothing_with_a_private_source(stage: Stage, owner: int) -> None:
    """What connection tracking calls invalid comes to the owner by transit and is translated by nobody."""
    stage.own(owner)
    far, own = ("b2", stage.ports["b2"].fixed_ips[0].ip_address)
    if owner == B:
        far, own = "a2", stage.ports["a2"].fixed_ips[0].ip_address
    sctp = struct.pack("!HHII", 5000, 80, 7, 0) + struct.pack("!BBHIHHI", 0, 3, 20, 1, 0, 0, 0) + bytes(4)
    ends = (VIRTUAL_INSIDE, STEERED)
    strays = [ipv4(own, STEERED, 132, sctp), ipv4(*ends, 6, tcp_segment(ends, (5000, 80), RST))]
    with watched(_router(stage, C), _legs(stage)[1]) as seen:
        send(stage.at(far), *strays)
        assert udp(stage.at(far), STEERED) is not None
        assert udp(stage.outside, STEERED) is not None
        frames = [f for f in seen.read() if f.kind == "ip" and f.target == STEERED]
    assert frames
    private = {f.sender for f in frames if f.source == f"fa:16:3e:03:01:{owner:02x}" and f.sender.startswith("10.")}
    assert private == set()


def test_a_hosts_own_policy_rules_do_not_see_the_marks_of_steering(owned_by_a: Stage) -> None:
    """A steered packet leaves the router's namespace as a tunnel's, which the host routes by rules of its own."""
    stage = owned_by_a
    marks = [f"{naming.steering_mark(n):#x}/{naming.STEERING_MASK:#x}" for n in (A, B, C)]
    for machine in stage.machines.values():
        machine.place.run(*(f"ip rule add pref 10 fwmark {mark} blackhole" for mark in marks))
    try:
        for target in (STEERED, VIRTUAL, FORWARDED):
            assert tcp(stage.outside, target) is not None, target
        for caller in ("a2", "b2", "c2"):
            for target in (OUTSIDE, STEERED, VIRTUAL, "203.0.113.103"):
                assert tcp(stage.at(caller), target) is not None, (caller, target)
    finally:
        for machine in stage.machines.values():
            machine.place.run(*(f"ip rule del pref 10 fwmark {mark} blackhole" for mark in marks))


def test_who_owns_nothing_sends_nothing_back_outside_that_it_cannot_place(owned_by_a: Stage) -> None:
    """To the gateway address on a host that is not its owner, at a port of that host's own, which nobody uses."""
    stage, leg = owned_by_a, _legs(owned_by_a)[0]
    macs = [f"fa:16:3e:02:01:{host:02x}" for host in (A, B)]
    ethernet = pack_mac(macs[1]) + pack_mac(macs[0]) + b"\x08\0"
    packets = [_whole(STEERED, GATEWAY, udp_segment(53, port)) for port in range(2 * BLOCK, 2 * BLOCK + 20)]
    with watched(_router(stage, B), leg) as seen:
        emit(_router(stage, A), leg, *(ethernet + packet for packet in packets))
        assert udp(stage.outside, "203.0.113.103") is not None
        frames = [f for f in seen.read() if f.kind == "ip" and f.sender == STEERED]
    assert [f.source for f in frames] == [macs[0]] * len(packets)


@pytest.mark.parametrize("owner", [A, B])
def test_strays_of_an_instance_without_a_leg_outside_do_not_even_reach_the_owner(stage: Stage, owner: int) -> None:
    stage.own(owner)
    own = stage.ports["c2"].fixed_ips[0].ip_address
    ends = (own, OUTSIDE)
    error = b"\3\3" + bytes(6) + ipv4(OUTSIDE, own, 17, udp_segment(9, 9))
    with watched(_router(stage, C), _legs(stage)[1]) as seen:
        send(stage.at("c2"), ipv4(*ends, 6, tcp_segment(ends, (5000, 80), RST)), ipv4(*ends, 1, error))
        assert udp(stage.at("c2"), OUTSIDE) is not None
        senders = {f.sender for f in seen.read() if f.kind == "ip"}
    assert GATEWAY in senders
    assert own not in senders


@pytest.mark.parametrize("owner", [A, B])
def test_a_port_that_no_connection_has_is_answered_by_nobody_on_the_way_to_it(stage: Stage, owner: int) -> None:
    """What is steered to a host that does not know it ends there without a word, whatever its time to live."""
    stage.own(owner)
    others = [host for host in (A, B, C) if host != owner]
    ends = (OUTSIDE, GATEWAY)
    with watched(stage.outside, "eth0") as seen:
        for host in others:
            for ttl in range(3, 8):
                send(stage.outside, ipv4(*ends, 17, udp_segment(9, BLOCK * host + 900), ttl))
                send(stage.outside, ipv4(*ends, 6, tcp_segment(ends, (9, BLOCK * host + 900), ACK), ttl))
        assert udp(stage.outside, STEERED) is not None
        frames = [f for f in seen.read() if f.kind == "ip" and f.target == OUTSIDE]
    assert {f.sender for f in frames} == {STEERED}


def test_a_segment_of_a_connection_that_the_owner_does_not_know_is_not_reset(owned_by_a: Stage) -> None:
    """While rules change hands a packet may lose its way: nobody is at home at an external address."""
    stage, ports = owned_by_a, (80, BLOCK * A + 900)
    targets = (GATEWAY, FORWARDED, STEERED)
    with watched(stage.outside, "eth0") as seen:
        for target in targets:
            ends = (OUTSIDE, target)
            send(stage.outside, *(ipv4(*ends, 6, tcp_segment(ends, ports, flags)) for flags in (ACK, ACK | PUSH, RST)))
        assert udp(stage.outside, "203.0.113.101") is not None
        frames = [f for f in seen.read() if f.kind == "ip" and f.target == OUTSIDE and f.octets[23] == 6]
    assert [f.sender for f in frames if f.sender != STEERED] == []
    # The instance there does answer for itself.
    assert STEERED in {f.sender for f in frames}


@pytest.mark.parametrize("host", [B, C])
def test_who_owns_nothing_sends_nothing_back_by_transit(owned_by_a: Stage, host: int) -> None:
    stage, transit = owned_by_a, _legs(owned_by_a)[1]
    ethernet = pack_mac(f"fa:16:3e:03:01:{host:02x}") + pack_mac(f"fa:16:3e:03:01:{A:02x}") + b"\x08\0"
    source = "192.0.2.77"
    strays = [_whole(source, to, udp_segment(9, 9)) for to in (OUTSIDE, "192.0.2.78", "203.0.113.77", GATEWAY)]
    with watched(_router(stage, host), transit) as seen, watched(stage.upstream, "ext0") as outside:
        emit(_router(stage, A), transit, *(ethernet + packet for packet in strays))
        assert udp(stage.outside, STEERED) is not None
        frames = [f for f in seen.read() if f.kind == "ip" and f.sender == source]
        assert not [f for f in outside.read() if f.kind == "ip" and f.sender == source]
    assert [f.source for f in frames] == [f"fa:16:3e:03:01:{A:02x}"] * len(strays)


@pytest.mark.parametrize("caller", ["a2", "a3", "b2", "b1", "c2", "c1"])
def test_an_instance_that_says_to_be_its_gateway_is_not_led_out(owned_by_a: Stage, caller: str) -> None:
    stage = owned_by_a
    own = stage.ports[caller].fixed_ips[0].ip_address
    gateway = own.rpartition(".")[0] + ".1"
    with watched(stage.outside, "eth0") as seen, watched(stage.at("c1"), "eth0") as called:
        strays = [ipv4(gateway, to, 17, udp_segment(5999, PORT)) for to in (OUTSIDE, STEERED, FORWARDED)]
        send(stage.at(caller), *strays)
        assert udp(stage.at(caller), OUTSIDE) is not None
        assert udp(stage.at("b2" if caller != "b2" else "a2"), STEERED) is not None
        # One question of each, and the answer.
        frames = [f for f in seen.read() if f.kind == "ip" and f.octets[23] == 17 and f.target == OUTSIDE]
        assert len(frames) == 1
        own_calls = [
            f for f in called.read() if f.kind == "ip" and f.target == stage.ports["c1"].fixed_ips[0].ip_address
        ]
    assert len([f for f in own_calls if f.octets[36:38] == struct.pack("!H", PORT)]) <= 1


@pytest.mark.parametrize("caller", ["a2", "b2", "c2"])
def test_instances_do_not_speak_to_the_addresses_between_hosts(owned_by_a: Stage, caller: str) -> None:
    for host in (A, B, C):
        assert ping(owned_by_a.at(caller), f"169.254.1.{host}", patience=0.3) is None
        assert tcp(owned_by_a.at(caller), OUTSIDE) is not None


def _whole(source: str, target: str, payload: bytes) -> bytes:
    """A UDP packet with the length and checksum that a kernel would have filled in."""
    packet = bytearray(ipv4(source, target, 17, payload))
    packet[2:4] = struct.pack("!H", len(packet))
    packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
    return bytes(packet)
