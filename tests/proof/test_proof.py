"""Worlds are proved; a class tells of each of its packets; what is wrong is found."""

import random
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from msgspec.structs import replace

from onehop.errors import UnknownRuleError
from onehop.model.port import Port
from onehop.net import naming
from onehop.net.identifier import PortId
from onehop.objects import Link, Namespace, Neighbour
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.case import Violation
from onehop.verify.proof.delivery import Delivery
from onehop.verify.proof.emission import Emission
from onehop.verify.proof.isolation import Isolation, said
from onehop.verify.proof.listener import Listener
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.prove import prove
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.sample import frame_of
from onehop.verify.proof.spans import Box, both, minus, points, size, without
from onehop.verify.watch import SILENT
from onehop.verify.world import World
from tests.golden.scenarios import Scenario
from tests.proof.tenants import Tenants, project, states_of, world_of
from tests.proof.worlds import made, meeting, roving, several_addresses, untranslated
from tests.proof.worlds import world_of as world_of_made


def _ports(world: Tenants) -> Iterator[Port]:
    return (port for port in world.topology().ports.values() if port.router_id is None)


def _within(box: Box, pick: random.Random) -> dict[str, int]:
    return {name: pick.randint(*pick.choice(some)) for name, some in box.items()}


def _came(found: list[Arrival]) -> list[tuple[str, str]]:
    return sorted((arrival.kind, arrival.who) for arrival in found if arrival.asked)


def _violations(prover: Delivery | Emission | Isolation, world: World) -> Iterator[Violation]:
    for case in prover.cases():
        for judged in case.judge(world, case.box):
            if judged.violation is not None:
                yield judged.violation


def test_a_difference_of_boxes_and_what_is_common_are_the_whole() -> None:
    one: Box = {"a": ((0, 9),), "b": ((0, 9),)}
    other: Box = {"a": ((2, 3), (7, 20)), "b": ((4, 4),)}
    assert sum(map(size, minus(one, other))) == 100 - 5
    assert without(((0, 9),), ((2, 3), (7, 20))) == ((0, 1), (4, 6))
    assert both(((0, 9),), points([3, 4, 12])) == ((3, 4),)


@pytest.mark.slow
def test_every_packet_of_a_class_is_heard_by_those_who_hear_its_representative() -> None:
    one, pick = made(roving()), random.Random(3)
    world = world_of_made(one, one.states)
    isolation, asked = Isolation(one.view), 0
    for port in [p for p in one.view.ports.values() if p.router_id is None and p.host is not None][:2]:
        source = Source(port.id)
        for family, box in said(one.view, port):
            case = isolation.case(port, source, family, box)
            for judged in islice(case.judge(world, box), 150):
                values = _within(judged.box, pick)
                if "target" in values and values.get("sender") == values["target"]:
                    continue  # those are the space before
                first = {name: some[0][0] for name, some in judged.box.items()}
                if "target" in first and first.get("sender") == first["target"]:
                    continue
                heard = [
                    _came(send(probe(world, SILENT), source, frame_of(each, family))[0]) for each in (first, values)
                ]
                assert heard[0] == heard[1], (family, judged.box, values)
                asked += 1
    assert asked > 300


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 10])
def test_random_tenants_are_isolated_say_who_they_are_and_are_served(seed: int) -> None:
    view = Tenants(seed).topology()
    proof = prove(view, world_of(view, states_of(view)))
    assert not proof.violations, proof.violations[0]
    assert proof.protected == proof.ports == 4
    assert proof.promises > 20
    assert proof.classes["isolation"] > 1000
    assert proof.classes["emission"] > 1000


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [untranslated, several_addresses, meeting])
def test_every_rule_of_these_worlds_is_known_and_breaks_no_promise(scenario: Callable[[], Scenario]) -> None:
    one = made(scenario())
    proof = prove(one.view, world_of_made(one, one.states))
    assert not proof.violations, proof.violations[0]
    assert proof.promises > 20


@pytest.mark.slow
def test_two_projects_on_one_network_reach_each_other_and_a_third_does_not() -> None:
    world = Tenants(3)
    view = world.topology()
    one, other, *_ = list(_ports(world))
    assert one.network_id != other.network_id
    moved = replace(other, network_id=one.network_id, id=PortId("ffffffff-0000-4000-8000-000000000001"))
    assert Allowed(view).boxes(one, moved, 4)
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
    found = next(_violations(Isolation(view), world_of(view, states)))
    assert view.ports[PortId(found.to)].network_id != view.ports[PortId(found.port)].network_id
    assert found.trail


@pytest.mark.slow
def test_a_port_whose_tap_asks_nothing_is_found() -> None:
    world = Tenants(1)
    view = world.topology()
    open_ = view.apply(2, [replace(next(_ports(world)), port_security_enabled=False)], [])
    found = list(_violations(Emission(view), world_of(view, states_of(open_))))
    assert {violation.port for violation in found} == {next(_ports(world)).id}
    assert any("what is not the port's" in violation.what for violation in found)
    assert view.ports[next(_ports(world)).id].project_id == project(1)


@pytest.mark.slow
def test_an_empty_data_plane_keeps_no_promise() -> None:
    one = made(roving())
    nothing = {host: [o for o in held if not isinstance(o, Neighbour)] for host, held in one.states.items()}
    assert next(_violations(Delivery(one.view), world_of_made(one, nothing)), None) is not None
    empty = world_of_made(one, {host: [] for host in one.states})
    assert len(list(_violations(Delivery(one.view), empty))) == len(list(Delivery(one.view).cases()))


@pytest.mark.slow
def test_a_namespace_that_nobody_makes_is_refused() -> None:
    one = made(roving())
    without_any = {host: [o for o in held if not isinstance(o, Namespace)] for host, held in one.states.items()}
    with pytest.raises(UnknownRuleError, match="which nobody makes"):
        world_of_made(one, without_any)


def test_a_listener_keeps_what_was_used() -> None:
    listener = Listener({}, 4)
    listener.used("fdb", "host-1", "brq", "")
    assert listener.seen == {("fdb", "host-1", "brq", "")}
