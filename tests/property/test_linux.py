"""A sample of the laws of reconciliation, on Linux itself."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from onehop.objects import Bridge, Link, Namespace, NextHop, Route
from onehop.reconciler import Plan, Replace, Scope, diff
from tests.contract.hosts import LinuxHost
from tests.property.laws import assert_done, assert_holds, observe_all, reconcile
from tests.property.states import INSTANCES, State, pairs

pytestmark = pytest.mark.root

SAMPLE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # An example is a host of its own: too dear to look for the smallest one that fails.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)

FOREIGN = (
    Namespace(namespace=INSTANCES, mark=""),
    Link(namespace="", name="docker0", spec=Bridge(), alias="", mtu=1500),
    Route(namespace="", destination="172.16.0.0/12", metric=0, type="blackhole"),
)


@SAMPLE
@given(pairs(), st.integers(0, 10_000))
def test_the_laws_hold_on_linux(pair: tuple[State, State], at: int) -> None:
    before, after = pair
    host = LinuxHost()
    try:
        for found in FOREIGN:
            host.plant(found)
        assert_done(*reconcile(host.kernel, before))
        assert_holds(host.kernel, before)
        seen = observe_all(host.kernel, after, before)
        plan = diff(seen.objects, after, seen.foreign)
        # Half of the samples stop somewhere on the way.
        host.kernel.execute(Plan(plan.ops[: at % (2 * len(plan.ops) + 1)]))
        assert_done(*reconcile(host.kernel, after, before))
        assert_holds(host.kernel, after)
        assert {FOREIGN[0].key, FOREIGN[1].key} <= host.kernel.observe(Scope(namespace="")).foreign
        assert "172.16.0.0/12" in host.run("", "ip", "route", "show", "type", "blackhole")
    finally:
        host.close()


@pytest.mark.parametrize("destination", ["10.9.0.0/16", "fd09::/64"])
@pytest.mark.parametrize("there", [False, True])
def test_a_route_that_went_before_it_could_be_replaced_is_put_there(destination: str, *, there: bool) -> None:
    # As routes go when their link goes down: nobody tells the plan.
    new = Route(namespace="", destination=destination, table=7, type="blackhole")
    old = Route(namespace="", destination=destination, table=7, hops=(NextHop(None, "br-1"),))
    bridge = Link(namespace="", name="br-1", spec=Bridge(), alias="onehop net/1 network/1", mtu=1500)
    host = LinuxHost()
    try:
        assert_done(*reconcile(host.kernel, {o.key: o for o in ((bridge, old) if there else (bridge,))}))
        report = host.kernel.execute(Plan((Replace(old, new),)))
        assert not report.failed, report.failed
        assert host.kernel.observe(Scope(namespace="")).objects[new.key] == new
    finally:
        host.close()
