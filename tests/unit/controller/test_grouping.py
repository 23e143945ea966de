"""Security groups in shares: who is told of which group, and of whose part in it."""

import random
from collections.abc import Iterable

from msgspec.structs import replace

from onehop.controller.share import Shares
from onehop.model.port import Binding, Port
from onehop.model.security_group import Member, SecurityGroup, SecurityRule
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.net.identifier import HostName, SecurityGroupId
from onehop.wire.digest import digest_of, text_of
from tests.worlds import World

OUT = SecurityRule(direction="egress", version=4)


def about(group: SecurityGroupId) -> SecurityRule:
    """A rule that lets a group's members in."""
    return SecurityRule(direction="ingress", version=4, group=group)


class Told:
    """What every host was told so far, as it would hold it."""

    def __init__(self, world: World) -> None:
        self.topology = Topology(1, world.values)
        self.shares = Shares(self.topology)
        self.hosts = sorted(self.topology.hosts)
        self.views: dict[HostName, dict[Ref, Value]] = {
            h: {ref(v): v for v in self.shares.share(h)} for h in self.hosts
        }

    def change(self, upserts: Iterable[Value] = (), removes: Iterable[Ref] = ()) -> dict[HostName, set[Ref]]:
        """Go on; returns the security groups and members that were told to each host."""
        some, gone = list(upserts), list(removes)
        for host in self.hosts:
            self.shares.weight(host)  # so that what it keeps is of before the change
        self.topology = self.topology.apply(self.topology.revision + 1, some, gone)
        dirty = self.shares.advance(self.topology, {*map(ref, some), *gone})
        for host, refs in dirty.items():
            for one in refs:
                value = self.shares.value(host, one)
                if value is None:
                    self.views[host].pop(one, None)
                else:
                    self.views[host][one] = value
        grouped = {h: {r for r in refs if r[0] in ("security_group", "member")} for h, refs in dirty.items()}
        return {host: refs for host, refs in grouped.items() if refs}

    def right(self) -> bool:
        """Whether every host holds just its share, and its digest is that."""
        held = all(self.views[h] == {ref(v): v for v in self.shares.share(h)} for h in self.hosts)
        return held and all(text_of(self.shares.weight(h)) == digest_of(self.views[h].values()) for h in self.hosts)

    def groups(self, number: int) -> set[str]:
        """Ids of groups and members that a host holds."""
        held = self.views[World.host(number)]
        return {identifier for kind, identifier in held if kind in ("security_group", "member")}


def test_a_host_knows_its_ports_groups_and_the_members_of_those_they_speak_of_and_no_more() -> None:
    world = World(3)
    for n in (1, 2, 3):
        world.network(n)
    own, spoken, other = world.group(1), world.group(2, OUT), world.group(3, OUT)
    world.group(1, about(spoken))
    world.port(1, 1, groups=[own])
    member = world.port(2, 2, groups=[spoken])
    unbound = world.port(2, None, groups=[spoken])
    world.port(3, 3, groups=[other])
    told = Told(world)
    assert told.groups(1) == {own, f"{spoken}:{member.id}", f"{spoken}:{unbound.id}"}
    assert told.groups(2) == {spoken}
    assert told.groups(3) == {other}
    held = told.views[World.host(1)]["member", f"{spoken}:{member.id}"]
    assert held == Member(group_id=spoken, port_id=member.id, addresses=member.addresses)
    assert ("port", member.id) not in told.views[World.host(1)]


def test_a_member_that_changes_is_told_to_the_hosts_that_use_its_group_alone() -> None:
    world = World(3)
    for n in (1, 2, 3):
        world.network(n)
    spoken = world.group(2, OUT)
    using = world.group(1, about(spoken))
    world.port(1, 1, groups=[using])
    member = world.port(2, 2, groups=[spoken])
    world.port(3, 3)
    told = Told(world)
    moved = replace(member, fixed_ips=member.fixed_ips[:1])
    assert told.change([moved]) == {World.host(1): {("member", f"{spoken}:{member.id}")}}
    assert told.change([replace(moved, security_groups=())]) == {
        World.host(1): {("member", f"{spoken}:{member.id}")},
        World.host(2): {("security_group", spoken)},
    }
    assert told.right()


def test_shares_after_any_history_are_those_of_the_present() -> None:
    chance = random.Random(7)
    world = World(3)
    for n in (1, 2):
        world.network(n)
    groups = [world.group(k) for k in range(1, 5)]
    ports = [world.port(chance.choice((1, 2)), chance.choice((1, 2, 3, None))) for _ in range(8)]
    told = Told(world)
    for _ in range(150):
        if chance.random() < 0.4:
            id = chance.choice(groups)
            rules = {OUT, *(about(chance.choice(groups)) for _ in range(chance.randrange(3)))}
            told.change([SecurityGroup(id=id, project_id=ports[0].project_id, rules=tuple(sorted(rules)))])
        else:
            port = chance.choice(ports)
            if port.id in told.topology.ports and chance.random() < 0.2:
                told.change(removes=[("port", port.id)])
            else:
                told.change([_changed(port, chance, groups)])
        assert told.right()


def _changed(port: Port, chance: random.Random, groups: list[SecurityGroupId]) -> Port:
    where = chance.choice((1, 2, 3, None))
    return replace(
        port,
        bindings=() if where is None else (Binding(World.host(where)),),
        security_groups=tuple(sorted(chance.sample(groups, chance.randrange(3)))),
        fixed_ips=port.fixed_ips[: chance.choice((1, 2))],
        port_security_enabled=chance.random() < 0.9,
    )
