"""When legs are heard (RFC 4861 section 6.2)."""

from itertools import pairwise

from msgspec.structs import replace

from onehop.agent.beacon import FASTEST, INITIAL, INITIAL_SECONDS, PAUSE, SLOWEST, Beacon
from onehop.net.identifier import NetworkId
from tests.advertising import NETWORK, said

ONE = said()
TWO = said(link="qr-2", network_id=NetworkId("00000002-0000-4000-8000-000000000002"))


def _heard(beacon: Beacon, until: float) -> list[tuple[float, str]]:
    found: list[tuple[float, str]] = []
    while (when := beacon.soonest()) is not None and when <= until:
        found += [(when, one.link) for one in beacon.due(when, 100)]
    return found


def test_the_first_come_close_together_and_the_others_within_the_limits() -> None:
    beacon = Beacon(lambda: 0.5)
    beacon.know("router/1", [ONE], 0.0)
    times = [when for when, _ in _heard(beacon, 5000)]
    gaps = [after - before for before, after in pairwise(times)]
    assert times[0] == 0.0
    assert all(PAUSE <= gap <= INITIAL_SECONDS for gap in gaps[: INITIAL - 1])
    assert all(FASTEST <= gap <= SLOWEST for gap in gaps[INITIAL - 1 :])


def test_legs_do_not_fall_into_step() -> None:
    chances = iter([0.1, 0.9] * 100)
    beacon = Beacon(lambda: next(chances))
    beacon.know("router/1", [ONE, TWO], 0.0)
    late = [when for when, _ in _heard(beacon, 3000) if when > 100]
    assert len(set(late)) == len(late)


def test_what_is_known_already_begins_nothing_anew() -> None:
    beacon = Beacon(lambda: 0.5)
    beacon.know("router/1", [ONE], 0.0)
    _heard(beacon, 100)
    beacon.know("router/1", [ONE], 100.0)
    assert _heard(beacon, 150) == []


def test_what_changed_is_said_at_once_but_for_the_least_pause() -> None:
    beacon = Beacon(lambda: 0.5)
    beacon.know("router/1", [ONE], 0.0)
    assert beacon.due(0.0, 100) == [ONE]
    changed = replace(ONE, mtu=1400)
    beacon.know("router/1", [changed], 1.0)
    assert beacon.due(1.0, 100) == []
    assert beacon.due(PAUSE, 100) == [changed]


def test_what_is_gone_is_heard_no_more() -> None:
    beacon = Beacon(lambda: 0.5)
    beacon.know("router/1", [ONE, TWO], 0.0)
    beacon.know("router/1", [TWO], 1.0)
    assert {link for _, link in _heard(beacon, 5000)} == {TWO.link}
    assert beacon.on(NETWORK) == []
    beacon.know("router/1", [], 6000.0)
    assert beacon.soonest() is None


def test_who_asks_without_an_address_hurries_its_own_network_but_not_past_the_least_pause() -> None:
    beacon = Beacon(lambda: 0.5)
    beacon.know("router/1", [ONE, TWO], 0.0)
    _heard(beacon, 100)
    beacon.hurry(NETWORK, 100.0)
    assert _heard(beacon, 100.0) == [(100.0, ONE.link)]
    beacon.hurry(NETWORK, 101.0)
    beacon.hurry(NETWORK, 102.0)
    assert _heard(beacon, 110.0) == [(103.0, ONE.link)]


def test_so_many_are_due_at_a_time_and_the_rest_right_afterwards() -> None:
    beacon = Beacon(lambda: 0.5)
    beacon.know("router/1", [said(link=f"qr-{n}") for n in range(5)], 0.0)
    assert [len(beacon.due(0.0, 3)) for _ in range(3)] == [3, 2, 0]
