"""How far port blocks are used, and what is said of it."""

from onehop.agent.hub import Hub
from onehop.agent.meter import Meter
from onehop.agent.ports import REMEMBERED, Blocks, Ports
from onehop.compiler.state import Local, Plug
from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.objects import Bridge, Link
from onehop.objects.conntrack import Load, Tracked, Tuple, busiest
from onehop.wire import PortUse
from tests.northern import Northern, gateway_ip
from tests.unit.agent.bench import Bench
from tests.worlds import uid

R = RouterId(uid(0x1001))
BLOCKS = Blocks("203.0.113.10", 1024)


def test_a_host_that_uses_three_quarters_of_its_ports_says_so_once() -> None:
    ports = Ports()
    assert ports.take(R, BLOCKS, Load(767), 1.0) is None
    assert ports.take(R, BLOCKS, Load(768), 2.0) == PortUse(router=R, used=768)
    assert ports.take(R, BLOCKS, Load(800), 3.0) is None
    ports.again()
    assert ports.take(R, BLOCKS, Load(800), 4.0) == PortUse(router=R, used=800)


def test_what_failed_counts_from_the_first_look_and_only_while_ports_are_scarce() -> None:
    ports = Ports()
    ports.take(R, BLOCKS, Load(1000, 50), 1.0)
    assert ports.short(1.0) == {}
    assert ports.take(R, BLOCKS, Load(1020, 53), 2.0) == PortUse(router=R, used=1020, failed=3)
    ports.take(R, BLOCKS, Load(10, 60), 3.0)
    assert ports.short(3.0) == {R: 3}
    assert ports.short(2.0 + REMEMBERED) == {}


def test_the_busiest_destination_is_what_counts() -> None:
    def tracked(destination: str, port: int, number: int, to: str = "203.0.113.10") -> list[Tracked]:
        return [
            Tracked(Tuple("10.0.0.5", destination, 6, 5000 + n, port), Tuple(destination, to, 6, port, 1024 + n), b"")
            for n in range(number)
        ]

    found = tracked("198.51.100.1", 80, 5) + tracked("198.51.100.1", 443, 7) + tracked("198.51.100.2", 443, 6)
    assert busiest(found, "203.0.113.10") == 7
    assert busiest([*found, *tracked("198.51.100.9", 80, 30, "203.0.113.50")], "203.0.113.10") == 7


def test_a_router_that_lacks_ports_goes_on_and_says_so_until_that_is_past() -> None:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=2)
    port = world.port(1, 1)
    bench = Bench()
    bench.kernel.plant(Link(namespace="", name="br-ex", spec=Bridge(), alias="", mtu=1500), foreign=True)
    bench.equip(Local({port.id: Plug(port.id)}, {"external": "br-ex"}))
    bench.see(world)
    router = world.router_id(1)
    meter = Meter(Hub(), lambda _: None)
    place = (naming.router_namespace(router), gateway_ip(1))
    bench.kernel.loads[place] = Load(1000, 0)
    assert meter.measure(bench.engine) == (PortUse(router=router, used=1000),)
    bench.kernel.loads[place] = Load(1024, 9)
    meter.measure(bench.engine)
    bench.work()
    assert bench.state("router", router) == "ACTIVE"
    assert bench.reason("router", router).startswith("9 connections found no free source port")
    bench.engine.shortage({})
    bench.work()
    assert bench.reason("router", router) == ""
