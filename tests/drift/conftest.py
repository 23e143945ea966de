"""What repairs took, told at the end of the run."""

import statistics
from collections import defaultdict

import pytest

TIMES = pytest.StashKey[dict[str, list[float]]]()


@pytest.fixture(scope="session")
def times(pytestconfig: pytest.Config) -> dict[str, list[float]]:
    """By kind of object, seconds from the end of the hand's command to the end of the pass that put it right."""
    return pytestconfig.stash.setdefault(TIMES, defaultdict(list))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    taken = config.stash.get(TIMES, {})
    if taken:
        terminalreporter.section("drift: milliseconds from a hand's change to its repair")
    for kind, seconds in taken.items():
        middle, longest = (round(1000 * value) for value in (statistics.median(seconds), max(seconds)))
        terminalreporter.line(f"{kind:<12} {len(seconds):>3} changes, median {middle:>4}, longest {longest:>4}")
