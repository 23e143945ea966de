"""Shares: worked out step by step they are what they would be worked out at once, and the dirty refs suffice."""

from hypothesis import given
from hypothesis import strategies as st

from onehop.controller.share import Shares
from onehop.model.locality import changed_between
from onehop.model.topology import Ref, Topology, Value, ref
from onehop.net.identifier import HostName
from tests.worlds import World

HOSTS = [World.host(n) for n in range(1, 5)]
Step = list[tuple[str, int, int]]


def pool() -> list[Value]:
    """Values of which histories are made: 4 networks, 3 routers, legs, and ports on 3 hosts."""
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
    return world.values


POOL = pool()
STEPS = st.lists(st.sets(st.integers(0, len(POOL) - 1)), min_size=1, max_size=6)


def consistent(chosen: set[int]) -> list[Value]:
    """The chosen values but for ports and subnets without a network, as the store would never hold them."""
    values = [POOL[index] for index in sorted(chosen)]
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
            assert {ref(value): value for value in shares.share(host)} == expected
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
    import msgspec

    from onehop.model.host import Host

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
