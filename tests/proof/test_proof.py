"""Random tenants are proved; a class tells of each of its packets; what is wrong is found."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from msgspec.structs import replace

from onehop.model.port import Port
from onehop.net import naming
from onehop.net.identifier import PortId
from onehop.objects import Link
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.emission import Emission
from onehop.verify.proof.isolation import Isolation, _said
from onehop.verify.proof.prove import prove
from onehop.verify.proof.reach import Arrival, Reach, Source
from onehop.verify.proof.sample import frame_of
from onehop.verify.proof.spans import Box, both, minus, points, size, without
from onehop.verify.watch import SILENT
from tests.proof.mutants import broken, caught, mutants
from tests.proof.tenants import Tenants, project, states_of, world_of

LEAST = 0.95


def _ports(world: Tenants) -> Iterator[Port]:
    return (port for port in world.topology().ports.values() if port.router_id is None)


def _within(box: Box, pick: random.Random) -> dict[str, int]:
    return {name: pick.randint(*pick.choice(some)) for name, some in box.items()}


def _came(found: tuple[Arrival, ...]) -> list[str]:
    return sorted(arrival.port for arrival in found)


def test_a_difference_of_boxes_and_what_is_common_are_the_whole() -> None:
    one: Box = {"a": ((0, 9),), "b": ((0, 9),)}
    other: Box = {"a": ((2, 3), (7, 20)), "b": ((4, 4),)}
    assert sum(map(size, minus(one, other))) == 100 - 5
    assert without(((0, 9),), ((2, 3), (7, 20))) == ((0, 1), (4, 6))
    assert both(((0, 9),), points([3, 4, 12])) == ((3, 4),)


@pytest.mark.slow
def test_every_packet_of_a_class_comes_where_its_representative_does() -> None:
    world, pick = Tenants(3), random.Random(3)
    view = world.topology()
    reach = Reach(world_of(view, states_of(view)))
    asked = 0
    for port in islice(_ports(world), 2):
        for family, box in _said(view, port):
            for one in islice(reach.classes(Source(port.id), family, box), 250):
                values = _within(one.box, pick)
                if "target" in values and values.get("sender") == values["target"]:
                    continue  # those are the space before
                found = reach.send(Source(port.id), frame_of(values, family), SILENT)
                assert _came(found) == _came(one.found), (family, one.box, values)
                asked += 1
    assert asked > 500


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_random_tenants_are_isolated_say_who_they_are_and_are_served(seed: int) -> None:
    view = Tenants(seed).topology()
    proof = prove(view, world_of(view, states_of(view)))
    assert not proof.violations, proof.violations[0]
    assert proof.protected == proof.ports == 4
    assert proof.packets > 100
    assert proof.frames > 1000
    assert proof.questions > 0


@pytest.mark.slow
def test_two_projects_on_one_network_reach_each_other_and_a_third_does_not() -> None:
    world = Tenants(3)
    view = world.topology()
    one, other, *_ = list(_ports(world))
    assert one.network_id != other.network_id
    moved = replace(other, network_id=one.network_id, id=PortId("ffffffff-0000-4000-8000-000000000001"))
    assert Allowed(view).boxes(one, moved, 4) == [{}]
    assert Allowed(view).boxes(one, other, 0) == []


@pytest.mark.slow
def test_a_tap_on_another_projects_bridge_is_found() -> None:
    world = Tenants(3)
    view = world.topology()
    states = states_of(view)
    second = naming.bridge(world.network_id(2))
    taps = {naming.tap(port.id) for port in _ports(world) if port.network_id == world.network_id(1)}
    for host, held in states.items():
        names = {one.name for one in held if isinstance(one, Link)}
        if second in names:
            states[host] = [
                replace(one, master=second) if isinstance(one, Link) and one.name in taps else one for one in held
            ]
    found = next(Isolation(view, world_of(view, states)).violations())
    assert view.ports[PortId(found.to)].network_id != view.ports[PortId(found.port)].network_id
    assert found.trail


@pytest.mark.slow
def test_a_port_whose_tap_asks_nothing_is_found() -> None:
    world = Tenants(1)
    view = world.topology()
    open_ = view.apply(2, [replace(next(_ports(world)), port_security_enabled=False)], [])
    found = list(Emission(view, world_of(view, states_of(open_))).violations())
    assert {violation.port for violation in found} == {next(_ports(world)).id}
    assert any("what is not the port's" in violation.what for violation in found)
    assert view.ports[next(_ports(world)).id].project_id == project(1)


@pytest.mark.slow
def test_at_least_95_of_100_mutants_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    score: Counter[tuple[str, bool]] = Counter()
    view = Tenants(1, ports=3).topology()
    states = states_of(view)
    survivors = []
    for mutant in mutants(states, 1, 6):
        how = caught(view, broken(states, mutant))
        score[mutant.operator, bool(how)] += 1
        survivors += [] if how else [f"{mutant.operator} on {mutant.host}: {mutant.what}"]
    with capsys.disabled():
        done = sum(number for (_, found), number in score.items() if found)
        print(f"\nmutants caught: {done} of {score.total()}", *survivors, sep="\n  ")
    assert done / score.total() >= LEAST, survivors
