"""Extra routes: several next hops, and the way outside by another router (walk 10)."""

from collections.abc import Iterator

import pytest

from onehop.model.port import Port
from onehop.model.router import ExtraRoute
from tests.dataplane_north.echo import Echo, ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE, OUTSIDE_V6, Site
from tests.dataplane_north.wire import ipv4, send, udp_segment, watched
from tests.northern import BLOCK, Northern, gateway_ip, gateway_ip6

pytestmark = pytest.mark.root

FAMILIES = pytest.mark.parametrize("version", [4, 6])
BEHIND = {4: "192.168.7.0/24", 6: "fd77::/64"}
SOME = 32


def _behind(version: int, number: int) -> str:
    return f"192.168.7.{number}" if version == 4 else f"fd77::{number:x}"


class Ways(Site):
    """A prefix behind two instances, on two hosts; on each host one that calls it."""

    def __init__(self) -> None:
        world = Northern()
        world.network(1)
        world.network(2)
        world.router(1, [1, 2])
        self.callers: list[Port] = [world.port(1, host) for host in (1, 2, 3)]
        self.middle: list[Port] = []
        for number, host in enumerate((2, 3), len(self.callers) + 1):
            # They speak for what is behind them.
            pairs = [(f"fa:16:3e:01:00:{number:02x}", prefix) for prefix in BEHIND.values()]
            self.middle.append(world.port(2, host, pairs=pairs))
        super().__init__(world)
        for port in (*self.callers, *self.middle):
            self.plug(port)
        self.lead(0, 1)
        for port in (*self.callers, *self.middle):
            self.boot(port)
        for port in self.middle:
            routes = (f"ip route add local {prefix} dev lo" for prefix in BEHIND.values())
            self.instances[port.id].run("ip link set lo up", *routes)

    def lead(self, *members: int) -> None:
        """Make these the next hops."""
        hops = [(prefix, self.middle[m].fixed_ips[n]) for m in members for n, prefix in enumerate(BEHIND.values())]
        routes = tuple(ExtraRoute(prefix, ip.ip_address) for prefix, ip in hops)
        self.world.change(self.world.router_id(1), routes=routes)
        self.apply()

    def at(self, port: Port) -> Place:
        """An instance's namespace."""
        return self.instances[port.id]


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    """The site."""
    with Ways() as made:
        yield made


def _called(ways: Ways, caller: Port, version: int) -> list[int]:
    """How many calls each next hop got of some, of which every one must be answered."""
    kind = "ip" if version == 4 else "ip6"
    wanted = {_behind(version, number) for number in range(1, SOME + 1)}
    with watched(ways.at(ways.middle[0]), "eth0") as one, watched(ways.at(ways.middle[1]), "eth0") as two:
        for target in sorted(wanted):
            assert ping(ways.at(caller), target) == target, target
        return [len({f.target for f in seen.read() if f.kind == kind and f.target in wanted}) for seen in (one, two)]


@FAMILIES
@pytest.mark.parametrize("host", [0, 1, 2])
def test_calls_are_spread_over_all_next_hops_and_each_is_answered(ways: Ways, host: int, version: int) -> None:
    ways.lead(0, 1)
    ways.settled()
    counts = _called(ways, ways.callers[host], version)
    assert sum(counts) == SOME
    assert min(counts) >= SOME // 8, counts


@FAMILIES
def test_a_next_hop_that_is_taken_away_gets_nothing_more(ways: Ways, version: int) -> None:
    ways.lead(1)
    assert _called(ways, ways.callers[0], version) == [0, SOME]
    ways.lead(0)
    assert _called(ways, ways.callers[0], version) == [SOME, 0]
    ways.lead()
    assert ping(ways.at(ways.callers[0]), _behind(version, 1), patience=0.5) is None


class Chain(Site):
    """Instances on each host behind a router without a gateway, whose default leads to another that has one."""

    def __init__(self, *, enable_snat: bool = True) -> None:
        world = Northern(six=True)
        for n in (1, 2, 3):
            world.network(n)
        world.router(1, [1, 3], routes=[("10.0.2.0/24", "10.0.3.2"), ("fd00:2::/64", "fd00:3::2")])
        world.router(2, [2], routes=[("0.0.0.0/0", "10.0.3.1"), ("::/0", "fd00:3::1")])
        world.leg(2, 3, suffix=2)
        world.gateway(1, 1, six=True, enable_snat=enable_snat)
        self.far: list[Port] = [world.port(2, host) for host in (1, 2, 3)]
        self.near: Port = world.port(1, 2)
        super().__init__(world)
        echo = Echo()
        self._stack.callback(echo.close)
        self.start((*self.far, self.near))
        echo.serve(self.outside)
        self.upstream.run(*(f"ip -6 route add fd00:{n}::/64 via {gateway_ip6(1)}" for n in (1, 2)))


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    """The site."""
    with Chain() as made:
        yield made


@FAMILIES
def test_two_routers_on_a_shared_network_reach_each_others_instances(chain: Chain, version: int) -> None:
    near = chain.near.fixed_ips[version // 6].ip_address
    for port in chain.far:
        own = port.fixed_ips[version // 6].ip_address
        assert ping(chain.instances[port.id], near) == near
        assert ping(chain.instances[chain.near.id], own) == own


@pytest.mark.parametrize("member", [0, 1, 2])
def test_who_is_behind_another_router_leaves_by_the_gateway_of_its_own_host(chain: Chain, member: int) -> None:
    place = chain.instances[chain.far[member].id]
    for ask in (tcp, udp):
        answer = ask(place, OUTSIDE, octets=bytes(4096))
        assert answer is not None, ask
        assert answer.seen == gateway_ip(1)
        assert BLOCK * (member + 1) <= answer.port < BLOCK * (member + 2)
    assert ping(place, OUTSIDE) == OUTSIDE


@pytest.mark.parametrize("member", [0, 1, 2])
def test_ipv6_from_behind_another_router_leaves_untranslated_and_is_reached(chain: Chain, member: int) -> None:
    own = chain.far[member].fixed_ips[1].ip_address
    assert ping(chain.instances[chain.far[member].id], OUTSIDE_V6) == OUTSIDE_V6
    assert ping(chain.outside, own) == own


def test_private_sources_behind_another_router_do_not_leave(chain: Chain) -> None:
    sources = {port.fixed_ips[0].ip_address for port in chain.far}
    with watched(chain.upstream, "ext0") as seen:
        for port in chain.far:
            assert udp(chain.instances[port.id], OUTSIDE) is not None
        assert not [f for f in seen.read() if f.sender in sources]


@pytest.mark.parametrize("owner", [1, 2])
def test_without_snat_what_is_behind_another_router_speaks_and_is_spoken_to_as_itself(owner: int) -> None:
    """A route says that a prefix is inside, and upstream's that it is to be reached: then it is routed, as IPv6 is."""
    with Chain(enable_snat=False) as chain:
        chain.world.gateway(1, owner, six=True, enable_snat=False)
        chain.apply()
        chain.upstream.run(f"ip route add 10.0.0.0/8 via {gateway_ip(1)}")
        for port in chain.far:
            own, place = port.fixed_ips[0].ip_address, chain.instances[port.id]
            assert ping(chain.outside, own) == own
            answer = udp(place, OUTSIDE, octets=bytes(4096))
            assert answer is not None
            assert answer.seen == own
        # What nobody declared is neither let in nor out, whatever upstream routes here.
        stray, place = "10.0.9.9", chain.instances[chain.far[0].id]
        place.run(f"ip addr add {stray}/32 dev lo")
        with watched(chain.upstream, "ext0") as seen, watched(place, "eth0") as inner:
            send(place, ipv4(stray, OUTSIDE, 17, udp_segment(9, 9)))
            assert ping(chain.outside, stray, patience=0.3) is None
            assert udp(place, OUTSIDE) is not None
            assert stray not in {f.sender for f in seen.read() if f.source.startswith("fa:16:3e:02")}
            assert stray not in {f.target for f in inner.read()}


def test_hosts_hold_what_was_compiled(chain: Chain) -> None:
    chain.settled()
