"""Indexes of a topology after any history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehop.model.topology import Topology, Value, member_of, ref
from tests.worlds import World


def _world() -> list[Value]:
    world = World()
    for n in (1, 2, 3):
        world.network(n)
    world.router(1, [1, 2])
    world.router(2, [3])
    for host in (1, 2, 3, None):
        for n in (1, 2, 3):
            world.port(n, host)
    return world.values


ALL = _world()


def _answers(view: Topology) -> object:
    networks = sorted({v.network_id for v in ALL if hasattr(v, "network_id")})
    return (
        sorted(ref(v) for v in view),
        [(n, view.subnets_of(n), view.ports_of(n), view.legs_on(n)) for n in networks],
        [view.interfaces_of(World.router_id(r)) for r in (1, 2)],
        [view.bound_on(World.host(h)) for h in (1, 2, 3)],
    )


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(range(len(ALL)))), st.sets(st.sampled_from(range(len(ALL))))), max_size=5
    )
)
def test_a_topology_answers_alike_whatever_its_history(steps: list[tuple[set[int], set[int]]]) -> None:
    view, present = Topology(), dict[tuple[str, str], Value]()
    for revision, (adds, removes) in enumerate(steps, 1):
        gone = [ref(ALL[i]) for i in sorted(removes - adds)]
        new = [ALL[i] for i in sorted(adds)]
        view = view.apply(revision, new, gone)
        present = {k: v for k, v in present.items() if k not in gone} | {ref(v): v for v in new}
    assert _answers(view) == _answers(Topology(len(steps), present.values()))


def test_applying_a_change_leaves_the_older_topology_as_it_was() -> None:
    old = Topology(1, ALL)
    before = _answers(old)
    old.apply(2, [], [ref(v) for v in ALL])
    assert _answers(old) == before


def test_everything_and_a_share_name_the_same_members_of_a_group() -> None:
    group = World().group(1)
    world = World()
    world.network(1)
    ports = [world.port(1, host, groups=(group,)) for host in (1, 2, None)]
    told = [member_of(group, port) for port in ports]
    assert Topology(1, world.values).members_of(group) == sorted(told, key=lambda member: member.id)
    # A host holds some of the ports, and every member.
    assert Topology(1, [ports[0], *told]).members_of(group) == Topology(1, world.values).members_of(group)
