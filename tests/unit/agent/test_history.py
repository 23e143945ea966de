"""Histories: after any sequence of views, plugs, failures, drift and restarts the kernel is as the present wants."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehop.compiler.state import Local, Plug
from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.objects import Sysctl
from tests.unit.agent.bench import HOST, Bench
from tests.unit.controller.test_share import POOL, consistent

PLUGGABLE = [v for v in POOL if isinstance(v, Port) and any(b.host == HOST for b in v.bindings)]
INDEX = st.sets(st.integers(0, len(POOL) - 1), min_size=len(POOL) // 2)
HOSTS = {index for index, value in enumerate(POOL) if value.id == HOST}


def plugged(chosen: set[int]) -> Local:
    ports = [PLUGGABLE[index % len(PLUGGABLE)] for index in chosen]
    return Local({port.id: Plug(port.id) for port in ports})


STEP = st.one_of(
    st.tuples(st.just("view"), INDEX),
    st.tuples(st.just("plugs"), st.sets(st.integers(0, 9), max_size=4)),
    st.tuples(st.just("restart"), st.just(set[int]())),
    st.tuples(st.just("drift"), st.sets(st.integers(0, 200), min_size=1, max_size=4)),
    st.tuples(st.just("fail"), st.sets(st.integers(0, 40), min_size=1, max_size=3)),
)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=8))
def test_the_kernel_holds_what_the_present_wants_after_any_history(steps: list[tuple[str, set[int]]]) -> None:
    bench = Bench()
    view = Topology(1, consistent(HOSTS))
    bench.see(view)
    for revision, (what, chosen) in enumerate(steps, 2):
        if what == "view":
            view = Topology(revision, consistent(chosen | HOSTS))
            bench.see(view)
        elif what == "plugs":
            bench.equip(plugged(chosen))
        elif what == "restart":
            local = bench.local
            bench = Bench(bench.kernel)
            bench.equip(local)
            bench.see(view)
        elif what == "drift":
            ours = [found for found in bench.ours().values() if not isinstance(found, Sysctl)]
            for index in chosen:
                victim = ours[index % len(ours)] if ours else None
                if victim is not None and victim.key in bench.ours():
                    bench.kernel.uproot(victim)
            bench.engine.doubt_all()
            bench.work()
        else:
            for position in chosen:
                bench.kernel.fail_at(position, errno.EBUSY)
    bench.kernel.heal()
    bench.engine.doubt_all()
    for _ in range(3):
        bench.wait(200)
    assert bench.engine.failing == {}
    assert bench.holds(view)
    writes = bench.kernel.writes
    bench.engine.doubt_all()
    bench.work()
    assert bench.kernel.writes == writes


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(INDEX, min_size=1, max_size=4), st.integers(0, 60))
def test_dying_in_the_middle_of_any_plan_leaves_nothing_that_the_next_life_cannot_mend(
    views: list[set[int]], survives: int
) -> None:
    from onehop.kernel.memory import PowerCutError

    bench = Bench()
    bench.equip(plugged({0, 1, 2}))
    bench.kernel.stop_after(survives)
    view = Topology()
    for revision, chosen in enumerate(views, 1):
        view = Topology(revision, consistent(chosen | HOSTS))
        try:
            bench.see(view)
        except PowerCutError:
            local = bench.local
            bench = Bench(bench.kernel)
            bench.equip(local)
            bench.see(view)
    bench.kernel.heal()
    bench.engine.doubt_all()
    bench.wait(200)
    assert bench.engine.failing == {}
    assert bench.holds(view)
