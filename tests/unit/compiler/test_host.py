"""The whole of a host: what is held, what is refused, and that cold and partial compiles agree."""

import pytest

from onehop.compiler import Claim, Local, Plug, Refusal, compile_component, compile_host
from onehop.compiler.state import merge
from onehop.errors import CompileError
from onehop.model.network import Network
from onehop.model.placement import components_of
from onehop.model.port import Binding, Port
from onehop.net import naming
from onehop.net.identifier import NetworkId, PortId
from onehop.objects import Address, Bridge, Link, Route, Ruleset
from tests.worlds import OPEN, PROJECT, World, uid


def _routed() -> World:
    world = World()
    world.network(1)
    world.network(2)
    world.router(1, [1, 2])
    world.port(1, 1)
    world.port(2, 2)
    return world


def test_a_host_without_a_bound_port_holds_nothing() -> None:
    assert compile_host(_routed().topology(), World.host(3)) == {}


def test_a_host_with_one_port_holds_every_network_of_its_router() -> None:
    world = _routed()
    assert set(compile_host(world.topology(), World.host(1))) == {
        naming.network_partition(world.network_id(1)),
        naming.network_partition(world.network_id(2)),
        naming.router_partition(world.router_id(1)),
    }


def test_a_leg_is_the_same_on_every_host() -> None:
    world = _routed()
    legs = []
    for host in (1, 2):
        part = compile_host(world.topology(), World.host(host))[naming.router_partition(world.router_id(1))]
        legs.append([c.object for c in part.claims.values() if isinstance(c.object, Link | Address)])
    assert legs[0] == legs[1]
    assert len(legs[0]) == 2 + 2 * 3


def test_a_component_compiles_alike_on_its_own_and_with_the_others() -> None:
    world = _routed()
    world.network(3)
    world.port(3, 1)
    view = world.topology()
    whole = compile_host(view, World.host(1))
    parts = {}
    for component in components_of(view, view.networks):
        parts.update(compile_component(view, World.host(1), component, Local()))
    assert parts == whole


def test_an_extra_route_goes_by_the_leg_of_its_next_hop() -> None:
    world = World()
    world.network(1)
    world.router(1, [1], routes=[("192.168.0.0/16", "10.0.1.9"), ("192.168.0.0/16", "10.0.1.8")])
    world.port(1, 1)
    part = compile_host(world.topology(), World.host(1))[naming.router_partition(world.router_id(1))]
    (route,) = [c.object for c in part.claims.values() if isinstance(c.object, Route) and c.object.hops]
    assert [hop.gateway for hop in route.hops] == ["10.0.1.8", "10.0.1.9"]


def test_a_route_whose_next_hop_is_off_every_subnet_is_the_routers_error_and_the_rest_goes_on() -> None:
    world = World()
    world.network(1)
    world.router(1, [1], routes=[("192.168.0.0/16", "10.9.9.9")])
    world.port(1, 1)
    part = compile_host(world.topology(), World.host(1))[naming.router_partition(world.router_id(1))]
    assert "10.9.9.9" in part.refused["router", world.router_id(1)]
    assert [c for c in part.claims.values() if isinstance(c.object, Address)]


def test_a_router_without_a_gateway_has_no_ruleset_and_link_local_destinations_die_there() -> None:
    part = compile_host(_routed().topology(), World.host(1))[naming.router_partition(_routed().router_id(1))]
    objects = [claim.object for claim in part.claims.values()]
    assert not [found for found in objects if isinstance(found, Ruleset)]
    (nowhere,) = [found for found in objects if isinstance(found, Route)]
    assert (nowhere.destination, nowhere.type) == ("169.254.0.0/16", "blackhole")


def test_a_port_on_a_flat_network_is_plugged_into_the_hosts_bridge_for_it() -> None:
    world = World()
    network = Network(
        id=NetworkId(uid(77)), project_id=PROJECT, network_type="flat", physical_network="external", mtu=1500
    )
    port = Port(
        id=PortId(uid(78)),
        network_id=network.id,
        project_id=PROJECT,
        mac_address="fa:16:3e:09:09:09",
        bindings=(Binding(World.host(1)),),
        security_groups=(OPEN.id,),
    )
    world.values += [network, port, OPEN]
    plugs = {port.id: Plug(port.id, "vm")}
    mapped = Local(plugs=plugs, physical_networks={"external": "br-ex"})
    (part,) = compile_host(world.topology(), World.host(1), mapped).values()
    (link,) = [claim.object for claim in part.claims.values() if isinstance(claim.object, Link)]
    assert link.master == "br-ex"
    (part,) = compile_host(world.topology(), World.host(1), Local(plugs=plugs)).values()
    assert "physical_networks" in part.refused["port", port.id]


def test_two_features_that_claim_one_key_differently_do_not_compile() -> None:
    def claim(mtu: int, feature: str) -> Claim:
        link = Link(namespace="", name="br0", spec=Bridge(), alias="onehop x", mtu=mtu)
        return Claim(link, feature, ("network", uid(1)))

    with pytest.raises(CompileError, match="one and two both claim"):
        merge("net/x", [claim(1500, "one"), claim(1400, "two")])


def test_two_ports_whose_links_would_share_a_name_are_never_merged() -> None:
    def claim(port: str) -> Claim:
        link = Link(namespace="", name="tap00000001-00", spec=Bridge(), alias=f"onehop net/x port/{port}", mtu=1500)
        return Claim(link, "instances", ("port", port))

    for order in ([claim("a"), claim("b")], [claim("b"), claim("a")]):
        part = merge("net/x", order)
        assert [c.resource for c in part.claims.values()] == [("port", "a")]
        assert set(part.refused) == {("port", "b")}


def test_a_refusal_stays_with_its_resource() -> None:
    part = merge("net/x", [Refusal(("port", "p"), "why")])
    assert part.refused == {("port", "p"): "why"}
