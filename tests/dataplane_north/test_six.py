"""IPv6 is routed: out from the instance's host, in through the owner's leg (walk 11)."""

import struct
from collections.abc import Iterator

import pytest

from onehop.model.port import Port
from onehop.net import naming
from onehop.net.address import pack, pack_mac
from tests.dataplane_north.echo import PORT, Echo, ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import FAR_V6, OUTSIDE_V6, Site
from tests.dataplane_north.wire import emit, watched
from tests.northern import Northern, gateway_ip6, router_of

pytestmark = pytest.mark.root

GATEWAY = gateway_ip6(1)
NAMES = ("a", "b", "c")


class Six(Site):
    """A router with two subnets and an instance on each of three hosts; upstream routes their prefixes to it."""

    def __init__(self) -> None:
        world = Northern(six=True)
        world.network(1)
        world.network(2)
        world.router(1, [1, 2])
        world.gateway(1, 1, six=True)
        self.ports: dict[str, Port] = {n: world.port(1 + k % 2, k + 1) for k, n in enumerate(NAMES)}
        super().__init__(world)
        echo = Echo()
        self._stack.callback(echo.close)
        for port in self.ports.values():
            self.plug(port)
        self.own(1)
        for port in self.ports.values():
            self.boot(port)
            echo.serve(self.instances[port.id], PORT, address="::")
        echo.serve(self.outside, PORT, address="::")
        self.upstream.run(*(f"ip -6 route add fd00:{n}::/64 via {GATEWAY}" for n in (1, 2)))

    def own(self, owner: int) -> None:
        """Make a host the owner."""
        self.world.gateway(1, owner, six=True)
        self.apply()

    def at(self, name: str) -> Place:
        """An instance's namespace."""
        return self.instances[self.ports[name].id]

    def address(self, name: str) -> str:
        """An instance's IPv6 address."""
        return self.ports[name].fixed_ips[1].ip_address


@pytest.fixture(scope="module")
def six() -> Iterator[Six]:
    """The site."""
    with Six() as made:
        yield made


@pytest.mark.parametrize("owner", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_instances_and_outside_reach_each_other_untranslated(six: Six, name: str, owner: int) -> None:
    six.own(owner)
    own = six.address(name)
    # IPv6 routers do not fragment: the far end first learns of the path's MTU.
    assert ping(six.outside, own, 1400) == own
    ping(six.outside, own, 1452)
    for ask in (tcp, udp):
        there = ask(six.at(name), OUTSIDE_V6, octets=bytes(4096))
        assert there is not None, ask
        assert there.seen == own
        back = ask(six.outside, own, octets=bytes(4096))
        assert back is not None, ask
        assert back.source == own
    assert ping(six.at(name), OUTSIDE_V6) == OUTSIDE_V6
    assert ping(six.outside, own, 3000) == own
    assert ping(six.outside, GATEWAY) == GATEWAY


def test_each_instances_packets_leave_from_its_own_host_and_come_in_by_the_owner(six: Six) -> None:
    six.own(1)
    leaves = {"a": "fa:16:3e:02:01:01", "b": "fa:16:3e:02:01:02", "c": "fa:16:3e:02:01:01"}
    for name, mac in leaves.items():
        with watched(six.upstream, "ext0") as seen:
            assert udp(six.at(name), OUTSIDE_V6) is not None
            frames = [f for f in seen.read() if f.kind == "ip6" and OUTSIDE_V6 in (f.sender, f.target)]
        assert {f.source for f in frames if f.target == OUTSIDE_V6} == {mac}
        assert {f.destination for f in frames if f.sender == OUTSIDE_V6} == {"fa:16:3e:02:01:01"}


def test_inside_sources_from_outside_are_refused(six: Six) -> None:
    six.own(1)
    spoofed = "fd00:1::abc"
    six.outside.run(f"ip -6 addr add {spoofed}/128 dev eth0 nodad")
    with watched(six.at("b"), "eth0") as seen:
        try:
            six.outside.run(f"ping -6 -c1 -W1 -I {spoofed} {six.address('b')} >/dev/null || true")
        finally:
            six.outside.run(f"ip -6 addr del {spoofed}/128 dev eth0")
        assert ping(six.outside, six.address("b")) is not None
        assert spoofed not in {f.sender for f in seen.read()}


def test_what_comes_by_transit_does_not_go_back_by_transit(six: Six) -> None:
    """A host without an external leg sends to the owner; what the owner would send there never comes round again."""
    six.own(1)
    transit = naming.transit_leg(router_of(six.world, 1).gateway.port_id)
    owner, far = (six.router(six.world.host(h)) for h in (1, 3))
    ethernet = pack_mac("fa:16:3e:03:01:03") + pack_mac("fa:16:3e:03:01:01") + b"\x86\xdd"
    packet = struct.pack("!IHBB", 6 << 28, 0, 59, 64) + pack(six.address("a")) + pack(OUTSIDE_V6)
    with watched(far, transit) as seen:
        emit(owner, transit, ethernet + packet)
        assert ping(six.at("c"), OUTSIDE_V6) == OUTSIDE_V6
        frames = [f for f in seen.read() if f.kind == "ip6" and f.sender == six.address("a")]
    assert [f.source for f in frames] == ["fa:16:3e:03:01:01"]


def test_questions_reach_only_who_has_or_may_get_the_address_that_is_asked_for(six: Six) -> None:
    six.own(1)
    leg = naming.external_leg(router_of(six.world, 1).gateway.port_id)
    nobody = "2001:db8:113::77"
    hosts = [six.router(six.world.host(h)) for h in (1, 2)]
    with watched(hosts[0], leg) as at_owner, watched(hosts[1], leg) as at_heir:
        six.upstream.run("ip -6 neigh flush dev ext0", f"ping -6 -c1 -W1 {nobody} >/dev/null || true")
        assert ping(six.outside, GATEWAY) == GATEWAY
        asked = [{f.target for f in seen.read() if f.kind == "ns"} for seen in (at_owner, at_heir)]
    assert GATEWAY in asked[0]
    assert GATEWAY in asked[1], "to take over is no more than to answer"
    assert not [found for found in asked if nobody in found]


def test_hosts_hold_what_was_compiled(six: Six) -> None:
    six.settled()


@pytest.fixture
def unprotected(six: Six) -> Iterator[Six]:
    """With instance a free to send what it likes."""
    six.world.change(six.ports["a"].id, port_security_enabled=False)
    six.apply()
    yield six
    six.world.change(six.ports["a"].id, port_security_enabled=True)
    six.apply()


@pytest.mark.parametrize("owner", [1, 2])
def test_nobody_outside_speaks_as_the_router(six: Six, owner: int) -> None:
    six.own(owner)
    target = six.address("a")
    forged = _whole(GATEWAY, target, 17, _datagram(GATEWAY, target, 4000))
    with watched(six.at("a"), "eth0") as seen:
        emit(six.upstream, "ext0", _frame(f"fa:16:3e:02:01:{owner:02x}") + forged)
        assert udp(six.outside, target) is not None
        assert not [frame for frame in seen.read() if pack(GATEWAY) in frame.octets]


@pytest.mark.parametrize("source", [GATEWAY, OUTSIDE_V6])
def test_an_instance_does_not_speak_as_the_router_or_as_somebody_outside(unprotected: Six, source: str) -> None:
    spoken = _whole(source, FAR_V6, 17, _datagram(source, FAR_V6, 4001))
    with watched(unprotected.upstream, "ext0") as seen:
        emit(unprotected.at("a"), "eth0", _frame("fa:16:3e:00:01:01") + spoken)
        assert udp(unprotected.at("a"), OUTSIDE_V6) is not None
        assert not [frame for frame in seen.read() if spoken[40:] in frame.octets]


def test_discovery_is_not_routed(unprotected: Six) -> None:
    own, question = unprotected.address("a"), struct.pack("!BBHI", 135, 0, 0, 0) + pack(OUTSIDE_V6)
    with watched(unprotected.upstream, "ext0") as seen:
        emit(unprotected.at("a"), "eth0", _frame("fa:16:3e:00:01:01") + _whole(own, OUTSIDE_V6, 58, question))
        assert udp(unprotected.at("a"), OUTSIDE_V6) is not None
        assert not [frame for frame in seen.read() if question in frame.octets]


def _frame(target: str) -> bytes:
    """An Ethernet header of IPv6 from nobody in particular."""
    return pack_mac(target) + pack_mac("02:00:00:00:00:77") + b"\x86\xdd"


def _whole(sender: str, target: str, protocol: int, octets: bytes) -> bytes:
    """An IPv6 packet."""
    return struct.pack("!IHBB", 6 << 28, len(octets), protocol, 64) + pack(sender) + pack(target) + octets


def _datagram(sender: str, target: str, port: int) -> bytes:
    head = struct.pack("!HHHH", port, PORT, 8, 0)
    total = sum(struct.unpack("!16H", pack(sender) + pack(target))) + 8 + 17 + sum(struct.unpack("!4H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!HHHH", port, PORT, 8, ~total & 0xFFFF)
