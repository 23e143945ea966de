"""What passes came to, as numbers: repairs, leaks, changes of owner."""

import errno

from onehop.agent.ledger import Ledger
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.objects import Bridge, Link
from onehop.reconciler.plan import Delete, Plan
from tests.northern import Northern
from tests.unit.agent.bench import HOST, Bench, routed
from tests.worlds import World


def in_work() -> tuple[Bench, str, str]:
    """A host with a routed network, a router's namespace and an instance's tap."""
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    return bench, one.id, two.id


def repairs(bench: Bench) -> dict[tuple[str, ...], float]:
    return dict(bench.engine.ledger.repairs.samples())


def leaks(bench: Bench) -> dict[tuple[str, ...], float]:
    return {labels: number for labels, number in bench.engine.ledger.leaks.samples() if number}


def address_of_a_leg(bench: Bench) -> tuple[object, ...]:
    return next(key for key in bench.ours() if key[0] == "address" and str(key[1]).startswith(naming.ROUTER_PREFIX))


def test_what_a_view_asks_for_is_no_repair() -> None:
    bench, one, two = in_work()
    world, *_ = routed()
    assert repairs(bench) == leaks(bench) == {}
    bench.see(world.topology(2))
    bench.unplug(*[port for port in bench.engine.desire.view.ports.values() if port.id in (one, two)])
    assert repairs(bench) == leaks(bench) == {}


def test_what_somebody_took_away_is_a_repair_of_its_kind_in_its_part() -> None:
    bench, *_ = in_work()
    found = bench.ours()[address_of_a_leg(bench)]
    bench.kernel.execute(Plan((Delete(found),)))
    bench.engine.doubt(str(found.key[1]), None)
    bench.work()
    assert repairs(bench)["address", "create", "router"] == 1
    assert leaks(bench) == {}


def test_what_nobody_wants_and_is_ours_is_a_leak_found_while_running_or_at_start() -> None:
    bench, *_ = in_work()
    stray = Link(namespace="", name="brqstray", spec=Bridge(), alias=naming.mark("net/x", "network", "x"), mtu=1500)
    bench.kernel.plant(stray)
    bench.engine.doubt_all()
    bench.work()
    assert leaks(bench) == {("link", "running"): 1}
    bench.kernel.plant(stray)
    later = Bench(bench.kernel)
    later.local = bench.local
    later.engine.equip(bench.local)
    later.see(bench.engine.desire.view)
    assert leaks(later) == {("link", "start"): 1}
    assert repairs(later) == {}


def test_what_fails_and_is_tried_again_is_no_repair() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.kernel.fail(lambda op: op.key[0] == "address", 16)
    bench.see(world)
    assert dict(bench.engine.ledger.failing())[("address",)] > 0
    bench.kernel.heal()
    bench.wait(60)
    assert bench.engine.failing == {}
    assert dict(bench.engine.ledger.failing())[("address",)] == 0
    assert repairs(bench) == leaks(bench) == {}


def test_objects_are_counted_by_kind_after_any_history() -> None:
    bench, *_ = in_work()
    bench.see(bench.engine.desire.view.apply(5, (), [("port", id) for id in list(bench.engine.desire.view.ports)[:1]]))
    wanted = [key[0] for partition in bench.engine.desire.partitions.values() for key in partition.claims]
    told = {labels[0]: number for labels, number in bench.engine.ledger.objects() if number}
    assert told == {kind: wanted.count(kind) for kind in set(wanted)}


def test_a_change_of_owner_is_counted_by_who_gained_and_lost_it_and_who_said_so() -> None:
    """A router that is new here, or goes, is no change of owner; neither is one between two others."""
    ledger = Ledger()
    views = []
    for revision, owner in enumerate((1, 2, 3, 1, None, 1), 1):
        world = Northern(reaching=(1, 2, 3))
        world.router(1, ())
        world.gateway(1, owner, candidates=(1, 2, 3), generation=revision)
        views.append(world.topology(revision))
    router = RouterId(World.router_id(1))

    def turn(old: Topology, new: Topology, by: str = "controller") -> dict[tuple[str, ...], float]:
        ledger.turned(old, new, [("router", router), ("port", "x")], HOST, by)
        return {labels: number for labels, number in ledger.turns.samples() if number}

    assert turn(Topology(), views[0]) == {}
    assert ledger.owned == {router}
    assert turn(views[0], views[1]) == {("lost", "controller"): 1}
    assert turn(views[1], views[2]) == {("lost", "controller"): 1}
    assert ledger.owned == set()
    assert turn(views[2], views[3], "agreement") == {("lost", "controller"): 1, ("gained", "agreement"): 1}
    assert turn(views[3], views[4])["lost", "controller"] == 2
    assert turn(views[4], views[5])["gained", "controller"] == 1
    before = dict(ledger.turns.samples())
    turn(views[5], Topology())
    assert dict(ledger.turns.samples()) == before
    assert ledger.owned == set()


def test_a_repair_that_was_refused_at_first_is_counted_when_it_is_done() -> None:
    bench, *_ = in_work()
    found = bench.ours()[address_of_a_leg(bench)]
    bench.kernel.uproot(found)
    bench.kernel.fail(lambda op: op.key == found.key, errno.EBUSY)
    bench.engine.doubt(found.namespace, None)
    bench.work()
    assert ("address", "create", "router") not in repairs(bench)
    bench.kernel.heal()
    bench.wait(130)
    assert repairs(bench)["address", "create", "router"] == 1
