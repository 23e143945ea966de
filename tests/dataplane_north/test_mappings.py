"""Mappings that come, go and change hands: floating IPs, virtual addresses, ranges of ports (walks 3, 8 and 9)."""

import socket
import time

import pytest

from onehop.net.announcement import gratuitous_arp
from tests.dataplane_north.echo import PORT, connected, echoes, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FORWARDED, GATEWAY, VIRTUAL, VIRTUAL_INSIDE, A, B, Stage
from tests.northern import forward

pytestmark = pytest.mark.root


@pytest.mark.parametrize("owner", [A, B])
def test_a_virtual_address_is_followed_as_soon_as_it_says_that_it_has_moved(stage: Stage, owner: int) -> None:
    stage.own(owner)
    holder, streams = "b2", ("outside", "a1", "b1", "c2")
    for heir in ("a2", "c1", "b2"):
        assert all(tcp(stage.at(caller), VIRTUAL) is not None for caller in streams)
        stage.at(holder).run(f"ip addr del {VIRTUAL_INSIDE}/24 dev eth0")
        stage.at(heir).run(f"ip addr add {VIRTUAL_INSIDE}/24 dev eth0")
        stage.at(heir).inside(_say_that_it_moved)
        holder = heir
        for caller in (*streams, "a3"):
            begin = time.monotonic()
            answer = tcp(stage.at(caller), VIRTUAL)
            assert answer is not None, (heir, caller)
            assert answer.source == VIRTUAL
            assert time.monotonic() - begin < 0.5


def _say_that_it_moved() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        sock.send(gratuitous_arp(sock.getsockname()[4].hex(":"), VIRTUAL_INSIDE))


def test_a_floating_ip_comes_goes_and_changes_hands(owned_by_a: Stage) -> None:
    stage = owned_by_a
    for name in ("a2", "b2", "c2", "a2"):
        value = stage.world.floating_ip(120, stage.ports[name])
        stage.apply()
        for caller in ("outside", "a1", "b1", "c1"):
            answer = tcp(stage.at(caller), "203.0.113.120")
            assert answer is not None, (name, caller)
        seen = udp(stage.at(name), OUTSIDE)
        assert seen is not None
        assert seen.seen == "203.0.113.120"
        stage.world.remove(value.id)
    stage.apply()
    assert ping(stage.outside, "203.0.113.120") is None
    seen = udp(stage.at("a2"), OUTSIDE)
    assert seen is not None
    assert seen.seen == GATEWAY


@pytest.mark.parametrize("heir", ["a2", "b2", None])
def test_connections_of_an_old_mapping_end_at_once_and_the_others_go_on(owned_by_a: Stage, heir: str | None) -> None:
    stage = owned_by_a
    value = stage.world.floating_ip(122, stage.ports["a2"] if heir == "b2" else stage.ports["b2"])
    old = "a2" if heir == "b2" else "b2"
    stage.apply()
    with (
        connected(stage.outside, "203.0.113.122") as into,
        connected(stage.at(old), OUTSIDE) as out,
        connected(stage.at("c1"), "203.0.113.122") as inside,
        connected(stage.outside, "203.0.113.101") as other,
    ):
        assert all(echoes(sock) for sock in (into, out, inside, other))
        stage.world.remove(value.id)
        if heir is not None:
            value = stage.world.floating_ip(122, stage.ports[heir])
        stage.apply()
        with pytest.raises(ConnectionResetError):
            echoes(out)
        for sock in (into, inside):
            sock.settimeout(0.5)
            with pytest.raises(OSError, match=r"timed out|reset by peer"):
                echoes(sock)
        assert echoes(other)
    if heir is not None:
        answer = tcp(stage.outside, "203.0.113.122")
        assert answer is not None
        stage.world.remove(value.id)
        stage.apply()


def test_the_owner_keeps_no_state_of_what_others_translate(owned_by_a: Stage) -> None:
    stage = owned_by_a
    owner = stage.router(stage.world.host(A))
    owner.run("conntrack -F 2>/dev/null")
    for name in ("b2", "c2", "c1", "c3"):
        assert tcp(stage.at(name), OUTSIDE) is not None
        assert udp(stage.at(name), OUTSIDE, octets=bytes(4096)) is not None
        assert ping(stage.at(name), OUTSIDE) == OUTSIDE
    for target in ("203.0.113.104", "203.0.113.105"):
        assert tcp(stage.outside, target) is not None
    for port in (8000, 8001, PORT):
        assert tcp(stage.outside, FORWARDED, port) is not None
    entries = owner.run("conntrack -L 2>/dev/null").splitlines()
    assert not [line for line in entries if OUTSIDE in line], entries


def test_ranges_of_forwarded_ports_lead_one_by_one(owned_by_a: Stage) -> None:
    stage = owned_by_a
    stage.echo.serve(stage.at("b2"), *range(6000, 6004), address=stage.ports["b2"].fixed_ips[0].ip_address)
    to = stage.ports["b2"]
    rules = (forward("udp", 5000, to, 6000, 4), forward("tcp", 6000, to, 6000, 4))
    value = stage.world.floating_ip(121, None, forwards=rules)
    stage.apply()
    try:
        for number in range(4):
            for caller in ("outside", "b1", "c1"):
                assert udp(stage.at(caller), "203.0.113.121", 5000 + number) is not None, (caller, number)
                assert tcp(stage.at(caller), "203.0.113.121", 6000 + number) is not None, (caller, number)
    finally:
        stage.world.remove(value.id)
        stage.apply()
