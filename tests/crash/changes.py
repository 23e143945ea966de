"""Changes of the base scene, for every feature that there is; played backwards, what creates deletes."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from onehop.compiler.state import Plug
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import AddressPair, Port
from onehop.model.router import ExtraRoute
from tests.advertising import advertise
from tests.crash.scenes import EVERYTHING, HTTP, INSTANCES, PING, SECOND_BRIDGE, Scene
from tests.northern import PHYSICAL, forward
from tests.worlds import World

Change = Callable[[Scene], None]


def nothing(scene: Scene) -> None:
    """The host is empty but for itself."""
    scene.values = [value for value in scene.values if isinstance(value, Host)]
    scene.plugs = {}


def a_network_with_a_port(scene: Scene) -> None:
    scene.network(3)
    scene.plugged(3)


def a_network_behind_the_router(scene: Scene) -> None:
    scene.network(3, mtu=1400)
    scene.leg(1, 3)
    advertise(scene, 3, "slaac", dns_nameservers=("fd00::53",))
    scene.plugged(3)


def one_more_port(scene: Scene) -> None:
    scene.plugged(1)


def a_container(scene: Scene) -> None:
    scene.plugged(2, netns=INSTANCES)


def a_port_that_moves_away_with_its_floating_ip(scene: Scene) -> None:
    scene.move(scene.a, 2)
    del scene.plugs[scene.a.id]


def a_port_that_is_about_to_come(scene: Scene) -> None:
    scene.move(scene.far, 1, 2, active=2)
    scene.plugs[scene.far.id] = Plug(scene.far.id)


def a_port_that_has_come(scene: Scene) -> None:
    scene.move(scene.far, 1)
    scene.plugs[scene.far.id] = Plug(scene.far.id)


def a_far_port_that_moves(scene: Scene) -> None:
    scene.move(scene.far, 3)


def an_unplugged_port(scene: Scene) -> None:
    del scene.plugs[scene.c.id]


def an_unplugged_host(scene: Scene) -> None:
    scene.plugs = {scene.still.id: Plug(scene.still.id)}


def another_router(scene: Scene) -> None:
    scene.network(3)
    scene.router(2, [3], routes=[("10.0.1.0/24", "10.0.2.1")])
    scene.leg(2, 2, suffix=77)
    scene.gateway(2, 2, six=True)
    scene.plugged(3)


def another_router_interface(scene: Scene) -> None:
    scene.network(3)
    scene.leg(1, 3)


def a_router_that_is_down(scene: Scene) -> None:
    scene.change(scene.router_id(1), admin_state_up=False)


def no_gateway(scene: Scene) -> None:
    scene.change(scene.router_id(1), gateway=None)
    for value in [*scene.values]:
        if getattr(value, "router_id", None) == scene.router_id(1) and hasattr(value, "forwardings"):
            scene.remove(value.id)


def another_owner(scene: Scene) -> None:
    scene.gateway(1, 2, six=True, generation=2)


def no_translation(scene: Scene) -> None:
    scene.gateway(1, 1, six=True, enable_snat=False)


def translation_by_the_owner(scene: Scene) -> None:
    scene.gateway(1, 2, six=True, generation=2, distributed=False)


def a_second_external_address(scene: Scene) -> None:
    scene.gateway(1, 1, six=True, further=["203.0.113.99"])


def another_floating_ip(scene: Scene) -> None:
    scene.floating_ip(55, scene.b)


def a_floating_ip_that_leads_elsewhere(scene: Scene) -> None:
    scene.change(scene.fip.id, port_id=scene.c.id, fixed_ip=scene.c.fixed_ips[0].ip_address)


def a_floating_ip_that_leads_to_another_host(scene: Scene) -> None:
    scene.change(scene.fip.id, port_id=scene.farther.id, fixed_ip=scene.farther.fixed_ips[0].ip_address)


def no_floating_ips(scene: Scene) -> None:
    scene.remove(scene.fip.id)
    scene.remove(scene.forwards.id)


def other_forwardings(scene: Scene) -> None:
    rules = (forward("tcp", 8000, scene.c, 80, 2), forward("tcp", 9000, scene.far, 90), forward("udp", 53, scene.b, 53))
    scene.change(scene.forwards.id, forwardings=rules)


def other_routes(scene: Scene) -> None:
    routes = (ExtraRoute("10.9.0.0/24", "10.0.1.12"), ExtraRoute("fd09::/64", "fd00:2::b"))
    scene.change(scene.router_id(1), routes=routes)


def other_address_pairs(scene: Scene) -> None:
    pairs = (AddressPair("00:00:5e:00:01:08", "10.0.2.201"), AddressPair(scene.b.mac_address, "fd00:2:0:0:1::/80"))
    scene.change(scene.b.id, allowed_address_pairs=pairs)
    scene.change(scene.farther.id, allowed_address_pairs=(AddressPair("00:00:5e:00:01:08", "10.0.2.201"),))


def other_rules(scene: Scene) -> None:
    scene.group(1, *EVERYTHING, PING)
    scene.change(scene.a.id, security_groups=(scene.mates,))


def a_group_without_state(scene: Scene) -> None:
    scene.group(1, *EVERYTHING, HTTP, PING, stateful=False)
    scene.change(scene.c.id, security_groups=(scene.group(1, *EVERYTHING, HTTP, PING, stateful=False),))


def a_port_without_protection(scene: Scene) -> None:
    scene.change(scene.c.id, port_security_enabled=False, security_groups=())


def a_port_that_is_down(scene: Scene) -> None:
    scene.change(scene.a.id, admin_state_up=False)


def a_network_that_is_down(scene: Scene) -> None:
    scene.change(scene.network_id(1), admin_state_up=False)


def another_mac(scene: Scene) -> None:
    scene.change(scene.a.id, mac_address="fa:16:3e:01:00:fe")
    scene.change(scene.farther.id, mac_address="fa:16:3e:01:00:fd")


def another_mtu(scene: Scene) -> None:
    scene.change(scene.network_id(1), mtu=1300)


def advertised_subnets(scene: Scene) -> None:
    advertise(scene, 1, "slaac")
    advertise(scene, 2, "dhcpv6-stateful")


def ipv4_alone(scene: Scene) -> None:
    gone = scene.subnet_id(1, 6)
    scene.remove(gone)
    for value in [*scene.values]:
        if isinstance(value, Port):
            left = tuple(ip for ip in value.fixed_ips if ip.subnet_id != gone)
            scene.change(value.id, fixed_ips=left)


def one_vni_for_another_network(scene: Scene) -> None:
    for value in [*scene.values]:
        if isinstance(value, Network) and value.id == scene.network_id(2):
            scene.network(4)
            scene.change(scene.network_id(4), vni=value.vni)
            scene.change(value.id, vni=1099)
    scene.plugged(4)


def a_far_host_elsewhere(scene: Scene) -> None:
    scene.change(World.host(2), vtep="192.0.2.22")


def no_way_outside(scene: Scene) -> None:
    scene.bridges = {}
    scene.change(World.host(1), physical_networks=())


def another_way_outside(scene: Scene) -> None:
    scene.bridges = {PHYSICAL: SECOND_BRIDGE}


CHANGES: tuple[Change, ...] = (
    nothing,
    a_network_with_a_port,
    a_network_behind_the_router,
    one_more_port,
    a_container,
    a_port_that_moves_away_with_its_floating_ip,
    a_port_that_is_about_to_come,
    a_port_that_has_come,
    a_far_port_that_moves,
    an_unplugged_port,
    an_unplugged_host,
    another_router,
    another_router_interface,
    a_router_that_is_down,
    no_gateway,
    another_owner,
    no_translation,
    translation_by_the_owner,
    a_second_external_address,
    another_floating_ip,
    a_floating_ip_that_leads_elsewhere,
    a_floating_ip_that_leads_to_another_host,
    no_floating_ips,
    other_forwardings,
    other_routes,
    other_address_pairs,
    other_rules,
    a_group_without_state,
    a_port_without_protection,
    a_port_that_is_down,
    a_network_that_is_down,
    another_mac,
    another_mtu,
    advertised_subnets,
    ipv4_alone,
    one_vni_for_another_network,
    a_far_host_elsewhere,
    no_way_outside,
    another_way_outside,
)

WIDE = frozenset({nothing, a_far_host_elsewhere, no_way_outside, another_way_outside})
"""Changes that concern all there is on the host."""


def scene_of(*changes: Change) -> Scene:
    """The base scene after some changes."""
    scene = Scene()
    for change in changes:
        change(scene)
    return scene


Test = TypeVar("Test", bound=Callable[..., None])


def either_way(test: Test) -> Test:
    """Run a test for each change, and for each played backwards."""
    ways = pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
    return ways(pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)(test))


def played(change: Change, backwards: bool) -> tuple[Scene, Scene]:
    """The scenes before and after."""
    return (scene_of(change), scene_of()) if backwards else (scene_of(), scene_of(change))
