"""What an engine does outside once the kernel holds what is wanted."""

import errno
from collections.abc import Iterable

import msgspec

from onehop.agent.herald import EVERY, TIMES
from onehop.compiler.state import Local, Plug
from onehop.kernel.memory import MemoryKernel
from onehop.model.floating_ip import FloatingIp
from onehop.model.port import AddressPair, Port
from onehop.net import naming
from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from onehop.objects import Address, Bridge, Link
from onehop.objects.conntrack import Translations
from onehop.reconciler.plan import Create, Observation, Scope
from tests.northern import Northern, forward, gateway_ip, gateway_ip6
from tests.unit.agent.bench import Bench, routed

MAC = "fa:16:3e:02:01:01"


def _world() -> tuple[Northern, Port, FloatingIp]:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=2)
    port = world.port(1, 1)
    return world, port, world.floating_ip(50, port)


def _bench(port: Port, kernel: MemoryKernel | None = None) -> Bench:
    bench = Bench(kernel)
    bench.kernel.plant(Link(namespace="", name="br-ex", spec=Bridge(), alias="", mtu=1500), foreign=True)
    bench.equip(Local({port.id: Plug(port.id)}, {"external": "br-ex"}))
    return bench


def _announced(bench: Bench) -> list[bytes]:
    return [frame for _, _, frame in bench.kernel.announced]


def test_a_published_address_is_announced_on_its_leg_and_again() -> None:
    world, port, _ = _world()
    bench = _bench(port)
    bench.see(world)
    bench.wait(0)
    assert bench.kernel.announced == [
        (naming.router_namespace(world.router_id(1)), "qg-00006001-00", gratuitous_arp(MAC, "203.0.113.50"))
    ]
    bench.wait(EVERY)
    assert len(_announced(bench)) == 2


def test_an_ipv6_address_that_the_owner_publishes_is_advertised_as_often_and_no_link_local_ever() -> None:
    world = Northern(six=True)
    world.network(1)
    world.router(1, [1])
    world.gateway(1, owner=1, six=True)
    bench = _bench(world.port(1, 1))
    bench.see(world)
    for _ in range(2 * TIMES):
        bench.wait(EVERY)
    four, six = gratuitous_arp(MAC, gateway_ip(1)), unsolicited_advertisement(MAC, gateway_ip6(1))
    assert _announced(bench).count(six) == TIMES
    assert set(_announced(bench)) == {four, six}


def test_an_address_that_this_host_does_not_publish_is_not_announced() -> None:
    world, port, _ = _world()
    bench = _bench(port)
    bench.see(world)
    bench.wait(0)
    assert gratuitous_arp(MAC, gateway_ip(1)) not in _announced(bench)


def test_a_floating_ip_is_active_where_it_is_published() -> None:
    world, port, floating_ip = _world()
    bench = _bench(port)
    bench.see(world)
    assert bench.state("floatingip", floating_ip.id) == "ACTIVE"
    bench.unplug(port)
    assert bench.state("floatingip", floating_ip.id) == ""


def test_a_floating_ip_that_leads_elsewhere_is_said_again_though_nothing_of_it_changed_here() -> None:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=1)
    port = world.port(1, 3)
    rules = (forward("tcp", 80, port, 80), forward("tcp", 81, port, 81))
    floating_ip = world.floating_ip(50, None, forwards=rules[:1])
    bench = _bench(port)
    bench.see(world)
    ref = ("floatingip", floating_ip.id)
    changed = msgspec.structs.replace(floating_ip, forwardings=rules)
    told = bench.see(world.topology(1).apply(2, [changed], []))
    assert [o.changed[ref].state for o in told if ref in o.changed] == ["ACTIVE"]
    told = bench.see(bench.engine.desire.view.apply(3, [], []))
    assert not any(ref in o.changed for o in told)


def test_an_address_that_the_kernel_refuses_is_the_error_of_its_floating_ip_alone() -> None:
    world, port, floating_ip = _world()
    other = world.floating_ip(51, port, fixed="10.0.1.10")
    bench = _bench(port)

    def is_it(op: object) -> bool:
        return isinstance(op, Create) and isinstance(op.object, Address) and op.object.address == "203.0.113.50/32"

    bench.kernel.fail(is_it, errno.ENOSPC)
    bench.see(world)
    assert bench.state("floatingip", floating_ip.id) == "ERROR"
    assert bench.state("floatingip", other.id) == "ACTIVE"
    bench.kernel.heal()
    bench.wait(60)
    assert bench.state("floatingip", floating_ip.id) == "ACTIVE"


def test_connections_of_a_floating_ip_that_is_gone_are_cut() -> None:
    world, port, floating_ip = _world()
    bench = _bench(port)
    bench.see(world)
    namespace = naming.router_namespace(world.router_id(1))
    gateways = frozenset({gateway_ip(1)})
    assert bench.kernel.allowed[namespace] == Translations(gateways, frozenset({("203.0.113.50", "10.0.1.10")}))
    world.remove(floating_ip.id)
    bench.see(world, 2)
    assert bench.kernel.allowed[namespace] == Translations(gateways)


def test_nothing_is_looked_through_where_more_is_allowed_than_before() -> None:
    world, port, _ = _world()
    bench = _bench(port)
    bench.see(world)
    bench.kernel.allowed.clear()
    world.floating_ip(51, port, fixed="10.0.1.10")
    bench.see(world, 2)
    assert not bench.kernel.allowed
    assert gratuitous_arp(MAC, "203.0.113.51") in _announced(bench)


def test_an_address_is_announced_before_connections_of_another_are_looked_for() -> None:
    world, port, floating_ip = _world()

    class Ordered(MemoryKernel):
        order: list[str]

        def announce(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
            self.order.append("announce")
            super().announce(namespace, link, frames)

        def cut(self, namespace: str, allowed: Translations) -> int:
            self.order.append("cut")
            return super().cut(namespace, allowed)

    kernel = Ordered()
    kernel.order = []
    bench = _bench(port, kernel)
    bench.see(world)
    kernel.order.clear()
    world.remove(floating_ip.id)
    world.floating_ip(51, port)
    bench.see(world, 2)
    assert kernel.order[:2] == ["announce", "cut"]


def test_only_the_partitions_that_a_floating_ip_concerns_are_read_back() -> None:
    world, port, _ = _world()

    class Watched(MemoryKernel):
        scopes: list[Scope]

        def observe(self, scope: Scope) -> Observation:
            self.scopes.append(scope)
            return super().observe(scope)

    kernel = Watched()
    kernel.scopes = []
    bench = _bench(port, kernel)
    bench.see(world)
    kernel.scopes.clear()
    world.floating_ip(51, port, fixed="10.0.1.10")
    bench.see(world, 2)
    bridge = naming.bridge(world.network_id(1))
    assert {scope.namespace for scope in kernel.scopes} == {"", naming.router_namespace(world.router_id(1))}
    assert not any(bridge in (scope.links or ()) for scope in kernel.scopes)


def test_a_restarted_agent_cuts_what_was_disassociated_meanwhile() -> None:
    world, port, floating_ip = _world()
    earlier = _bench(port)
    earlier.see(world)
    earlier.kernel.allowed.clear()
    world.remove(floating_ip.id)
    restarted = Bench(earlier.kernel)
    restarted.equip(earlier.local)
    restarted.see(world, 2)
    assert restarted.kernel.allowed[naming.router_namespace(world.router_id(1))].whole == frozenset()


def test_a_next_hop_that_nobody_has_is_the_error_of_its_router_alone_and_heals() -> None:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1], routes=[("192.168.0.0/16", "10.0.1.99")])
    world.gateway(1, owner=1)
    port = world.port(1, 1)
    floating_ip = world.floating_ip(50, port)
    bench = _bench(port)
    bench.see(world)
    router = world.router_id(1)
    assert bench.state("router", router) == "ERROR"
    assert "10.0.1.99" in bench.reason("router", router)
    assert bench.state("port", port.id) == "ACTIVE"
    assert bench.state("floatingip", floating_ip.id) == "ACTIVE"
    pair = AddressPair(port.mac_address, "10.0.1.96/28")
    world.change(port.id, allowed_address_pairs=(pair,))
    bench.see(world, 2)
    assert bench.state("router", router) == "ACTIVE"


def test_a_floating_ip_that_another_host_publishes_is_active_where_its_instance_is_plugged() -> None:
    world = Northern(reaching=(2, 3))
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=2, candidates=(2, 3))
    port = world.port(1, 1)
    floating_ip = world.floating_ip(50, port)
    bench = Bench()
    bench.equip(Local({port.id: Plug(port.id)}))
    bench.see(world)
    assert bench.state("floatingip", floating_ip.id) == "ACTIVE"
    bench.unplug(port)
    assert bench.state("floatingip", floating_ip.id) == ""


def test_a_router_with_a_gateway_alone_is_on_its_gateway_hosts_and_answers_on_its_owner() -> None:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [])
    world.gateway(1, owner=1)
    bench = _bench(world.port(1, 1))
    bench.see(world)
    address = Address(
        namespace=naming.router_namespace(world.router_id(1)), link="qg-00006001-00", address="203.0.113.10/32"
    )
    assert address.key in bench.ours()
    world.leg(1, 1)
    bench.see(world, 2)
    assert bench.holds(world.topology(2))
    world.remove(next(v.id for v in world.values if isinstance(v, Port) and v.router_id == world.router_id(1)))
    bench.see(world, 3)
    assert bench.holds(world.topology(3))
    assert address.key in bench.ours()


def test_a_host_that_is_only_a_candidate_is_known_when_it_comes() -> None:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=1)
    bench = _bench(world.port(1, 1))
    view = world.topology()
    two = world.host(2)
    bench.see(view.apply(1, (), [("host", two)]))
    bench.see(view.apply(2, [view.hosts[two]], ()))
    assert bench.holds(view)


def test_an_instance_that_comes_while_its_network_is_here_is_told_its_gateways_at_once() -> None:
    world, one, two = routed()
    bench = Bench()
    bench.plug(one)
    bench.see(world)
    assert not _announced(bench)
    bench.plug(two)
    tap = naming.tap(two.id)
    told = [frame for namespace, link, frame in bench.kernel.announced if (namespace, link) == ("", tap)]
    segment = [port for port in world.topology().ports_of(two.network_id) if port.router_id is not None]
    known = {
        gratuitous_arp(leg.mac_address, ip.ip_address)
        for leg in segment
        for ip in leg.fixed_ips
        if "." in ip.ip_address
    }
    assert known
    assert known <= set(told)
    assert all(link == tap for _, link, _ in bench.kernel.announced)
    bench.engine.doubt_all()
    bench.work()
    assert len(told) == len(_announced(bench))


class _Chronicle(MemoryKernel):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def observe(self, scope: Scope) -> Observation:
        self.done.append("read")
        return super().observe(scope)

    def announce(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
        self.done.append("announce")
        super().announce(namespace, link, frames)


def test_an_address_is_announced_before_it_is_read_back_and_not_twice() -> None:
    world, port, _ = _world()
    kernel = _Chronicle()
    bench = _bench(port, kernel)
    bench.see(world)
    bench.wait(60)
    another = world.floating_ip(51, port)
    kernel.done.clear()
    bench.engine.see(world.topology(2), [("floatingip", another.id)])
    bench.engine.run()
    assert kernel.done[0] == "announce"
    assert kernel.done.count("announce") == 1
    for _ in range(TIMES + 1):
        bench.wait(EVERY)
    assert _announced(bench).count(gratuitous_arp(MAC, "203.0.113.51")) == TIMES
