"""Where a value belongs: which networks, and so which components, a change of it touches. Pure."""

from collections.abc import Iterable, Iterator

from onehop.model.floating_ip import FloatingIp
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.router import Router
from onehop.model.subnet import Subnet
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.net.identifier import NetworkId, RouterId


def network_of(topology: Topology, value: Value) -> NetworkId | None:
    """A network of the component that a value belongs to; None for hosts, and for routers without interfaces.

    A floating IP belongs where its router does. That an external network is also known to the components of the routers
    with a gateway on it is not said here (`touched_networks` and `onehop.controller.share` do).
    """
    if isinstance(value, Network):
        return value.id
    if isinstance(value, Router):
        return _leg_network(topology, value.id)
    if isinstance(value, FloatingIp):
        return _leg_network(topology, value.router_id)
    return None if isinstance(value, Host) else value.network_id


def touched_networks(topology: Topology, changed: Iterable[Ref]) -> Iterator[NetworkId]:
    """Networks of every component that holds, or looks at, one of these values; none for hosts."""
    for kind, identifier in changed:
        value = topology.get(kind, identifier)
        if isinstance(value, Router):
            yield from (leg.network_id for leg in topology.interfaces_of(value.id))
        elif value is not None:
            network = network_of(topology, value)
            if network is not None:
                yield network
            if isinstance(value, Network | Subnet) and network is not None:
                for router in topology.gateways_on(network):
                    yield from (leg.network_id for leg in topology.interfaces_of(router.id))


def _leg_network(topology: Topology, router: RouterId) -> NetworkId | None:
    legs = topology.interfaces_of(router)
    return legs[0].network_id if legs else None


def changed_between(old: Topology, new: Topology) -> set[Ref]:
    """Every ref whose value differs between two topologies."""
    before = {ref(value): value for value in old}
    after = {ref(value): value for value in new}
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
