"""What this host's kernel should hold, kept up to date component by component. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from onehop.compiler.host import compile_component, networks_near, partitions_of
from onehop.compiler.security_groups import security
from onehop.compiler.security_profile import tracks
from onehop.compiler.state import Local, Partition
from onehop.errors import CompileError
from onehop.model.locality import is_lone, lone_routers, touched_networks
from onehop.model.placement import Component, components_of
from onehop.model.topology import Ref, Topology
from onehop.net import naming
from onehop.net.identifier import HostName, NetworkId, PortId, RouterId, SecurityGroupId
from onehop.objects import KernelObject, Key


class Desire:
    """The desired state at the revision of `view`.

    Args:
        host: this host.
        local: what it knows of itself.

    Attributes:
        view: the share, as last given.
        partitions: what is wanted, by name.
        broken: components that could not be compiled, by partition name, with the reason: a bug of ours. What was
            wanted of them before stays.
        short: routers some of whose connections found no source port lately, with what to say of it.
    """

    def __init__(self, host: HostName, local: Local) -> None:
        self.host = host
        self.local = local
        self.view = Topology()
        self.partitions: dict[str, Partition] = {}
        self.broken: dict[str, str] = {}
        self.short: dict[RouterId, str] = {}
        self._whole: dict[str, Partition] = {}

    def advance(self, view: Topology, changed: Iterable[Ref]) -> set[str]:
        """Go on to a newer view.

        Args:
            view: what is now.
            changed: every value that was added, removed or replaced since.

        Returns:
            Names of the partitions of which something else is wanted now, or of which more may have been said.
        """
        changes = set(changed)
        old, self.view = self.view, view
        was = self._networks(old, changes)
        now = self._networks(view, changes) | self._retracked(old, changes)
        stale = {name for component in components_of(old, was | now) for name in partitions_of(component)}
        touched = self._compile(components_of(view, self._closed(old, view, was | now)), stale)
        return touched | self._secure() if self._concerns_security(old, changes) else touched

    def plug(self, local: Local) -> set[str]:
        """Go on to other facts of this host; returns as `advance`."""
        old, self.local = self.local, local
        changed: set[PortId] = {
            port
            for port in old.plugs.keys() | local.plugs.keys()
            if old.plugs.get(port) != local.plugs.get(port) and port in self.view.ports
        }
        networks = {self.view.ports[port].network_id for port in changed}
        if (old.physical_networks, old.vxlan_port) != (local.physical_networks, local.vxlan_port):
            networks = {*self.view.networks, *lone_routers(self.view)}
        components = components_of(self.view, networks)
        touched = self._compile(components, {name for c in components for name in partitions_of(c)})
        return touched | self._secure() if networks else touched

    def whole(self, name: str) -> Partition | None:
        """What a partition wants, also what is withheld now."""
        return self._whole.get(name) or self.partitions.get(name)

    def withhold(self, name: str, keys: set[Key], instead: Mapping[Key, KernelObject]) -> None:
        """Do not want some objects of a partition, and want others in another form, until it is compiled again."""
        whole = self.whole(name)
        if whole is None or not (keys or name in self._whole):
            return
        claims = {
            key: msgspec.structs.replace(claim, object=instead[key]) if key in instead else claim
            for key, claim in whole.claims.items()
            if key not in keys
        }
        self._whole[name] = whole
        self.partitions[name] = msgspec.structs.replace(whole, claims=claims)

    def _networks(self, view: Topology, changes: set[Ref]) -> set[NetworkId]:
        networks = set(touched_networks(view, changes))
        for kind, name in changes:
            if kind == "host" and name == self.host:
                networks |= {*view.networks, *lone_routers(view)}
            elif kind == "host":
                networks |= networks_near(view, HostName(name))
        return networks

    def _retracked(self, old: Topology, changes: set[Ref]) -> set[NetworkId]:
        """Networks that need connection tracking now, or not any more, because a security group changed."""
        found: set[NetworkId] = set()
        different: dict[tuple[SecurityGroupId, ...], bool] = {}
        for group in (SecurityGroupId(name) for kind, name in changes if kind == "security_group"):
            for port in self.view.belonging_to(group):
                if port.id not in self.local.plugs:
                    continue
                if port.security_groups not in different:
                    different[port.security_groups] = tracks(old, port) != tracks(self.view, port)
                if different[port.security_groups]:
                    found.add(port.network_id)
        return found

    def _concerns_security(self, old: Topology, changes: set[Ref]) -> bool:
        """Whether a change may be one of what security groups let pass here."""
        for kind, name in changes:
            if kind in ("security_group", "member", "network"):
                return True
            if kind == "port":
                before, after = old.ports.get(PortId(name)), self.view.ports.get(PortId(name))
                is_leg = any(one is not None and one.router_id is not None for one in (before, after))
                if before != after and (is_leg or PortId(name) in self.local.plugs):
                    return True
        return False

    def _secure(self) -> set[str]:
        """Compile what security groups let pass here; returns the partition's name if that is something else now."""
        fresh = security(self.view, self.host, self.local)
        if fresh == self.partitions.get(naming.SECURITY_PARTITION):
            return set()
        if fresh is None:
            del self.partitions[naming.SECURITY_PARTITION]
        else:
            self.partitions[naming.SECURITY_PARTITION] = fresh
        return {naming.SECURITY_PARTITION}

    @staticmethod
    def _closed(old: Topology, new: Topology, networks: set[NetworkId]) -> set[NetworkId]:
        """The networks, and all that hung together with them before: what a component lost is compiled too."""
        wide = {n for component in components_of(old, networks) for n in component.networks} | networks
        return {network for network in wide if network in new.networks or is_lone(new, network)}

    def _compile(self, components: Iterable[Component], stale: set[str]) -> set[str]:
        touched = set(stale)
        for component in components:
            names = partitions_of(component)
            touched |= names
            try:
                fresh: Mapping[str, Partition] = compile_component(self.view, self.host, component, self.local)
            except CompileError as error:
                self.broken.update(dict.fromkeys(names, str(error)))
                stale -= names
                continue
            for name in names:
                self.broken.pop(name, None)
            stale -= fresh.keys()
            for name in names - fresh.keys():
                self.partitions.pop(name, None)
            for name in names:
                self._whole.pop(name, None)
            self.partitions.update(fresh)
        for name in stale:
            self.partitions.pop(name, None)
            self._whole.pop(name, None)
            self.broken.pop(name, None)
        return touched


def router_of(partition: str) -> str | None:
    """The router whose partition this is, or None."""
    return partition.removeprefix("router/") if partition.startswith("router/") else None


def network_of_partition(partition: str) -> NetworkId | None:
    """The network whose partition this is, or None."""
    return NetworkId(partition.removeprefix("net/")) if partition.startswith("net/") else None


def partition_of_namespace(namespace: str) -> str | None:
    """The partition that a namespace belongs to by its name, or None."""
    if not namespace.startswith(naming.ROUTER_PREFIX):
        return None
    return "router/" + namespace.removeprefix(naming.ROUTER_PREFIX)
