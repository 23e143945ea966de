"""What may be published, and who contests it: an engine over a kernel in memory, with and without a controller."""

import msgspec

from onehop.agent.permit import AGAIN, ASKED, PAUSE
from onehop.compiler.northbound import NOBODY
from onehop.kernel.memory import MemoryKernel
from onehop.model.locality import changed_between
from onehop.model.port import Port
from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from onehop.objects import Address, Ruleset
from onehop.reconciler.plan import Plan, Report
from tests.northern import EXTERNAL_SUBNET_V6, Northern, gateway_ip, gateway_ip6, router_of
from tests.unit.agent.bench import Bench
from tests.unit.agent.legged import BRIDGE, OWN, PEER, bench_of, on_leg, world_of

G = gateway_ip(1)
STRANGER = "02:00:00:00:00:99"


def _asked(bench: Bench, seconds: float) -> list[str]:
    return [address for outcome in bench.wait(seconds) for _, address in outcome.questions]


def _heard(bench: Bench, mac: str, *, confirmed: bool = False) -> None:
    bench.engine.heard({(BRIDGE, G, mac)}, confirmed)
    bench.work()


def test_without_a_controller_an_address_is_asked_for_before_it_is_published() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    asked = [address for outcome in bench.see(world) for _, address in outcome.questions]
    assert on_leg(bench) == set()
    asked += _asked(bench, 0)
    for _ in range(ASKED - 1):
        asked += _asked(bench, PAUSE)
        assert on_leg(bench) == set()
    bench.wait(PAUSE)
    assert sorted(asked) == sorted([G, "203.0.113.50"] * ASKED)
    assert on_leg(bench) == {G, "203.0.113.50"}


def test_an_address_that_somebody_has_is_not_published_and_the_others_are() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)
    for _ in range(2 * ASKED):
        bench.wait(PAUSE)
        _heard(bench, STRANGER)
    assert on_leg(bench) == {"203.0.113.50"}
    bench.wait(2 * AGAIN)
    for _ in range(ASKED):
        bench.wait(PAUSE)
    assert on_leg(bench) == {G, "203.0.113.50"}


def test_a_controller_that_confirms_the_view_ends_all_asking() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)
    bench.engine.confirm(True)
    bench.work()
    assert on_leg(bench) == {G, "203.0.113.50"}
    assert _asked(bench, 10) == []


def test_a_restarted_agent_takes_nothing_off_a_leg_before_a_controller_spoke() -> None:
    world, port = world_of(owner=1)
    earlier = bench_of(port, confirmed=True)
    earlier.see(world)
    earlier.kernel.writes = 0
    restarted = bench_of(port, earlier)
    restarted.see(world)
    assert restarted.kernel.writes == 0
    assert on_leg(restarted) == {G, "203.0.113.50"}


def test_an_owner_without_a_controller_asks_for_its_address_again_and_again() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port, confirmed=True)
    bench.see(world)
    bench.engine.confirm(False)
    assert _asked(bench, 2 * AGAIN) == [G]
    assert _asked(bench, 2 * AGAIN) == [G]


def test_an_owner_that_hears_a_peer_gives_up_all_that_it_publishes_as_owner_and_no_more() -> None:
    world, port = world_of(owner=1)
    world.floating_ip(60, world.port(1, 3))
    bench = bench_of(port, confirmed=True)
    bench.see(world)
    assert on_leg(bench) == {G, "203.0.113.50", "203.0.113.60"}
    # The last word of a controller was not long ago, but it did not answer now.
    _heard(bench, PEER)
    assert on_leg(bench) == {"203.0.113.50"}
    bench.engine.confirm(True)
    bench.work()
    assert on_leg(bench) == {G, "203.0.113.50", "203.0.113.60"}


def test_an_owner_that_a_controller_confirms_says_again_what_it_has_once_a_second() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port, confirmed=True)
    bench.see(world)
    for _ in range(10):
        bench.wait(1)
    bench.kernel.announced.clear()
    for _ in range(3):
        _heard(bench, PEER, confirmed=True)
    assert [frame for _, _, frame in bench.kernel.announced] == [gratuitous_arp(OWN, G)]
    assert G in on_leg(bench)


def test_what_a_stranger_says_of_an_address_on_a_leg_changes_nothing() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port, confirmed=True)
    bench.see(world)
    bench.engine.confirm(False)
    _heard(bench, STRANGER)
    assert G in on_leg(bench)


def test_a_new_owner_has_the_address_before_anything_else_is_done_about_it() -> None:
    world, port = world_of(owner=2)
    bench = bench_of(port, confirmed=True)
    bench.see(world)
    assert G not in on_leg(bench)
    world.gateway(1, owner=1)
    view = world.topology(2)
    bench.kernel.announced.clear()
    bench.engine.see(view, {("router", world.router_id(1))})
    assert G in on_leg(bench)
    assert [frame for _, _, frame in bench.kernel.announced] == [gratuitous_arp(OWN, G)]
    bench.work()
    world.gateway(1, owner=2)
    bench.engine.see(world.topology(3), {("router", world.router_id(1))})
    assert G not in on_leg(bench)
    bench.kernel.announced.clear()
    bench.wait(1)
    assert gratuitous_arp(OWN, G) not in [frame for _, _, frame in bench.kernel.announced]
    assert bench.holds(world.topology(3))


class _Addresses(MemoryKernel):
    """A kernel that counts the ops about addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def execute(self, plan: Plan) -> Report:
        self.asked += sum(op.key[0] == Address.kind for op in plan.ops)
        return super().execute(plan)


def test_an_address_that_a_change_of_owner_has_moved_is_not_planned_once_more() -> None:
    world, port = world_of(owner=2)
    kernel = _Addresses()
    bench = bench_of(port, confirmed=True, kernel=kernel)
    bench.see(world)
    for revision, owner in ((2, 1), (3, 2)):
        world.gateway(1, owner=owner)
        kernel.asked = 0
        bench.engine.see(world.topology(revision), {("router", world.router_id(1))})
        bench.work()
        assert kernel.asked == 1
        assert bench.holds(world.topology(revision))


def test_a_change_of_owner_that_no_controller_confirms_is_not_carried_out_at_once() -> None:
    world, port = world_of(owner=2)
    bench = bench_of(port)
    bench.see(world)
    world.gateway(1, owner=1)
    bench.engine.see(world.topology(2), {("router", world.router_id(1))})
    assert G not in on_leg(bench)


def test_a_leg_asks_in_the_name_of_no_address_that_it_does_not_have_yet() -> None:
    world, port = world_of(owner=1)
    bench = bench_of(port)
    bench.see(world)

    def named() -> tuple[tuple[str, ...], str]:
        (table,) = [o for o in bench.ours().values() if isinstance(o, Ruleset) and o.family == "arp"]
        return table.sets[0].elements, table.sets[1].elements[0].partition(" : ")[2]

    assert named() == ((), NOBODY)
    bench.engine.confirm(True)
    bench.work()
    assert named() == ((G, "203.0.113.50"), "203.0.113.50")
    bench.engine.confirm(False)
    _heard(bench, PEER)
    assert named() == (("203.0.113.50",), "203.0.113.50")


def test_what_a_controller_sent_is_published_though_it_falls_silent_before_it_is_done() -> None:
    world, port = world_of(owner=2)
    bench = bench_of(port)
    bench.see(world)
    world.gateway(1, owner=1)
    world.floating_ip(51, port, fixed="10.0.1.10")
    view = world.topology(2)
    bench.engine.see(view, changed_between(bench.engine.desire.view, view), confirmed=True)
    bench.engine.confirm(False)
    bench.work()
    assert on_leg(bench) == {G, "203.0.113.50", "203.0.113.51"}
    bench.engine.doubt_all()
    bench.work()
    assert on_leg(bench) == {G, "203.0.113.50", "203.0.113.51"}


def _six_alone(owner: int) -> tuple[Northern, Port]:
    """A router that has only an IPv6 address outside."""
    world = Northern(six=True)
    world.network(1)
    world.router(1, [1])
    world.gateway(1, owner=owner, six=True)
    gateway = router_of(world, 1).gateway
    assert gateway is not None
    six = tuple(ip for ip in gateway.fixed_ips if ip.subnet_id == EXTERNAL_SUBNET_V6)
    world.change(world.router_id(1), gateway=msgspec.structs.replace(gateway, fixed_ips=six))
    return world, world.port(1, 1)


def test_a_router_that_has_only_ipv6_outside_asks_for_that_before_it_publishes() -> None:
    world, port = _six_alone(owner=1)
    bench = bench_of(port)
    asked = [question for outcome in bench.see(world) for question in outcome.questions]
    asked += [question for outcome in bench.wait(0) for question in outcome.questions]
    assert asked == [(BRIDGE, gateway_ip6(1))]
    for _ in range(ASKED - 1):
        bench.wait(PAUSE)
        assert on_leg(bench) == set()
    bench.wait(PAUSE)
    assert on_leg(bench) == {gateway_ip6(1)}


def test_an_owner_of_only_ipv6_gives_up_what_a_peer_advertises_and_says_again_what_is_confirmed() -> None:
    world, port = _six_alone(owner=1)
    bench = bench_of(port, confirmed=True)
    bench.see(world)
    bench.wait(10)
    bench.kernel.announced.clear()
    bench.engine.heard({(BRIDGE, gateway_ip6(1), PEER)}, confirmed=True)
    assert [frame for _, _, frame in bench.kernel.announced] == [unsolicited_advertisement(OWN, gateway_ip6(1))]
    bench.engine.heard({(BRIDGE, gateway_ip6(1), PEER)}, confirmed=False)
    bench.work()
    assert on_leg(bench) == set()


def test_an_ipv6_address_beside_an_ipv4_one_is_not_asked_for() -> None:
    world = Northern(six=True)
    world.network(1)
    world.router(1, [1])
    world.gateway(1, owner=1, six=True)
    bench = bench_of(world.port(1, 1))
    asked = {address for outcome in bench.see(world) for _, address in outcome.questions}
    asked |= set(_asked(bench, 0))
    assert asked == {G}
    for _ in range(ASKED):
        assert on_leg(bench) == set()
        bench.wait(PAUSE)
    assert on_leg(bench) == {G, gateway_ip6(1)}
