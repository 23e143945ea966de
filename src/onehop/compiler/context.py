"""One component as one host sees it: everything that features ask for, worked out once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from onehop.compiler.state import Local
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.placement import Component, holding
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName, NetworkId, RouterId, SubnetId

T = TypeVar("T")


class Known(msgspec.Struct, frozen=True):
    """An address whose MAC is known and does not roam: it is answered for, and never asked for.

    Attributes:
        port: whose it is.
        address: canonical IP address.
        subnet_id: the subnet it is of, or None for a leg's link-local address.
    """

    port: Port
    address: str
    subnet_id: SubnetId | None


class Segment(msgspec.Struct, frozen=True):
    """A network that this host holds.

    Attributes:
        network: itself.
        subnets: its subnets by id.
        instances: ports that are bound somewhere and are no router's leg.
        legs: interfaces of routers that are held here.
        others: VTEPs of the other hosts that hold it, sorted.
        known: addresses that are answered on the host where the question starts.
        own: MACs of all ports, and those that are ours (of bridges, of questions); no address pair takes one of these.
        roaming: MACs that more than one port may use (virtual MACs in address pairs): learned, not declared.
        roving: IPv4 addresses and prefixes that nobody knows the place of: in address pairs, and of unbound ports.
        roving6: the same of IPv6.
        askers: the other hosts that hold the legs; they may ask across the underlay for what is roving.
    """

    network: Network
    subnets: Mapping[SubnetId, Subnet]
    instances: tuple[Port, ...]
    legs: tuple[Port, ...]
    others: tuple[str, ...]
    known: tuple[Known, ...]
    own: frozenset[str]
    roaming: frozenset[str]
    roving: tuple[str, ...]
    roving6: tuple[str, ...]
    askers: tuple[Host, ...]


class Context:
    """A component on a host.

    Attributes:
        view, host, local, component: as given.
        me: this host's own value.
        segments: networks held here.
        routers: routers held here, with their interfaces.
    """

    def __init__(self, view: Topology, host: HostName, component: Component, local: Local) -> None:
        self.view = view
        self.host = host
        self.local = local
        self.component = component
        self.me: Host | None = view.hosts.get(host)
        self.routers: dict[RouterId, Router] = {}
        self.segments: dict[NetworkId, Segment] = {}
        self._worked_out: dict[object, Any] = {}
        if self.me is None:
            return
        held = holding(view, component)
        if host in held.routed:
            self.routers = {
                r: view.routers[r]
                for r in sorted(component.routers)
                if r in view.routers and view.routers[r].admin_state_up
            }
        for network in sorted(component.networks):
            if network in view.networks and host in held.networks.get(network, ()):
                self.segments[network] = self._segment(view.networks[network], held.networks[network], held.routed)

    def _segment(self, network: Network, holders: frozenset[HostName], routed: frozenset[HostName]) -> Segment:
        subnets = {s.id: s for s in self.view.subnets_of(network.id)}
        ports = self.view.ports_of(network.id)
        instances = tuple(p for p in ports if p.router_id is None and p.bindings)
        legs = tuple(p for p in ports if p.router_id in self.routers)
        known = [Known(p, ip.ip_address, ip.subnet_id) for p in (*instances, *legs) for ip in p.fixed_ips]
        known += [
            Known(p, address.link_local(p.mac_address), None)
            for p in legs
            if any(address.version(ip.ip_address) == 6 for ip in p.fixed_ips)
        ]
        others = {self.view.hosts[h].vtep for h in holders if h != self.host and h in self.view.hosts}
        own = frozenset(p.mac_address for p in ports) | _ours(network, ports, self.view.hosts)
        askers = (self.view.hosts[h] for h in sorted(routed) if h != self.host and h in self.view.hosts)
        return Segment(
            network,
            subnets,
            instances,
            legs,
            tuple(sorted(others)),
            tuple(known),
            own,
            _roaming(instances, own),
            _roving(ports, 4),
            _roving(ports, 6),
            tuple(askers) if legs else (),
        )

    def once(self, work: Callable[["Context"], T]) -> T:
        """What a function says of this context, worked out once for all features that ask."""
        if work not in self._worked_out:
            self._worked_out[work] = work(self)
        found: T = self._worked_out[work]
        return found

    def macs_of(self, segment: Segment, port: Port) -> list[str]:
        """MACs that are behind this port alone: its own, and those of its address pairs that nobody else claims."""
        pairs = {pair.mac_address for pair in port.allowed_address_pairs} - segment.own - segment.roaming
        return [port.mac_address, *sorted(pairs)]

    def vtep_of(self, port: Port) -> str | None:
        """Where frames for an instance's port go: a VTEP, or None where it is plugged here or nowhere to be found.

        While a port moves, the host it leaves sends what still arrives to the host it goes to.
        """
        if self.is_local(port):
            return None
        host = port.host
        if host == self.host:
            host = next((b.host for b in port.bindings if b.host != self.host), None)
        there = self.view.hosts.get(host) if host is not None else None
        return there.vtep if there is not None else None

    def is_local(self, port: Port) -> bool:
        """Whether the port is bound and plugged here."""
        return port.id in self.local.plugs and any(b.host == self.host for b in port.bindings)

    def interfaces(self, router: RouterId) -> Iterator[tuple[Segment, Port]]:
        """A held router's legs with the segments they are on."""
        for leg in self.view.interfaces_of(router):
            segment = self.segments.get(leg.network_id)
            if segment is not None:
                yield segment, leg


def _ours(network: Network, ports: Iterable[Port], hosts: Iterable[HostName]) -> frozenset[str]:
    """MACs in pairs that are those of the bridge, or of the questions that legs ask across the underlay."""
    named = {pair.mac_address for port in ports for pair in port.allowed_address_pairs}
    probes = {m for m in named if m.startswith("0e:")}
    legs = [port.id for port in ports if port.router_id is not None] if probes else []
    ours = {naming.probe_mac(host, leg) for leg in legs for host in hosts} | {naming.bridge_mac(network.id)}
    return frozenset(named & ours)


def _roaming(instances: tuple[Port, ...], own: frozenset[str]) -> frozenset[str]:
    claims: Counter[str] = Counter()
    for port in instances:
        claims.update({pair.mac_address for pair in port.allowed_address_pairs} - own)
    return frozenset(mac for mac, count in claims.items() if count > 1)


def _roving(ports: list[Port], version: int) -> tuple[str, ...]:
    pairs = {pair.ip_address for port in ports for pair in port.allowed_address_pairs}
    unbound = {ip.ip_address for p in ports if p.router_id is None and not p.bindings for ip in p.fixed_ips}
    return tuple(sorted(a for a in pairs | unbound if address.version(a) == version))
