"""The laws of reconciliation, on a kernel in memory."""

import errno

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onehop.kernel.memory import MemoryKernel, PowerCutError
from onehop.objects import Bridge, Link, Namespace, Route, Rule, Ruleset, born_rules
from onehop.reconciler import Delete, Plan, diff
from tests.property.laws import assert_done, assert_holds, observe_all, reconcile
from tests.property.states import INSTANCES, State, pairs, states

LAW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

FOREIGN = (
    Namespace(namespace=INSTANCES, mark=""),
    Link(namespace="", name="docker0", spec=Bridge(), alias="", mtu=1500),
    Route(namespace="", destination="172.16.0.0/12", type="blackhole"),
    Rule(namespace="", family=4, priority=500, table=9),
    Ruleset(namespace="", family="inet", table="filter", body="\tchain a {\n\t}\n"),
)


def host(*histories: State, hooks_outlive_devices: bool = True) -> MemoryKernel:
    """A kernel that holds foreign things, and went through some states."""
    kernel = MemoryKernel(hooks_outlive_devices)
    for found in FOREIGN:
        kernel.plant(found, foreign=isinstance(found, Route | Rule))
    before: State = {}
    for state in histories:
        assert_done(*reconcile(kernel, state, before))
        before = state
    return kernel


def assert_foreign_untouched(kernel: MemoryKernel) -> None:
    """All that was planted by somebody else is as it was planted."""
    own = kernel.world.spaces[""]
    assert kernel.world.spaces[INSTANCES].mark == ""
    assert own.devices["docker0"].link.alias == ""
    assert {
        FOREIGN[2].key,
        FOREIGN[3].key,
        FOREIGN[4].key,
    } <= own.routes.keys() | own.rules.keys() | own.rulesets.keys()


@LAW
@given(states())
def test_the_diff_of_equal_states_is_empty(state: State) -> None:
    assert diff(state, dict(state)) == Plan()


@LAW
@given(pairs(), st.booleans())
def test_carrying_out_a_diff_gives_the_desired_state(pair: tuple[State, State], hooks_outlive_devices: bool) -> None:
    before, after = pair
    kernel = host(before, hooks_outlive_devices=hooks_outlive_devices)
    assert_holds(kernel, before)
    assert_done(*reconcile(kernel, after, before))
    assert_holds(kernel, after)
    assert_foreign_untouched(kernel)


@LAW
@given(pairs(), st.integers(0, 10_000))
def test_stopping_anywhere_and_starting_again_gives_the_same_end(pair: tuple[State, State], at: int) -> None:
    before, after = pair
    kernel = host(before)
    seen = observe_all(kernel, before, after)
    plan = diff(seen.objects, after, seen.foreign)
    if not plan.ops:
        return
    kernel.stop_after(at % len(plan.ops))
    with pytest.raises(PowerCutError):
        kernel.execute(plan)
    assert_done(*reconcile(kernel, after, before))
    assert_holds(kernel, after)
    assert_foreign_untouched(kernel)


@LAW
@given(pairs(), st.integers(0, 10_000))
def test_a_refused_op_is_made_up_for_by_the_next_plan(pair: tuple[State, State], at: int) -> None:
    before, after = pair
    kernel = host(before)
    seen = observe_all(kernel, before, after)
    plan = diff(seen.objects, after, seen.foreign)
    if not plan.ops:
        return
    kernel.fail_at(at % len(plan.ops), errno.ENOMEM)
    report = kernel.execute(plan)
    assert len(report.done) + len(report.failed) + len(report.skipped) == len(plan.ops)
    kernel.heal()
    assert_done(*reconcile(kernel, after, before))
    assert_holds(kernel, after)


@LAW
@given(pairs())
def test_the_plan_does_not_depend_on_the_order_of_the_desired(pair: tuple[State, State]) -> None:
    before, after = pair
    assert diff(before, after) == diff(before, dict(reversed(after.items())))


@LAW
@given(pairs())
def test_only_what_was_observed_is_deleted(pair: tuple[State, State]) -> None:
    before, after = pair
    kernel = host(before)
    seen = observe_all(kernel, before, after)
    for op in diff(seen.objects, after, seen.foreign).ops:
        if isinstance(op, Delete) and op.key not in seen.objects:
            # The one exception: what a namespace that the plan makes is born with.
            assert op.object in born_rules(op.object.namespace)
            assert ("namespace", op.object.namespace) not in seen.objects
