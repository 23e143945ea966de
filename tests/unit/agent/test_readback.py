"""After a small plan only what it named is read back."""

import errno

import pytest

from onehop.agent.verdict import NOT_HELD
from onehop.net import naming
from onehop.objects import BridgeFdb
from onehop.reconciler.plan import Create, Observation, Op, Plan, Report, Scope
from tests.unit.agent.bench import Bench, routed


def test_one_more_port_is_read_back_by_what_its_plan_named() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    scopes: list[Scope] = []
    observe = bench.kernel.observe

    def spy(scope: Scope) -> Observation:
        scopes.append(scope)
        return observe(scope)

    bench.kernel.observe = spy  # type: ignore[method-assign]  # tells what is read
    more = world.port(1, 1)
    bench.plug(more)
    bench.see(world, 2)
    assert scopes
    assert all(scope.keys is not None for scope in scopes)
    assert bench.state("port", more.id) == "ACTIVE"
    assert bench.holds(world)


def test_an_entry_that_the_kernel_took_and_does_not_hold_is_an_error() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    execute = bench.kernel.execute

    def forgetful(plan: Plan) -> Report:
        report = execute(plan)
        for op in plan.ops:
            if isinstance(op, Create) and isinstance(op.object, BridgeFdb):
                bench.kernel.uproot(op.object)
        return report

    bench.kernel.execute = forgetful  # type: ignore[method-assign]  # a kernel that does not do what it says
    more = world.port(1, 1)
    bench.plug(more)
    bench.see(world, 2)
    assert bench.state("port", more.id) == "ERROR"
    assert bench.reason("port", more.id) == NOT_HELD
    assert bench.state("port", one.id) == "ACTIVE"


@pytest.mark.parametrize(
    ("number", "times", "refusals", "state"),
    [
        (errno.EBUSY, 1, 1, "ACTIVE"),
        (errno.ENODEV, 1, 1, "ACTIVE"),
        (errno.EEXIST, None, 2, "ERROR"),
        (errno.ENOMEM, 1, 1, "ERROR"),
    ],
)
def test_what_was_overtaken_by_events_is_tried_again_at_once_and_only_once(
    number: int, times: int | None, refusals: int, state: str
) -> None:
    world, one, _ = routed()
    bench = Bench()
    bench.see(world)
    tap = naming.tap(one.id)
    refused: list[Op] = []

    def is_it(op: Op) -> bool:
        if isinstance(op, Create) and op.key == ("link", naming.HOST, tap):
            refused.append(op)
            return True
        return False

    bench.kernel.fail(is_it, number, times)
    bench.plug(one)
    assert len(refused) == refusals
    assert bench.state("port", one.id) == state
