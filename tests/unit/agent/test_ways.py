"""Which links an engine says should have the short cut."""

from onehop.agent.ways import Realms
from onehop.net import naming
from onehop.objects.way import Side, Way
from tests.unit.agent.bench import Bench
from tests.unit.agent.legged import OWN, bench_of, world_of
from tests.worlds import World


def test_taps_of_routed_networks_and_external_legs_have_the_short_cut() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)
    router = next(iter(world.topology().routers.values()))
    assert router.gateway is not None
    (leg,) = world.topology().legs_on(port.network_id)
    namespace = naming.router_namespace(router.id)
    transit = router.gateway.hosts[0].transit_mac
    realm = Realms(world.topology()).of_router(router.id)
    assert bench.kernel.ways == {
        (namespace, naming.leg(leg.id)): Way(Side.LEG, leg.mac_address, 1450, transit),
        (namespace, naming.transit_leg(router.gateway.port_id)): Way(Side.TRANSIT, transit, 1450, transit),
        ("", naming.tap(port.id)): Way(Side.TAP, port.mac_address, 1450, realm=realm),
        ("", naming.external_peer(router.gateway.port_id)): Way(Side.EXTERNAL, OWN, 1500, realm=realm),
    }


def test_a_network_without_a_router_pays_nothing() -> None:
    world = World()
    world.network(1)
    port = world.port(1, 1)
    bench = Bench()
    bench.plug(port)
    bench.see(world)
    assert bench.kernel.ways == {}


def test_a_link_that_is_no_more_is_said_to_have_none() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)
    bench.unplug(port)
    assert bench.kernel.ways["", naming.tap(port.id)] is None


def test_a_port_that_is_taken_down_takes_the_long_way_and_comes_back() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)
    before = bench.kernel.ways["", naming.tap(port.id)]
    world.change(port.id, admin_state_up=False)
    bench.see(world, 2)
    assert bench.kernel.ways["", naming.tap(port.id)] is None
    world.change(port.id, admin_state_up=True)
    bench.see(world, 3)
    assert bench.kernel.ways["", naming.tap(port.id)] == before


def test_another_mac_of_a_port_is_said_again() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)
    world.change(port.id, mac_address="fa:16:3e:99:99:99")
    bench.see(world, 2)
    way = bench.kernel.ways["", naming.tap(port.id)]
    assert way is not None
    assert way[:3] == (Side.TAP, "fa:16:3e:99:99:99", 1450)


def test_what_routers_join_is_one_realm_and_everything_else_another() -> None:
    world = World()
    for number in (1, 2, 3, 4):
        world.network(number)
    world.router(1, [1, 2])
    world.router(2, [3])
    view = world.topology()
    realms = Realms(view)
    one, two, three, four = (realms.of_network(network) for network in sorted(view.networks))
    assert one == two
    assert len({one, three, four}) == 3
    assert {realms.of_router(router) for router in view.routers} == {one, three}
