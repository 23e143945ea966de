"""The whole host is read a part at a time, and what happens meanwhile is neither late nor lost."""

from onehop.agent.sight import PART
from onehop.compiler.state import Local, Plug
from onehop.kernel.memory import MemoryKernel
from onehop.model.topology import ref
from onehop.net import naming
from onehop.objects import Namespace, Route
from onehop.reconciler.plan import Observation, Scope
from tests.unit.agent.bench import Bench, routed
from tests.worlds import World


class Watched(MemoryKernel):
    scopes: list[Scope]

    def observe(self, scope: Scope) -> Observation:
        self.scopes.append(scope)
        return super().observe(scope)


def test_a_change_that_comes_while_the_whole_host_is_read_does_not_wait_for_the_rest() -> None:
    world = World()
    ports = []
    for number in range(1, 2 * PART + 1):
        world.network(number)
        world.router(number, (number,))
        ports.append(world.port(number, 1))
    kernel = Watched()
    kernel.scopes = []
    bench = Bench(kernel)
    bench.plug(*ports)
    bench.see(world)
    late, there = world.port(1, 2), world.port(2 * PART, 2)
    bench.engine.doubt_all()
    bench.engine.run()
    view = world.topology(2)
    bench.engine.see(view, [ref(late), ref(there)])
    kernel.scopes.clear()
    writes = bench.kernel.writes
    bench.engine.run()
    assert bench.kernel.writes > writes
    assert sum(scope.links is None and not scope.keys for scope in kernel.scopes) <= PART + 2
    assert not bench.engine.idle
    assert bench.holds(world)
    writes = bench.kernel.writes
    bench.work()
    assert bench.holds(world)
    assert bench.kernel.writes == writes
    assert bench.engine.failing == {}


def test_what_is_changed_by_hand_while_the_whole_host_is_read_is_repaired() -> None:
    world, one, two = routed()
    for number in range(3, 2 * PART):
        world.network(number)
        world.router(number, (number,))
        world.port(number, 1)
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    bench.engine.doubt_all()
    bench.engine.run()
    namespace = naming.router_namespace(world.router_id(1))
    bench.kernel.uproot(next(found for found in bench.ours().values() if isinstance(found, Route)))
    bench.engine.doubt(namespace, None)
    bench.work()
    assert bench.holds(world)


def test_a_change_does_not_wait_until_all_that_is_doubtful_was_read() -> None:
    world = World()
    for number in range(1, 31):
        world.network(number)
        world.router(number, (number,))
        world.port(number, 1)
    kernel = Watched()
    kernel.scopes = []
    bench = Bench(kernel)
    bench.see(world)
    for number in range(1, 31):
        bench.engine.doubt(naming.router_namespace(world.router_id(number)), None)
    late = world.port(30, 2)
    bench.engine.see(world.topology(2), [ref(late)])
    kernel.scopes.clear()
    writes = kernel.writes
    bench.engine.run()
    assert kernel.writes > writes
    assert len({scope.namespace for scope in kernel.scopes}) <= 3
    kernel.scopes.clear()
    bench.engine.run()
    assert len({scope.namespace for scope in kernel.scopes}) == 2, "one router and the host at a time"
    bench.work()
    assert bench.holds(world)


def test_what_the_kernel_told_of_before_a_partition_was_read_back_is_not_read_again() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one, two)
    bench.see(world)
    namespace = naming.router_namespace(world.router_id(1))
    bench.now += 1
    bench.engine.doubt(namespace, None)
    bench.work()
    bench.engine.doubt(namespace, None, bench.now - 0.1)
    assert bench.engine.idle
    bench.engine.doubt(namespace, None, bench.now)
    assert not bench.engine.idle


def test_what_is_wanted_anew_goes_before_what_was_read_with_everything() -> None:
    world = World()
    for number in range(1, 201):
        world.network(number)
        world.port(number, 1)
    bench = Bench()
    bench.see(world)
    bench.engine.doubt_all()
    bench.engine.run()
    late = world.port(200, 2)
    bench.engine.see(world.topology(2), [ref(late)])
    writes = bench.kernel.writes
    assert bench.engine.run().settled
    assert bench.kernel.writes > writes


def test_who_waits_for_a_plug_does_not_wait_for_what_is_only_doubted() -> None:
    """After a boot every tap lacks its instance's namespace; whoever makes one is not told of how it was before."""
    world = World()
    ports = []
    for number in range(1, 9):
        world.network(number)
        ports.append(world.port(number, 1))
    bench = Bench()
    bench.equip(Local({port.id: Plug(port.id, f"vm-{number}") for number, port in enumerate(ports)}))
    bench.see(world)
    assert {bench.state("port", port.id) for port in ports} == {"ERROR"}
    last = ports[-1]
    bench.kernel.plant(Namespace(namespace="vm-7", mark=""))
    for port in ports[:-1]:
        bench.engine.doubt(naming.HOST, naming.tap(port.id))
    bench.engine.equip(bench.local)
    bench.engine.urge(naming.tap(last.id))
    settled = bench.engine.run()
    assert settled.settled
    said = settled.changed["port", last.id]
    assert said is not None
    assert said.state == "ACTIVE"
