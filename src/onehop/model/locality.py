"""Where a value belongs: which networks, and so which components, a change of it touches. Pure.

A router with a gateway and without interfaces is a component of its own. Its own id stands for a network of it there.
"""

from collections.abc import Iterable, Iterator

from onehop.model.floating_ip import FloatingIp
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.security_group import Member, SecurityGroup
from onehop.model.subnet import Subnet
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.net.identifier import NetworkId, RouterId


def network_of(topology: Topology, value: Value) -> NetworkId | None:
    """A network of the component that a value belongs to; None for hosts, and for routers that lead nowhere.

    Security groups and their members belong to no network: a group's ports may be anywhere.

    A floating IP belongs where its router does. That an external network is also known to the components of the routers
    with a gateway on it is not said here (`touched_networks` and `onehop.controller.share` do).
    """
    if isinstance(value, Network):
        return value.id
    if isinstance(value, Router):
        return home_of(topology, value.id)
    if isinstance(value, FloatingIp):
        return home_of(topology, value.router_id)
    return None if isinstance(value, Host | SecurityGroup | Member) else value.network_id


def touched_networks(topology: Topology, changed: Iterable[Ref]) -> Iterator[NetworkId]:
    """Networks of every component that holds, or looks at, one of these values; none for hosts."""
    for kind, identifier in changed:
        value = topology.get(kind, identifier)
        if isinstance(value, Router):
            yield from _homes(topology, value.id)
        elif value is not None:
            network = network_of(topology, value)
            if network is not None:
                yield network
            if isinstance(value, Port) and value.router_id is not None:
                # With it the router has interfaces, without it it may have none.
                yield NetworkId(value.router_id)
            if isinstance(value, Network | Subnet) and network is not None:
                for router in topology.gateways_on(network):
                    yield from _homes(topology, router.id)


def home_of(topology: Topology, router: RouterId) -> NetworkId | None:
    """A network of a router's component; its own id where it has a gateway alone; None where it has nothing."""
    return next(_homes(topology, router), None)


def lone_routers(topology: Topology) -> Iterator[NetworkId]:
    """What stands for a network of each router that is a component of its own."""
    return (NetworkId(router) for router in topology.routers if is_lone(topology, router))


def is_lone(topology: Topology, router: str) -> bool:
    """Whether a router of that id has a gateway and no interface."""
    known = topology.routers.get(RouterId(router))
    return known is not None and known.gateway is not None and not topology.interfaces_of(known.id)


def _homes(topology: Topology, router: RouterId) -> Iterator[NetworkId]:
    yield from (leg.network_id for leg in topology.interfaces_of(router))
    if is_lone(topology, router):
        yield NetworkId(router)


def changed_between(old: Topology, new: Topology) -> set[Ref]:
    """Every ref whose value differs between two topologies."""
    before = {ref(value): value for value in old}
    after = {ref(value): value for value in new}
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def changed_among(old: Topology, new: Topology, refs: Iterable[Ref]) -> set[Ref]:
    """The refs among some whose value differs between two topologies: what was said again as it was is no change."""
    return {(kind, name) for kind, name in refs if old.get(kind, name) != new.get(kind, name)}
