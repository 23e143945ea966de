"""Who acts as owner without a controller: an engine over a kernel in memory."""

from onehop.agent.permit import ASKED as FREE
from onehop.agent.permit import PAUSE as PERMIT_PAUSE
from onehop.agent.reach import Verdict
from onehop.agent.succession import ASKED, PAUSE
from onehop.compiler.state import Local
from onehop.model.reign import Reign
from onehop.net.announcement import gratuitous_arp
from onehop.net.identifier import HostName, RouterId
from tests.northern import Northern, gateway_ip
from tests.unit.agent.bench import Bench
from tests.unit.agent.legged import OWN, bench_of, on_leg, world_of

G, FLOATING, UNBOUND = gateway_ip(1), "203.0.113.50", "203.0.113.60"
TWO, VTEP_TWO = HostName("host-2"), "192.0.2.2"
LOST = Verdict(silent=frozenset({TWO}))


def _bench(earlier: Bench | None = None) -> tuple[Bench, Northern]:
    world, port = world_of(owner=2)
    world.floating_ip(60, world.port(1, 3))
    return bench_of(port, earlier), world


def _follow(bench: Bench) -> None:
    """The owner is lost, and nobody answers."""
    bench.engine.judged(LOST)
    for _ in range(ASKED + 1):
        bench.wait(PAUSE)


def _reign(world: Northern, owner: str, epoch: int = 1) -> Reign:
    return Reign(router=RouterId(world.router_id(1)), generation=1, epoch=epoch, owner=HostName(owner))


def test_who_takes_over_publishes_what_the_owner_publishes_and_tells() -> None:
    bench, world = _bench()
    bench.see(world)
    bench.wait(5)
    assert G not in on_leg(bench)
    bench.kernel.announced.clear()
    bench.engine.judged(LOST)
    said = [outcome.said for _ in range(ASKED + 1) for outcome in bench.wait(PAUSE) if outcome.said is not None]
    assert on_leg(bench) >= {G, UNBOUND}
    assert gratuitous_arp(OWN, G) in [frame for _, _, frame in bench.kernel.announced]
    (router,) = [r.router for r in said[-1].reigns]
    assert router == world.router_id(1)
    assert said[-1].words.keys() == {VTEP_TWO, "192.0.2.3"}


def test_a_restarted_agent_that_acts_takes_nothing_off_its_leg() -> None:
    earlier, world = _bench()
    earlier.see(world)
    _follow(earlier)
    kept = earlier.engine.regency.succession.reigns()
    before = on_leg(earlier)
    earlier.kernel.writes = 0
    bench, world = _bench(earlier)
    bench.engine.regency.remember(kept)
    bench.see(world)
    assert bench.kernel.writes == 0
    assert on_leg(bench) == before


def test_who_acts_yields_when_a_host_of_the_router_tells_of_a_later_reign_and_to_nobody_else() -> None:
    bench, world = _bench()
    bench.see(world)
    _follow(bench)
    bench.engine.told("192.0.2.77", [_reign(world, "host-2", 9)])
    bench.work()
    assert G in on_leg(bench)
    bench.kernel.announced.clear()
    bench.engine.told(VTEP_TWO, [_reign(world, "host-2", 9)])
    bench.work()
    assert on_leg(bench).isdisjoint({G, UNBOUND})


def test_a_controllers_choice_of_who_acts_changes_nothing_in_the_kernel() -> None:
    bench, world = _bench()
    bench.see(world)
    _follow(bench)
    for _ in range(FREE):
        bench.wait(PERMIT_PAUSE)
    assert on_leg(bench) == {G, FLOATING, UNBOUND}
    before = bench.ours()
    world.gateway(1, owner=1, generation=2)
    view = world.topology(2)
    bench.engine.see(view, {("router", world.router_id(1))}, confirmed=True)
    bench.work()
    assert bench.ours() == before
    assert bench.engine.regency.succession.reigns() == []


def test_what_a_controller_said_is_what_a_change_of_it_is_applied_to() -> None:
    bench, world = _bench()
    bench.see(world)
    _follow(bench)
    router = RouterId(world.router_id(1))
    told, acted = bench.engine.regency.told, bench.engine.desire.view
    assert [v.routers[router].gateway.owner for v in (told, acted)] == ["host-2", "host-1"]


def test_a_host_without_a_leg_sends_to_whoever_acts() -> None:
    bench, world = _bench()
    bench.equip(Local(bench.local.plugs, {}))
    bench.see(world)
    before = bench.ours()
    bench.engine.told(VTEP_TWO, [_reign(world, "host-1")])
    bench.work()
    assert bench.ours() != before
    world.gateway(1, owner=1)
    assert bench.holds(world)
