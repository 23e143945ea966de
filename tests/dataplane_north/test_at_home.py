"""Gateway addresses stay at home in both directions, and what IPv6 lets in and out: each rule by packets of its own."""

import socket
import struct
from collections.abc import Iterator

import pytest

from onehop.net import naming
from onehop.net.address import link_local, pack, pack_mac
from tests.dataplane.capture import Frame, parse
from tests.dataplane_north.echo import ping
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE_V6
from tests.dataplane_north.test_six import GATEWAY, Six
from tests.dataplane_north.wire import Watcher, emit, watched
from tests.northern import router_of

pytestmark = pytest.mark.root

EVERYBODY, ALL_NODES = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
HERE, HERE_V6 = "10.0.1.1", "fd00:1::1"
STRANGE, STRANGE_V6 = "10.0.1.99", "fd00:1::99"
LEG = "fa:16:3e:00:01:01"
EVIL = "02:00:00:00:0e:01"
FOREIGN_V6 = "2001:db8:dead::1"
NOWHERE_V6 = "2001:db8:77::1"


@pytest.fixture(scope="module")
def six() -> Iterator[Six]:
    """Network 1 has instance a on host A and c on host C; B has a router's leg on it.

    Ports are not protected: what they say would be refused at their taps, before anything here sees it.
    """
    with Six() as made:
        for port in made.ports.values():
            made.world.change(port.id, port_security_enabled=False)
        made.apply()
        yield made


def _arp(operation: int, sender: str, target: str, mac: str = EVIL) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return (
        pack_mac(EVERYBODY)
        + pack_mac(mac)
        + b"\x08\x06"
        + body
        + pack_mac(mac)
        + pack(sender)
        + bytes(6)
        + pack(target)
    )


def _icmp6(kind: int, source: str, about: str = "", mac: str = EVIL) -> bytes:
    """ND and router discovery; the checksum is for who reads it, which is nobody here."""
    body = struct.pack("!BBHI", kind, 0, 0, 0) + (pack(about) if about else bytes(8))
    head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + pack(source) + pack("ff02::1")
    return pack_mac(ALL_NODES) + pack_mac(mac) + b"\x86\xdd" + head + body


def _inject(six: Six, *frames: bytes) -> None:
    """From host B to host A, as the VXLAN of network 1."""
    vni = next(n.vni for n in six.world.topology().networks.values() if n.id == six.ports["a"].network_id)
    assert vni is not None
    vtep = six.world.topology().hosts[six.world.host(1)].vtep

    def work() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for frame in frames:
                sock.sendto(struct.pack("!BBHI", 8, 0, 0, vni << 8) + frame, (vtep, naming.VXLAN_PORT))

    six.machines[six.world.host(2)].place.inside(work)


SPOKEN = {
    "asked-for": _arp(1, STRANGE, HERE),
    "answered": _arp(2, HERE, STRANGE),
    "told": _arp(2, STRANGE, HERE),
    "announced": _arp(1, HERE, HERE),
    "solicited": _icmp6(135, STRANGE_V6, HERE_V6),
    "solicited-by-link-local": _icmp6(135, STRANGE_V6, link_local(LEG)),
    "soliciting": _icmp6(135, HERE_V6, STRANGE_V6),
    "advertised": _icmp6(136, STRANGE_V6, HERE_V6),
    "advertising": _icmp6(136, HERE_V6, STRANGE_V6),
    "router-solicitation": _icmp6(133, "fe80::1234"),
    "router-advertisement": _icmp6(134, "fe80::1234"),
}
"""What speaks of a gateway, or of routers."""


def _like(frame: bytes, seen: Watcher) -> list[Frame]:
    known = parse(frame)
    key = (known.kind, known.sender, known.target)
    return [f for f in seen.read() if (f.kind, f.sender, f.target) == key and f.source == EVIL]


@pytest.mark.parametrize("what", SPOKEN)
def test_what_speaks_of_a_gateway_does_not_come_in_from_another_host(six: Six, what: str) -> None:
    with watched(six.at("a"), "eth0") as seen:
        _inject(six, SPOKEN[what], _arp(1, STRANGE, "10.0.1.98"))
        until = seen.wait(1, "arp")
        assert [f for f in until if f.target == "10.0.1.98"], "what speaks of others does"
        assert _like(SPOKEN[what], seen) == []


@pytest.mark.parametrize("what", SPOKEN)
def test_what_speaks_of_a_gateway_does_not_go_out_to_another_host(six: Six, what: str) -> None:
    far: Place = six.machines[six.world.host(3)].place
    with watched(far, "eth0") as seen:
        emit(six.at("a"), "eth0", SPOKEN[what], _arp(2, STRANGE, "10.0.1.98"))
        assert ping(six.at("a"), six.address("c")) is not None
        assert [f for f in seen.read() if f.kind == "arp" and f.target == "10.0.1.98"], "what speaks of others does"
        assert _like(SPOKEN[what], seen) == []


def test_an_instances_foreign_ipv6_source_does_not_leave(six: Six) -> None:
    six.own(1)
    with watched(six.upstream, "ext0") as seen:
        for name in ("a", "b", "c"):
            _send(six, name, FOREIGN_V6, OUTSIDE_V6)
            assert ping(six.at(name), OUTSIDE_V6) == OUTSIDE_V6
        assert FOREIGN_V6 not in {f.sender for f in seen.read()}


def test_what_is_for_none_of_the_routers_prefixes_is_not_even_answered(six: Six) -> None:
    six.own(1)
    six.upstream.run(f"ip -6 route add {NOWHERE_V6}/128 via {GATEWAY}")
    try:
        with watched(six.outside, "eth0") as seen:
            for limit in range(2, 6):
                six.outside.run(f"ping -6 -c1 -W0.1 -t{limit} {NOWHERE_V6} >/dev/null || true")
            assert ping(six.outside, GATEWAY) == GATEWAY
            assert [f for f in seen.read() if f.kind == "ip6" and f.sender not in (OUTSIDE_V6, GATEWAY)] == []
            errors = [f for f in seen.read() if f.kind == "ip6" and f.sender == GATEWAY and f.octets[54] != 129]
            assert errors == []
    finally:
        six.upstream.run(f"ip -6 route del {NOWHERE_V6}/128")


def test_what_comes_by_transit_has_a_source_inside(six: Six) -> None:
    six.own(1)
    transit = naming.transit_leg(router_of(six.world, 1).gateway.port_id)
    owner = six.router(six.world.host(1))
    ethernet = pack_mac("fa:16:3e:03:01:02") + pack_mac("fa:16:3e:03:01:01") + b"\x86\xdd"
    packet = struct.pack("!IHBB", 6 << 28, 0, 59, 64) + pack(FOREIGN_V6) + pack(six.address("b"))
    with watched(six.at("b"), "eth0") as seen:
        emit(owner, transit, ethernet + packet)
        assert ping(six.at("a"), six.address("b")) is not None
        assert FOREIGN_V6 not in {f.sender for f in seen.read()}


def _send(six: Six, name: str, source: str, target: str) -> None:
    mac = six.ports[name].mac_address
    leg = f"fa:16:3e:00:0{1 if name != 'b' else 2}:01"
    packet = struct.pack("!IHBB", 6 << 28, 0, 59, 64) + pack(source) + pack(target)
    emit(six.at(name), "eth0", pack_mac(leg) + pack_mac(mac) + b"\x86\xdd" + packet)
