"""The rules of security groups once more, as values by which connections that are under way are judged."""

from collections.abc import Iterable
from functools import lru_cache

from onehop.compiler.latest import Latest
from onehop.compiler.security_profile import Profile
from onehop.model.port import Port
from onehop.model.security_group import SecurityGroup
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import SecurityGroupId
from onehop.objects.admission import Admission, Admissions, Groups, Members

_Places = dict[int, dict[str, tuple[Groups, ...]]]
_Wide = dict[int, tuple[tuple[str, Groups], ...]]


def admissions_of(view: Topology, tracked: Iterable[tuple[Port, Profile, int]]) -> Admissions:
    """What the ports that are tracked here let pass; each comes with its profile and zone."""
    asked = tuple(tracked)
    groups = {group.id: group for profile in {p.ids: p for _, p, _ in asked}.values() for group in profile.groups}
    remotes = {remote for group in groups.values() for remote in group.remotes}
    places, wide = _places(tuple((port, zone) for port, _, zone in asked))
    return Admissions(
        {id: _rules(group) for id, group in groups.items()},
        {remote: _members(view, SecurityGroupId(remote)) for remote in remotes},
        places,
        wide,
    )


@Latest
def _places(ports: tuple[tuple[Port, int], ...]) -> tuple[_Places, _Wide]:
    """Who may say what, by zone: single addresses, and prefixes."""
    places: _Places = {}
    wide: dict[int, list[tuple[str, Groups]]] = {}
    for port, zone in ports:
        here = places.setdefault(zone, {})
        for own in (*port.addresses, address.link_local(port.mac_address)):
            if "/" in own:
                wide.setdefault(zone, []).append((own, port.security_groups))
            else:
                here[own] = (*here.get(own, ()), port.security_groups)
    return places, {zone: tuple(found) for zone, found in wide.items()}


@lru_cache(maxsize=4096)
def _rules(group: SecurityGroup) -> tuple[Admission, ...]:
    return tuple(
        Admission(r.direction == "ingress", r.version, r.protocol, r.first, r.last, r.prefix, r.group)
        for r in group.rules
    )


def _members(view: Topology, group: SecurityGroupId) -> Members:
    found = {a for member in view.members_of(group) for a in member.addresses}
    wide = frozenset(a for a in found if "/" in a)
    return Members(frozenset(found - wide), wide)
