"""After a small plan only what it named is read back."""

from onehop.agent.verdict import NOT_HELD
from onehop.objects import BridgeFdb
from onehop.reconciler.plan import Create, Observation, Plan, Report, Scope
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
