"""What must not pass: private sources, loops, spoofed sources, questions and answers of others' addresses."""

import random
import socket

import pytest

from onehop.net import naming
from tests.dataplane_north.echo import PORT, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FLOATING, FORWARDED, GATEWAY, INSTANCES, VIRTUAL, A, B, Stage
from tests.dataplane_north.wire import ACK, RST, SYN, ipv4, raw, send, sent_packets, tcp_segment, udp_segment, watched
from tests.northern import BLOCK, UPSTREAM

pytestmark = pytest.mark.root

EXTERNAL = {GATEWAY, VIRTUAL, FORWARDED, *(f"203.0.113.{last}" for last in FLOATING.values())}


def _hosts(stage: Stage) -> list:
    return [stage.router(name) for name in sorted(stage.machines)]


def _leg(stage: Stage) -> str:
    return naming.external_leg(stage.world.topology().routers[stage.world.router_id(1)].gateway.port_id)


def _transit(stage: Stage) -> str:
    return naming.transit_leg(stage.world.topology().routers[stage.world.router_id(1)].gateway.port_id)


@pytest.mark.parametrize("owner", [A, B])
def test_no_private_source_ever_leaves(stage: Stage, owner: int) -> None:
    stage.own(owner)
    with watched(stage.upstream, "ext0") as seen:
        for name in INSTANCES:
            own = stage.ports[name].fixed_ips[0].ip_address
            ends = (own, OUTSIDE)
            strays = [ipv4(*ends, 6, tcp_segment(ends, (5000, 80), flags)) for flags in (ACK, RST, RST | ACK, 0)]
            quoted = ipv4(OUTSIDE, own, 17, udp_segment(9, 9))
            error = b"\3\3" + bytes(6) + quoted
            strays += [ipv4(*ends, 1, error), ipv4(*ends, 47, bytes(8)), ipv4(*ends, 132, bytes(12))]
            strays += [ipv4(address, OUTSIDE, 17, udp_segment(9, 9)) for address in ("10.0.9.9", GATEWAY, "192.0.2.9")]
            strays += [ipv4(own, UPSTREAM, 6, tcp_segment((own, UPSTREAM), (5000, 80), ACK))]
            send(stage.at(name), *strays)
            assert udp(stage.at(name), OUTSIDE) is not None
        frames = [f for f in seen.read() if f.kind == "ip" and f.source.startswith("fa:16:3e:02")]
    assert frames
    assert {f.sender for f in frames} <= EXTERNAL
    # An instance that says to be the gateway is not believed.
    assert not [f for f in frames if f.sender == GATEWAY and f.octets[23] == 17 and f.octets[34:38] == b"\0\x09\0\x09"]


@pytest.mark.parametrize("owner", [A, B])
def test_strays_to_the_blocks_of_others_go_over_the_transit_once_and_end(stage: Stage, owner: int) -> None:
    stage.own(owner)
    hosts, transit = _hosts(stage), _transit(stage)
    ends = (OUTSIDE, GATEWAY)
    pick = random.Random(7)
    ports = [pick.randrange(BLOCK, 4 * BLOCK) for _ in range(1000)]
    packets = [ipv4(*ends, 6, tcp_segment(ends, (80, port), SYN)) for port in ports[:500]]
    packets += [ipv4(*ends, 17, udp_segment(53, port)) for port in ports[500:]]
    before = sum(sent_packets(host, transit) for host in hosts)
    send(stage.outside, *packets)
    # What came after them has passed when the last of them have.
    assert ping(stage.outside, "203.0.113.104") == "203.0.113.104"
    after = sum(sent_packets(host, transit) for host in hosts)
    foreign = sum(not BLOCK * owner <= port < BLOCK * (owner + 1) for port in ports)
    assert foreign <= after - before <= foreign + 10


@pytest.mark.parametrize("name", ["a1", "b1", "c1"])
def test_spoofed_sources_from_outside_are_refused(owned_by_a: Stage, name: str) -> None:
    stage = owned_by_a
    target = f"203.0.113.{FLOATING[name]}"
    inside = [stage.ports["a2"].fixed_ips[0].ip_address, "10.0.2.77"]
    with watched(stage.at(name), "eth0") as seen:
        for source in (*inside, GATEWAY, FORWARDED, "203.0.113.101", "203.0.113.104"):
            send(stage.outside, ipv4(source, target, 17, udp_segment(9999, 9)))
            send(stage.upstream, ipv4(source, target, 17, udp_segment(9999, 9)))
        send(stage.outside, ipv4(OUTSIDE, target, 17, udp_segment(9998, 9)))
        frames = seen.wait(1)
    assert {f.sender for f in frames if f.source.startswith("fa:16:3e:00")} == {OUTSIDE}


def test_inside_addresses_and_unused_ones_are_not_reached_from_outside(owned_by_a: Stage) -> None:
    stage = owned_by_a
    stage.upstream.run(f"ip route replace 10.0.0.0/8 via {GATEWAY}")
    try:
        for name in ("a1", "a2", "b2", "c2"):
            with watched(stage.at(name), "eth0") as seen:
                send(stage.outside, ipv4(OUTSIDE, stage.ports[name].fixed_ips[0].ip_address, 17, udp_segment(9, 9)))
                assert ping(stage.outside, "203.0.113.101") is not None
                assert not [
                    f for f in seen.read() if f.kind == "ip" and f.sender == OUTSIDE and b"\0\x09\0\x09" in f.octets
                ]
    finally:
        stage.upstream.run("ip route del 10.0.0.0/8")


def test_link_local_destinations_die_in_the_router(owned_by_a: Stage) -> None:
    for name in ("a1", "b2", "c2"):
        with raw(owned_by_a.at(name), socket.IPPROTO_ICMP):
            own = owned_by_a.ports[name].fixed_ips[0].ip_address
            with watched(owned_by_a.upstream, "ext0") as seen:
                send(owned_by_a.at(name), ipv4(own, "169.254.1.1", 17, udp_segment(9, 9)))
                assert udp(owned_by_a.at(name), OUTSIDE) is not None
                assert not [f for f in seen.read() if "169.254" in (f.sender + f.target)]


@pytest.mark.parametrize("owner", [A, B])
def test_each_external_address_is_answered_by_one_host_only(stage: Stage, owner: int) -> None:
    stage.own(owner)
    expected = dict.fromkeys(EXTERNAL, owner) | {"203.0.113.101": A, "203.0.113.102": A, "203.0.113.103": B}
    for address, host in expected.items():
        with watched(stage.upstream, "ext0") as seen:
            stage.upstream.run("ip neigh flush dev ext0", f"ping -c1 -W1 {address} >/dev/null || true")
            replies = {f.source for f in seen.read() if f.kind == "arp" and f.sender == address}
        assert replies == {f"fa:16:3e:02:01:{host:02x}"}, address


@pytest.mark.parametrize("candidates", [(A,), (A, B)], ids=["only-the-owner", "owner-and-heir"])
def test_questions_reach_only_who_publishes_what_is_asked_for_or_may_become_its_owner(
    owned_by_a: Stage, candidates: tuple[int, ...]
) -> None:
    stage = owned_by_a
    stage.world.gateway(1, A, candidates=candidates)
    stage.apply()
    legs = [(h, stage.router(stage.world.host(h))) for h in (A, B)]
    owned = EXTERNAL - {f"203.0.113.{FLOATING[name]}" for name in ("a1", "a3", "b1")}
    with watched(legs[0][1], _leg(stage)) as at_a, watched(legs[1][1], _leg(stage)) as at_b:
        # Nobody but upstream asks: a leg that confirms upstream's MAC would tell upstream its own.
        for router, leg in ((stage.upstream, "ext0"), *((router, _leg(stage)) for _, router in legs)):
            router.run(f"ip neigh flush dev {leg}")
        for address in (*sorted(EXTERNAL), "203.0.113.77"):
            stage.upstream.run(f"ping -c1 -W1 {address} >/dev/null || true")
        frames = [[f for f in w.read() if f.kind == "arp"] for w in (at_a, at_b)]
    asked = [{f.target for f in found if f.sender == UPSTREAM} - {UPSTREAM} for found in frames]
    assert asked[0] == owned | {"203.0.113.101", "203.0.113.102"}
    assert asked[1] == {"203.0.113.103"} | (owned if B in candidates else set())
    # To hear is not to answer.
    said = [{f.sender for f in found if f.octets[20:22] == b"\0\2"} & EXTERNAL for found in frames]
    assert said == [owned | {"203.0.113.101", "203.0.113.102"}, {"203.0.113.103"}]


def test_questions_of_a_leg_name_only_what_it_publishes_or_nobody(owned_by_a: Stage) -> None:
    stage = owned_by_a
    router = stage.router(stage.world.host(B))
    with watched(stage.upstream, "ext0") as seen:
        router.run(f"ip neigh flush dev {_leg(stage)}")
        assert tcp(stage.at("b2"), OUTSIDE) is not None
        senders = {f.sender for f in seen.read() if f.kind == "arp" and f.source == "fa:16:3e:02:01:02"}
    assert senders == {"203.0.113.103"}


def test_traffic_between_inside_addresses_is_not_tracked(owned_by_a: Stage) -> None:
    stage = owned_by_a
    for name in ("a3", "b1", "c2"):
        assert ping(stage.at("a1"), stage.ports[name].fixed_ips[0].ip_address) is not None
        assert tcp(stage.at("a2"), stage.ports[name].fixed_ips[0].ip_address) is not None
    inside = [p.fixed_ips[0].ip_address for p in stage.ports.values()]
    for host in _hosts(stage):
        for line in host.run("conntrack -L 2>/dev/null").splitlines():
            ends = [word.partition("=")[2] for word in line.split() if word.startswith(("src=", "dst="))]
            assert not {ends[0], ends[1]} <= set(inside), line


@pytest.mark.parametrize("owner", [A, B])
def test_protocols_without_ports_go_out_from_the_gateway_address_and_their_answers_come_back(
    stage: Stage, owner: int
) -> None:
    stage.own(owner)
    for name, protocol in (("a2", 47), ("b2", 50), ("c2", 253), ("c1", 47), ("a1", 50), ("b1", 253)):
        own = stage.ports[name].fixed_ips[0].ip_address
        expected = f"203.0.113.{FLOATING[name]}" if name in FLOATING else GATEWAY
        body = bytes(4) + name.encode().ljust(2000, b".")
        with raw(stage.outside, protocol) as far, raw(stage.at(name), protocol) as near:
            near.sendto(body, (OUTSIDE, 0))
            packet, peer = far.recvfrom(65536)
            assert peer[0] == expected, name
            assert packet[20:] == body
            far.sendto(body[::-1].replace(b".", b"!") if protocol != 47 else body, (expected, 0))
            packet, peer = near.recvfrom(65536)
            assert peer[0] == OUTSIDE, (name, own)


def test_hosts_still_hold_what_was_compiled(stage: Stage) -> None:
    assert tcp(stage.outside, FORWARDED, PORT) is not None
    stage.settled()
