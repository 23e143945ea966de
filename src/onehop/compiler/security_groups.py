"""Security groups: what may reach the instances plugged here, and what may leave them.

The rules stand in one table of the bridge family, at the hook where a packet goes from one port of a bridge to another,
because there both ports are known exactly, also of what is flooded: a map leads from the tap to its profile, and the
profile's groups are asked one by one. Whether a packet belongs to a known connection is found out before, by a small
table of the inet family, on the bridges that need it and no others (`Bridge.tracked`); it tells by a mark. A zone for
each network keeps tenants with the same prefixes apart. What neither comes from nor goes to a port that is tracked is
not tracked: half of a routed connection would be seen there.

Everything about one port is an element, everything about one group a chain or an element of its own sets, so that a
change is as large as what it changes. `onehop.compiler.security_rule` has the words.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256

import msgspec

from onehop.compiler import discovery, nft
from onehop.compiler.latest import Latest
from onehop.compiler.security_admission import admissions_of
from onehop.compiler.security_profile import DIRECTIONS, Direction, Profile, profile_of, rules_of
from onehop.compiler.security_rule import matches, member_set, prefix_set
from onehop.compiler.security_zone import zones_of
from onehop.compiler.state import Claim, Local, Partition
from onehop.model.port import Port
from onehop.model.security_group import SecurityGroup
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName, NetworkId, SecurityGroupId
from onehop.objects import NamedSet, Ruleset

Ways = dict[tuple[SecurityGroupId, ...], dict[Direction, str]]
"""By a profile's groups: the chain that its ports' packets go to, by direction."""

_CLOSED = "closed"
_INWARD = "inward"
_KNOWN = "known"
_DISCOVERY = (
    f"ip6 daddr {{ fe80::/10, ff00::/8 }} {discovery.match(discovery.SPOKEN)} accept",
    # Whether a neighbour is still there is asked at its own address; what a router forwarded has no 255 any more.
    f"ip6 hoplimit 255 {discovery.match(discovery.NEIGHBOUR)} accept",
)
_ASKS = (
    f'oifname != "hr-*" meta protocol ip udp sport 68 udp dport 67 goto {_INWARD}',
    f'oifname != "hr-*" meta protocol ip6 udp sport 546 udp dport 547 goto {_INWARD}',
)
"""Who asks for an address by DHCP, or goes on to: in no rule, in every group. Only within the network."""
_STATES = (
    ("invalid", naming.REFUSED_MARK),
    ("established", naming.ESTABLISHED_MARK),
    ("related", naming.ESTABLISHED_MARK),
    ("new", 0),
    ("untracked", 0),
)
_VERDICT = {"in": "accept", "out": f"goto {_INWARD}"}


class Filtered(msgspec.Struct, frozen=True):
    """A port here from or to which not everything passes.

    Attributes:
        port: plugged here.
        profile: of its groups.
        tap: its link.
        bridge: that the tap is a port of.
    """

    port: Port
    profile: Profile
    tap: str
    bridge: str


def security(view: Topology, host: HostName, local: Local) -> Partition | None:
    """The partition ``host/security``; None where everything passes."""
    filtered = list(_filtered(view, host, local))
    if not filtered:
        return None
    groups = {group.id: group for one in filtered for group in one.profile.groups}
    tables = [_rules(view, filtered, [groups[id] for id in sorted(groups)])]
    tracked = [one for one in filtered if one.profile.tracks]
    zones = zones_of({one.port.network_id for one in tracked})
    if tracked:
        tables.append(_tracking(tuple((one.port, one.bridge, zones[one.port.network_id]) for one in tracked)))
    claims = {table.key: Claim(table, "security", ("host", host)) for table in tables}
    admissions = admissions_of(view, [(one.port, one.profile, zones[one.port.network_id]) for one in tracked])
    return Partition(naming.SECURITY_PARTITION, claims, admissions=admissions)


def _filtered(view: Topology, host: HostName, local: Local) -> Iterator[Filtered]:
    profiles: dict[tuple[SecurityGroupId, ...], Profile | None] = {}
    bridges: dict[NetworkId, str | None] = {}
    for port, tap in _instances(tuple(view.bound_on(host))):
        if port.id not in local.plugs or not port.port_security_enabled:
            continue
        ids = port.security_groups
        if ids not in profiles or not ids:
            # Without any it depends on whose port it is.
            profile = profile_of(view, port)
            profiles[ids] = profile if profile is not None and profile.filters else None
        profile = profiles[ids]
        if profile is None:
            continue
        if port.network_id not in bridges:
            bridges[port.network_id] = _bridge(view, port.network_id, local)
        bridge = bridges[port.network_id]
        if bridge is not None:
            yield Filtered(port, profile, tap, bridge)


@Latest
def _instances(ports: tuple[Port, ...]) -> list[tuple[Port, str]]:
    """Ports that are no router's, each with its tap."""
    return [(port, naming.tap(port.id)) for port in ports if port.router_id is None]


def _bridge(view: Topology, id: NetworkId, local: Local) -> str | None:
    network = view.networks.get(id)
    if network is None:
        return None
    if network.network_type == "flat":
        return local.physical_networks.get(network.physical_network or "")
    return naming.bridge(id)


# ---- the rules


def _rules(view: Topology, filtered: list[Filtered], groups: list[SecurityGroup]) -> Ruleset:
    sets = list(_member_sets(view, groups))
    prefixed = frozenset(one.name for one in sets)
    profiles = {one.profile.ids: one.profile for one in filtered}
    ways: Ways = {id: {d: _way(profile, d) for d in DIRECTIONS} for id, profile in profiles.items()}
    chosen = [(one.tap, ways[one.profile.ids]) for one in filtered]
    sets += [_LEADS[d](d, tuple((tap, way[d]) for tap, way in chosen)) for d in DIRECTIONS]
    stateless = [one.tap for one in filtered if not one.profile.stateful]
    if stateless:
        sets.append(nft.any_set("stateless", "ifname", (f'"{tap}"' for tap in stateless)))
    sets.append(nft.any_set("legs", "ether_addr", _legs(view, filtered)))
    chains = [
        nft.chain(_INWARD, _inward(bool(stateless))),
        nft.chain(_CLOSED, ["counter drop"]),
        *(_group(group, d, prefixed) for group in groups for d in DIRECTIONS),
        *_profiles(profiles.values(), ways),
        nft.chain(_KNOWN, _known(bool(stateless))),
        nft.chain("forward", _forward(), "type filter hook forward priority filter; policy accept;"),
    ]
    return Ruleset(
        namespace=naming.HOST,
        family="bridge",
        table=naming.SECURITY_TABLE,
        sets=tuple(sets),
        body=nft.body(*chains),
    )


def _leads(direction: Direction, pairs: tuple[tuple[str, str], ...]) -> NamedSet:
    """The map from taps to where their packets go."""
    leads = ((f'"{tap}"', f"goto {way}") for tap, way in pairs if way != _INWARD)
    return nft.mapping(direction, "ifname : verdict", leads)


_LEADS = {direction: Latest(_leads) for direction in DIRECTIONS}


def _way(profile: Profile, direction: Direction) -> str:
    """The chain that a packet of a port goes to."""
    if profile.is_open(direction):
        return _INWARD
    if not any(True for _ in profile.rules(direction)):
        return _CLOSED
    return f"{direction}.{sha256(' '.join(profile.ids).encode()).hexdigest()[:16]}"


def _profiles(profiles: Iterable[Profile], ways: Ways) -> Iterator[str]:
    for profile in sorted(profiles, key=lambda one: one.ids):
        for direction in DIRECTIONS:
            way = ways[profile.ids][direction]
            if way not in (_INWARD, _CLOSED):
                asked = (g.id for g in profile.groups if any(True for _ in rules_of(g, direction)))
                yield nft.chain(way, [*(f"jump {direction}-{id}" for id in asked), "counter drop"])


@lru_cache(maxsize=4096)
def _group(group: SecurityGroup, direction: Direction, sets: frozenset[str]) -> str:
    """The chain of a group's rules in one direction."""
    rules = (
        f"{match} {_VERDICT[direction]}"
        for rule in rules_of(group, direction)
        for match in matches(rule, direction, prefix_set(rule.group, rule.version) in sets)
    )
    return nft.chain(f"{direction}-{group.id}", rules)


def _forward() -> Iterator[str]:
    """What never changes: a table whose base chain changes has to be replaced, and nothing is judged for a moment."""
    yield f"meta mark {naming.ESTABLISHED_MARK:#010x} goto {_KNOWN}"
    yield f"meta mark {naming.REFUSED_MARK:#010x} counter drop"
    # Without these nobody could find anybody. Who may say what of whom is the guard's and port protection's matter.
    yield "meta protocol arp accept"
    yield from _DISCOVERY
    yield from _ASKS
    yield "iifname vmap @out"
    yield f"goto {_INWARD}"


def _known(stateless: bool) -> Iterator[str]:
    """What belongs to a known connection; a stateless port has none, but the port at the other end may."""
    if stateless:
        yield f"iifname != @stateless goto {_INWARD}"
        yield from _ASKS
        yield "iifname vmap @out"
        yield f"goto {_INWARD}"
    else:
        yield "meta mark set 0x00000000 accept"


def _inward(stateless: bool) -> Iterator[str]:
    if stateless:
        known = f"meta mark {naming.ESTABLISHED_MARK:#010x}"
        yield f"{known} oifname != @stateless meta mark set 0x00000000 accept"
        yield f"{known} meta mark set 0x00000000"
    yield 'iifname != "hr-*" meta protocol ip udp sport 67 udp dport 68 ether saddr != @legs accept'
    yield 'iifname != "hr-*" ip6 daddr fe80::/10 udp sport 547 udp dport 546 accept'
    yield "oifname vmap @in"
    yield "accept"


def _legs(view: Topology, filtered: list[Filtered]) -> Iterator[str]:
    """MACs of routers' legs: what comes from one was routed, here or on another host, and is nobody's DHCP answer.

    DHCPv6 needs no such set: a client asks from its link-local address (RFC 8415, 18.2), and nobody routes to that.
    """
    networks = {one.port.network_id for one in filtered}
    return (leg.mac_address for network in networks for leg in view.legs_on(network))


def _member_sets(view: Topology, groups: list[SecurityGroup]) -> Iterator[NamedSet]:
    for group in sorted({remote for one in groups for remote in one.remotes}):
        versions = {rule.version for one in groups for rule in one.rules if rule.group == group}
        members = {a for member in view.members_of(SecurityGroupId(group)) for a in member.addresses}
        for version in sorted(versions):
            mine = [a for a in members if address.version(a) == version]
            yield nft.address_set(member_set(group, version), version, (a for a in mine if "/" not in a))
            wide = [a for a in mine if "/" in a]
            if wide:
                yield nft.prefix_set(prefix_set(group, version), version, wide)


# ---- the tracking


@Latest
def _tracking(tracked: tuple[tuple[Port, str, int], ...]) -> Ruleset:
    """The table for ports that are tracked, each with its bridge and zone."""
    near = [
        (f'"{bridge}" . {mac}', str(zone))
        for port, bridge, zone in tracked
        for mac in {port.mac_address, *(pair.mac_address for pair in port.allowed_address_pairs)}
    ]
    elsewhere = "iifname != @bridges accept"
    state = [
        elsewhere,
        f"ct mark {naming.BARRED_MARK:#010x} meta mark set {naming.REFUSED_MARK:#010x} accept",
        f"meta mark set ct state map {{ {', '.join(f'{word} : {mark:#010x}' for word, mark in _STATES)} }}",
    ]
    zone = [
        elsewhere,
        "ct zone set iifname . ether daddr map @near accept",
        "ct zone set iifname . ether saddr map @near accept",
        "notrack",
    ]
    return Ruleset(
        namespace=naming.HOST,
        family="inet",
        table=naming.SECURITY_TABLE,
        sets=(
            nft.any_set("bridges", "ifname", {f'"{bridge}"' for _, bridge, _ in tracked}),
            nft.mapping("near", "iifname . ether daddr : ct zone", near, typeof=True),
        ),
        body=nft.body(
            # Before fragments are put together, which is done within a zone.
            nft.chain("zone", zone, "type filter hook prerouting priority -450; policy accept;"),
            nft.chain("state", state, "type filter hook prerouting priority mangle; policy accept;"),
        ),
    )
