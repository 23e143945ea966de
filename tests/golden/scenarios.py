"""Scenarios whose compiled state is kept beside this file, to be read by people.

One function, one folder. After a change that is meant, write them anew with ``python -m tests.golden``.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from onehop.compiler import Local, Plug, compile_host
from onehop.model.gateway import PortBlock
from onehop.model.network import Network
from onehop.model.port import Binding, Port
from onehop.model.security_group import SecurityRule
from onehop.model.topology import Topology
from onehop.net.identifier import HostName, NetworkId, PortId
from onehop.objects import KINDS, KernelObject
from onehop.reconciler.text import state_text
from tests.advertising import advertise
from tests.northern import PHYSICAL, Northern, forward, gateway_ip
from tests.worlds import OPEN, PROJECT, World, uid

Scenario = tuple[Topology, dict[HostName, Local]]


def _plugged(world: World, **settings: Any) -> Scenario:
    """Every port plugged, as a veth, on the host where it is bound."""
    view = world.topology()
    locals_: dict[HostName, Local] = {}
    for host in view.hosts:
        mine = [p for p in view.bound_on(host) if p.host == host]
        plugs = {p.id: Plug(p.id, p.device_id) for p in mine}
        locals_[host] = Local(plugs=plugs, **settings)
    return view, locals_


def one_network_on_two_hosts() -> Scenario:
    world = World(hosts=3)
    world.network(1)
    world.port(1, 1)
    world.port(1, 2)
    return _plugged(world)


def two_networks_and_a_router() -> Scenario:
    world = World(hosts=2)
    world.network(1)
    world.network(2, mtu=1400)
    world.router(1, [1, 2])
    world.port(1, 1)
    world.port(2, 2)
    return _plugged(world)


def router_to_router() -> Scenario:
    world = World(hosts=2)
    for n in (1, 2, 3):
        world.network(n, six=False)
    world.router(1, [1, 3], routes=[("10.0.2.0/24", "10.0.3.2")])
    world.router(2, [2], routes=[("10.0.1.0/24", "10.0.3.1"), ("192.168.0.0/16", "10.0.2.9")])
    world.leg(2, 3, suffix=2)
    world.port(1, 1)
    world.port(2, 2)
    return _plugged(world)


def address_pairs() -> Scenario:
    world = World(hosts=2)
    world.network(1)
    world.router(1, [1])
    world.port(1, 1, pairs=[("00:00:5e:00:01:07", "10.0.1.200"), ("fa:16:3e:aa:aa:aa", "10.0.1.201")])
    world.port(1, 2, pairs=[("00:00:5e:00:01:07", "10.0.1.200")])
    return _plugged(world)


def ipv6_address_pairs() -> Scenario:
    world = World(hosts=2)
    world.network(1)
    world.router(1, [1])
    world.port(1, 1, pairs=[("fa:16:3e:01:00:01", "fd00:1::200"), ("fa:16:3e:01:00:01", "fd00:1:0:0:1::/80")])
    world.port(1, 2, pairs=[("fa:16:3e:01:00:02", "fd00:1::200")])
    return _plugged(world)


def advertised_subnets() -> Scenario:
    world = World(hosts=1)
    world.network(1)
    world.network(2)
    world.router(1, [1, 2])
    world.port(1, 1)
    advertise(world, 1, "slaac", dns_nameservers=("fd00::53",))
    advertise(world, 2, "dhcpv6-stateful", gateway_ip=None)
    return _plugged(world)


def a_port_about_to_move() -> Scenario:
    world = World(hosts=2)
    world.network(1)
    world.router(1, [1])
    world.port(1, 1, prepared=2)
    return _plugged(world)


def flat_network() -> Scenario:
    world = World(hosts=1)
    network = Network(
        id=NetworkId(uid(9)), project_id=PROJECT, network_type="flat", physical_network="external", mtu=1500
    )
    port = Port(
        id=PortId(uid(0x4001)),
        network_id=network.id,
        project_id=PROJECT,
        mac_address="fa:16:3e:09:09:09",
        device_id="vm-1",
        bindings=(Binding(World.host(1)),),
        security_groups=(OPEN.id,),
    )
    world.values += [network, port, OPEN]
    return _plugged(world, physical_networks={"external": "br-ex"})


def reaching(world: World) -> Scenario:
    """Every port plugged; hosts that reach the external network do so by br-ex."""
    view, locals_ = _plugged(world)
    bridges = {PHYSICAL: "br-ex"}
    return view, {
        host: msgspec.structs.replace(local, physical_networks=bridges if view.hosts[host].physical_networks else {})
        for host, local in locals_.items()
    }


def north_south() -> Scenario:
    world = Northern(hosts=3)
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, 1)
    ports = [world.port(1, host) for host in (1, 2, 3)]
    world.floating_ip(101, ports[0])
    world.floating_ip(103, ports[2])
    world.floating_ip(110, world.port(1, None))
    world.floating_ip(150, None, forwards=[forward("tcp", 8000, ports[1], 80), forward("udp", 53, ports[2], 53)])
    return reaching(world)


def north_south_by_two_addresses() -> Scenario:
    world = Northern(hosts=3)
    world.network(1, six=False)
    world.router(1, [1])
    second = "203.0.113.20"
    blocks = {
        1: [PortBlock(1024, 1024, gateway_ip(1), 3), PortBlock(1024, 1024, second, 9)],
        2: [PortBlock(2048, 1024, second, 4)],
        3: [PortBlock(2048, 1024, gateway_ip(1), 5)],
    }
    world.gateway(1, 2, further=[second], blocks=blocks)
    for host, since in ((1, 3), (1, 10), (2, 4), (3, 5)):
        port = world.port(1, host)
        world.change(port.id, bindings=(Binding(World.host(host), since=since),))
    return reaching(world)


def north_south_without_translation() -> Scenario:
    world = Northern(hosts=2, six=True)
    world.network(1)
    world.router(1, [1])
    world.gateway(1, 1, six=True, enable_snat=False)
    ports = [world.port(1, host) for host in (1, 2)]
    world.floating_ip(102, ports[1])
    return reaching(world)


def north_south_by_the_owner() -> Scenario:
    world = Northern(hosts=2)
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, 1, distributed=False)
    ports = [world.port(1, host) for host in (1, 2)]
    world.floating_ip(150, None, forwards=[forward("tcp", 8000, ports[1], 8000, 4)])
    return reaching(world)


def an_instance_with_a_floating_ip_about_to_move() -> Scenario:
    world = Northern(hosts=2)
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, 2)
    world.floating_ip(101, world.port(1, 1, prepared=2))
    return reaching(world)


def security_groups() -> Scenario:
    """A web server, two instances that may talk to each other only, and one whom nobody may talk to."""
    world = World(hosts=2)
    world.network(1)
    everything = [SecurityRule(direction="egress", version=version) for version in (4, 6)]
    http = SecurityRule(direction="ingress", version=4, protocol=6, first=80, last=80, prefix="198.51.100.0/24")
    ping = SecurityRule(direction="ingress", version=4, protocol=1, first=8)
    web, mates = world.group(1, *everything, http, ping), world.group(2)
    world.group(2, *everything, *(SecurityRule(direction="ingress", version=v, group=mates) for v in (4, 6)))
    world.port(1, 1, groups=[web])
    world.port(1, 1, groups=[mates, web])
    world.port(1, 2, groups=[mates])
    world.port(1, 2, groups=[])
    return _plugged(world)


SCENARIOS: tuple[Callable[[], Scenario], ...] = (
    one_network_on_two_hosts,
    two_networks_and_a_router,
    router_to_router,
    address_pairs,
    ipv6_address_pairs,
    advertised_subnets,
    a_port_about_to_move,
    flat_network,
    security_groups,
    north_south,
    north_south_by_two_addresses,
    north_south_without_translation,
    north_south_by_the_owner,
    an_instance_with_a_floating_ip_about_to_move,
)


def rendered(scenario: Scenario) -> dict[str, str]:
    """File name → text, for every host of a scenario."""
    view, locals_ = scenario
    return {f"{host}.txt": _host(view, host, locals_[host]) for host in sorted(view.hosts)}


def _host(view: Topology, host: HostName, local: Local) -> str:
    order = {kind: number for number, kind in enumerate(KINDS)}
    lines = []
    for name, partition in sorted(compile_host(view, host, local).items()):
        objects: list[KernelObject] = [claim.object for claim in partition.claims.values()]
        objects.sort(key=lambda item: (order[type(item)], [str(part) for part in item.key]))
        lines.append(f"# {name}\n{state_text(objects)}")
        lines += [f"# advertises: {said}\n" for said in partition.advertisements]
        lines += [f"# refused: {kind} {identifier}: {why}\n" for (kind, identifier), why in partition.refused.items()]
    return "\n".join(lines) or "# nothing\n"
