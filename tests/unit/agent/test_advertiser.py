"""What an engine tells instances of its routers."""

import errno

from onehop.agent.beacon import INITIAL_SECONDS, PAUSE
from onehop.net import naming
from onehop.net.address import link_local
from onehop.net.advertisement import Solicitation, advertised, withdrawn
from onehop.reconciler.plan import Create
from tests.advertising import advertise, said
from tests.unit.agent.bench import Bench, routed
from tests.worlds import World

GUEST = "fa:16:3e:01:00:01"


def _world() -> World:
    world, _, _ = routed()
    advertise(world, 1, "slaac")
    return world


def _bench(world: World, bench: Bench | None = None) -> Bench:
    made = bench or Bench()
    made.plug(*(port for port in world.topology().bound_on(world.host(1))))
    made.see(world)
    made.wait(0)
    return made


LEG = (naming.router_namespace(World.router_id(1)), naming.leg(World().leg(1, 1)))
MAC = "fa:16:3e:00:01:01"
SAID = said(namespace=LEG[0], link=LEG[1], mac=MAC, mtu=1450)


def test_a_leg_is_advertised_when_the_kernel_holds_it_and_again() -> None:
    bench = _bench(_world())
    assert bench.kernel.emitted == [(*LEG, advertised(SAID))]
    bench.wait(INITIAL_SECONDS)
    assert bench.kernel.emitted == [(*LEG, advertised(SAID))] * 2


def test_a_leg_that_somebody_removed_is_not_advertised_until_it_is_back() -> None:
    bench = _bench(_world())
    bench.kernel.fail(lambda op: isinstance(op, Create) and op.key == ("link", *LEG), errno.ENOSPC)
    bench.kernel.uproot(bench.ours()["link", *LEG])
    bench.engine.doubt(LEG[0], LEG[1])
    bench.work()
    del bench.kernel.emitted[:]
    bench.wait(INITIAL_SECONDS)
    assert bench.kernel.emitted == []
    bench.kernel.heal()
    bench.wait(60)
    bench.wait(0)
    assert (*LEG, advertised(SAID)) in bench.kernel.emitted


def test_who_asks_is_answered_alone_and_at_once() -> None:
    bench = _bench(_world())
    del bench.kernel.emitted[:]
    source = link_local(GUEST)
    bench.engine.solicited([Solicitation(World.network_id(1), source)])
    assert bench.kernel.emitted == [(*LEG, advertised(SAID, source))]


def test_who_has_no_address_yet_is_answered_by_a_word_to_all_after_the_least_pause() -> None:
    bench = _bench(_world())
    del bench.kernel.emitted[:]
    bench.engine.solicited([Solicitation(World.network_id(1), "::")])
    assert bench.kernel.emitted == []
    bench.wait(PAUSE)
    assert bench.kernel.emitted == [(*LEG, advertised(SAID))]


def test_who_asks_on_a_network_that_nobody_advertises_gets_no_answer() -> None:
    bench = _bench(_world())
    del bench.kernel.emitted[:]
    bench.engine.solicited([Solicitation(World.network_id(2), link_local(GUEST))])
    assert bench.kernel.emitted == []


def _without_leg(world: World) -> World:
    world.values = [value for value in world.values if value.id != World().leg(1, 1)]
    return world


def test_a_leg_that_goes_takes_its_word_back_before_it_is_gone() -> None:
    world = _world()
    bench = _bench(world)
    bench.see(_without_leg(world), 2)
    # The kernel in memory refuses packets on a link that is gone.
    assert bench.kernel.emitted[-1] == (*LEG, withdrawn(MAC))
    assert bench.kernel.emitted.count((*LEG, withdrawn(MAC))) == 1
    assert bench.engine.due() is None or bench.engine.due() > bench.now + INITIAL_SECONDS


def test_a_leg_that_was_removed_while_the_agent_was_dead_takes_its_word_back_too() -> None:
    world = _world()
    earlier = _bench(world)
    restarted = Bench(earlier.kernel)
    restarted.local = earlier.local
    restarted.engine.equip(earlier.local)
    restarted.see(_without_leg(world), 2)
    assert restarted.kernel.emitted[-1] == (*LEG, withdrawn(MAC))


def test_a_restart_takes_nothing_back() -> None:
    world = _world()
    earlier = _bench(world)
    restarted = Bench(earlier.kernel)
    restarted.local = earlier.local
    restarted.engine.equip(earlier.local)
    restarted.see(world)
    restarted.wait(0)
    assert [frame for _, _, frame in restarted.kernel.emitted] == [advertised(SAID)] * 2


def test_a_leg_that_goes_with_the_last_instance_of_its_network_says_nothing_to_who_just_moved_away() -> None:
    world = _world()
    bench = _bench(world)
    ids = {port.id for port in world.topology().bound_on(world.host(1))}
    world.values = [value for value in world.values if value.id not in ids]
    bench.see(world, 2)
    assert (*LEG, withdrawn(MAC)) not in bench.kernel.emitted


def test_a_subnet_that_is_advertised_no_more_takes_its_word_back_once_though_its_leg_stays() -> None:
    world = _world()
    bench = _bench(world)
    advertise(world, 1, None, ipv6_address_mode=None)
    bench.see(world, 2)
    bench.engine.doubt_all()
    bench.work()
    assert bench.kernel.emitted.count((*LEG, withdrawn(MAC))) == 1
