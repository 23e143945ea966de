"""Who acts as a router's owner without a controller, as one host sees it."""

import msgspec
import pytest

from onehop.agent.reach import Verdict
from onehop.agent.seat import Seat
from onehop.agent.succession import AGAIN, ASKED, PAUSE, SOON, STALE, STEP, Succession
from onehop.model.reign import Reign
from onehop.net.identifier import HostName, RouterId
from tests.worlds import uid

ROUTER = RouterId(uid(1))
ONE, TWO, THREE = (HostName(f"host-{n}") for n in (1, 2, 3))
BRIDGE, ADDRESS, PEER, STRANGER = "br-ex", "203.0.113.10", "02:00:00:00:00:01", "02:00:00:00:00:99"
SEAT = Seat(
    router=ROUTER,
    generation=5,
    owner=ONE,
    candidates=(ONE, TWO, THREE),
    hosts=frozenset({ONE, THREE}),
    bridge=BRIDGE,
    address=ADDRESS,
    mac="02:00:00:00:00:02",
    peers=frozenset({PEER, "02:00:00:00:00:03"}),
)
NOW = 100.0
AN_ARP_EXCHANGE = ASKED * PAUSE


def reign(epoch: int, owner: HostName = THREE, generation: int = 5, **more: bool) -> Reign:
    return Reign(router=ROUTER, generation=generation, epoch=epoch, owner=owner, **more)


def host_two(seat: Seat = SEAT) -> Succession:
    found = Succession(TWO, lambda: 0.0)
    found.know({ROUTER: seat}, NOW)
    return found


def alone(silent: frozenset[HostName] = frozenset({ONE}), seat: Seat = SEAT) -> Succession:
    """Host 2, to whom some are silent and the others answer."""
    found = host_two(seat)
    found.judged(Verdict(frozenset({ONE, THREE}) - silent, silent), NOW)
    return found


def pass_time(found: Succession, seconds: float, now: float = NOW) -> int:
    """Let time pass; how often was asked."""
    asked = 0
    for step in range(round(seconds / 0.02) + 1):
        asked += len(found.due(now + step * 0.02))
    return asked


def acting(seat: Seat = SEAT) -> Succession:
    """Host 2, that took over."""
    found = alone(seat=seat)
    pass_time(found, 1)
    assert found.owner(ROUTER) == TWO
    return found


def test_an_owner_that_answers_over_the_underlay_is_not_followed() -> None:
    found = alone(frozenset({THREE}))
    assert pass_time(found, 10) == 0
    assert found.owner(ROUTER) == ONE


def test_the_next_candidate_takes_over_when_the_owner_is_silent_and_nobody_answers_outside() -> None:
    found = alone()
    assert found.ears() == {(BRIDGE, ADDRESS): SEAT.mac}
    assert pass_time(found, AN_ARP_EXCHANGE + 0.02) == ASKED
    assert found.owner(ROUTER) == TWO
    assert found.taken == {ROUTER}
    assert found.reigns() == [reign(1, TWO)]
    assert found.ears() == {}


def test_an_address_that_anybody_answers_for_is_not_taken_over_and_asked_for_again_later() -> None:
    found = alone()
    found.due(NOW)
    found.heard(BRIDGE, ADDRESS, STRANGER, NOW)
    assert pass_time(found, AGAIN - 0.05) == 0
    assert found.owner(ROUTER) == ONE
    pass_time(found, AN_ARP_EXCHANGE + 0.1, NOW + AGAIN)
    assert found.owner(ROUTER) == TWO


def test_a_candidate_leaves_the_ones_before_it_that_may_be_alive_their_time() -> None:
    seat = msgspec.structs.replace(SEAT, candidates=(ONE, THREE, TWO))
    found = alone(seat=seat)
    assert pass_time(found, STEP - 0.05) == 0
    pass_time(found, AN_ARP_EXCHANGE + 0.1, NOW + STEP)
    assert found.owner(ROUTER) == TWO
    both_lost = alone(frozenset({ONE, THREE}), seat)
    assert pass_time(both_lost, AN_ARP_EXCHANGE + 0.02) == ASKED
    assert both_lost.owner(ROUTER) == TWO


@pytest.mark.parametrize("lacks", [{"bridge": ""}, {"candidates": (ONE, THREE)}])
def test_who_is_no_candidate_or_has_no_leg_takes_nothing_over(lacks: dict[str, object]) -> None:
    found = alone(seat=msgspec.structs.replace(SEAT, **lacks))
    assert pass_time(found, 10) == 0
    assert found.owner(ROUTER) == ONE


def test_nobody_takes_over_while_a_controller_confirms() -> None:
    found = alone()
    found.confirm(True, NOW)
    assert pass_time(found, 10) == 0
    found.confirm(False, NOW + 10)
    pass_time(found, 1, NOW + 10)
    assert found.owner(ROUTER) == TWO


def test_a_later_reign_counts_whoever_speaks_of_it_and_an_earlier_one_does_not() -> None:
    found = host_two()
    found.told([reign(2)], NOW)
    assert found.owner(ROUTER) == THREE
    found.told([reign(1, ONE), reign(7, ONE, generation=4)], NOW)
    assert found.owner(ROUTER) == THREE
    assert found.words() == {ONE: [reign(2)], THREE: [reign(2)]}


def test_a_controllers_newer_choice_ends_every_reign_before_it() -> None:
    found = acting()
    found.know({ROUTER: msgspec.structs.replace(SEAT, generation=6, owner=THREE)}, NOW + 2)
    assert found.owner(ROUTER) == THREE
    assert found.reigns() == []


def test_a_reign_goes_on_until_the_controller_chooses_anew_though_it_confirms_its_view() -> None:
    found = acting()
    found.confirm(True, NOW + 2)
    found.know({ROUTER: SEAT}, NOW + 2)
    assert found.owner(ROUTER) == TWO


def test_who_speaks_of_a_past_reign_is_told_of_the_one_that_counts_for_a_while() -> None:
    found = host_two()
    assert found.words() == {}
    found.told([reign(3, ONE, generation=4)], NOW)
    assert found.words()[ONE] == [reign(0, ONE)]
    found.due(NOW + STALE)
    assert found.words() == {}


def test_an_owner_that_hears_a_peer_lays_down_and_asks_before_it_acts_again() -> None:
    found = acting()
    found.heard(BRIDGE, ADDRESS, STRANGER, NOW + 2)
    assert found.owner(ROUTER) == TWO, "a stranger's word takes nothing away"
    found.heard(BRIDGE, ADDRESS, PEER, NOW + 2)
    assert found.owner(ROUTER) is None
    assert pass_time(found, SOON - 0.05, NOW + 2) == 0
    pass_time(found, 1, NOW + 2 + SOON)
    assert found.reigns() == [reign(2, TWO)]


def test_an_owner_whose_leg_is_lost_lays_down_so_that_the_next_follows() -> None:
    found = acting()
    found.know({ROUTER: msgspec.structs.replace(SEAT, bridge="")}, NOW + 2)
    assert found.reigns() == [reign(1, TWO, vacant=True)]
    other = Succession(THREE, lambda: 0.0)
    other.know({ROUTER: msgspec.structs.replace(SEAT, hosts=frozenset({ONE, TWO}))}, NOW)
    other.judged(Verdict(frozenset({TWO}), frozenset({ONE})), NOW)
    other.told(found.reigns(), NOW)
    pass_time(other, 1)
    assert other.reigns() == [reign(2)]


def test_who_acts_yields_to_a_later_reign_of_somebody_who_could_know() -> None:
    found = acting()
    found.told([reign(2)], NOW + 2)
    assert found.owner(ROUTER) == THREE


@pytest.mark.parametrize("what", ["blind", "vacant"])
def test_who_acts_goes_on_although_somebody_took_over_who_reached_nobody_or_laid_down(what: str) -> None:
    found = acting()
    found.told([reign(4, THREE, **{what: True})], NOW + 2)
    assert found.reigns() == [reign(5, TWO)]


def test_who_takes_over_without_reaching_anybody_says_so() -> None:
    found = alone(frozenset({ONE, THREE}))
    pass_time(found, 1)
    assert found.reigns() == [reign(1, TWO, blind=True)]


def test_an_owner_that_a_controller_chose_and_confirms_goes_on() -> None:
    found = host_two(msgspec.structs.replace(SEAT, owner=TWO))
    found.confirm(True, NOW)
    found.told([reign(1)], NOW)
    assert found.reigns() == [reign(2, TWO)]


def test_what_an_earlier_life_knew_counts_where_the_view_is_not_newer() -> None:
    found = host_two()
    found.restore([reign(1, TWO)], NOW)
    assert found.owner(ROUTER) == TWO
    newer = host_two(msgspec.structs.replace(SEAT, generation=6))
    newer.restore([reign(1, TWO)], NOW)
    assert newer.owner(ROUTER) == ONE


def test_a_reign_of_a_generation_that_the_controller_does_not_know_ends_with_its_confirmation() -> None:
    """The database was restored from an older one."""
    found = host_two()
    found.told([reign(1, generation=9)], NOW)
    assert found.owner(ROUTER) == THREE
    found.confirm(True, NOW)
    assert found.owner(ROUTER) == ONE
    found.told([reign(1, generation=9)], NOW)
    assert found.owner(ROUTER) == ONE
