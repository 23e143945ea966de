"""Ways out besides the default: extra routes by the external network, and a gateway without an IPv4 address."""

from collections.abc import Iterator

import msgspec
import pytest

from onehop.compiler import Local, compile_host
from onehop.model.port import Port
from onehop.model.router import ExtraRoute
from tests.dataplane_north.agreement import Asked, disagreements, question, world_of
from tests.dataplane_north.echo import PORT, Echo, ping, tcp, udp
from tests.dataplane_north.site import BRIDGE, OUTSIDE, OUTSIDE_V6, Site
from tests.dataplane_north.wire import watched
from tests.northern import BLOCK, PHYSICAL, UPSTREAM, UPSTREAM_V6, Northern, gateway_ip, gateway_ip6

pytestmark = pytest.mark.root

SIDE, SIDE_V6 = "203.0.113.200", "2001:db8:113::200"
"""Another router on the external network."""
BEHIND, BEHIND_V6 = "192.168.77.1", "fd77::1"
ROUTES = (("192.168.77.0/24", SIDE), ("fd77::/64", SIDE_V6))


class Ways(Site):
    """On each of three hosts an instance with a floating IP and one without; a prefix behind another router outside."""

    def __init__(self) -> None:
        world = Northern(six=True)
        world.network(1)
        world.router(1, [1], routes=ROUTES)
        world.gateway(1, 1, six=True)
        self.ports: dict[str, Port] = {
            n: world.port(1, 1 + k // 2) for k, n in enumerate(("a", "a2", "b", "b2", "c", "c2"))
        }
        for last, name in enumerate("abc", 101):
            world.floating_ip(last, self.ports[name])
        super().__init__(world)
        try:
            self._populate()
        except BaseException:
            self._stack.close()
            raise

    def _populate(self) -> None:
        self.side = self._place()
        self._cable("side", "external", self.side, "ext0")
        self.side.write((("ipv4/conf/all/forwarding", "1"), ("ipv6/conf/all/forwarding", "1")))
        self.side.run(
            f"ip addr add {SIDE}/24 dev ext0",
            f"ip -6 addr add {SIDE_V6}/64 dev ext0 nodad",
            f"ip addr add {BEHIND}/32 dev lo",
            f"ip -6 addr add {BEHIND_V6}/128 dev lo nodad",
            f"ip -6 route add fd00:1::/64 via {gateway_ip6(1)}",
        )
        self.upstream.run(f"ip -6 route add fd00:1::/64 via {gateway_ip6(1)}")
        echo = Echo()
        self._stack.callback(echo.close)
        for port in self.ports.values():
            self.plug(port)
        self.apply()
        for port in self.ports.values():
            self.boot(port)
            for ip in port.fixed_ips:
                echo.serve(self.instances[port.id], PORT, address=ip.ip_address)
        for place, addresses in ((self.side, (BEHIND, BEHIND_V6)), (self.outside, (OUTSIDE, OUTSIDE_V6))):
            for address in addresses:
                echo.serve(place, PORT, address=address)


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    """The site."""
    with Ways() as made:
        yield made


@pytest.mark.parametrize("name", ["a", "a2", "b", "b2", "c", "c2"])
@pytest.mark.parametrize("owner", [1, 2])
def test_a_route_by_the_external_network_is_taken_and_the_rest_leaves_by_the_gateway(
    ways: Ways, owner: int, name: str
) -> None:
    ways.world.gateway(1, owner, six=True)
    ways.apply()
    place, host = ways.instances[ways.ports[name].id], "abc".index(name[0]) + 1
    seen_as = f"203.0.113.{100 + host}" if len(name) == 1 else gateway_ip(1)
    with watched(ways.upstream, "ext0") as seen:
        for ask in (tcp, udp):
            answer = ask(place, BEHIND, octets=bytes(4096))
            assert answer is not None, ask
            assert answer.seen == seen_as
            assert len(name) == 1 or BLOCK * host <= answer.port < BLOCK * (host + 1)
        assert ping(place, BEHIND) == BEHIND
        assert ping(place, BEHIND_V6) == BEHIND_V6
        assert not [
            f for f in seen.read() if f.destination == _mac(ways) and {f.sender, f.target} & {BEHIND, BEHIND_V6}
        ]
    assert tcp(place, OUTSIDE) is not None
    assert ping(place, OUTSIDE_V6) == OUTSIDE_V6


def _mac(ways: Ways) -> str:
    return ways.upstream.run("ip -o link show dev ext0").partition("link/ether ")[2].split()[0]


def test_the_model_takes_the_same_ways(ways: Ways) -> None:
    asked = [
        Asked(ways.instances[port.id], question(port.id, target, protocol, number))
        for port in ways.ports.values()
        for target in (OUTSIDE, OUTSIDE_V6)
        for protocol, number in (("icmp", 0), ("tcp", PORT))
    ]
    wrong = disagreements(world_of(ways), asked, BLOCK)
    assert not wrong, "\n".join(wrong[:6])


def test_a_route_that_the_gateway_stands_against_is_not_made_and_all_else_works(ways: Ways) -> None:
    """The API refuses these, but a subnet may have come to the external network after the route."""
    world, hop = ways.world, ways.ports["b"].fixed_ips
    clashing = ["0.0.0.0/0", "203.0.113.0/24", "203.0.0.0/16", "169.254.0.0/16", "::/0", "2001:db8:113::/64"]
    routes = tuple(ExtraRoute(to, hop[":" in to].ip_address) for to in clashing)
    world.change(world.router_id(1), routes=(*routes, *(ExtraRoute(*route) for route in ROUTES)))
    try:
        ways.apply()
        partitions = compile_host(world.topology(), world.host(1), Local(physical_networks={PHYSICAL: BRIDGE}))
        said = partitions[f"router/{world.router_id(1)}"].flawed["router", world.router_id(1)]
        assert said.startswith("the route to 0.0.0.0/0 is not made")
        for name, port in ways.ports.items():
            place = ways.instances[port.id]
            for target in (OUTSIDE, OUTSIDE_V6, BEHIND, BEHIND_V6, UPSTREAM):
                assert ping(place, target) == target, (name, target)
        assert ping(ways.outside, "203.0.113.103") == "203.0.113.103"
    finally:
        world.change(world.router_id(1), routes=tuple(ExtraRoute(*route) for route in ROUTES))
        ways.apply()


def test_a_gateway_without_an_ipv4_address_lets_no_ipv4_out_and_routes_ipv6() -> None:
    with Ways() as ways:
        world = ways.world
        for floating in list(world.topology().floating_ips.values()):
            world.remove(floating.id)
        gateway = world.topology().routers[world.router_id(1)].gateway
        assert gateway is not None
        six = tuple(ip for ip in gateway.fixed_ips if ":" in ip.ip_address)
        world.change(world.router_id(1), gateway=msgspec.structs.replace(gateway, fixed_ips=six))
        ways.apply()
        ways.settled()
        with watched(ways.upstream, "ext0") as seen, watched(ways.side, "ext0") as beside:
            for name, port in ways.ports.items():
                place = ways.instances[port.id]
                for target in (OUTSIDE, BEHIND, UPSTREAM):
                    assert ping(place, target, patience=0.1) is None, (name, target)
                for target in (OUTSIDE_V6, BEHIND_V6, UPSTREAM_V6):
                    assert ping(place, target) == target, (name, target)
            frames = [f for f in (*seen.read(), *beside.read()) if f.kind == "ip"]
        assert frames == []
