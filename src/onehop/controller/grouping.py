"""Which host is told of which security groups, and of whose part in them. Pure.

A host needs the groups of the ports that are bound to it, and the addresses of all members of the groups that their
rules speak of, wherever these are: each member is a value of its own, so that one that comes or goes is one value for
the hosts that use its group, and nothing for any other.
"""

from collections.abc import Iterable, Iterator

from onehop.model.port import Port
from onehop.model.security_group import Member, SecurityGroup
from onehop.model.topology import Ref, Topology, Value, member_of
from onehop.net.identifier import HostName, PortId, SecurityGroupId, parse_member
from onehop.wire.digest import weight

GROUPED = frozenset({"security_group", "member"})
"""Kinds of values that are handed out here."""

Groups = frozenset[SecurityGroupId]
_NONE: Groups = frozenset()


class Grouping:
    """The groups of every host, at the revision of the topology last given."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._own: dict[HostName, Groups] = {}
        self._remote: dict[HostName, Groups] = {}
        self._owners: dict[SecurityGroupId, set[HostName]] = {}
        self._watchers: dict[SecurityGroupId, set[HostName]] = {}
        self._weights: dict[SecurityGroupId, int] = {}
        for host in {binding.host for port in topology.ports.values() for binding in port.bindings}:
            self._place(host)

    def advance(self, topology: Topology, changed: Iterable[Ref]) -> dict[HostName, set[Ref]]:
        """Go on to a newer topology; returns for each host the refs to send it again, as `Shares.advance` does."""
        old, self._topology = self._topology, topology
        dirty: dict[HostName, set[Ref]] = {}
        again: set[HostName] = set()
        for kind, identifier in changed:
            if kind == "security_group":
                using = self._owners.get(SecurityGroupId(identifier), set())
                again |= using
                for host in using:
                    dirty.setdefault(host, set()).add((kind, identifier))
            elif kind == "port":
                before, after = old.ports.get(PortId(identifier)), topology.ports.get(PortId(identifier))
                if _placed(before) != _placed(after):
                    again |= {b.host for port in (before, after) if port is not None for b in port.bindings}
                if _part(before) != _part(after):
                    for group in {g for port in (before, after) if port is not None for g in port.security_groups}:
                        self._weights.pop(group, None)
                        for host in self._watchers.get(group, ()):
                            dirty.setdefault(host, set()).add(("member", f"{group}:{identifier}"))
        for host in again:
            refs = self._place(host, old)
            if refs:
                dirty.setdefault(host, set()).update(refs)
        return dirty

    def value(self, host: HostName, wanted: Ref) -> Value | None:
        """The newest value of a ref if the host is to know it, else None."""
        kind, identifier = wanted
        if kind == "security_group":
            group = SecurityGroupId(identifier)
            return self._topology.security_groups.get(group) if group in self._own.get(host, _NONE) else None
        group, port_id = parse_member(identifier)
        port = self._topology.ports.get(port_id)
        if port is None or group not in port.security_groups or group not in self._remote.get(host, _NONE):
            return None
        return member_of(group, port)

    def share(self, host: HostName) -> Iterator[SecurityGroup | Member]:
        """All that a host is to know."""
        known = self._topology.security_groups
        yield from (known[group] for group in self._own.get(host, _NONE) if group in known)
        for group in self._remote.get(host, _NONE):
            yield from (member_of(group, port) for port in self._topology.belonging_to(group))

    def weight(self, host: HostName) -> int:
        """The sum of the weights of all that a host is to know; that of a group's members is kept until one changes."""
        known = self._topology.security_groups
        total = sum(weight(known[group]) for group in self._own.get(host, _NONE) if group in known)
        for group in self._remote.get(host, _NONE):
            if group not in self._weights:
                members = (member_of(group, port) for port in self._topology.belonging_to(group))
                self._weights[group] = sum(map(weight, members))
            total += self._weights[group]
        return total

    def _place(self, host: HostName, old: Topology | None = None) -> set[Ref]:
        """Work out what a host uses now; returns what it is to be told of, or that it is gone."""
        own = _NONE.union(*(p.security_groups for p in self._topology.bound_on(host) if p.port_security_enabled))
        known = self._topology.security_groups
        spoken = (rule for group in own if group in known for rule in known[group].remotes)
        remote = frozenset(SecurityGroupId(group) for group in spoken)
        refs: set[Ref] = {("security_group", group) for group in _swap(self._own, self._owners, host, own)}
        for group in _swap(self._remote, self._watchers, host, remote):
            for topology in (old, self._topology):
                if topology is not None:
                    refs.update(("member", f"{group}:{port.id}") for port in topology.belonging_to(group))
        return refs


def _swap(
    groups: dict[HostName, Groups], hosts: dict[SecurityGroupId, set[HostName]], host: HostName, new: Groups
) -> Groups:
    """Note what a host uses now, both ways round; returns what is different."""
    differing = groups.get(host, _NONE) ^ new
    if new:
        groups[host] = new
    else:
        groups.pop(host, None)
    for group in differing:
        if group in new:
            hosts.setdefault(group, set()).add(host)
        else:
            hosts[group].discard(host)
            if not hosts[group]:
                del hosts[group]
    return differing


def _placed(port: Port | None) -> object:
    return None if port is None else (port.bindings, port.security_groups, port.port_security_enabled)


def _part(port: Port | None) -> object:
    return None if port is None else (port.security_groups, port.addresses)
