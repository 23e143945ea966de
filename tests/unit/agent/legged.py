"""An engine of a host with a leg outside, over a kernel in memory: a router of two gateway hosts, and a floating IP."""

from onehop.compiler.state import Local, Plug
from onehop.kernel.memory import MemoryKernel
from onehop.model.port import Port
from onehop.objects import Address, Bridge, Link
from tests.northern import Northern
from tests.unit.agent.bench import Bench

PEER, OWN = "fa:16:3e:02:01:02", "fa:16:3e:02:01:01"
"""MACs of the legs of host 2, and of host 1, whose engine it is."""

BRIDGE = "br-ex"


def world_of(owner: int) -> tuple[Northern, Port]:
    """The world, and the port on host 1 that 203.0.113.50 leads to."""
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=owner)
    port = world.port(1, 1)
    world.floating_ip(50, port)
    return world, port


def bench_of(
    port: Port, earlier: Bench | None = None, *, confirmed: bool = False, kernel: MemoryKernel | None = None
) -> Bench:
    """The engine, on a kernel that is still empty; `earlier` leaves its own to it."""
    bench = Bench(earlier.kernel if earlier is not None else kernel, confirmed=confirmed)
    if earlier is None:
        bench.kernel.plant(Link(namespace="", name=BRIDGE, spec=Bridge(), alias="", mtu=1500), foreign=True)
    bench.equip(Local({port.id: Plug(port.id)}, {"external": BRIDGE}))
    return bench


def on_leg(bench: Bench) -> set[str]:
    """The addresses that are published."""
    found = [o for o in bench.ours().values() if isinstance(o, Address) and o.link.startswith("qg-")]
    return {o.address.partition("/")[0] for o in found if o.scope == "global"}
