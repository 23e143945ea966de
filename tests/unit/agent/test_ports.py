"""How far port blocks are used, and what is said of it."""

from onehop.agent.hub import Hub
from onehop.agent.meter import Meter
from onehop.agent.ports import LOOK_SECONDS, MORE_ADDRESSES, MORE_PORTS, REMEMBERED, Blocks, Ports, blocks_on
from onehop.compiler.state import Local, Plug
from onehop.model.gateway import PortBlock
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
    assert ports.take(R, BLOCKS, Load(768), 2.0) == PortUse(router=R, address=BLOCKS.gateway, used=768)
    assert ports.take(R, BLOCKS, Load(800), 3.0) is None
    ports.again()
    assert ports.take(R, BLOCKS, Load(800), 4.0) == PortUse(router=R, address=BLOCKS.gateway, used=800)


def test_what_failed_counts_from_the_first_look_and_only_while_ports_are_scarce() -> None:
    ports = Ports()
    ports.take(R, BLOCKS, Load(1000, 50), 1.0)
    assert ports.short(1.0) == {}
    assert ports.take(R, BLOCKS, Load(1020, 53), 2.0) == PortUse(router=R, address=BLOCKS.gateway, used=1020, failed=3)
    ports.take(R, BLOCKS, Load(10, 60), 3.0)
    assert ports.short(3.0) == {R: f"3 connections found no free source port: {MORE_PORTS}"}
    assert ports.short(2.0 + REMEMBERED) == {}


def test_what_failed_for_want_of_ports_to_have_counts_however_few_connections_there_are() -> None:
    """GRE and the like: a second instance that calls the same address has no room."""
    ports = Ports()
    ports.take(R, BLOCKS, Load(1, 4), 1.0)
    assert ports.before(R, BLOCKS, 2.0) == 4
    assert ports.take(R, BLOCKS, Load(1, 6, portless=True), 2.0) is None
    assert ports.short(2.0) == {R: f"2 connections found no free source port: {MORE_ADDRESSES}"}


def test_connections_are_looked_at_now_and_then_because_some_failed_and_none_is_forgotten() -> None:
    ports = Ports()
    ports.take(R, BLOCKS, Load(1, 0), 1.0)
    ports.take(R, BLOCKS, Load(1, 3), 2.0)
    assert ports.short(2.0) == {}
    assert ports.before(R, BLOCKS, 2.0 + LOOK_SECONDS / 2) is None
    ports.take(R, BLOCKS, Load(1, 5), 2.0 + LOOK_SECONDS / 2, looked=False)
    assert ports.before(R, BLOCKS, 2.0 + LOOK_SECONDS) == 3
    ports.take(R, BLOCKS, Load(1, 5, portless=True), 2.0 + LOOK_SECONDS)
    assert ports.short(2.0 + LOOK_SECONDS)[R].startswith("2 connections")


def test_each_gateway_address_counts_by_itself() -> None:
    world = Northern(hosts=1)
    world.network(1, six=False)
    world.router(1, [1])
    second = "203.0.113.20"
    held = [PortBlock(1024, 1024), PortBlock(4096, 512, second, 9), PortBlock(8192, 512, second, 9)]
    world.gateway(1, 1, further=[second, "203.0.113.30"], blocks={1: held})
    router = RouterId(world.router_id(1))
    found = list(blocks_on(world.topology(), world.host(1), [router]))
    assert found == [(router, Blocks(gateway_ip(1), 1024)), (router, Blocks(second, 1024))]
    ports = Ports()
    for now, failed in ((1.0, 0), (2.0, 7)):
        uses = [
            ports.take(router, blocks, load, now)
            for (_, blocks), load in zip(found, (Load(10, failed), Load(1000, failed)), strict=True)
        ]
    assert uses == [None, PortUse(router=router, address=second, used=1000, failed=7)]
    assert ports.short(2.0) == {router: f"7 connections found no free source port: {MORE_PORTS}"}


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
    assert meter.measure(bench.engine) == (PortUse(router=router, address=gateway_ip(1), used=1000),)
    bench.kernel.loads[place] = Load(1024, 9)
    meter.measure(bench.engine)
    bench.work()
    assert bench.state("router", router) == "ACTIVE"
    assert bench.reason("router", router).startswith("9 connections found no free source port")
    bench.engine.shortage({})
    bench.work()
    assert bench.reason("router", router) == ""
