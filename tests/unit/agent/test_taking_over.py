"""What an agent makes of what the one before it left when it died."""

import errno

from msgspec.structs import replace

from onehop.compiler.state import Local, Plug
from onehop.errors import KernelError
from onehop.kernel.memory import MemoryKernel
from onehop.model.floating_ip import FloatingIp
from onehop.model.network import Network
from onehop.net import naming
from onehop.objects import Link
from onehop.objects.conntrack import Translations
from tests.unit.agent.bench import Bench, routed
from tests.unit.agent.legged import bench_of, world_of
from tests.worlds import World


class Stuck(MemoryKernel):
    """A kernel that lets nobody look through its connections while it is `stuck`."""

    stuck = True

    def cut(self, namespace: str, allowed: Translations) -> int:
        if self.stuck:
            raise KernelError("out of buffers", errno.ENOBUFS)
        return super().cut(namespace, allowed)


def test_an_end_of_a_pair_that_nobody_marked_is_taken_up_where_it_is_wanted() -> None:
    world, one, two = routed()
    earlier = Bench()
    earlier.plug(one, two)
    earlier.see(world)
    ends = [v for v in earlier.ours().values() if isinstance(v, Link) and v.name.startswith("hr-")]
    for end in ends:
        earlier.kernel.world.spaces[""].devices[end.name].change(alias="", up=False)
    restarted = Bench(earlier.kernel)
    restarted.equip(earlier.local)
    restarted.see(world)
    assert ends
    assert restarted.engine.failing == {}
    assert restarted.holds(world)


def test_a_vni_that_went_to_another_network_meanwhile_is_no_error() -> None:
    world = World(2)
    world.network(1)
    earlier = Bench()
    earlier.plug(world.port(1, 1))
    earlier.see(world)
    world = World(2)
    world.network(2)
    world.values = [replace(value, vni=1001) if isinstance(value, Network) else value for value in world.values]
    port = world.port(2, 1)
    restarted = Bench(earlier.kernel)
    restarted.equip(Local({port.id: Plug(port.id)}))
    restarted.see(world)
    assert restarted.engine.failing == {}
    assert restarted.holds(world)


def test_connections_by_a_gateway_that_went_meanwhile_are_cut() -> None:
    world, port = world_of(1)
    earlier = bench_of(port, confirmed=True)
    earlier.see(world)
    namespace = naming.router_namespace(world.router_id(1))
    assert earlier.kernel.allowed[namespace] != Translations()
    world.change(world.router_id(1), gateway=None)
    world.values = [value for value in world.values if not isinstance(value, FloatingIp)]
    restarted = bench_of(port, earlier, confirmed=True)
    restarted.see(world, 2)
    assert restarted.kernel.allowed[namespace] == Translations()


def test_connections_that_cannot_be_cut_are_the_error_of_their_router_until_they_can() -> None:
    world, port = world_of(1)
    kernel = Stuck()
    bench = bench_of(port, kernel=kernel, confirmed=True)
    bench.see(world)
    assert bench.state("router", world.router_id(1)) == "ERROR"
    assert "could not be cut" in bench.reason("router", world.router_id(1))
    kernel.stuck = False
    bench.wait(120)
    assert bench.state("router", world.router_id(1)) == "ACTIVE"
