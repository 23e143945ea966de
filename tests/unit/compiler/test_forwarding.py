"""Which MAC is behind what, and which address is known."""

from typing import TypeVar

from onehop.compiler import Local, Plug, compile_host
from onehop.model.port import Port
from onehop.net import naming
from onehop.objects import ALL_ZERO, BridgeFdb, KernelObject, Link, Neighbour, VxlanFdb
from tests.worlds import World

T = TypeVar("T", bound=KernelObject)


def _objects(world: World, host: int, kind: type[T], plugged: tuple[Port, ...] = ()) -> list[T]:
    local = Local(plugs={p.id: Plug(p.id, "vm") for p in plugged})
    state = compile_host(world.topology(), world.host(host), local)
    return [c.object for part in state.values() for c in part.claims.values() if isinstance(c.object, kind)]


def _two_hosts() -> tuple[World, Port, Port]:
    world = World()
    world.network(1)
    world.router(1, [1])
    return world, world.port(1, 1), world.port(1, 2)


def test_a_port_that_is_plugged_here_is_behind_its_tap() -> None:
    world, here, _ = _two_hosts()
    entries = {e.mac: e.port for e in _objects(world, 1, BridgeFdb, (here,))}
    assert entries[here.mac_address] == naming.tap(here.id)


def test_a_port_on_another_host_is_behind_the_vxlan_device_and_that_hosts_vtep() -> None:
    world, _, there = _two_hosts()
    assert {e.mac: e.port for e in _objects(world, 1, BridgeFdb)}[there.mac_address] == "vxlan-1001"
    assert {e.mac: e.vtep for e in _objects(world, 1, VxlanFdb)}[there.mac_address] == "192.0.2.2"


def test_broadcast_goes_to_the_hosts_that_hold_the_network_only() -> None:
    world, _, _ = _two_hosts()
    assert [e.vtep for e in _objects(world, 1, VxlanFdb) if e.mac == ALL_ZERO] == ["192.0.2.2"]


def test_an_unbound_port_is_no_neighbour_because_whoever_answers_for_it_may_change() -> None:
    world, here, _ = _two_hosts()
    vip = world.port(1, None)
    known = {n.address for n in _objects(world, 1, Neighbour)}
    assert here.fixed_ips[0].ip_address in known
    assert vip.fixed_ips[0].ip_address not in known


def test_every_known_address_is_a_neighbour_on_the_bridge_and_on_the_routers_leg() -> None:
    world, here, there = _two_hosts()
    links = {(n.link, n.address) for n in _objects(world, 1, Neighbour)}
    leg = naming.leg(next(p for p in world.topology().legs_on(world.network_id(1))).id)
    for port in (here, there):
        for ip in port.fixed_ips:
            assert (naming.bridge(world.network_id(1)), ip.ip_address) in links
            assert (leg, ip.ip_address) in links


def test_a_leg_is_no_neighbour_of_itself() -> None:
    world, _, _ = _two_hosts()
    assert not [n for n in _objects(world, 1, Neighbour) if n.link.startswith("qr-") and n.address == "10.0.1.1"]


def test_an_address_pair_takes_no_mac_from_the_port_that_has_it() -> None:
    world = World()
    world.network(1)
    world.router(1, [1])
    victim = world.port(1, 2)
    gateway = world.topology().legs_on(world.network_id(1))[0]
    thief = world.port(1, 1, pairs=[(victim.mac_address, "10.0.1.10"), (gateway.mac_address, "10.0.1.1")])
    entries = {e.mac: e.port for e in _objects(world, 1, BridgeFdb, (thief,))}
    assert entries[victim.mac_address] == "vxlan-1001"
    assert entries[gateway.mac_address] == naming.leg_peer(gateway.id)
    neighbours = {n.address: n.mac for n in _objects(world, 1, Neighbour) if n.link.startswith("brq")}
    assert neighbours["10.0.1.1"] == gateway.mac_address
    assert neighbours["10.0.1.10"] == victim.mac_address


def test_a_virtual_mac_that_two_ports_may_use_is_learned_and_not_declared() -> None:
    world = World()
    world.network(1)
    vmac = "00:00:5e:00:01:07"
    one = world.port(1, 1, pairs=[(vmac, "10.0.1.200")])
    world.port(1, 2, pairs=[(vmac, "10.0.1.200")])
    assert vmac not in {e.mac for e in _objects(world, 1, BridgeFdb, (one,))}
    taps = [link for link in _objects(world, 1, Link, (one,)) if link.name.startswith(("tap", "vxlan"))]
    assert len(taps) == 2
    assert all(link.port is not None and link.port.learning and link.port.flood for link in taps)


def test_what_arrives_for_a_port_that_is_leaving_goes_on_to_where_it_goes() -> None:
    world = World()
    world.network(1)
    moving = world.port(1, 1, prepared=2)
    assert {e.mac: e.vtep for e in _objects(world, 1, VxlanFdb)}[moving.mac_address] == "192.0.2.2"


def test_the_host_that_a_port_moves_to_delivers_as_soon_as_it_is_plugged_there() -> None:
    world = World()
    world.network(1)
    moving = world.port(1, 1, prepared=2)
    assert {e.mac: e.port for e in _objects(world, 2, BridgeFdb)}[moving.mac_address] == "vxlan-1001"
    plugged = {e.mac: e.port for e in _objects(world, 2, BridgeFdb, (moving,))}
    assert plugged[moving.mac_address] == naming.tap(moving.id)
