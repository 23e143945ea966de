"""The external leg attacked from outside: what is not for it, cannot be from there, or would be multiplied."""

import os
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from onehop.net.announcement import gratuitous_arp
from tests.dataplane_north.echo import PORT, ping, tcp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FLOATING, FORWARDED, GATEWAY, HOSTS, A, B, Stage
from tests.dataplane_north.wire import emit, watched
from tests.northern import BLOCK, UPSTREAM, gateway_ip
from tests.security.ears import STRANGER, Ears

OTHER = 9
"""The second router, of another project."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stage, and a second router of somebody else on hosts A and B with a floating IP on each."""
    with Stage() as made:
        world = made.world
        world.network(3, six=False)
        world.router(OTHER, [3])
        world.gateway(OTHER, B)
        for name, host in (("x-a", A), ("x-b", B)):
            port = made.ports[name] = world.port(3, host)
            made.plug(port)
            world.floating_ip(200 + host, port, r=OTHER)
        made.apply()
        for name in ("x-a", "x-b"):
            made.boot(made.ports[name])
            made.echo.serve(made.at(name), PORT, address=made.ports[name].fixed_ips[0].ip_address)
        yield made


def _leg_mac(router: int, host: int) -> str:
    return f"fa:16:3e:02:{router:02x}:{host:02x}"


def _inside(stage: Stage, name: str) -> str:
    return stage.ports[name].fixed_ips[0].ip_address


def _ears(stage: Stage) -> Ears:
    def pings() -> None:
        for last in FLOATING.values():
            assert ping(stage.outside, f"203.0.113.{last}")

    return Ears(stage, {name: stage.at(name) for name in stage.ports}, pings)


def _in(router: int, host: int, packet: Packet, token: bytes) -> bytes:
    return bytes(Ether(src=STRANGER, dst=_leg_mac(router, host)) / packet / Raw(token))


@pytest.mark.parametrize("host", [A, B])
def test_a_leg_takes_nothing_that_is_addressed_to_others(stage: Stage, host: int) -> None:
    """Nor does it pass it on: not inside, not back out, not to the router of another project, not over the underlay."""
    inside = [_inside(stage, name) for name in ("a1", "a2", "b1", "b2", "c1")]
    own = ["10.0.1.1", "169.254.1.1", "169.254.1.2", "169.254.255.254", "127.0.0.1"]
    others = ["203.0.113.77", f"203.0.113.{200 + A}", f"203.0.113.{200 + B}", gateway_ip(OTHER), UPSTREAM, OUTSIDE]
    groups = ["224.0.0.1", "239.1.2.3", "255.255.255.255", "203.0.113.255"]
    token = os.urandom(8)
    with _ears(stage) as ears:
        for target in (*inside, *own, *others, *groups):
            for payload in (UDP(sport=9, dport=PORT), TCP(sport=9, dport=PORT, flags="S"), ICMP()):
                emit(stage.upstream, "ext0", _in(1, host, IP(src="198.51.100.77", dst=target) / payload, token))
        assert ears.heard(token) == {}


@pytest.mark.parametrize("host", [A, B])
def test_a_leg_takes_nothing_from_an_address_that_cannot_be_outside(stage: Stage, host: int) -> None:
    name = {A: "a1", B: "b1"}[host]
    target = f"203.0.113.{FLOATING[name]}"
    own = [GATEWAY, target, FORWARDED, *(f"203.0.113.{FLOATING[n]}" for n in ("c1", "a3"))]
    sources = [_inside(stage, "a2"), "10.0.1.1", "10.0.2.99", "169.254.1.1", "169.254.1.2", "169.254.255.254", *own]
    sources += ["127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"]  # noqa: S104  # addresses in packets
    token = os.urandom(8)
    with _ears(stage) as ears:
        tokens = {source: os.urandom(8) for source in sources}
        for source, mark in tokens.items():
            emit(stage.upstream, "ext0", _in(1, host, IP(src=source, dst=target) / UDP(sport=9, dport=PORT), mark))
        assert ears.each(tokens) == {}
        # The same from an address that can be.
        emit(stage.upstream, "ext0", _in(1, host, IP(src=OUTSIDE, dst=target) / UDP(sport=9, dport=PORT), token))
        assert name in ears.heard(token)


def test_nobody_answers_for_what_is_not_published(stage: Stage) -> None:
    asked = ["10.0.1.1", _inside(stage, "a1"), "169.254.255.254", "169.254.1.1", "169.254.1.2", "203.0.113.77", OUTSIDE]
    with watched(stage.upstream, "ext0") as seen:
        for target in asked:
            for dst in ("ff:ff:ff:ff:ff:ff", *(_leg_mac(r, h) for r in (1, OTHER) for h in (A, B))):
                arp = ARP(op=1, hwsrc=STRANGER, psrc="203.0.113.66", pdst=target)
                emit(stage.upstream, "ext0", bytes(Ether(src=STRANGER, dst=dst) / arp))
        assert ping(stage.outside, f"203.0.113.{FLOATING['a1']}")
        said = {
            f.sender for f in seen.read() if f.kind == "arp" and f.source != STRANGER and f.octets[20:22] == b"\0\2"
        }
    assert not said & set(asked)


@pytest.mark.parametrize("owner", [A, B])
def test_forged_announcements_take_no_address_from_the_hosts(stage: Stage, owner: int) -> None:
    """What upstream believes is its own affair; the hosts hold, answer and forward as before."""
    stage.own(owner)
    for claimed in (GATEWAY, FORWARDED, *(f"203.0.113.{last}" for last in FLOATING.values())):
        emit(stage.upstream, "ext0", gratuitous_arp(STRANGER, claimed))
        reply = ARP(op=2, hwsrc=STRANGER, psrc=claimed, hwdst=_leg_mac(1, owner), pdst=claimed)
        emit(stage.upstream, "ext0", bytes(Ether(src=STRANGER, dst=_leg_mac(1, owner)) / reply))
    for name in FLOATING:
        assert ping(stage.outside, f"203.0.113.{FLOATING[name]}")
        assert tcp(stage.at(name), OUTSIDE) is not None
    for name in ("a2", "b2", "c2"):
        assert tcp(stage.at(name), OUTSIDE) is not None
    with watched(stage.upstream, "ext0") as seen:
        stage.upstream.run("ip neigh flush dev ext0", f"ping -c1 -W1 {GATEWAY} >/dev/null || true")
        answered = {f.source for f in seen.read() if f.kind == "arp" and f.sender == GATEWAY}
    assert answered == {_leg_mac(1, owner)}
    stage.settled()


def test_a_stranger_with_a_legs_mac_does_not_take_its_frames_away(stage: Stage) -> None:
    """The provider bridge learns from its uplink; what is declared stays where it is."""
    stage.own(A)
    for host in (A, B):
        theft = Ether(src=_leg_mac(1, host), dst="ff:ff:ff:ff:ff:ff") / IP(src="203.0.113.66", dst="203.0.113.255")
        emit(stage.upstream, "ext0", *[bytes(theft)] * 5)
    for name in FLOATING:
        # The fabric outside of the hosts has to learn again where the leg is: from what it sends.
        assert tcp(stage.at(name), OUTSIDE) is not None
        assert ping(stage.outside, f"203.0.113.{FLOATING[name]}")
    stage.settled()


@pytest.mark.parametrize("owner", [A, B])
def test_steering_makes_one_packet_of_one(stage: Stage, owner: int) -> None:
    """Everything that may be steered: ports and ids of every host's block, errors about them, forwarded ports."""
    stage.own(owner)
    token = os.urandom(8)
    shots: list[Packet] = []
    for host in HOSTS.values():
        number = BLOCK * host + 77
        quoted = IPerror(src=GATEWAY, dst=OUTSIDE) / UDPerror(sport=number, dport=53)
        shots += [
            IP(src=OUTSIDE, dst=GATEWAY) / TCP(sport=80, dport=number, flags="S"),
            IP(src=OUTSIDE, dst=GATEWAY) / TCP(sport=80, dport=number, flags="RA"),
            IP(src=OUTSIDE, dst=GATEWAY) / UDP(sport=53, dport=number),
            IP(src=OUTSIDE, dst=GATEWAY) / ICMP(type=0, id=number),
            IP(src=OUTSIDE, dst=GATEWAY) / ICMP(type=3, code=3) / quoted,
        ]
    shots += [IP(src=OUTSIDE, dst=FORWARDED) / UDP(sport=53, dport=9999), IP(src=OUTSIDE, dst=GATEWAY, proto=47)]
    frames = [_in(1, owner, shot, token) for shot in shots for _ in range(20)]
    with _ears(stage) as ears:
        emit(stage.upstream, "ext0", *frames)
        heard_ = ears.heard(token)
    crossed = sum(count for name, count in heard_.items() if name.startswith("underlay"))
    # Each that crosses is heard where it leaves and where it comes in.
    assert crossed <= 2 * len(frames)
    # A closed port of the gateway's own says so, once for each.
    assert heard_.get("upstream", 0) <= len(frames) / len(HOSTS)
    assert not [name for name in heard_ if name in stage.ports]


def test_the_stage_holds_what_was_compiled(stage: Stage) -> None:
    stage.settled()
