"""Profiles: what all groups of a port together let pass, and so what the port needs of the host."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import msgspec

from onehop.model.port import Port
from onehop.model.security_group import SecurityGroup, SecurityRule
from onehop.model.topology import Topology
from onehop.net.identifier import SecurityGroupId

Direction = Literal["in", "out"]
DIRECTIONS: tuple[Direction, Direction] = ("in", "out")
_WORDS = {"in": "ingress", "out": "egress"}
ANYWHERE = ("", "0.0.0.0/0", "::/0")


class Profile(msgspec.Struct, frozen=True, dict=True):
    """The groups of a port, as far as they are known.

    Attributes:
        ids: all that the port names, sorted.
        groups: the known ones.
    """

    ids: tuple[SecurityGroupId, ...]
    groups: tuple[SecurityGroup, ...]

    def rules(self, direction: Direction) -> Iterator[SecurityRule]:
        """Rules of all groups in one direction."""
        for group in self.groups:
            yield from rules_of(group, direction)

    @cached_property
    def open_ways(self) -> frozenset[Direction]:
        """Directions in which all IPv4 and IPv6 passes."""
        found = {
            (rule.direction, rule.version)
            for group in self.groups
            for rule in group.rules
            if rule.protocol == -1 and not rule.group and rule.prefix in ANYWHERE
        }
        return frozenset(d for d in DIRECTIONS if {(_WORDS[d], 4), (_WORDS[d], 6)} <= found)

    def is_open(self, direction: Direction) -> bool:
        """Whether all IPv4 and IPv6 passes."""
        return direction in self.open_ways

    @cached_property
    def stateful(self) -> bool:
        """Whether answers pass by themselves: one group without it takes it from all."""
        return all(group.stateful for group in self.groups)

    @property
    def filters(self) -> bool:
        """Whether there is anything that would not pass."""
        return len(self.open_ways) < len(DIRECTIONS)

    @cached_property
    def tracks(self) -> bool:
        """Whether connections must be known: something passes that has answers, and not everything does."""
        return self.filters and self.stateful and any(group.rules for group in self.groups)


def rules_of(group: SecurityGroup, direction: Direction) -> Iterator[SecurityRule]:
    """A group's rules in one direction."""
    return (rule for rule in group.rules if rule.direction == _WORDS[direction])


def profile_of(view: Topology, port: Port) -> Profile | None:
    """A port's profile; None where nothing is filtered: without port security, and for the network's own services."""
    if not port.port_security_enabled:
        return None
    if not port.security_groups and port.device_owner.startswith("network:"):
        return None
    known = view.security_groups
    return Profile(port.security_groups, tuple(known[id] for id in port.security_groups if id in known))


def tracks(view: Topology, port: Port) -> bool:
    """Whether a port's network needs connection tracking for its sake."""
    profile = profile_of(view, port)
    return profile is not None and profile.tracks
