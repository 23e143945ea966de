"""``GET /onehop/v1/trace``: what becomes of a packet, worked out from the store alone; onehop's own, for operators.

The hosts' states are compiled here as their agents compile them, and the packet is walked through those
(`onehop.verify`): what is answered is how it should be, not what a kernel that has drifted does.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from onehop import errors
from onehop.compiler import Local, Plug, compile_component
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request, forbidden, not_found
from onehop.model.placement import Component, components_of
from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import HostName, NetworkId, PortId
from onehop.objects import KernelObject
from onehop.store import Row, Transaction
from onehop.verify.trace import Question, Trace, trace
from onehop.verify.world import World

_PARAMETERS = frozenset({"source", "destination", "protocol", "port", "source_port"})
OUTSIDE = "outside"
"""The `source` of a question that is asked from outside."""


def answer_trace(context: Context, query: Iterable[tuple[str, str]]) -> Row:
    """Answer the request.

    Args:
        context: the request.
        query: `source` (id or name of a port, or ``outside``) and `destination` (an address, or id or name of a port or
            floating IP); `protocol`, `port` and `source_port` may be left out.

    Raises:
        FaultError: 400, 404 and 409 by what was asked, 403 for others than administrators.
    """
    if not context.caller.is_admin:
        raise forbidden("get_trace")
    asked = dict(query)
    unknown = sorted(set(asked) - _PARAMETERS)
    if unknown:
        raise bad_request(f"Unknown parameter {unknown[0][:64]!r}; there are {', '.join(sorted(_PARAMETERS))}.")
    try:
        revision, found = traced(context.tx, asked)
    except errors.InputError as error:
        raise bad_request(f"{error}.") from error
    except errors.ConflictError as error:
        raise FaultError("PortBindingError", f"{error}.") from error
    return {"revision": revision, "trace": msgspec.to_builtins(found)}


def traced(tx: Transaction, asked: Mapping[str, str]) -> tuple[int, Trace]:
    """Walk what was asked through the state of the store; see `answer_trace`.

    Returns:
        the revision that was looked at, and the trace.

    Raises:
        FaultError: 404, something that was named does not exist.
        InputError: the question cannot be asked.
        ConflictError: the port that asks is on no host.
    """
    source, destination = asked.get("source", ""), asked.get("destination", "")
    if not source or not destination:
        raise errors.InputError("Say who asks and whom: source and destination")
    revision, values = tx.snapshot()
    view = Topology(revision, values)
    port = None if source == OUTSIDE else _port(tx, view, source)
    question = Question(
        port=port.id if port is not None else None,
        destination=_destination(tx, view, destination, port),
        protocol=asked.get("protocol", "icmp"),
        destination_port=_number(asked.get("port", "80")),
        source_port=_number(asked.get("source_port", "0")),
    )
    return revision, trace(_world(view, port, question.destination), question)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 65_535:
        raise errors.InputError(f"{text[:32]!r} is no port number")
    return int(text)


def _named(tx: Transaction, resource: str, name: str) -> str | None:
    """Id of what has this id or this name, which nothing else may have."""
    if not name.isprintable():
        return None  # PostgreSQL would not even compare it
    if tx.get(resource, name) is not None:
        return name
    rows = tx.select(resource, {"name": [name]}) if resource == "port" else []
    if len(rows) > 1:
        raise errors.InputError(f"{len(rows)} ports are called {name[:64]!r}: say the id of one")
    return str(rows[0]["id"]) if rows else None


def _port(tx: Transaction, view: Topology, name: str) -> Port:
    found = _named(tx, "port", name)
    value = view.ports.get(PortId(found)) if found is not None else None
    if value is None:
        raise not_found("port", name)
    return value


def _destination(tx: Transaction, view: Topology, text: str, asker: Port | None) -> str:
    try:
        return address.parse_ip(text)
    except errors.AddressError:
        pass_on = text
    floating = _named(tx, "floatingip", pass_on)
    if floating is not None:
        row = tx.get("floatingip", floating) or {}
        return str(row["floating_ip_address"])
    port = _port(tx, view, pass_on)
    if asker is None:
        leads = (f.address for f in view.floating_ips.values() if f.port_id == port.id)
        outer = next(leads, None)
        if outer is not None:
            return outer
    versions = {address.version(ip.ip_address) for ip in asker.fixed_ips} if asker is not None else {4, 6}
    for ip in port.fixed_ips:
        if address.version(ip.ip_address) in versions:
            return ip.ip_address
    raise errors.InputError(f"port {port.id} has no address that {asker.id if asker else OUTSIDE} could call")


def _world(view: Topology, port: Port | None, destination: str) -> World:
    """The part of the network that has to do with a question: the components of who asks and of who is called."""
    networks = {port.network_id} if port is not None else set[NetworkId]()
    components = components_of(view, sorted(networks | set(_called(view, destination))))
    physical = {host.name: {name: name for name in host.physical_networks} for host in view.hosts.values()}
    states = {host: list(_state(view, host, components, physical[host])) for host in view.hosts}
    held = {network for component in components for network in component.networks}
    return World(view, states, physical, networks=held)


def _called(view: Topology, destination: str) -> Iterator[NetworkId]:
    """Networks behind which an address of the outside world is."""
    for floating in view.floating_ips.values():
        if floating.address == destination:
            yield from (leg.network_id for leg in view.interfaces_of(floating.router_id))
    for router in view.routers.values():
        gateway = router.gateway
        if gateway is None:
            continue
        routed = 6 if gateway.enable_snat else None
        legs = view.interfaces_of(router.id)
        own = any(ip.ip_address == destination for ip in gateway.fixed_ips)
        subnets = [view.subnets[ip.subnet_id] for leg in legs for ip in leg.fixed_ips if ip.subnet_id in view.subnets]
        inside = [s.cidr for s in subnets if routed in (None, address.version(s.cidr))]
        if own or any(address.contains(cidr, destination) for cidr in inside):
            yield from (leg.network_id for leg in legs)
    for network in view.networks.values():
        if network.network_type == "flat" and any(
            address.contains(subnet.cidr, destination) for subnet in view.subnets_of(network.id)
        ):
            yield network.id


def _state(
    view: Topology, host: HostName, components: list[Component], physical: Mapping[str, str]
) -> Iterator[KernelObject]:
    """What a host's kernel should hold, with every port that is bound there plugged."""
    plugs = {port.id: Plug(port.id) for port in view.bound_on(host)}
    local = Local(plugs=plugs, physical_networks=physical)
    for component in components:
        for partition in compile_component(view, host, component, local).values():
            for claim in partition.claims.values():
                yield claim.object
