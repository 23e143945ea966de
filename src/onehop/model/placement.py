"""Which hosts hold which networks and routers.

Networks and routers that are joined by router interfaces form a *component*. A host that holds anything of a component
is sent the whole component, and every host works out from it, alike, who holds what:

- a network is held where a port of it is bound, or where a router with a leg on it is held;
- a router is held where a bound port has an address in one of its interface subnets, on its gateway hosts, or where a
  router that shares an inside network with it is held (transitively: so, where one router of a component is held, all
  of them are).
"""

from collections.abc import Iterable, Mapping

import msgspec

from onehop.model.locality import is_lone
from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import HostName, NetworkId, RouterId, SubnetId


class Component(msgspec.Struct, frozen=True):
    """Networks and routers that are joined by router interfaces."""

    networks: frozenset[NetworkId]
    routers: frozenset[RouterId]


class Holding(msgspec.Struct, frozen=True):
    """What hosts hold of one component.

    Attributes:
        networks: for each network the hosts that hold it.
        routed: the hosts that hold the component's routers.
    """

    networks: Mapping[NetworkId, frozenset[HostName]]
    routed: frozenset[HostName]


def component_of(topology: Topology, network: NetworkId) -> Component:
    """The component of a network; a network that does not exist is a component of itself alone.

    A router with a gateway and no interface is a component of its own; its id stands for the network.
    """
    if is_lone(topology, network):
        return Component(frozenset(), frozenset({RouterId(network)}))
    networks: set[NetworkId] = {network}
    routers: set[RouterId] = set()
    todo = [network]
    while todo:
        for leg in topology.legs_on(todo.pop()):
            router = leg.router_id
            if router is None or router in routers:
                continue
            routers.add(router)
            for interface in topology.interfaces_of(router):
                if interface.network_id not in networks:
                    networks.add(interface.network_id)
                    todo.append(interface.network_id)
    return Component(frozenset(networks), frozenset(routers))


def components_of(topology: Topology, networks: Iterable[NetworkId]) -> list[Component]:
    """The distinct components of some networks."""
    found: list[Component] = []
    seen: set[NetworkId] = set()
    for network in networks:
        if network not in seen:
            component = component_of(topology, network)
            seen |= component.networks | {network}
            found.append(component)
    return found


def holding(topology: Topology, component: Component) -> Holding:
    """What every host holds of a component."""
    bound: dict[NetworkId, set[HostName]] = {network: set() for network in component.networks}
    routed: set[HostName] = set()
    subnets = _routed_subnets(topology, component)
    for network in component.networks:
        prefixes = [s.cidr for s in topology.subnets_of(network) if s.id in subnets]
        for port in topology.ports_of(network):
            if not port.bindings:
                continue
            hosts = {b.host for b in port.bindings}
            bound[network] |= hosts
            if not hosts <= routed and _needs_router(port, subnets, prefixes):
                routed |= hosts
    routed.update(_candidates(topology, component))
    legged = {leg.network_id for r in component.routers for leg in _up_interfaces(topology, r)}
    return Holding(
        {n: frozenset(hosts | routed) if n in legged else frozenset(hosts) for n, hosts in bound.items()},
        frozenset(routed),
    )


def _candidates(topology: Topology, component: Component) -> Iterable[HostName]:
    for router in component.routers:
        known = topology.routers.get(router)
        if known is not None and known.admin_state_up and known.gateway is not None:
            yield from (host for host in known.gateway.candidates if host in topology.hosts)


def _up_interfaces(topology: Topology, router: RouterId) -> list[Port]:
    known = topology.routers.get(router)
    return topology.interfaces_of(router) if known is not None and known.admin_state_up else []


def _routed_subnets(topology: Topology, component: Component) -> set[SubnetId]:
    return {ip.subnet_id for r in component.routers for leg in _up_interfaces(topology, r) for ip in leg.fixed_ips}


def _needs_router(port: Port, subnets: set[SubnetId], prefixes: list[str]) -> bool:
    if any(ip.subnet_id in subnets for ip in port.fixed_ips):
        return True
    return any(
        address.contains(prefix, pair.ip_address.partition("/")[0])
        for pair in port.allowed_address_pairs
        for prefix in prefixes
    )
