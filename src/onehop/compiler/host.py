"""compile_host: everything that one host's kernel should hold.

FEATURES is the one list of what turns a topology into kernel objects. A feature is a function from a `Context` to
pairs of partition and claim or refusal. What no feature yields is not wanted: removal is the absence of a yield.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from onehop.compiler.advertisements import advertisements
from onehop.compiler.connections import connections
from onehop.compiler.context import Context
from onehop.compiler.forwarding import forwarding
from onehop.compiler.gateway import gateway
from onehop.compiler.gateway6 import gateway6
from onehop.compiler.guard import guard
from onehop.compiler.instances import instances
from onehop.compiler.interfaces import interfaces
from onehop.compiler.networks import networks
from onehop.compiler.northbound import northbound
from onehop.compiler.policy import policy
from onehop.compiler.protection import protection
from onehop.compiler.routing import routing
from onehop.compiler.security_groups import security
from onehop.compiler.state import HostState, Local, Partition, Wish, merge
from onehop.model.locality import home_of
from onehop.model.placement import Component, components_of
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import HostName, NetworkId

Feature = Callable[[Context], Iterator[tuple[str, Wish]]]

FEATURES: tuple[Feature, ...] = (
    networks,
    guard,
    protection,
    instances,
    forwarding,
    interfaces,
    routing,
    policy,
    gateway,
    gateway6,
    northbound,
    connections,
    advertisements,
)


def compile_component(view: Topology, host: HostName, component: Component, local: Local) -> dict[str, Partition]:
    """What a host should hold of one component.

    Args:
        view: at least the whole component, and the hosts that hold something of it.
        host: for whom.
        component: see `onehop.model.placement.component_of`.
        local: what the host knows of itself.

    Returns:
        Partition name → partition, for those that are not empty.

    Raises:
        CompileError: two features claim one key with different values.
    """
    context = Context(view, host, component, local)
    wishes: dict[str, list[Wish]] = defaultdict(list)
    for feature in FEATURES:
        for partition, wish in feature(context):
            wishes[partition].append(wish)
    return {name: merge(name, part) for name, part in wishes.items()}


def compile_host(view: Topology, host: HostName, local: Local | None = None) -> HostState:
    """Everything that one host's kernel should hold, compiled from nothing but the present.

    Raises:
        CompileError: two features claim one key with different values.
    """
    local = local or Local()
    state: dict[str, Partition] = {}
    for component in components_of(view, sorted(networks_near(view, host))):
        state.update(compile_component(view, host, component, local))
    filtered = security(view, host, local)
    if filtered is not None:
        state[filtered.name] = filtered
    return state


def networks_near(view: Topology, host: HostName) -> set[NetworkId]:
    """Networks where a host has a bound port, or a router of which it is a gateway host: the components it may hold."""
    bound = {port.network_id for port in view.bound_on(host)}
    homes = {home_of(view, router.id) for router in view.candidate_on(host)}
    return bound | {home for home in homes if home is not None}


def partitions_of(component: Component) -> set[str]:
    """Names of every partition that a component can have."""
    return {naming.network_partition(n) for n in component.networks} | {
        name(r) for r in component.routers for name in (naming.router_partition, naming.gate_partition)
    }
