"""Which host is sent what: its *share* of the topology. Pure.

Networks and routers that router interfaces join form a component (`onehop.model.placement`). A host's share is all of
every component in which it has a bound port or is a gateway host of a router, with the Host values of everybody for
whom the same holds, its own, and the external networks of the component's routers with their subnets (not with their
ports: those are nobody's business). So the share is a matter of components, worked out once for all hosts in one; a
change works out again only the components that it touches, as they were and as they are. Beside these come the security
groups of a host's ports, and who is in the groups that their rules speak of (`onehop.controller.grouping`).
"""

from collections.abc import Iterable, Iterator

import msgspec

from onehop.controller.grouping import GROUPED, Grouping
from onehop.model.host import Host
from onehop.model.locality import is_lone, lone_routers, network_of, touched_networks
from onehop.model.network import Network
from onehop.model.placement import component_of
from onehop.model.subnet import Subnet
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.net.identifier import HostName, NetworkId, RouterId
from onehop.wire.digest import weight


class Part(msgspec.Struct, frozen=True, eq=False):
    """A component, the external networks it looks at, and who is sent it. Told apart by identity."""

    networks: frozenset[NetworkId]
    routers: frozenset[RouterId]
    externals: frozenset[NetworkId]
    hosts: frozenset[HostName]

    @property
    def places(self) -> frozenset[NetworkId]:
        """Its networks, or what stands for them in a component of one router without interfaces."""
        return self.networks or frozenset(NetworkId(router) for router in self.routers)


class Shares:
    """The share of every host, at the revision of `topology`.

    Attributes:
        topology: everything, as last given.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._parts: dict[NetworkId, Part] = {}
        self._of: dict[HostName, set[Part]] = {}
        self._weights: dict[Part | HostName, int] = {}
        self._grouping = Grouping(topology)
        for part in _parts(topology, (*topology.networks, *lone_routers(topology))):
            self._add(part)

    def advance(self, topology: Topology, changed: Iterable[Ref]) -> dict[HostName, set[Ref]]:
        """Go on to a newer topology.

        Args:
            topology: what is now.
            changed: every value that was added, removed or replaced since.

        Returns:
            For each host whose share is touched the refs to send it again: with their newest value if they are in its
            share (`value`), else as removed.
        """
        old, self.topology = self.topology, topology
        changes = set(changed)
        before, after = self._replace(old, changes)
        where_old = _located(old, changes, before)
        where_new = _located(topology, changes, after)
        memo: dict[tuple[frozenset[Part], frozenset[Part]], frozenset[Ref]] = {}
        dirty: dict[HostName, set[Ref]] = {}
        for host in {h for part in (*before, *after) for h in part.hosts}:
            had = frozenset(part for part in before if host in part.hosts)
            has = frozenset(part for part in after if host in part.hosts)
            if (had, has) not in memo:
                memo[had, has] = _difference(old, had, where_old, topology, has, where_new)
            if memo[had, has]:
                dirty[host] = set(memo[had, has])
        for host, refs in self._grouping.advance(topology, changes).items():
            dirty.setdefault(host, set()).update(refs)
        for kind, name in changes:
            if kind == "host":
                self._weights.pop(HostName(name), None)
                for host in self._neighbours(HostName(name)):
                    dirty.setdefault(host, set()).add((kind, name))
        return dirty

    def value(self, host: HostName, wanted: Ref) -> Value | None:
        """The newest value of a ref if it is in a host's share, else None."""
        kind, identifier = wanted
        if kind in GROUPED:
            return self._grouping.value(host, wanted)
        value = self.topology.get(kind, identifier)
        if value is None:
            return None
        if isinstance(value, Host):
            return value if host in self._neighbours(value.name) else None
        network = network_of(self.topology, value)
        part = self._parts.get(network) if network is not None else None
        if part is not None and host in part.hosts:
            return value
        looks = isinstance(value, Network | Subnet) and any(network in p.externals for p in self._of.get(host, ()))
        return value if looks else None

    def share(self, host: HostName) -> Iterator[Value]:
        """All of a host's share."""
        names = {host}
        parts = self._of.get(host, set())
        own = {network for part in parts for network in part.networks}
        for part in parts:
            names |= part.hosts
            yield from _values(self.topology, part)
        for network in {network for part in parts for network in part.externals} - own:
            yield from _outside(self.topology, network)
        for name in names:
            if name in self.topology.hosts:
                yield self.topology.hosts[name]
        yield from self._grouping.share(host)

    def weight(self, host: HostName) -> int:
        """The sum of the weights of a host's share: what `onehop.wire.digest.text_of` makes its digest of.

        Sums of what many hosts share are kept for as long as they do not change.
        """
        parts = self._of.get(host, set())
        own = {network for part in parts for network in part.networks}
        total = self._grouping.weight(host)
        for part in parts:
            if part not in self._weights:
                self._weights[part] = sum(map(weight, _values(self.topology, part)))
            total += self._weights[part]
        for network in {network for part in parts for network in part.externals} - own:
            total += sum(map(weight, _outside(self.topology, network)))
        for name in self._neighbours(host):
            if name in self.topology.hosts:
                if name not in self._weights:
                    self._weights[name] = weight(self.topology.hosts[name])
                total += self._weights[name]
        return total

    def _neighbours(self, host: HostName) -> set[HostName]:
        return {host}.union(*(part.hosts for part in self._of.get(host, ())))

    def _replace(self, old: Topology, changes: set[Ref]) -> tuple[set[Part], set[Part]]:
        """Work out again what the changes touch: the parts as they were, and as they are."""
        todo = {*touched_networks(old, changes), *touched_networks(self.topology, changes)}
        before: set[Part] = set()
        after: set[Part] = set()
        seen: set[NetworkId] = set()
        while todo:
            network = todo.pop()
            if network in seen:
                continue
            seen.add(network)
            part = self._parts.get(network)
            if part is not None:
                before.add(part)
                todo |= part.networks - seen
            for fresh in _parts(self.topology, (network,)):
                after.add(fresh)
                seen |= fresh.networks
                for member in fresh.networks:
                    if member in self._parts:
                        before.add(self._parts[member])
                        todo |= self._parts[member].networks - seen
        for part in before:
            self._drop(part)
        for part in after:
            self._add(part)
        return before, after

    def _add(self, part: Part) -> None:
        for network in part.places:
            self._parts[network] = part
        for host in part.hosts:
            self._of.setdefault(host, set()).add(part)

    def _drop(self, part: Part) -> None:
        self._weights.pop(part, None)
        for network in part.places:
            if self._parts.get(network) is part:
                del self._parts[network]
        for host in part.hosts:
            self._of[host].discard(part)
            if not self._of[host]:
                del self._of[host]


def _parts(topology: Topology, networks: Iterable[NetworkId]) -> Iterator[Part]:
    seen: set[NetworkId] = set()
    for network in networks:
        if network in seen or not (network in topology.networks or is_lone(topology, network)):
            continue
        component = component_of(topology, network)
        seen |= component.networks | {network}
        hosts = {b.host for n in component.networks for port in topology.ports_of(n) for b in port.bindings}
        gateways = [
            known.gateway
            for router in component.routers
            if (known := topology.routers.get(router)) is not None and known.gateway is not None
        ]
        hosts.update(host for gateway in gateways for host in gateway.candidates)
        externals = frozenset(gateway.network_id for gateway in gateways)
        yield Part(component.networks, component.routers, externals, frozenset(hosts))


def _located(topology: Topology, changes: set[Ref], parts: set[Part]) -> dict[Part, set[Ref]]:
    """Which of the changed refs lie in which part."""
    by_network = {network: part for part in parts for network in part.places}
    looking: dict[NetworkId, list[Part]] = {}
    for part in parts:
        for external in part.externals:
            looking.setdefault(external, []).append(part)
    found: dict[Part, set[Ref]] = {}
    for change in changes:
        value = topology.get(*change)
        network = network_of(topology, value) if value is not None else None
        if network is None:
            continue
        concerned = looking.get(network, []) if isinstance(value, Network | Subnet) else []
        for part in [*concerned, *((by_network[network],) if network in by_network else ())]:
            found.setdefault(part, set()).add(change)
    return found


def _difference(
    old: Topology,
    had: frozenset[Part],
    where_old: dict[Part, set[Ref]],
    new: Topology,
    has: frozenset[Part],
    where_new: dict[Part, set[Ref]],
) -> frozenset[Ref]:
    changed = {r for part in had for r in where_old.get(part, ())} | {r for p in has for r in where_new.get(p, ())}
    hosts = frozenset[HostName]().union(*(p.hosts for p in had)) ^ frozenset().union(*(p.hosts for p in has))
    changed |= {("host", name) for name in hosts}
    if _shape(had) != _shape(has):
        changed |= {ref(v) for v in _all(old, had)} ^ {ref(v) for v in _all(new, has)}
    return frozenset(changed)


def _shape(parts: frozenset[Part]) -> tuple[set[NetworkId], set[RouterId], set[NetworkId]]:
    return (
        {n for part in parts for n in part.networks},
        {r for part in parts for r in part.routers},
        {n for part in parts for n in part.externals},
    )


def _all(topology: Topology, parts: frozenset[Part]) -> Iterator[Value]:
    for part in parts:
        yield from _values(topology, part)
        for network in part.externals:
            yield from _outside(topology, network)


def _outside(topology: Topology, network: NetworkId) -> Iterator[Value]:
    """What is known of an external network to those who look at it."""
    if network in topology.networks:
        yield topology.networks[network]
        yield from topology.subnets_of(network)


def _values(topology: Topology, part: Part) -> Iterator[Value]:
    for network in part.networks:
        yield topology.networks[network]
        yield from topology.subnets_of(network)
        yield from topology.ports_of(network)
    for router in part.routers:
        if router in topology.routers:
            yield topology.routers[router]
        yield from topology.floating_ips_of(router)
