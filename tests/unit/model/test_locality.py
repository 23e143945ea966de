"""Where values belong: a change touches every component that holds or looks at the value."""

from onehop.model.locality import network_of, touched_networks
from onehop.model.topology import Ref
from tests.worlds import World


def world() -> World:
    """Routers 1 and 2, with a leg on network 1 and 2, behind external network 5; router 3 behind none."""
    built = World(2)
    for n in (1, 2, 3):
        built.network(n, six=False)
        built.router(n, (n,))
    built.external(5)
    for r in (1, 2):
        built.gateway(r, 5, 1)
    return built


def touched(built: World, *refs: Ref) -> set[str]:
    return set(touched_networks(built.topology(), refs))


def test_an_external_network_and_its_subnets_touch_what_lies_behind() -> None:
    built = world()
    behind = {World.network_id(n) for n in (1, 2, 5)}
    assert touched(built, ("network", World.network_id(5))) == behind
    assert touched(built, ("subnet", World.subnet_id(5))) == behind


def test_a_port_on_an_external_network_touches_nothing_behind() -> None:
    built = world()
    port = built.port(5, 1)
    assert touched(built, ("port", port.id)) == {World.network_id(5)}


def test_a_floating_ip_belongs_where_its_router_does() -> None:
    built = world()
    value = built.floating(2, 5, None)
    assert network_of(built.topology(), value) == World.network_id(2)
    assert touched(built, ("floatingip", value.id)) == {World.network_id(2)}


def test_a_floating_ip_of_a_router_without_interfaces_belongs_nowhere() -> None:
    built = world()
    built.router(4, ())
    value = built.floating(4, 5, None)
    assert network_of(built.topology(), value) is None
    assert touched(built, ("floatingip", value.id), ("router", World.router_id(4))) == set()


def test_gateways_on_a_network_follow_the_routers() -> None:
    built = world()
    before = built.topology()
    assert [router.id for router in before.gateways_on(World.network_id(5))] == [World.router_id(1), World.router_id(2)]
    after = before.apply(2, (), [("router", World.router_id(1))])
    assert [router.id for router in after.gateways_on(World.network_id(5))] == [World.router_id(2)]
    assert len(before.gateways_on(World.network_id(5))) == 2
