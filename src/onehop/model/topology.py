"""An immutable, indexed snapshot of everything the data plane depends on, at one revision.

The controller holds the whole one; an agent holds its host's share. Both are the same type, so the same pure functions
answer "who holds this network?" on either side.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from onehop.model.floating_ip import FloatingIp
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.security_group import Member, SecurityGroup
from onehop.model.subnet import Subnet
from onehop.net.identifier import FloatingIpId, HostName, NetworkId, PortId, RouterId, SecurityGroupId, SubnetId

Value = Network | Subnet | Port | Router | Host | FloatingIp | SecurityGroup | Member
"""What a topology is made of, and what the stream carries."""

Ref = tuple[str, str]
"""Kind and id of a value: ``("port", "…")``."""

VALUES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "network": Network,
        "subnet": Subnet,
        "port": Port,
        "router": Router,
        "host": Host,
        "floatingip": FloatingIp,
        "security_group": SecurityGroup,
        "member": Member,
    }
)
"""Kind → type: the one list of what a view can hold. Members are in the views of hosts only, where they stand for ports
that the host need not know; see `onehop.controller.grouping`."""

_INDEXES = (
    "_subnets",
    "_ports",
    "_legs",
    "_interfaces",
    "_bound",
    "_candidate",
    "_floating",
    "_gateways",
    "_belonging",
    "_members",
)


def ref(value: Value) -> Ref:
    """Kind and id of a value."""
    return (str(value.__struct_config__.tag), value.id)


def member_of(group: SecurityGroupId, port: Port) -> Member:
    """What a host that uses a group learns of one of the group's ports."""
    return Member(group_id=group, port_id=port.id, addresses=port.addresses)


class Topology:
    """All values by id, with the indexes that the compiler asks for.

    Never changed: `apply` returns a new one that shares what did not change.

    Attributes:
        revision: of the change log; 0 is before the first change.
    """

    __slots__ = (
        "_belonging",
        "_bound",
        "_candidate",
        "_floating",
        "_gateways",
        "_interfaces",
        "_legs",
        "_members",
        "_ports",
        "_subnets",
        "_values",
        "revision",
    )

    def __init__(self, revision: int = 0, values: Iterable[Value] = ()) -> None:
        self.revision = revision
        self._values: dict[str, dict[str, Any]] = {kind: {} for kind in VALUES}
        self._subnets: dict[NetworkId, frozenset[SubnetId]] = {}
        self._ports: dict[NetworkId, frozenset[PortId]] = {}
        self._legs: dict[NetworkId, frozenset[PortId]] = {}
        self._interfaces: dict[RouterId, frozenset[PortId]] = {}
        self._bound: dict[HostName, frozenset[PortId]] = {}
        self._candidate: dict[HostName, frozenset[RouterId]] = {}
        self._floating: dict[RouterId, frozenset[FloatingIpId]] = {}
        self._gateways: dict[NetworkId, frozenset[RouterId]] = {}
        self._belonging: dict[SecurityGroupId, frozenset[PortId]] = {}
        self._members: dict[SecurityGroupId, frozenset[str]] = {}
        fresh = list(values)
        if fresh:
            self._change(fresh, ())

    @property
    def hosts(self) -> Mapping[HostName, Host]:
        """Hosts by name."""
        return self._values["host"]  # type: ignore[return-value]  # keys are HostName by construction

    @property
    def networks(self) -> Mapping[NetworkId, Network]:
        """Networks by id."""
        return self._values["network"]  # type: ignore[return-value]  # keys are NetworkId by construction

    @property
    def subnets(self) -> Mapping[SubnetId, Subnet]:
        """Subnets by id."""
        return self._values["subnet"]  # type: ignore[return-value]  # keys are SubnetId by construction

    @property
    def ports(self) -> Mapping[PortId, Port]:
        """Ports by id."""
        return self._values["port"]  # type: ignore[return-value]  # keys are PortId by construction

    @property
    def routers(self) -> Mapping[RouterId, Router]:
        """Routers by id."""
        return self._values["router"]  # type: ignore[return-value]  # keys are RouterId by construction

    @property
    def floating_ips(self) -> Mapping[FloatingIpId, FloatingIp]:
        """Floating IPs by id."""
        return self._values["floatingip"]  # type: ignore[return-value]  # keys are FloatingIpId by construction

    @property
    def security_groups(self) -> Mapping[SecurityGroupId, SecurityGroup]:
        """Security groups by id."""
        return self._values["security_group"]  # type: ignore[return-value]  # keys are SecurityGroupId by construction

    def __iter__(self) -> Iterator[Value]:
        """Every value, kind by kind."""
        for values in self._values.values():
            yield from values.values()

    def get(self, kind: str, identifier: str) -> Value | None:
        """The value of that kind and id, or None."""
        return self._values[kind].get(identifier)

    def subnets_of(self, network: NetworkId) -> list[Subnet]:
        """Subnets of a network, sorted by id."""
        return [self.subnets[i] for i in sorted(self._subnets.get(network, ()))]

    def ports_of(self, network: NetworkId) -> list[Port]:
        """All ports on a network, router interfaces included, sorted by id."""
        return [self.ports[i] for i in sorted(self._ports.get(network, ()))]

    def is_up(self, port: Port) -> bool:
        """Whether neither a port nor its network is administratively down."""
        network = self.networks.get(port.network_id)
        return port.admin_state_up and (network is None or network.admin_state_up)

    def legs_on(self, network: NetworkId) -> list[Port]:
        """Router interfaces on a network, sorted by port id."""
        return [self.ports[i] for i in sorted(self._legs.get(network, ()))]

    def interfaces_of(self, router: RouterId) -> list[Port]:
        """A router's interfaces, sorted by port id."""
        return [self.ports[i] for i in sorted(self._interfaces.get(router, ()))]

    def bound_on(self, host: HostName) -> list[Port]:
        """Ports with a binding, active or not, on a host, sorted by id."""
        return [self.ports[i] for i in sorted(self._bound.get(host, ()))]

    def candidate_on(self, host: HostName) -> list[Router]:
        """Routers that a host is a gateway host of, sorted by id."""
        return [self.routers[i] for i in sorted(self._candidate.get(host, ()))]

    def gateways_on(self, network: NetworkId) -> list[Router]:
        """Routers whose external network this is, sorted by id."""
        return [self.routers[i] for i in sorted(self._gateways.get(network, ()))]

    def floating_ips_of(self, router: RouterId) -> list[FloatingIp]:
        """Floating IPs that a router translates, sorted by id."""
        return [self.floating_ips[i] for i in sorted(self._floating.get(router, ()))]

    def belonging_to(self, group: SecurityGroupId) -> list[Port]:
        """Known ports of a security group, sorted by id."""
        return [self.ports[i] for i in sorted(self._belonging.get(group, ()))]

    def members_of(self, group: SecurityGroupId) -> list[Member]:
        """Members of a security group, sorted by id: as this host was told of them, or as the ports say it.

        The whole topology holds no `Member`, but every port. Whoever is told of one member is told of all, so that the
        ports that a host knows besides add nothing.
        """
        members = self._values["member"]
        if group in self._members:
            return [members[i] for i in sorted(self._members[group])]
        return [member_of(group, port) for port in self.belonging_to(group)]

    def apply(self, revision: int, upserts: Iterable[Value], removes: Iterable[Ref]) -> "Topology":
        """A new topology with these values added or replaced and those removed; unknown removes do nothing."""
        new = Topology(revision)
        for name in _INDEXES:
            setattr(new, name, dict(getattr(self, name)))
        new._values = {kind: dict(values) for kind, values in self._values.items()}
        new._change(upserts, removes)
        return new

    def _change(self, upserts: Iterable[Value], removes: Iterable[Ref]) -> None:
        edits: dict[str, dict[str, set[str]]] = defaultdict(dict)
        for kind, identifier in removes:
            old = self._values[kind].pop(identifier, None)
            if old is not None:
                self._index(edits, old, add=False)
        for value in upserts:
            kind, identifier = ref(value)
            old = self._values[kind].get(identifier)
            if old is not None:
                self._index(edits, old, add=False)
            self._values[kind][identifier] = value
            self._index(edits, value, add=True)
        for name, sets in edits.items():
            index: dict[str, frozenset[str]] = getattr(self, name)
            for key, members in sets.items():
                if members:
                    index[key] = frozenset(members)
                else:
                    index.pop(key, None)

    def _index(self, edits: dict[str, dict[str, set[str]]], value: Value, add: bool) -> None:
        for name, key in _places(value):
            index: dict[str, frozenset[str]] = getattr(self, name)
            members = edits[name].setdefault(key, set(index.get(key, ())))
            if add:
                members.add(value.id)
            else:
                members.discard(value.id)


def _places(value: Value) -> Iterator[tuple[str, str]]:
    """Index and key under which a value is found."""
    if isinstance(value, Subnet):
        yield "_subnets", value.network_id
    elif isinstance(value, Port):
        yield "_ports", value.network_id
        if value.router_id is not None:
            yield "_legs", value.network_id
            yield "_interfaces", value.router_id
        for binding in value.bindings:
            yield "_bound", binding.host
        for group in value.security_groups:
            yield "_belonging", group
    elif isinstance(value, Member):
        yield "_members", value.group_id
    elif isinstance(value, FloatingIp):
        yield "_floating", value.router_id
    elif isinstance(value, Router) and value.gateway is not None:
        yield "_gateways", value.gateway.network_id
        for host in value.gateway.candidates:
            yield "_candidate", host
