"""Addresses that roam among instances (walk 9): asked for across the underlay, and heard when they move."""

import time
from collections.abc import Iterator

import pytest

from onehop.model.port import Port
from onehop.net.address import link_local
from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from onehop.net.identifier import HostName
from tests.dataplane.capture import Frame
from tests.dataplane_north.echo import ping
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import Site
from tests.dataplane_north.wire import emit, watched
from tests.northern import Northern, gateway_ip6

pytestmark = pytest.mark.root

NAMES = ("a", "b", "c")
HOSTS = dict(zip(NAMES, (1, 2, 3), strict=True))
VIRTUAL = {4: "10.0.1.200", 6: "fd00:1::200"}
OUTER = "203.0.113.110"
SOON = 1.0


class Roaming(Site):
    """On each of three hosts an instance that may have the address, and one on another subnet that asks for it."""

    def __init__(self) -> None:
        world = Northern(six=True)
        world.network(1)
        world.network(2)
        world.router(1, [1, 2])
        world.gateway(1, 1, six=True)
        self.holders: dict[str, Port] = {}
        self.askers: dict[str, Port] = {}
        for name, host in HOSTS.items():
            mac = f"fa:16:3e:01:00:{2 * host - 1:02x}"
            port = world.port(1, host, pairs=[(mac, VIRTUAL[4]), (mac, VIRTUAL[6])])
            assert port.mac_address == mac
            self.holders[name] = port
            self.askers[name] = world.port(2, host)
        inside = world.port(1, None)
        world.floating_ip(110, inside, fixed=VIRTUAL[4])
        world.change(inside.id, fixed_ips=())
        super().__init__(world)
        self.start((*self.holders.values(), *self.askers.values()))
        self.upstream.run(*(f"ip -6 route add fd00:{n}::/64 via {gateway_ip6(1)}" for n in (1, 2)))
        self.holder = ""

    def place(self, name: str) -> Place:
        """Who may hold the address on a host."""
        return self.instances[self.holders[name].id]

    def hold(self, name: str) -> None:
        """Give the addresses to the instance on a host, which says so, once."""
        if self.holder:
            self.place(self.holder).run(*(f"ip addr del {ip} dev eth0" for ip in _held().values()))
        self.holder = name
        self.place(name).run(*(f"ip addr add {ip} dev eth0" for ip in _held().values()))
        mac = self.holders[name].mac_address
        emit(self.place(name), "eth0", gratuitous_arp(mac, VIRTUAL[4]), unsolicited_advertisement(mac, VIRTUAL[6]))

    def crossed(self, frames: list[Frame], *kinds: str) -> list[Frame]:
        """What went through tunnels."""
        return [f for f in frames if f.vni is not None and f.kind in kinds]


def _held() -> dict[int, str]:
    return {4: f"{VIRTUAL[4]}/24", 6: f"{VIRTUAL[6]}/64 nodad"}


@pytest.fixture(scope="module")
def roaming() -> Iterator[Roaming]:
    """The site."""
    with Roaming() as made:
        yield made


def _answers_within(place: Place, target: str, patience: float) -> bool:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if ping(place, target, patience=0.2) == target:
            return True
    return False


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", NAMES)
def test_every_hosts_leg_finds_an_address_whose_place_nobody_knows(roaming: Roaming, name: str, version: int) -> None:
    roaming.hold(name)
    for asker in NAMES:
        place = roaming.instances[roaming.askers[asker].id]
        assert _answers_within(place, VIRTUAL[version], SOON), f"{asker} does not reach the one on {name}"
    outer = OUTER if version == 4 else VIRTUAL[6]
    assert _answers_within(roaming.outside, outer, SOON)


@pytest.mark.parametrize("version", [4, 6])
def test_an_address_that_says_it_moved_answers_the_others_at_once(roaming: Roaming, version: int) -> None:
    outer = OUTER if version == 4 else VIRTUAL[6]
    asking = [(roaming.instances[roaming.askers[name].id], VIRTUAL[version]) for name in NAMES]
    asking += [(roaming.place(name), VIRTUAL[version]) for name in NAMES]
    asking.append((roaming.outside, outer))
    for name in ("a", "b", "c", "a"):
        roaming.hold(name)
        for place, target in asking:
            assert _answers_within(place, target, SOON), f"{target} on {name} does not answer"


def test_a_question_that_crosses_names_no_gateway_and_is_sound(roaming: Roaming) -> None:
    """Its source, its option and its MAC are this host's own, and whoever gets it finds the checksum right."""
    roaming.hold("b")
    legs = roaming.world.topology().legs_on(roaming.world.network_id(1))
    gateways = {ip.ip_address for leg in legs for ip in leg.fixed_ips} | {link_local(leg.mac_address) for leg in legs}
    router = roaming.router(HostName("host-1"))
    router.run(f"ip neigh flush to {VIRTUAL[4]}", f"ip neigh flush to {VIRTUAL[6]}")
    with watched(roaming.machines[HostName("host-2")].place, "eth0") as wire:
        assert ping(roaming.instances[roaming.askers["a"].id], VIRTUAL[6]) == VIRTUAL[6]
        assert ping(roaming.instances[roaming.askers["a"].id], VIRTUAL[4]) == VIRTUAL[4]
        crossed = roaming.crossed(wire.read(), "arp", "ns", "na", "rs", "ra")
    questions = [f for f in crossed if f.kind == "ns" and f.target == VIRTUAL[6]]
    assert questions
    assert not [f for f in crossed if f.sender in gateways or f.target in gateways]
    for frame in questions:
        assert frame.source.startswith("0e:")
        assert frame.sender == link_local(frame.source)
        assert frame.octets[14 + 40 + 26 :].hex(":").startswith(frame.source)
        assert _is_sound(frame.octets)


def _is_sound(octets: bytes) -> bool:
    """Whether an ICMPv6 checksum is right (RFC 4443, 2.3)."""
    packet = octets[14:]
    length = int.from_bytes(packet[4:6])
    body = packet[8:40] + length.to_bytes(4) + (58).to_bytes(4) + packet[40 : 40 + length]
    total = sum(int.from_bytes(body[at : at + 2]) for at in range(0, len(body), 2))
    return total % 0xFFFF == 0


def test_a_leg_asks_again_whom_it_knows_and_is_answered(roaming: Roaming) -> None:
    """Unreachability detection (RFC 4861, 7.3) asks by unicast: without an answer the address would be lost."""
    roaming.hold("b")
    router = roaming.router(HostName("host-1"))
    leg = roaming.world.topology().legs_on(roaming.world.network_id(1))[0]
    link = f"qr-{leg.id[:11]}"
    asker = roaming.instances[roaming.askers["a"].id]
    assert ping(asker, VIRTUAL[6]) == VIRTUAL[6]
    mac = roaming.holders["b"].mac_address
    # What is put as PROBE is asked at once.
    router.run(f"ip neigh replace {VIRTUAL[6]} dev {link} lladdr {mac} nud probe")
    until = time.monotonic() + 5
    while "REACHABLE" not in (state := router.run(f"ip neigh show to {VIRTUAL[6]} dev {link}")):
        assert time.monotonic() < until, state


def test_hosts_hold_what_was_compiled(roaming: Roaming) -> None:
    roaming.settled()


@pytest.mark.parametrize("pair", ["fd00:1::/64", "fd00:1::100/120", "::/0", "10.0.1.0/24"])
def test_pairs_of_any_width_are_held_as_compiled(pair: str) -> None:
    world = Northern()
    world.network(1)
    world.router(1, [1])
    mac = "fa:16:3e:01:00:01"
    port = world.port(1, 1, pairs=[(mac, pair), (mac, "fd00:1::9"), (mac, "fd00:1::a")])
    with Site(world) as site:
        site.plug(port)
        site.apply()
        site.settled()


@pytest.mark.parametrize("version", [4, 6])
def test_a_move_is_heard_on_a_network_without_a_router_too(version: int) -> None:
    world = Northern()
    world.network(1)
    ports = []
    for host in (1, 2, 3):
        mac = f"fa:16:3e:01:00:{host:02x}"
        ports.append(world.port(1, host, pairs=[(mac, VIRTUAL[4]), (mac, VIRTUAL[6])]))
    with Site(world) as site:
        site.start(ports)
        site.settled()
        one, two, other = (site.instances[port.id] for port in ports)
        one.run(f"ip addr add {_held()[version]} dev eth0")
        assert _answers_within(other, VIRTUAL[version], SOON)
        one.run(f"ip addr del {_held()[version]} dev eth0")
        two.run(f"ip addr add {_held()[version]} dev eth0")
        mac = ports[1].mac_address
        say = gratuitous_arp if version == 4 else unsolicited_advertisement
        emit(two, "eth0", say(mac, VIRTUAL[version]))
        assert _answers_within(other, VIRTUAL[version], SOON)
