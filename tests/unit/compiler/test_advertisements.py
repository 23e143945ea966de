"""What legs tell instances."""

import pytest

from onehop.compiler import compile_host
from onehop.net import naming
from onehop.net.advertisement import Advertisement, Prefix
from onehop.objects import Ruleset
from tests.advertising import advertise, said
from tests.worlds import World


def _world(mode: str | None = "slaac", **changes: object) -> World:
    world = World()
    world.network(1)
    world.network(2)
    world.router(1, [1, 2])
    world.port(1, 1)
    world.port(1, 2)
    advertise(world, 1, mode, **changes)
    return world


def _said(world: World, host: int = 1) -> tuple[Advertisement, ...]:
    state = compile_host(world.topology(), world.host(host))
    return state[naming.router_partition(world.router_id(1))].advertisements


def _guard(world: World, n: int = 1) -> str:
    state = compile_host(world.topology(), world.host(1))
    table = next(
        claim.object
        for claim in state[naming.network_partition(world.network_id(n))].claims.values()
        if isinstance(claim.object, Ruleset)
    )
    return table.body


@pytest.mark.parametrize(
    ("mode", "autonomous", "managed", "other"),
    [("slaac", True, False, False), ("dhcpv6-stateless", True, False, True), ("dhcpv6-stateful", False, True, False)],
)
def test_flags_follow_from_the_subnets_mode(mode: str, autonomous: bool, managed: bool, other: bool) -> None:
    found = _said(_world(mode))
    world = _world(mode)
    leg = world.topology().legs_on(world.network_id(1))[0]
    assert found == (
        said(
            namespace=naming.router_namespace(world.router_id(1)),
            link=naming.leg(leg.id),
            mac=leg.mac_address,
            mtu=1450,
            managed=managed,
            other=other,
            prefixes=(Prefix("fd00:1::/64", autonomous),),
        ),
    )


def test_every_host_says_the_same() -> None:
    world = _world()
    assert _said(world, 1) == _said(world, 2) != ()


def test_a_subnet_that_somebody_else_advertises_is_not_said() -> None:
    assert _said(_world(None, ipv6_address_mode="slaac")) == ()


def test_a_leg_without_the_gateways_address_is_no_default_router() -> None:
    assert not _said(_world(gateway_ip=None))[0].default
    assert not _said(_world(gateway_ip="fd00:1::99"))[0].default


def test_name_servers_of_ipv6_are_told() -> None:
    assert _said(_world(dns_nameservers=("9.9.9.9", "fd00::53")))[0].servers == ("fd00::53",)


def test_a_router_that_is_down_says_nothing() -> None:
    world = _world()
    state = compile_host(world.topology(), world.host(1))
    assert any(partition.advertisements for partition in state.values())
    down = World()
    down.network(1)
    down.router(1, [1], up=False)
    down.port(1, 1)
    advertise(down, 1, "slaac")
    assert not any(p.advertisements for p in compile_host(down.topology(), down.host(1)).values())


def test_solicitations_are_handed_over_on_networks_only_where_somebody_would_answer() -> None:
    world = _world()
    assert f'log prefix "{world.network_id(1)}" group {naming.SOLICITATIONS}' in _guard(world, 1)
    assert "log" not in _guard(world, 2)
