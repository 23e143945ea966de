"""Who holds what."""

from onehop.model.placement import component_of, components_of, holding
from tests.worlds import World


def test_a_router_is_held_where_a_bound_port_has_an_address_in_its_subnets() -> None:
    world = World()
    world.network(1)
    world.network(2)
    world.router(1, [1, 2])
    world.port(1, 1)
    world.port(2, 2)
    view = world.topology()
    held = holding(view, component_of(view, world.network_id(1)))
    assert held.routed == {"host-1", "host-2"}
    assert held.networks[world.network_id(1)] == {"host-1", "host-2"}


def test_a_host_without_ports_of_a_component_holds_nothing_of_it() -> None:
    world = World()
    world.network(1)
    world.router(1, [1])
    world.port(1, 1)
    view = world.topology()
    held = holding(view, component_of(view, world.network_id(1)))
    assert "host-3" not in held.routed
    assert "host-3" not in held.networks[world.network_id(1)]


def test_routers_that_share_an_inside_network_are_held_together() -> None:
    world = World()
    for n in (1, 2, 3):
        world.network(n)
    world.router(1, [1])
    world.router(2, [3])
    world.leg(1, 2)
    world.leg(2, 2, suffix=2)
    world.port(1, 1)
    view = world.topology()
    component = component_of(view, world.network_id(1))
    assert component.routers == {world.router_id(1), world.router_id(2)}
    held = holding(view, component)
    assert held.networks[world.network_id(3)] == {"host-1"}


def test_networks_that_no_router_joins_are_components_of_their_own() -> None:
    world = World()
    world.network(1)
    world.network(2)
    view = world.topology()
    assert len(components_of(view, [world.network_id(1), world.network_id(2)])) == 2


def test_a_router_that_is_administratively_down_is_held_nowhere() -> None:
    world = World()
    world.network(1)
    world.router(1, [1], up=False)
    world.port(1, 1)
    view = world.topology()
    assert holding(view, component_of(view, world.network_id(1))).routed == frozenset()


def test_a_binding_that_is_only_prepared_makes_the_host_hold_everything_already() -> None:
    world = World()
    world.network(1)
    world.router(1, [1])
    world.port(1, 1, prepared=2)
    view = world.topology()
    assert holding(view, component_of(view, world.network_id(1))).routed == {"host-1", "host-2"}


def test_an_unbound_port_makes_no_host_hold_anything() -> None:
    world = World()
    world.network(1)
    world.router(1, [1])
    world.port(1, None)
    view = world.topology()
    held = holding(view, component_of(view, world.network_id(1)))
    assert held.routed == frozenset()
    assert held.networks[world.network_id(1)] == frozenset()
