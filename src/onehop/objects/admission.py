"""Which tracked connections security groups would let begin today: values, and the judgement. Pure.

A connection that began when it was allowed goes on by being known. When a rule, a group or a member is taken away,
those that would not be let in any more are barred: marked, so that none of their packets passes in either direction.
(To forget one is not enough: the next packet of its answering side would begin it anew, the other way round.)
"""

import ipaddress
from collections.abc import Mapping

import msgspec

from onehop.objects.conntrack import Tuple

_ICMP = frozenset({1, 58})
_ALWAYS = frozenset({(17, 68, 67), (17, 67, 68), (17, 546, 547), (17, 547, 546)})
"""DHCP: what passes without a rule."""


class Admission(msgspec.Struct, frozen=True, gc=False):
    """A rule of a security group.

    Attributes:
        inwards: towards the port, not from it.
        version, protocol, first, last: of IP; -1 is any. Of ICMP `first` is the type and `last` the code.
        prefix: of the other end, or "".
        group: the other end is a member of this group, or "".
    """

    inwards: bool
    version: int
    protocol: int = -1
    first: int = -1
    last: int = -1
    prefix: str = ""
    group: str = ""

    def matches(self, begun: Tuple) -> bool:
        """Whether protocol and ports are the rule's."""
        if self.protocol not in (-1, begun.protocol):
            return False
        if self.first == -1:
            return True
        if begun.protocol in _ICMP:
            # Of ICMP a tuple has type and code where others have their destination port.
            type, code = divmod(begun.destination_port, 256)
            return type == self.first and self.last in (-1, code)
        return self.first <= begun.destination_port <= self.last


class Members(msgspec.Struct, frozen=True):
    """Who is in a group: single addresses, and prefixes."""

    addresses: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()


Groups = tuple[str, ...]
"""The groups of a port."""

_NOBODY = Members()


class Admissions(msgspec.Struct, frozen=True):
    """What the ports of a host let pass.

    Attributes:
        rules: by group.
        members: by group that rules speak of.
        zones: conntrack zone → address → groups of each port that has it.
        wide: conntrack zone → prefixes of address pairs, with their ports' groups.
    """

    rules: Mapping[str, tuple[Admission, ...]] = {}
    members: Mapping[str, Members] = {}
    zones: Mapping[int, Mapping[str, tuple[Groups, ...]]] = {}
    wide: Mapping[int, tuple[tuple[str, Groups], ...]] = {}

    def allow(self, zone: int, begun: Tuple) -> bool:
        """Whether a connection would be let in today; in other zones, and between addresses of no port, all are."""
        if zone not in self.zones or (begun.protocol, begun.source_port, begun.destination_port) in _ALWAYS:
            return True
        sources, targets = self._ports(zone, begun.source), self._ports(zone, begun.destination)
        if sources and not any(self._lets(port, False, begun.destination, begun) for port in sources):
            return False
        return not targets or any(self._lets(port, True, begun.source, begun) for port in targets)

    def narrows(self, old: "Admissions") -> bool:
        """Whether something that `old` lets begin may not any more. It says so too often rather than too rarely."""
        for group, rules in old.rules.items():
            now = self.rules.get(group)
            if now is not None and now != rules and not set(rules) <= set(now):
                return True
        for group, members in old.members.items():
            left = self.members.get(group, _NOBODY)
            if not (members.addresses <= left.addresses and members.prefixes <= left.prefixes):
                return True
        for zone, places in old.zones.items():
            here = self.zones.get(zone, {})
            for address, ports in places.items():
                there = here.get(address, ports)
                if there != ports and not (len(there) == len(ports) == 1 and set(ports[0]) <= set(there[0])):
                    return True
        return self.wide != old.wide

    def _ports(self, zone: int, address: str) -> tuple[Groups, ...]:
        exact = self.zones[zone].get(address)
        if exact is not None:
            return exact
        return tuple(groups for prefix, groups in self.wide.get(zone, ()) if _contains(prefix, address))

    def _lets(self, groups: Groups, inwards: bool, other: str, begun: Tuple) -> bool:
        version = 6 if ":" in other else 4
        return any(
            rule.inwards == inwards and rule.version == version and rule.matches(begun) and self._is_meant(rule, other)
            for group in groups
            for rule in self.rules.get(group, ())
        )

    def _is_meant(self, rule: Admission, other: str) -> bool:
        if rule.group:
            members = self.members.get(rule.group, _NOBODY)
            return other in members.addresses or any(_contains(prefix, other) for prefix in members.prefixes)
        return not rule.prefix or _contains(rule.prefix, other)


def _contains(prefix: str, address: str) -> bool:
    found, network = ipaddress.ip_address(address), ipaddress.ip_network(prefix)
    return found in network
