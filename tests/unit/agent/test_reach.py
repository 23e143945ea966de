"""Which gateway hosts answer, as one sees it."""

from onehop.agent.reach import MISSED, Reach, Verdict, targets
from onehop.net.identifier import HostName
from tests.northern import Northern

ONE, TWO = HostName("host-1"), HostName("host-2")
BOTH = frozenset({ONE, TWO})


def test_a_host_is_neither_answering_nor_silent_before_it_was_probed_often_enough() -> None:
    reach = Reach()
    for _ in range(MISSED):
        reach.probing(BOTH)
    assert reach.verdict() == Verdict()
    reach.probing(BOTH)
    assert reach.verdict() == Verdict(silent=BOTH)


def test_a_host_that_answers_is_answering_until_it_misses_some_in_a_row() -> None:
    reach = Reach()
    reach.probing(BOTH)
    reach.answered(ONE)
    for _ in range(MISSED):
        reach.probing(BOTH)
        assert ONE in reach.verdict().answering
    reach.probing(BOTH)
    assert reach.verdict() == Verdict(silent=BOTH)
    reach.answered(ONE)
    assert reach.verdict() == Verdict(frozenset({ONE}), frozenset({TWO}))


def test_a_host_that_is_not_probed_any_more_is_forgotten() -> None:
    reach = Reach()
    reach.probing(BOTH)
    reach.answered(ONE)
    reach.probing(frozenset({TWO}))
    reach.answered(ONE)
    assert reach.verdict() == Verdict()


def test_a_gateway_host_probes_the_other_gateway_hosts_of_its_routers_and_no_other_probes_anybody() -> None:
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=1, candidates=(1, 2))
    view = world.topology()
    assert targets(view, ONE) == {TWO: "192.0.2.2"}
    assert targets(view, HostName("host-3")) == {}


def test_a_routers_first_gateway_hosts_probe_the_hosts_of_its_instances_too() -> None:
    world = Northern(hosts=5, reaching=(1, 2, 3))
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, owner=1, candidates=(2, 1, 3))
    world.port(1, 4)
    view = world.topology()
    assert set(targets(view, ONE)) == {"host-2", "host-3", "host-4"}
    assert set(targets(view, HostName("host-3"))) == {"host-1", "host-2"}
