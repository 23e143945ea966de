"""Who translates, and that it is done there alone: no detours, nothing under an old mapping, a stale host helped on."""

import socket

import pytest

from onehop.net import naming
from tests.dataplane_north.echo import PORT, ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FORWARDED, GATEWAY, A, B, C, Stage
from tests.dataplane_north.test_errors import refused
from tests.dataplane_north.wire import raw, sent_packets, watched
from tests.northern import forward, router_of

pytestmark = pytest.mark.root


def _router(stage: Stage, host: int) -> Place:
    return stage.router(stage.world.host(host))


def _transit(stage: Stage) -> str:
    gateway = router_of(stage.world, 1).gateway
    assert gateway is not None
    return naming.transit_leg(gateway.port_id)


def _datagrams(place: Place, target: tuple[str, int] | None = None, local: int = 0) -> socket.socket:
    sock = place.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("", local))
    sock.settimeout(1.0)
    if target is not None:
        sock.connect(target)
    return sock


@pytest.mark.parametrize(
    ("owner", "caller", "last"), [(A, "b2", 103), (B, "a2", 101), (A, "c2", 104), (A, "c2", 105), (B, "c2", 104)]
)
def test_a_call_between_instances_of_one_host_is_translated_there_both_ways(
    stage: Stage, owner: int, caller: str, last: int
) -> None:
    """Answers and errors go to the gateway address and a port of the host's own block: no business of the owner."""
    stage.own(owner)
    place, target = stage.at(caller), f"203.0.113.{last}"
    router, transit = _router(stage, {"a": A, "b": B, "c": C}[caller[0]]), _transit(stage)
    before = sent_packets(router, transit)
    assert tcp(place, target) is not None
    assert udp(place, target, octets=bytes(4096)) is not None
    assert ping(place, target) == target
    assert refused(place, target, 9)
    assert sent_packets(router, transit) == before


@pytest.mark.parametrize("caller", ["b2", "b1", "c2", "c1"])
def test_the_gateway_address_is_called_from_inside_untranslated(owned_by_a: Stage, caller: str) -> None:
    stage = owned_by_a
    own = stage.ports[caller].fixed_ips[0].ip_address
    with watched(_router(stage, A), _transit(stage)) as seen:
        assert ping(stage.at(caller), GATEWAY) == GATEWAY
        frames = [f for f in seen.read() if f.kind == "ip" and f.target == GATEWAY]
    assert {f.sender for f in frames} == {own}


def test_datagrams_of_an_old_mapping_reach_nobody_although_the_address_leads_to_another_on_the_host(
    owned_by_a: Stage,
) -> None:
    stage, address = owned_by_a, "203.0.113.123"
    value = stage.world.floating_ip(123, stage.ports["b2"])
    stage.apply()
    with _datagrams(stage.outside, (address, PORT)) as into, _datagrams(stage.at("b2"), (OUTSIDE, PORT)) as out:
        for sock in (into, out):
            sock.send(b"before")
            assert sock.recv(100).endswith(b"before")
        stage.world.remove(value.id)
        value = stage.world.floating_ip(123, stage.ports["b1"])
        stage.apply()
        with watched(stage.at("b2"), "eth0") as reached, watched(stage.upstream, "ext0") as left:
            for sock in (into, out):
                sock.send(b"after")
                with pytest.raises(TimeoutError):
                    sock.recv(100)
            assert not [f for f in reached.read() if f.kind == "ip" and f.sender == OUTSIDE]
            assert not [f for f in left.read() if f.kind == "ip" and f.sender == address]
    try:
        seen = udp(stage.at("b2"), OUTSIDE)
        assert seen is not None
        assert seen.seen == GATEWAY
        assert udp(stage.outside, address) is not None
    finally:
        stage.world.remove(value.id)
        stage.apply()


def test_an_instance_that_was_called_under_an_old_mapping_is_told_when_it_speaks_on(owned_by_a: Stage) -> None:
    stage = owned_by_a
    value = stage.world.floating_ip(124, stage.ports["b2"])
    stage.apply()
    server = stage.at("b2").inside(lambda: socket.create_server(("", 7100)))
    client = stage.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    with server, client:
        client.settimeout(2.0)
        server.settimeout(2.0)
        client.connect(("203.0.113.124", 7100))
        served, _ = server.accept()
        with served:
            served.settimeout(2.0)
            served.sendall(b"before")
            assert client.recv(100) == b"before"
            stage.world.remove(value.id)
            value = stage.world.floating_ip(124, stage.ports["b1"])
            stage.apply()
            served.sendall(b"after")
            with pytest.raises(ConnectionResetError):
                served.recv(100)
    stage.world.remove(value.id)
    stage.apply()


@pytest.mark.parametrize("caller", ["b1", "b2"])
def test_what_a_host_sends_to_the_owner_because_it_does_not_know_better_is_sent_on_without_state(
    owned_by_a: Stage, caller: str
) -> None:
    """A forwarded port goes from an instance of the owner's host to one elsewhere; one host has not heard of it yet."""
    stage = owned_by_a
    value = stage.world.floating_ip(151, None, forwards=[forward("tcp", 9100, stage.ports["a2"], PORT)])
    stage.apply()
    try:
        assert tcp(stage.at(caller), "203.0.113.151", 9100) is not None
        stage.world.change(value.id, forwardings=(forward("tcp", 9100, stage.ports["c2"], PORT),))
        stage.apply(stage.world.host(C))
        stage.apply(stage.world.host(A))
        owner = _router(stage, A)
        owner.run("conntrack -F 2>/dev/null")
        with watched(stage.at("c2"), "eth0") as seen:
            answer = tcp(stage.at(caller), "203.0.113.151", 9100)
            assert answer is not None
            assert [f for f in seen.read() if f.kind == "ip" and f.octets[23] == 6]
        assert "dport=9100" not in owner.run("conntrack -L 2>/dev/null")
    finally:
        stage.world.remove(value.id)
        stage.apply()
    assert tcp(stage.outside, FORWARDED, PORT) is not None


@pytest.mark.parametrize("owner", [A, B])
def test_without_snat_a_protocol_without_ports_reaches_a_floating_ip_by_the_owner(owner: int) -> None:
    """Of those who have none: the answer has to find the way back through whoever translated the call."""
    with Stage(owner, enable_snat=False) as stage:
        for caller in ("a2", "b2", "c2"):
            with raw(stage.at("c1"), 253) as far, raw(stage.at(caller), 253) as near:
                body = bytes(4) + caller.encode() * 20
                near.sendto(body, ("203.0.113.104", 0))
                packet, peer = far.recvfrom(2000)
                assert (peer[0], packet[20:]) == (GATEWAY, body), caller
                far.sendto(body[::-1], (GATEWAY, 0))
                assert near.recvfrom(2000)[1][0] == "203.0.113.104", caller
            for host in stage.machines:
                stage.router(host).run("conntrack -F 2>/dev/null")
