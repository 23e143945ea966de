"""What was dropped, read a part at a time and added up."""

import pytest

from onehop.agent.hub import Hub
from onehop.agent.sampler import LEG, PORT, PORTS, ROUTER, Sampler, parts
from onehop.compiler.state import Local, Plug
from onehop.net import naming
from onehop.net.identifier import PortId
from onehop.objects import Ruleset
from onehop.objects.counter import Count
from tests.unit.agent.bench import Bench, routed


def test_a_counter_that_begins_again_only_adds() -> None:
    sampler = Sampler(Hub())
    for number in (3, 5, 2, 2, 0, 4):
        sampler.take(PORT, {("p", "source-mac"): number})
    assert sampler.ports.get("p", "source-mac") == 11
    assert sampler.reasons.get("source-mac") == 11


def test_what_is_gone_is_forgotten_and_stays_in_the_sum() -> None:
    sampler = Sampler(Hub())
    sampler.take(PORT, {("gone", "vlan-tag"): 3, ("here", "vlan-tag"): 1})
    sampler.take(ROUTER, {("gone", "leave"): 2})
    sampler.keep({PORT: {"here"}, ROUTER: set(), LEG: set()})
    assert dict(sampler.ports.samples()) == {("here", "vlan-tag"): 1.0}
    assert list(sampler.routers.samples()) == []
    assert sampler.reasons.get("vlan-tag") == 4


def test_what_never_happened_is_no_series() -> None:
    sampler = Sampler(Hub())
    sampler.take(PORT, {("p", "source-mac"): 0})
    assert list(sampler.ports.samples()) == []
    assert ("source-mac",) in dict(sampler.reasons.samples())


def test_a_host_is_read_by_ports_and_routers() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    bench.kernel.counted[naming.tap_table(one.network_id, one.id), "source-mac"] = Count(7, 700)
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for part in parts(bench.engine):
        of, readings = part(bench.engine)
        found.setdefault(of, {}).update(readings)
    assert {labels: number for labels, number in found[PORT].items() if number} == {(one.id, "source-mac"): 7}
    assert {labels[0] for labels in found[PORT]} == {one.id, two.id}


def test_drops_of_a_router_are_summed_by_chain_over_its_tables() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    (namespace,) = {key[1] for key in bench.ours() if str(key[1]).startswith(naming.ROUTER_PREFIX)}
    body = "\tchain late {\n\t\tcounter drop\n\t}\n"
    for family in ("ip", "ip6"):
        bench.kernel.plant(Ruleset(namespace=str(namespace), family=family, table="onehop-x", body=body))
    bench.kernel.counted["onehop-x", "late"] = Count(4, 400)
    router = str(namespace).removeprefix(naming.ROUTER_PREFIX)
    readings = {
        labels: n
        for part in parts(bench.engine)
        for of, r in [part(bench.engine)]
        if of == ROUTER
        for labels, n in r.items()
    }
    assert readings[router, "late"] == 4


@pytest.mark.parametrize(("plugged", "number"), [(0, 0), (PORTS, 1), (PORTS + 1, 2), (10 * PORTS, 10)])
def test_a_large_host_is_read_a_part_at_a_time(plugged: int, number: int) -> None:
    bench = Bench()
    ids = [PortId(f"00000000-0000-4000-8000-{n:012d}") for n in range(plugged)]
    bench.equip(Local({id: Plug(id, None) for id in ids}))
    assert len(parts(bench.engine)) == number
