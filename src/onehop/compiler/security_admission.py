"""The rules of security groups once more, as values by which connections that are under way are judged."""

from collections.abc import Iterable
from functools import lru_cache

from onehop.compiler.security_profile import Profile
from onehop.model.port import Port
from onehop.model.security_group import SecurityGroup
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import SecurityGroupId
from onehop.objects.admission import Admission, Admissions, Groups, Members


def admissions_of(view: Topology, tracked: Iterable[tuple[Port, Profile, int]]) -> Admissions:
    """What the ports that are tracked here let pass; each comes with its profile and zone."""
    groups: dict[str, SecurityGroup] = {}
    zones: dict[int, dict[str, tuple[Groups, ...]]] = {}
    wide: dict[int, list[tuple[str, Groups]]] = {}
    for port, profile, zone in tracked:
        for group in profile.groups:
            groups[group.id] = group
        places = zones.setdefault(zone, {})
        for own in (*port.addresses, address.link_local(port.mac_address)):
            if "/" in own:
                wide.setdefault(zone, []).append((own, profile.ids))
            else:
                places[own] = (*places.get(own, ()), profile.ids)
    remotes = {remote for group in groups.values() for remote in group.remotes}
    return Admissions(
        {id: _rules(group) for id, group in groups.items()},
        {remote: _members(view, SecurityGroupId(remote)) for remote in remotes},
        zones,
        {zone: tuple(found) for zone, found in wide.items()},
    )


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
