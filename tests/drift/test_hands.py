"""What somebody deletes or changes by hand is put right, logged and counted; what is his own is left alone."""

from collections.abc import Iterator

import msgspec
import pytest
from structlog.testing import capture_logs

from onehop.objects import KINDS
from onehop.settings import AgentSettings
from tests.drift.hands import Hand, changes, deletions, settings
from tests.drift.kept import EVERYWHERE, Kept, is_said, kept_host

HANDS = [*deletions(), *changes(), *settings()]
TOLD = [hand for hand in HANDS if hand.told]
UNTOLD = [hand for hand in HANDS if not hand.told]


@pytest.fixture(scope="module")
def host() -> Iterator[Kept]:
    """One host for all of them."""
    with kept_host() as made:
        yield made


@pytest.fixture
def kept(host: Kept) -> Kept:
    """The host as it should be, also after a test that failed."""
    if not host.is_whole:
        host.look()
        host.until(lambda: not host.wrong(), "the base scene is there")
    return host


def test_every_kind_is_changed_by_hand_and_every_one_that_can_be_is_deleted() -> None:
    assert {hand.item.kind for hand in HANDS} == {kind.kind for kind in KINDS}
    assert {hand.item.kind for hand in deletions()} == {kind.kind for kind in KINDS} - {"sysctl"}


def test_what_the_kernel_does_not_tell_of_is_looked_for_within_a_minute() -> None:
    assert next(one.default for one in msgspec.structs.fields(AgentSettings) if one.name == "observe_seconds") < 60


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("hand", TOLD, ids=lambda hand: hand.name)
def test_what_the_kernel_tells_of_is_repaired_at_once(hand: Hand, kept: Kept, times: dict[str, list[float]]) -> None:
    places = [one for one in EVERYWHERE if one != hand.destroys]
    others = kept.beside(*places)
    before = kept.counted()
    with capture_logs() as logs:
        done = kept.do(hand.commands)
        times[hand.item.kind].append(kept.repaired(before, hand.item.kind) - done)
    assert is_said(logs, hand), f"{hand.item.key}\n" + "\n".join(map(str, logs))
    assert kept.beside(*places) == others
    kept.plant(*(place for place in EVERYWHERE if place not in places))


@pytest.mark.root
@pytest.mark.slow
def test_what_the_kernel_does_not_tell_of_is_repaired_when_everything_is_looked_at(kept: Kept) -> None:
    others = kept.beside(*EVERYWHERE)
    before = kept.counted()
    with capture_logs() as logs:
        for hand in UNTOLD:
            kept.do(hand.commands)
        kept.look()
        for hand in UNTOLD:
            kept.repaired(before, hand.item.kind)
    assert [hand.name for hand in UNTOLD if not is_said(logs, hand)] == []
    assert kept.beside(*EVERYWHERE) == others


@pytest.mark.root
@pytest.mark.slow
def test_everything_is_looked_at_by_itself_now_and_then() -> None:
    hand = next(hand for hand in UNTOLD if hand.item.kind == "sysctl")
    with kept_host(observe_seconds=0.5) as kept:
        before = kept.counted()
        kept.do(hand.commands)
        kept.repaired(before, "sysctl")
