"""Shares: worked out step by step they are what they would be worked out at once, and the dirty refs suffice."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from onehop.controller.share import Shares
from onehop.model.host import Host
from onehop.model.locality import changed_between
from onehop.model.subnet import Subnet
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.net.identifier import HostName
from onehop.wire.digest import digest_of, text_of
from tests.worlds import World

HOSTS = [World.host(n) for n in range(1, 5)]
Step = list[tuple[str, int, int]]


def pool() -> list[Value]:
    """Values of which histories are made: 4 networks, 3 routers, 2 external ones, legs, and ports on 3 hosts."""
    world = World(4)
    for n in range(1, 5):
        world.network(n, six=False)
    world.router(1, (1, 2))
    world.router(2, (3,))
    world.leg(2, 2, suffix=2)
    world.router(3, ())
    world.leg(3, 3, suffix=3)
    world.leg(3, 4)
    for n in range(1, 5):
        for host in (1, 2, 3):
            world.port(n, host)
        world.port(n, None)
        world.port(n, 1, prepared=2)
    world.external(5)
    world.external(6, "other")
    for router, external, candidates in ((1, 5, (4,)), (2, 5, ()), (3, 6, (3, 2))):
        bare = next(v for v in world.values if v.id == world.router_id(router))
        world.gateway(router, external, *candidates)
        world.values.append(bare)
        world.floating(router, external, None)
    for n in (5, 6):
        world.port(n, 3)
    return world.values


POOL = pool()
STEPS = st.lists(st.sets(st.integers(0, len(POOL) - 1)), min_size=1, max_size=6)


def consistent(chosen: set[int]) -> list[Value]:
    """The chosen values but for ports and subnets without a network, as the store would never hold them."""
    values = [POOL[index] for index in sorted(chosen)]
    values = list({ref(value): value for value in values}.values())
    networks = {value.id for value in values if ref(value)[0] == "network"}
    return [value for value in values if getattr(value, "network_id", None) in (None, *networks)]


@given(STEPS)
def test_shares_of_any_history_are_those_of_the_present(history: list[set[int]]) -> None:
    topology = Topology()
    shares = Shares(topology)
    views: dict[HostName, dict[Ref, Value]] = {host: {} for host in HOSTS}
    for revision, chosen in enumerate(history, 1):
        fresh = Topology(revision, consistent(chosen))
        changed = changed_between(topology, fresh)
        for host, dirty in shares.advance(fresh, changed).items():
            for wanted in dirty:
                value = shares.value(host, wanted)
                if value is None:
                    views[host].pop(wanted, None)
                else:
                    views[host][wanted] = value
        topology = fresh
        cold = Shares(fresh)
        for host in HOSTS:
            expected = {ref(value): value for value in cold.share(host)}
            shared = list(shares.share(host))
            assert len(shared) == len(expected)
            assert {ref(value): value for value in shared} == expected
            assert text_of(shares.weight(host)) == digest_of(shared)
            assert views[host] == expected


def test_a_change_of_one_component_says_nothing_to_hosts_of_others() -> None:
    world = World(3)
    world.network(1)
    world.network(2)
    world.port(1, 1)
    world.port(2, 2)
    shares = Shares(world.topology())
    added = world.port(1, None)
    dirty = shares.advance(world.topology(2), [("port", added.id)])
    assert dirty == {World.host(1): {("port", added.id)}}


def test_a_new_vtep_is_told_to_those_who_share_a_component() -> None:
    world = World(3)
    world.network(1)
    world.network(2)
    world.port(1, 1)
    world.port(1, 2)
    world.port(2, 3)
    shares = Shares(world.topology())
    index = next(i for i, v in enumerate(world.values) if isinstance(v, Host) and v.name == "host-1")
    world.values[index] = msgspec.structs.replace(world.values[index], vtep="192.0.2.99")
    dirty = shares.advance(world.topology(2), [("host", "host-1")])
    assert set(dirty) == {World.host(1), World.host(2)}


def test_host_1_is_not_host_10() -> None:
    world = World(10)
    world.network(1)
    port = world.port(1, 10)
    shares = Shares(world.topology())
    assert shares.value(World.host(1), ("port", port.id)) is None
    assert shares.value(World.host(10), ("port", port.id)) == port


def outside() -> World:
    """A router between network 1, with a port on host 1, and external network 5; host 3 is its gateway host."""
    world = World(4)
    world.network(1, six=False)
    world.external(5)
    world.router(1, (1,))
    world.gateway(1, 5, 3)
    world.floating(1, 5, world.port(1, 1))
    world.port(5, None)
    return world


def test_the_external_network_and_its_subnets_are_known_without_its_ports() -> None:
    world = outside()
    shares = Shares(world.topology())
    for number in (1, 3):
        kinds = [ref(value)[0] for value in shares.share(World.host(number))]
        assert {kind: kinds.count(kind) for kind in kinds} == {
            "network": 2,
            "subnet": 2,
            "port": 2,
            "router": 1,
            "floatingip": 1,
            "host": 2,
            **({"security_group": 1} if number == 1 else {}),
        }
    assert {ref(value) for value in shares.share(World.host(2))} == {("host", "host-2")}


def test_a_change_of_an_external_subnet_is_told_to_hosts_of_routers_behind_it() -> None:
    world = outside()
    shares = Shares(world.topology())
    index = next(i for i, v in enumerate(world.values) if isinstance(v, Subnet) and v.network_id == World.network_id(5))
    world.values[index] = msgspec.structs.replace(world.values[index], gateway_ip=None)
    refs: set[Ref] = {("subnet", World.subnet_id(5))}
    assert shares.advance(world.topology(2), refs) == {World.host(1): refs, World.host(3): refs}


def test_a_floating_ip_is_told_to_the_hosts_of_its_router_alone() -> None:
    world = outside()
    world.network(2)
    world.port(2, 2)
    shares = Shares(world.topology())
    added = world.floating(1, 5, None, last=200)
    refs: set[Ref] = {("floatingip", added.id)}
    assert shares.advance(world.topology(2), refs) == {World.host(1): refs, World.host(3): refs}
