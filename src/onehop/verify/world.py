"""Who is there besides our hosts' kernels: the instances behind their taps, and the outside behind external networks.

An instance has the addresses and routes that the API says it should; it answers whatever comes to it. The outside is
one namespace, ``upstream``: the gateway of every external subnet, the rest of the world, and whatever an operator has
to route there himself (prefixes that leave untranslated, by way of the router's external address).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from onehop.model.port import Port as PortValue
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName, NetworkId, PortId
from onehop.objects import Address, KernelObject, Link, NextHop, Route, Tap
from onehop.verify.space import Machine, Space
from onehop.verify.walk import Port, Walk
from onehop.verify.watch import SILENT, Watch

W = TypeVar("W", bound=Walk)

OUTSIDE = HostName("outside")
UPSTREAM = "upstream"
FAR = {4: "198.51.100.2", 6: "2001:db8:51::2"}
"""Who asks from outside where nobody else is named (RFC 5737, RFC 3849)."""

_DEVICE = "eth0"
_LAST = 1_000_000
"""Metric: projects' own prefixes are nobody's outside, unless something leads there."""
_ANY = {4: "0.0.0.0/0", 6: "::/0"}


class World:
    """Every host's state with what is around it: made once, walked as often as one likes.

    Attributes:
        view: the topology that the states were compiled from.
    """

    def __init__(
        self,
        view: Topology,
        states: Mapping[HostName, Iterable[KernelObject]],
        physical: Mapping[HostName, Mapping[str, str]],
        extra: Mapping[PortId, Iterable[str]] | None = None,
        networks: Collection[NetworkId] | None = None,
    ) -> None:
        """Index everything.

        Args:
            view: what was compiled.
            states: by host, what its kernel holds.
            physical: by host: name of a physical network → name of the bridge that leads to it.
            extra: addresses with prefix lengths that instances have besides their ports' own: virtual ones.
            networks: whose instances there are; None is all.

        Raises:
            UnknownRuleError: a ruleset says something that the model does not know.
        """
        self.view = view
        bridges = {host: {bridge: name for name, bridge in physical.get(host, {}).items()} for host in states}
        self._machines = [Machine(host, objects, bridges[host]) for host, objects in states.items()]
        by_name = {machine.name: machine for machine in self._machines}
        self._instances: dict[PortId, Port] = {}
        for port in view.ports.values():
            here = networks is None or port.network_id in networks
            if here and port.router_id is None and port.host in by_name:
                space = _instance(view, port, (extra or {}).get(port.id, ()))
                self._instances[port.id] = Port(space, _DEVICE, by_name[port.host], naming.tap(port.id))
        self.outside = _outside(view)

    def walk(self, way: int = 0, watch: Watch = SILENT) -> Walk:
        """A network without memory, for one question and its answer."""
        return self.walk_as(Walk, way, watch)

    def walk_as(self, kind: type[W], way: int = 0, watch: Watch = SILENT) -> W:
        """The same, as a walk that is more."""
        segments = [(name, Port(self.outside, name)) for name in self.outside.links]
        return kind(self._machines, self._instances.values(), segments, way, watch)

    def spaces(self, host: HostName) -> Mapping[str, Space]:
        """The namespaces of a host."""
        return next((machine.spaces for machine in self._machines if machine.name == host), {})

    def place(self, port: PortId) -> tuple[Space, str] | None:
        """The host namespace where an instance's tap is, and the tap's name; None where it is on no host."""
        found = self._instances.get(port)
        if found is None or found.machine is None:
            return None
        return found.machine.spaces[naming.HOST], found.device

    def instance(self, port: PortId) -> Space | None:
        """The namespace of an instance, or None where it is on no host."""
        found = self._instances.get(port)
        return found.space if found is not None else None

    def port_of(self, space: Space) -> PortId | None:
        """The port whose instance a namespace is."""
        return next((port for port, at in self._instances.items() if at.space is space), None)


def _instance(view: Topology, port: PortValue, extra: Iterable[str]) -> Space:
    name = f"instance of {port.id}"
    space = Space(HostName(str(port.host)), name, _instance_objects(view, port, name, extra))
    space.outer = True
    return space


def _instance_objects(view: Topology, port: PortValue, name: str, extra: Iterable[str]) -> Iterator[KernelObject]:
    network = view.networks[port.network_id]
    yield Link(namespace=name, name=_DEVICE, spec=Tap(), alias="", mac=port.mac_address, mtu=network.mtu)
    hops: dict[str, str] = {}
    own = {ip.ip_address for ip in port.fixed_ips}
    for ip in port.fixed_ips:
        subnet = view.subnets.get(ip.subnet_id)
        if subnet is None:
            continue
        length = address.prefix_length(subnet.cidr)
        yield Address(namespace=name, link=_DEVICE, address=f"{ip.ip_address}/{length}")
        if subnet.gateway_ip is not None and subnet.gateway_ip not in own:
            hops.setdefault(_ANY[address.version(subnet.cidr)], subnet.gateway_ip)
        for route in subnet.host_routes:
            hops.setdefault(route.destination, route.nexthop)
    for one in extra:
        yield Address(namespace=name, link=_DEVICE, address=one)
    for destination, gateway in hops.items():
        yield Route(namespace=name, destination=destination, hops=(NextHop(gateway=gateway, link=_DEVICE),))


def _outside(view: Topology) -> Space:
    space = Space(OUTSIDE, UPSTREAM, _outside_objects(view))
    space.outer = space.everything = True
    space.forwards = {4, 6}
    return space


def _outside_objects(view: Topology) -> Iterator[KernelObject]:
    externals = [n for n in view.networks.values() if n.network_type == "flat" and n.physical_network is not None]
    for number, name in enumerate(sorted({str(network.physical_network) for network in externals}), 1):
        mac = f"02:00:00:00:00:{number:02x}"
        yield Link(namespace=UPSTREAM, name=name, spec=Tap(), alias="", mac=mac, mtu=1500)
    for network in externals:
        link = str(network.physical_network)
        for subnet in view.subnets_of(network.id):
            if subnet.gateway_ip is not None:
                length = address.prefix_length(subnet.cidr)
                yield Address(namespace=UPSTREAM, link=link, address=f"{subnet.gateway_ip}/{length}")
        yield from _routed(view, network.id, link)
    for cidr in sorted({s.cidr for s in view.subnets.values() if not _is_external(view, s.network_id)}):
        yield Route(namespace=UPSTREAM, destination=cidr, metric=_LAST, type="unreachable")


def _is_external(view: Topology, network: NetworkId) -> bool:
    return network in view.networks and view.networks[network].network_type == "flat"


def _routed(view: Topology, network: str, link: str) -> Iterator[Route]:
    """What upstream has to know: prefixes behind routers that do not translate them."""
    for router in view.routers.values():
        gateway = router.gateway
        if gateway is None or gateway.network_id != network:
            continue
        outer = {address.version(ip.ip_address): ip.ip_address for ip in reversed(gateway.fixed_ips)}
        for leg in view.interfaces_of(router.id):
            for ip in leg.fixed_ips:
                subnet = view.subnets.get(ip.subnet_id)
                version = address.version(ip.ip_address)
                if subnet is None or version not in outer or (version == 4 and gateway.enable_snat):
                    continue
                hops = (NextHop(gateway=outer[version], link=link),)
                yield Route(namespace=UPSTREAM, destination=subnet.cidr, hops=hops)
