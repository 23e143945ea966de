"""Whom of several controllers an agent calls: spread over hosts, spread in time, home in the end."""

from collections import Counter

from onehop.agent.roster import FIRST_SECONDS, HOME_SECONDS, Roster

CONTROLLERS = ("192.0.2.1:9697", "192.0.2.2:9697", "192.0.2.3:9697")


def roster(host: str = "host-1", chance: float = 0.5) -> Roster:
    return Roster(host, CONTROLLERS, 10.0, lambda: chance)


def test_agents_spread_over_the_controllers_and_those_of_a_lost_one_over_all_others() -> None:
    orders = Counter(tuple(roster(f"host-{number}").order) for number in range(1200))
    assert len(orders) == 6
    assert all(150 < count < 250 for count in orders.values())


def test_the_order_is_of_the_host_and_not_of_the_configuration() -> None:
    assert Roster("host-1", CONTROLLERS[::-1] * 2, 10.0, lambda: 0.5).order == roster().order


def test_every_controller_is_called_in_turn() -> None:
    found = roster()
    called = []
    for _ in range(6):
        called.append(found.address)
        found.failed()
    assert called == found.order * 2


def test_waits_grow_to_the_longest_and_are_never_the_same_for_all() -> None:
    few, many = roster(chance=0.0), roster(chance=0.999)
    least, most = [few.failed() for _ in range(10)], [many.failed() for _ in range(10)]
    assert least[0] == FIRST_SECONDS / 2
    assert least[-1] == 5.0
    assert all(high > 2.9 * low for low, high in zip(least, most, strict=True))


def test_a_session_that_ended_is_followed_by_a_call_of_the_next_soon() -> None:
    found = roster()
    for _ in range(6):
        found.failed()
    assert found.ended() == FIRST_SECONDS
    assert found.address == found.order[1]
    assert found.failures == 1


def test_who_is_away_goes_home_at_once_when_the_first_answers() -> None:
    found = roster()
    assert not found.away
    found.failed()
    assert found.away
    assert found.home() == 0.0
    assert found.address == found.order[0]
    assert not found.away


def test_looks_for_the_first_one_are_spread() -> None:
    assert roster(chance=0.0).patience() == HOME_SECONDS / 2
    assert roster(chance=1.0).patience() == HOME_SECONDS * 1.5
