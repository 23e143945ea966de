"""Security groups as nftables."""

from onehop.compiler import Local, Plug, compile_host
from onehop.compiler.security_groups import security
from onehop.compiler.security_zone import zones_of
from onehop.model.security_group import SecurityRule
from onehop.net import naming
from onehop.net.identifier import NetworkId
from onehop.objects import Bridge, Link, Ruleset, nftables
from tests.worlds import OPEN, World, uid

OUT = [SecurityRule(direction="egress", version=version) for version in (4, 6)]
SSH = SecurityRule(direction="ingress", version=4, protocol=6, first=22, last=22)


def tables(world: World, host: int = 1) -> dict[str, Ruleset]:
    """A host's tables by family."""
    view = world.topology()
    local = Local(plugs={port.id: Plug(port.id) for port in view.bound_on(World.host(host))})
    partition = security(view, World.host(host), local)
    found = partition.claims.values() if partition is not None else ()
    return {c.object.family: c.object for c in found if isinstance(c.object, Ruleset)}


def chain(table: Ruleset, name: str) -> list[str]:
    """The rules of a chain."""
    chains = nftables.chains_of(table.body)
    assert chains is not None
    return [line.strip() for line in chains[name].splitlines()]


def elements(table: Ruleset, name: str) -> tuple[str, ...]:
    """The elements of a set."""
    return next(one.elements for one in table.sets if one.name == name)


def test_where_everything_passes_nothing_is_made() -> None:
    world = World(1)
    world.network(1)
    world.port(1, 1, groups=[OPEN.id])
    assert tables(world) == {}


def test_a_port_without_groups_is_shut_without_tracking() -> None:
    world = World(1)
    world.network(1)
    port = world.port(1, 1, groups=[])
    (family,) = made = tables(world)
    assert family == "bridge"
    for direction in ("in", "out"):
        assert elements(made["bridge"], direction) == (f'"{naming.tap(port.id)}" : goto closed',)


def test_a_bridge_is_tracked_where_a_port_here_needs_it_alone() -> None:
    world = World(2)
    for n in (1, 2):
        world.network(n)
    group = world.group(1, *OUT, SSH)
    here, shut, there = world.port(1, 1, groups=[group]), world.port(2, 1, groups=[]), world.port(2, 2, groups=[group])
    view = world.topology()
    local = Local(plugs={port.id: Plug(port.id) for port in (here, shut, there)})
    state = compile_host(view, World.host(1), local)
    links = [c.object for p in state.values() for c in p.claims.values() if isinstance(c.object, Link)]
    tracked = {link.name: link.spec.tracked for link in links if isinstance(link.spec, Bridge)}
    assert tracked == {naming.bridge(World.network_id(1)): True, naming.bridge(World.network_id(2)): False}


def test_rules_are_written_as_nft_lists_them() -> None:
    world = World(1)
    world.network(1)
    rules = [
        SecurityRule(direction="ingress", version=4),
        SecurityRule(direction="ingress", version=6, protocol=6, first=1, last=65535),
        SecurityRule(direction="ingress", version=4, protocol=17, first=53, last=53, prefix="192.0.2.0/24"),
        SecurityRule(direction="ingress", version=4, protocol=1, first=8, prefix="192.0.2.7/32"),
        SecurityRule(direction="ingress", version=6, protocol=58, first=128),
        SecurityRule(direction="ingress", version=4, protocol=47),
        SecurityRule(direction="egress", version=4, protocol=6, group=uid(0x9002)),
    ]
    group = world.group(1, *rules)
    world.port(1, 1, groups=[group])
    table = tables(world)["bridge"]
    assert set(chain(table, f"in-{group}")) == {
        "meta protocol ip accept",
        "meta protocol ip6 tcp dport 1-65535 accept",
        "ip saddr 192.0.2.0/24 udp dport 53 accept",
        "ip saddr 192.0.2.7 icmp type echo-request accept",
        "icmpv6 type echo-request accept",
        "meta protocol ip meta l4proto gre accept",
    }
    assert chain(table, f"out-{group}") == [f"ip daddr @m4-{uid(0x9002)} meta l4proto tcp goto inward"]


def test_a_member_is_an_element_and_a_prefix_of_its_pairs_another_set() -> None:
    world = World(2)
    world.network(1)
    group = world.group(1)
    world.group(1, *OUT, SecurityRule(direction="ingress", version=4, group=group))
    world.port(1, 1, groups=[group])
    before = tables(world)["bridge"]
    member = world.port(1, 2, groups=[group])
    after = tables(world)["bridge"]
    assert after.has_structure_of(before)
    assert set(elements(after, f"m4-{group}")) - set(elements(before, f"m4-{group}")) == {member.addresses[0]}
    world.port(1, 2, groups=[group], pairs=[("fa:16:3e:00:00:99", "10.0.9.0/24")])
    assert elements(tables(world)["bridge"], f"p4-{group}") == ("10.0.9.0/24",)


def test_stateless_ports_are_not_tracked_and_not_let_pass_as_known() -> None:
    world = World(1)
    world.network(1)
    kept, plain = world.group(1, *OUT, SSH), world.group(2, *OUT, SSH, stateful=False)
    tracked, port = world.port(1, 1, groups=[kept]), world.port(1, 1, groups=[plain])
    made = tables(world)
    assert elements(made["bridge"], "stateless") == (f'"{naming.tap(port.id)}"',)
    near = " ".join(elements(made["inet"], "near"))
    assert tracked.mac_address in near
    assert port.mac_address not in near
    assert "meta mark set 0x00000000 accept" not in chain(made["bridge"], "known")
    alone = World(1)
    alone.network(1)
    alone.port(1, 1, groups=[alone.group(1, *OUT, SSH)])
    without = tables(alone)["bridge"]
    assert chain(without, "known") == ["meta mark set 0x00000000 accept"]
    assert chain(without, "forward") == chain(made["bridge"], "forward")


def test_zones_are_ones_own_also_where_two_networks_want_the_same() -> None:
    wanted: dict[int, NetworkId] = {}
    for number in range(100_000):
        network = NetworkId(uid(number))
        first = wanted.setdefault(naming.zone(network), network)
        if first != network:
            break
    zones = zones_of({first, network})
    assert len(set(zones.values())) == 2
    assert all(1 <= zone <= naming.ZONES for zone in zones.values())
    assert zones == zones_of({network, first})
