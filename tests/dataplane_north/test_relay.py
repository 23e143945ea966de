"""An owner without instances of its own relays: answers to other hosts' ports go on as soon as they come in."""

import struct
from collections.abc import Callable, Iterator

import pytest

from onehop.model.port import Port
from onehop.net import naming
from onehop.net.address import pack, pack_mac
from tests.dataplane.capture import Frame
from tests.dataplane_north.agreement import Asked, disagreements, question, world_of
from tests.dataplane_north.echo import PORT, Echo, checksum, ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE, Site
from tests.dataplane_north.wire import ACK, Watcher, emit, ipv4, send, tcp_segment, udp_segment, watched
from tests.northern import BLOCK, Northern, gateway_ip, router_of

pytestmark = pytest.mark.root

GATEWAY = gateway_ip(1)
NEAR, OWNER, LEGLESS = 1, 2, 3
BIG = bytes(4096)


class Relayed(Site):
    """One instance on host 1 and one on host 3, which has no external leg; host 2 owns, and has none."""

    def __init__(self) -> None:
        world = Northern()
        world.network(1, six=False)
        world.router(1, [1])
        world.gateway(1, OWNER)
        self.ports: list[Port] = [world.port(1, host) for host in (NEAR, LEGLESS)]
        super().__init__(world)
        echo = Echo()
        self._stack.callback(echo.close)
        self.start(self.ports)
        echo.serve(self.outside, PORT)
        gateway = router_of(world, 1).gateway
        assert gateway is not None
        self.leg, self.transit = naming.external_leg(gateway.port_id), naming.transit_leg(gateway.port_id)
        self.owner = self.router(world.host(OWNER))
        self.owner.write([("ipv4/icmp_ratelimit", "0")])

    def callers(self) -> list[Place]:
        return [self.instances[port.id] for port in self.ports]


@pytest.fixture(scope="module")
def site() -> Iterator[Relayed]:
    with Relayed() as made:
        yield made


def _routed(place: Place) -> int:
    """Packets that a namespace has forwarded by routing."""
    names, values = (line.split() for line in place.run("cat /proc/net/snmp").splitlines() if line.startswith("Ip:"))
    return int(values[names.index("ForwDatagrams")])


def _first(seen: Watcher, meant: Callable[[Frame], bool]) -> Frame:
    """The first frame that is meant, whatever else passes meanwhile."""
    count = 0
    while True:
        frames = seen.wait(count + 1)
        found = [frame for frame in frames if meant(frame)]
        if found or len(frames) <= count:
            assert found, "it did not come"
            return found[0]
        count = len(frames)


def _to(port: int) -> Callable[[Frame], bool]:
    return lambda frame: frame.sender == OUTSIDE and frame.octets[36:38] == port.to_bytes(2)


def test_what_is_relayed_never_meets_the_owners_routing(site: Relayed) -> None:
    near = site.callers()[0]
    before = _routed(site.owner)
    for _ in range(5):
        assert tcp(near, OUTSIDE) is not None
        assert udp(near, OUTSIDE) is not None
        assert ping(near, OUTSIDE) == OUTSIDE
    assert _routed(site.owner) == before
    assert udp(near, OUTSIDE, octets=BIG) is not None
    assert _routed(site.owner) > before
    assert site.owner.run("conntrack -L 2>/dev/null").strip() == ""


def test_a_relayed_packet_is_one_hop_older(site: Relayed) -> None:
    with watched(site.owner, site.transit) as seen:
        send(site.outside, ipv4(OUTSIDE, GATEWAY, 17, udp_segment(53, BLOCK * NEAR + 900), 44))
        frame = _first(seen, _to(BLOCK * NEAR + 900))
    # Upstream took one, the owner another.
    assert frame.octets[14 + 8] == 42
    assert frame.source == "fa:16:3e:03:01:02"


def test_at_the_end_of_its_life_a_packet_is_answered_by_the_owner(site: Relayed) -> None:
    with watched(site.outside, "eth0") as seen:
        send(site.outside, ipv4(OUTSIDE, GATEWAY, 17, udp_segment(53, BLOCK * NEAR + 900), 2))
        frame = _first(seen, lambda frame: frame.target == OUTSIDE and frame.octets[23] == 1)
    assert (frame.sender, frame.octets[14 + 20]) == (GATEWAY, 11)


def test_a_packet_that_does_not_fit_is_answered_by_the_owner(site: Relayed) -> None:
    body = udp_segment(53, BLOCK * NEAR + 900, bytes(1472))
    head = struct.pack("!BBHHHBBH", 0x45, 0, 1500, 7, 0x4000, 64, 17, 0) + pack(OUTSIDE) + pack(GATEWAY)
    with watched(site.outside, "eth0") as seen:
        send(site.outside, head + body)
        frame = _first(seen, lambda frame: frame.target == OUTSIDE and frame.octets[23] == 1)
    assert frame.sender == GATEWAY
    assert (frame.octets[34:36], int.from_bytes(frame.octets[40:42])) == (b"\3\4", 1450)


def test_strays_are_relayed_once_and_answered_by_nobody(site: Relayed) -> None:
    ports = [BLOCK * host + 800 + number for host in (NEAR, LEGLESS) for number in range(25)]
    ends = (OUTSIDE, GATEWAY)
    with watched(site.owner, site.transit) as transit, watched(site.outside, "eth0") as outside:
        send(site.outside, *(ipv4(*ends, 17, udp_segment(9, port)) for port in ports))
        send(site.outside, *(ipv4(*ends, 6, tcp_segment(ends, (9, port), ACK)) for port in ports))
        assert tcp(site.callers()[0], OUTSIDE) is not None
        strays = [f for f in transit.read() if f.octets[34:36] == b"\0\x09"]
        back = [f for f in outside.read() if f.target == OUTSIDE and f.octets[36:38] == b"\0\x09"]
    assert len(strays) == 2 * len(ports)
    assert back == []


def test_a_part_of_a_packet_waits_for_the_others(site: Relayed) -> None:
    """Only the first part says which port it is for: alone it would never be whole again."""
    body = udp_segment(53, BLOCK * NEAR + 900, bytes(24))
    ends = pack(OUTSIDE) + pack(GATEWAY)
    parts = [(0x2000, body[:16]), (2, body[16:])]
    before = _routed(site.owner)
    with watched(site.owner, site.transit) as seen:
        for where, octets in parts:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(octets), 7, where, 64, 17, 0)
            send(site.outside, head + ends + octets)
        _first(seen, _to(BLOCK * NEAR + 900))
    assert _routed(site.owner) > before


@pytest.mark.parametrize("source", ["10.0.1.10", "169.254.7.7", "203.0.113.10"])
def test_what_may_not_come_in_is_not_relayed(site: Relayed, source: str) -> None:
    upstream = site.upstream
    ethernet = pack_mac("fa:16:3e:02:01:02") + pack_mac("02:00:00:00:00:77") + b"\x08\0"
    forged = _whole(source, GATEWAY, udp_segment(53, BLOCK * NEAR + 900))
    with watched(site.owner, site.transit) as seen:
        emit(upstream, "ext0", ethernet + forged)
        assert udp(site.callers()[0], OUTSIDE) is not None
        senders = {f.sender for f in seen.read() if f.kind == "ip"}
    assert OUTSIDE in senders
    assert source not in senders


# From here on host 3 asks too, whose questions the owner routes.


def test_answers_of_every_kind_arrive(site: Relayed) -> None:
    for caller in site.callers():
        assert ping(caller, OUTSIDE) == OUTSIDE
        for ask in (tcp, udp):
            answer = ask(caller, OUTSIDE)
            assert answer is not None
            assert answer.seen == GATEWAY
        # In fragments, which come by the long way.
        assert udp(caller, OUTSIDE, octets=BIG) is not None


def test_the_model_relays_too(site: Relayed) -> None:
    world = world_of(site)
    asked = [
        Asked(caller, question(port.id, target, protocol, PORT if protocol != "icmp" else 0))
        for caller, port in zip(site.callers(), site.ports, strict=True)
        for target in (OUTSIDE, GATEWAY)
        for protocol in ("icmp", "tcp", "udp")
    ]
    assert not disagreements(world, asked, BLOCK)


def _whole(source: str, target: str, body: bytes) -> bytes:
    """A UDP packet with the length and checksum that a kernel would have filled in."""
    head = ipv4(source, target, 17, body)[:20]
    head = head[:2] + (20 + len(body)).to_bytes(2) + head[4:]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
