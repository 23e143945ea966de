"""What repairs took, told at the end of the run, by whichever worker of it they were seen."""

import statistics
from collections import defaultdict

import pytest
from xdist.workermanage import WorkerController

TIMES = pytest.StashKey[dict[str, list[float]]]()


@pytest.fixture(scope="session")
def times(pytestconfig: pytest.Config) -> dict[str, list[float]]:
    """By kind of object, seconds from the end of the hand's command to the end of the pass that put it right."""
    return pytestconfig.stash.setdefault(TIMES, defaultdict(list))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of a worker: tell the run that started it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["drift"] = dict(session.config.stash.get(TIMES, {}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take what a worker tells."""
    for kind, seconds in getattr(node, "workeroutput", {}).get("drift", {}).items():
        node.config.stash.setdefault(TIMES, defaultdict(list))[kind] += seconds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    taken = config.stash.get(TIMES, {})
    if taken:
        terminalreporter.section("drift: milliseconds from a hand's change to its repair")
    for kind, seconds in taken.items():
        middle, longest = (round(1000 * value) for value in (statistics.median(seconds), max(seconds)))
        terminalreporter.line(f"{kind:<12} {len(seconds):>3} changes, median {middle:>4}, longest {longest:>4}")
