"""The engine's laws, over a kernel in memory."""

import errno

import pytest

from onehop.compiler.state import Local, Plug
from onehop.errors import NotFoundError
from onehop.kernel.memory import MemoryKernel
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.objects import Bridge, Link, Namespace, Route, Tap
from onehop.reconciler.plan import Create, Delete
from tests.unit.agent.bench import HOST, Bench, links, routed
from tests.worlds import World


def tap_of(port_id: str, partition: str, alias: str | None = None) -> Link:
    """A tap device, ours or somebody else's."""
    mark = naming.mark(partition, "port", port_id) if alias is None else alias
    return Link(namespace="", name=f"tap{port_id[:11]}", spec=Tap(), alias=mark, mtu=1450, up=False)


def test_a_view_becomes_kernel_state_and_nothing_is_left_to_do() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    assert bench.holds(world)
    writes = bench.kernel.writes
    bench.engine.doubt_all()
    bench.work()
    assert bench.kernel.writes == writes
    assert bench.engine.failing == {}


def test_nothing_is_deleted_before_the_first_complete_view() -> None:
    world, one, two = routed()
    earlier = Bench()
    earlier.plug(one, two)
    earlier.see(world)
    before = earlier.ours()
    restarted = Bench(earlier.kernel)
    restarted.engine.doubt_all()
    restarted.engine.doubt("", None)
    assert restarted.work() == []
    assert restarted.engine.run().changed == {}
    assert restarted.ours() == before


def test_a_restart_with_the_same_view_writes_nothing() -> None:
    world, one, two = routed()
    earlier = Bench()
    earlier.plug(one, two)
    earlier.see(world)
    writes = earlier.kernel.writes
    restarted = Bench(earlier.kernel)
    restarted.local = earlier.local
    restarted.engine.equip(earlier.local)
    restarted.see(world)
    assert restarted.kernel.writes == writes
    assert restarted.state("port", one.id) == "ACTIVE"


def test_what_an_earlier_life_left_behind_goes_with_the_first_complete_view() -> None:
    world, one, two = routed()
    earlier = Bench()
    earlier.plug(one, two)
    earlier.see(world)
    restarted = Bench(earlier.kernel)
    restarted.see(Topology(5, [value for value in world.values if value.id == HOST]))
    assert restarted.ours() == {}


def test_what_is_foreign_stays_whatever_its_name() -> None:
    world, one, _ = routed()
    bench = Bench()
    router = naming.router_namespace(World.router_id(7))
    bench.kernel.plant(Namespace(namespace=router, mark="somebody else's"))
    bench.kernel.plant(Link(namespace="", name="brq-not-ours", spec=Bridge(), alias="", mtu=1500))
    bench.plug(one)
    bench.see(world)
    bench.see(Topology(2))
    assert router in bench.kernel.world.spaces
    assert "brq-not-ours" in bench.kernel.world.spaces[""].devices


def test_a_port_is_active_only_when_its_instance_is_plugged() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.see(world)
    assert bench.state("port", one.id) == "DOWN"
    assert "plugged" in bench.reason("port", one.id)
    bench.plug(one)
    assert bench.state("port", one.id) == "ACTIVE"
    assert bench.state("port", two.id) == "DOWN"
    bench.unplug(one)
    assert bench.state("port", one.id) == "DOWN"
    assert not any(name.startswith("tap") for name in links(bench.ours()))


def test_one_failing_object_is_one_error_and_the_others_go_on() -> None:
    world, one, two = routed()
    bench = Bench()
    name = naming.tap(one.id)
    bench.kernel.fail(lambda op: op.key[:3] == ("link", "", name), errno.EBUSY)
    bench.plug(one, two)
    bench.see(world)
    assert bench.state("port", one.id) == "ERROR"
    assert bench.reason("port", one.id)
    assert bench.state("port", two.id) == "ACTIVE"
    assert bench.state("router", World.router_id(1)) == "ACTIVE"


def test_a_port_is_not_blamed_for_the_bridge_that_somebody_else_has() -> None:
    world, one, two = routed()
    bench = Bench()
    theirs = Link(namespace="", name=naming.bridge(World.network_id(1)), spec=Bridge(), alias="somebody's", mtu=1450)
    bench.kernel.plant(theirs)
    bench.plug(one, two)
    bench.see(world)
    assert bench.state("network", World.network_id(1)) == "ERROR"
    assert bench.state("port", one.id) == "DOWN"
    assert bench.reason("port", one.id).startswith(f"network {World.network_id(1)} is not ready here: link brq")
    assert bench.state("port", two.id) == "ACTIVE"


def test_what_failed_is_tried_again_until_it_holds() -> None:
    world, one, two = routed()
    bench = Bench()
    name = naming.tap(one.id)
    bench.kernel.fail(lambda op: op.key[:3] == ("link", "", name), errno.EBUSY, times=3)
    bench.plug(one, two)
    bench.see(world)
    assert bench.state("port", one.id) == "ERROR"
    due = bench.engine.due()
    assert due is not None
    for _ in range(6):
        bench.wait(120)
    assert bench.state("port", one.id) == "ACTIVE"
    assert bench.engine.due() is None
    assert bench.holds(world)


def test_a_port_waits_for_its_network_and_is_not_blamed_for_it() -> None:
    world, one, two = routed()
    bench = Bench()
    vxlan = naming.vxlan(1001)
    bench.kernel.fail(lambda op: op.key[:3] == ("link", "", vxlan), errno.EEXIST)
    bench.plug(one, two)
    bench.see(world)
    assert bench.state("network", World.network_id(1)) == "ERROR"
    assert bench.state("port", one.id) == "DOWN"
    assert World.network_id(1) in bench.reason("port", one.id)
    assert bench.state("port", two.id) == "ACTIVE"


def test_a_port_waits_for_the_router_legs_of_its_network() -> None:
    world, one, two = routed()
    bench = Bench()
    namespace = naming.router_namespace(World.router_id(1))
    bench.kernel.fail(lambda op: isinstance(op, Create) and op.key[:2] == ("sysctl", namespace), errno.EACCES)
    bench.plug(one, two)
    bench.see(world)
    assert bench.state("port", one.id) == "DOWN"
    assert "not ready here" in bench.reason("port", one.id)
    bench.kernel.heal()
    bench.wait(120)
    assert bench.state("port", one.id) == "ACTIVE"


def test_a_name_that_somebody_else_has_is_an_error_with_the_reason() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.kernel.plant(tap_of(one.id, "", alias="docker's"))
    bench.plug(one, two)
    bench.see(world)
    assert bench.state("port", one.id) == "ERROR"
    assert naming.tap(one.id) in bench.reason("port", one.id)
    assert bench.state("port", two.id) == "ACTIVE"
    bench.kernel.uproot(tap_of(one.id, "", alias="docker's"))
    bench.engine.doubt("", naming.tap(one.id))
    bench.work()
    assert bench.state("port", one.id) == "ACTIVE"


def test_drift_that_the_kernel_tells_of_is_repaired() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    namespace = naming.router_namespace(World.router_id(1))
    leg = next(v for k, v in bench.ours().items() if k[:2] == ("link", namespace))
    bench.kernel.uproot(leg)
    bench.engine.doubt(namespace, str(leg.key[2]))
    bench.work()
    assert bench.holds(world)


def test_drift_that_nobody_tells_of_is_found_by_looking_at_everything() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    route = next((v for v in bench.ours().values() if isinstance(v, Route)), None)
    victim = route if route is not None else next(v for v in bench.ours().values() if v.kind == "neighbour")
    bench.kernel.uproot(victim)
    bench.engine.doubt_all()
    bench.work()
    assert bench.holds(world)


def test_a_namespace_removed_by_hand_comes_back_whole() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    namespace = naming.router_namespace(World.router_id(1))
    mark = bench.kernel.world.spaces[namespace].mark
    bench.kernel.uproot(Namespace(namespace=namespace, mark=mark))
    bench.engine.doubt(namespace, None)
    bench.work()
    assert bench.holds(world)


def test_one_change_touches_only_its_own_partitions() -> None:
    world = World(2)
    for n in range(1, 9):
        world.network(n)
        world.router(n, (n,))
    ports = [world.port(n, 1) for n in range(1, 9)]
    bench = Bench()
    bench.plug(*ports)
    bench.see(world)
    looked: list[str] = []
    observe = bench.kernel.observe

    def spy(scope: object) -> object:
        looked.append(str(getattr(scope, "namespace", "")))
        return observe(scope)  # type: ignore[arg-type]  # passed on as it came

    bench.kernel.observe = spy  # type: ignore[method-assign,assignment]  # counts what is read
    world.port(3, 2)
    bench.see(world, 2)
    assert set(looked) <= {"", naming.router_namespace(World.router_id(3))}
    assert bench.holds(world)


def test_a_removed_interface_takes_both_ends_of_its_pair_in_one_plan() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    leg = next(v for v in world.values if v.id == f"{0x3000 + 256 + 2:08x}-0000-4000-8000-{0x3000 + 256 + 2:012x}")
    world.values.remove(leg)
    bench.see(world, 2)
    assert bench.holds(world)
    assert bench.engine.failing == {}


def test_a_leftover_that_cannot_be_removed_is_counted_and_tried_again() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    bench.kernel.fail(lambda op: isinstance(op, Delete) and op.key[0] == "namespace", errno.EBUSY, times=2)
    [*_, outcome] = bench.see(Topology(9))
    assert outcome.errors > 0
    for _ in range(4):
        bench.wait(120)
    assert bench.ours() == {}
    assert bench.engine.failing == {}


def test_a_kernel_that_cannot_be_read_is_not_written_to() -> None:
    from onehop.errors import KernelError
    from onehop.reconciler.plan import Observation, Scope

    world, one, _ = routed()
    bench = Bench()
    observe = bench.kernel.observe

    def broken(_scope: Scope) -> Observation:
        raise KernelError("out of buffers", errno.ENOBUFS)

    bench.kernel.observe = broken  # type: ignore[method-assign]  # a kernel that cannot be read
    bench.plug(one)
    bench.see(world)
    assert bench.kernel.writes == 0
    bench.kernel.observe = observe  # type: ignore[method-assign]  # and now it can
    bench.wait(120)
    assert bench.state("port", one.id) == "ACTIVE"


def test_a_released_device_stays_and_is_never_touched_again() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    bench.engine.release(naming.tap(one.id))
    bench.unplug(one)
    device = bench.kernel.world.spaces[""].devices[naming.tap(one.id)]
    assert device.link.alias == ""
    bench.see(Topology(9))
    assert naming.tap(one.id) in bench.kernel.world.spaces[""].devices


def test_an_adopted_device_is_ours_from_then_on_and_was_not_made_anew() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.see(world)
    bench.kernel.plant(tap_of(one.id, "", alias=""))
    before = bench.kernel.world.spaces[""].devices[naming.tap(one.id)]
    bench.local = Local({one.id: Plug(one.id)})
    bench.engine.equip(bench.local)
    bench.engine.adopt(naming.tap(one.id))
    bench.work()
    assert bench.kernel.world.spaces[""].devices[naming.tap(one.id)] is before
    assert bench.state("port", one.id) == "ACTIVE"
    assert bench.state("port", two.id) == "DOWN"


def test_adopting_what_is_not_there_says_so() -> None:
    world, one, _ = routed()
    bench = Bench()
    bench.see(world)
    bench.engine.equip(Local({one.id: Plug(one.id)}))
    with pytest.raises(NotFoundError, match="no device"):
        bench.engine.adopt(naming.tap(one.id))


def test_a_port_that_leaves_the_host_is_not_spoken_of_any_more() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    world.values.remove(one)
    bench.see(world, 2)
    assert ("port", one.id) not in bench.said
    assert bench.state("port", two.id) == "ACTIVE"


def test_a_port_is_spoken_of_again_when_its_bindings_change() -> None:
    world = World(2)
    world.network(1)
    port = world.port(1, 2, prepared=1)
    bench = Bench()
    bench.plug(port)
    bench.see(world)
    assert bench.state("port", port.id) == "ACTIVE"
    import msgspec

    from onehop.model.port import Binding

    active = msgspec.structs.replace(port, bindings=(Binding(HOST), Binding(World.host(2), active=False)))
    world.values[world.values.index(port)] = active
    outcomes = bench.see(world, 2)
    assert any(("port", port.id) in outcome.changed for outcome in outcomes)


def test_a_cold_host_of_many_routers_reports_the_first_before_the_last_are_made() -> None:
    world = World(1)
    ports = []
    for n in range(1, 101):
        world.network(n, six=False)
        ports.append(world.port(n, 1))
    bench = Bench(MemoryKernel())
    bench.plug(*ports)
    first, *rest = bench.see(world)
    assert rest
    assert not first.settled
    assert any(entry is not None and entry.state == "ACTIVE" for entry in first.changed.values())
    assert rest[-1].settled


def test_what_bears_our_mark_but_belongs_nowhere_goes_too() -> None:
    world, one, _ = routed()
    bench = Bench()
    for name, alias in (("odd0", "onehop router/../../etc port/x"), ("odd1", "onehop nonsense")):
        bench.kernel.plant(Link(namespace="", name=name, spec=Bridge(), alias=alias, mtu=1500))
    bench.plug(one)
    bench.see(world)
    assert bench.holds(world)
    assert bench.engine.failing == {}


def test_a_stray_that_cannot_be_removed_is_tried_again_and_holds_nothing_up() -> None:
    world, one, _ = routed()
    bench = Bench()
    bench.kernel.plant(Link(namespace="", name="odd0", spec=Bridge(), alias="onehop nonsense", mtu=1500))
    bench.kernel.fail(lambda op: isinstance(op, Delete) and op.key == ("link", "", "odd0"), errno.EBUSY, times=2)
    bench.plug(one)
    bench.see(world)
    assert bench.state("port", one.id) == "ACTIVE"
    assert bench.engine.failing
    for _ in range(3):
        bench.wait(120)
    assert bench.holds(world)
    assert bench.engine.failing == {}
