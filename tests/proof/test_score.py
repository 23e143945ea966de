"""The mutation score of the proof."""

import pytest

from tests.proof.score import score, told
from tests.proof.worlds import groups, roving

LEAST = 0.95


@pytest.mark.slow
def test_at_least_95_of_100_kinds_of_mistakes_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    found = score((roving,), 1, 2)
    with capsys.disabled():
        print("", *told(found), sep="\n")
    assert not found.violations
    assert found.share >= LEAST, told(found)


__all__ = ["groups"]
