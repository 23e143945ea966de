"""Security groups and the agent: rules before links, closed where they fail, connections judged when rules shrink."""

import errno

from msgspec.structs import replace

from onehop.model.security_group import SecurityRule
from onehop.net import naming
from onehop.objects import Link, Ruleset
from onehop.reconciler.plan import Create, Delete, Op, Replace
from tests.unit.agent.bench import Bench
from tests.worlds import OPEN, World

OUT = SecurityRule(direction="egress", version=4)
SSH = SecurityRule(direction="ingress", version=4, protocol=6, first=22, last=22)
TABLE = ("ruleset", naming.HOST, "bridge", naming.SECURITY_TABLE)


def _is_table(op: Op) -> bool:
    return op.key == TABLE


def _world() -> tuple[World, str]:
    world = World(1)
    world.network(1)
    return world, world.group(1, OUT, SSH)


def _link(bench: Bench, name: str) -> Link | None:
    found = bench.ours().get(("link", naming.HOST, name))
    return found if isinstance(found, Link) else None


def test_a_port_does_not_come_up_before_its_rules_stand_and_says_why() -> None:
    world, group = _world()
    port = world.port(1, 1, groups=[group])  # type: ignore[list-item]  # a group's id
    bench = Bench()
    bench.kernel.fail(_is_table, errno.EOPNOTSUPP)
    bench.plug(port)
    bench.see(world)
    tap = _link(bench, naming.tap(port.id))
    assert tap is None or not tap.up
    assert bench.state("port", port.id) == "DOWN"
    assert "security groups" in bench.reason("port", port.id)
    bench.kernel.heal()
    bench.wait(60)
    bench.wait(0)
    tap = _link(bench, naming.tap(port.id))
    assert tap is not None
    assert tap.up
    assert bench.state("port", port.id) == "ACTIVE"
    assert bench.holds(world)


def test_where_rules_fail_who_needs_none_goes_on() -> None:
    world, group = _world()
    free, port = world.port(1, 1), world.port(1, 1, groups=[group])  # type: ignore[list-item]  # a group's id
    bench = Bench()
    bench.plug(free)
    bench.see(world)
    bench.kernel.fail(_is_table, errno.EOPNOTSUPP)
    bench.plug(port)
    assert bench.state("port", free.id) == "ACTIVE"
    assert bench.state("port", port.id) == "DOWN"


def test_a_port_that_goes_is_gone_before_its_rules_are() -> None:
    world, group = _world()
    port, other = world.port(1, 1, groups=[group]), world.port(1, 1, groups=[group])  # type: ignore[list-item]  # a group's id
    bench = Bench()
    bench.plug(port, other)
    bench.see(world)
    seen: list[Op] = []
    bench.kernel.fail(lambda op: bool(seen.append(op)), errno.EPERM)
    bench.unplug(port)
    kinds = [
        "link" if isinstance(op, Delete) and op.key == ("link", naming.HOST, naming.tap(port.id)) else "rules"
        for op in seen
        if _is_table(op) or (isinstance(op, Delete) and op.key[2] == naming.tap(port.id))
    ]
    assert kinds.index("link") < kinds.index("rules")
    assert bench.holds(world)


def test_connections_are_judged_when_rules_shrink_and_left_alone_when_they_grow() -> None:
    world, group = _world()
    port = world.port(1, 1, groups=[group])  # type: ignore[list-item]  # a group's id
    bench = Bench()
    bench.plug(port)
    bench.see(world)
    first = len(bench.kernel.admitted)
    world.group(1, OUT, SSH, SecurityRule(direction="ingress", version=4, protocol=17))
    bench.see(world, 2)
    assert len(bench.kernel.admitted) == first
    world.group(1, OUT)
    bench.see(world, 3)
    (last,) = bench.kernel.admitted[first:]
    assert [rule.inwards for rule in last.rules[group]] == [False]


def test_a_member_elsewhere_changes_elements_and_nothing_else() -> None:
    world = World(2)
    world.network(1)
    mates = world.group(1)
    world.group(1, OUT, SecurityRule(direction="ingress", version=4, group=mates))
    port = world.port(1, 1, groups=[mates])
    bench = Bench()
    bench.plug(port)
    bench.see(world)
    seen: list[Op] = []
    bench.kernel.fail(lambda op: bool(seen.append(op)), errno.EPERM)
    member = world.port(1, 2, groups=[mates])
    bench.see(world, 2)
    (table,) = [op for op in seen if op.key[0] == "ruleset"]
    assert isinstance(table, Replace)
    assert isinstance(table.old, Ruleset)
    assert isinstance(table.new, Ruleset)
    assert table.new.has_structure_of(table.old)
    assert any(member.addresses[0] in one.elements for one in table.new.sets)
    assert not any(isinstance(op, Create) and op.key[0] == "ruleset" for op in seen)


def test_what_an_earlier_life_left_goes_where_nothing_is_filtered() -> None:
    world, group = _world()
    port = world.port(1, 1, groups=[group])  # type: ignore[list-item]  # a group's id
    bench = Bench()
    bench.plug(port)
    bench.see(world)
    assert TABLE in bench.ours()
    again = Bench(bench.kernel)
    again.plug(port)
    world.values = [replace(v, security_groups=(OPEN.id,)) if v.id == port.id else v for v in world.values]
    world.values.append(OPEN)
    again.see(world, 2)
    assert TABLE not in again.ours()
    assert again.holds(world)


def test_a_leg_that_comes_changes_or_goes_is_known_to_the_rules_at_once() -> None:
    """By the MAC of a leg is told what was routed, which is no DHCP answer of the network."""
    world, group = _world()
    port = world.port(1, 1, groups=[group])  # type: ignore[list-item]  # a group's id
    bench = Bench()
    bench.plug(port)
    bench.see(world)
    assert _legs(bench) == ()
    without = world.values
    world.values = [*without]
    world.router(1, [1])
    bench.see(world, 2)
    assert _legs(bench) == ("fa:16:3e:00:01:01",)
    leg = world.values[-1].id
    world.values = [replace(v, mac_address="fa:16:3e:00:77:77") if v.id == leg else v for v in world.values]
    bench.see(world, 3)
    assert _legs(bench) == ("fa:16:3e:00:77:77",)
    world.values = without
    bench.see(world, 4)
    assert _legs(bench) == ()


def _legs(bench: Bench) -> tuple[str, ...]:
    table = bench.ours()[TABLE]
    assert isinstance(table, Ruleset)
    return next(one.elements for one in table.sets if one.name == "legs")
