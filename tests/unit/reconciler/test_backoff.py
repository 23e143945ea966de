"""Waits between tries."""

import pytest

from onehop.reconciler.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first=1, factor=2, longest=5)
    assert [backoff.failed("a", 100).until for _ in range(4)] == [101, 102, 104, 105]
    assert backoff["a"].attempts == 4


def test_something_that_fails_for_weeks_does_not_overflow() -> None:
    backoff = Backoff()
    for _ in range(5000):
        wait = backoff.failed("a", 0)
    assert wait.until == 60


def test_each_key_waits_for_itself_and_success_forgets() -> None:
    backoff = Backoff(first=1)
    backoff.failed("a", 0)
    backoff.failed("b", 10)
    assert backoff.waits("a", 0.5)
    assert not backoff.waits("a", 1)
    assert not backoff.waits("c", 0)
    assert backoff.due(5) == {"a"}
    assert backoff.soonest() == 1
    backoff.succeeded("a")
    assert backoff.soonest() == 11
    assert "a" not in backoff


def test_keys_that_nobody_wants_any_more_are_forgotten() -> None:
    backoff = Backoff()
    backoff.failed("a", 0)
    backoff.failed("b", 0)
    backoff.keep({"b"})
    assert len(backoff) == 1
    assert backoff.soonest() is not None
    backoff.keep(())
    assert backoff.soonest() is None


def test_waits_that_shrink_are_refused() -> None:
    with pytest.raises(ValueError, match="must not shrink"):
        Backoff(first=2, longest=1)
