"""The agent is killed on Linux itself, by SIGKILL after one of its requests: the next one ends the same.

Meanwhile whom the change does not concern is probed each millisecond, and nothing is lost.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.crash.calm import CALM, Calm, inhabited
from tests.crash.changes import CHANGES, WIDE, Change, nothing, scene_of
from tests.crash.life import objects_of, wanted_of
from tests.crash.real import Real, real_host, told
from tests.crash.scenes import Scene
from tests.crash.victim import NEVER, let_live

pytestmark = [pytest.mark.root, pytest.mark.slow]

POSITIONS = 24
"""The first position to try is below; most changes have fewer requests."""

LEAST = 20
"""Probes, one each millisecond, during six lives: a machine that has other work sends fewer than there is time for."""

BASE = inhabited(scene_of())


@pytest.fixture(scope="module")
def host() -> Iterator[Real]:
    """One host for all of them."""
    with real_host(*CALM) as host:
        yield host


@pytest.fixture(scope="module")
def calm(host: Real) -> Calm:
    """Who is probed there."""
    return Calm(host.host, BASE.still.fixed_ips[0].ip_address)


@pytest.fixture
def real(host: Real) -> Real:
    """The host with the base scene: to go back to it is part of each test, of one that failed it is not."""
    if host.made is not BASE:
        take_over(host, BASE)
    return host


def live(real: Real, before: Scene, after: Scene, survives: int = NEVER) -> int:
    """Have an agent live through a change, in a process of its own; see `let_live`."""
    return let_live(real.host.path, str(real.host.directory), told(before), told(after), survives)


def die(real: Real, before: Scene, after: Scene, number: int) -> None:
    """Have an agent die of a change after so many requests, or as many fewer as it takes for it to die."""
    real.made = None
    code = live(real, before, after, number)
    if code > 0:
        take_over(real, before)
        code = live(real, before, after, number % code)
    assert code == -signal.SIGKILL, code


def take_over(real: Real, goal: Scene) -> None:
    """The next agent makes the host as it should be."""
    real.restart()
    real.make(goal)
    real.assert_made(goal)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_an_agent_that_is_killed_after_any_request_is_followed_by_one_that_ends_the_same(
    change: Change, real: Real, calm: Calm
) -> None:
    """Of whom the change does not concern no packet is lost, through three lives that end and three that mend."""
    after = inhabited(scene_of(change))
    old, new = objects_of(wanted_of(BASE)), objects_of(wanted_of(after))
    same = {key for key, item in old.items() if new.get(key) == item}
    devices = {key: index for key, index in real.indexes(BASE).items() if key in same}
    at = sum(map(ord, change.__name__)) % POSITIONS
    with ExitStack() as stack:
        probes = None if change is nothing else stack.enter_context(calm.probing(change in WIDE))
        for start, end, number, goal in (
            (BASE, after, at, BASE),
            (BASE, after, (at + POSITIONS // 2) % POSITIONS, after),
            (after, BASE, at, BASE),
        ):
            die(real, start, end, number)
            take_over(real, goal)
    assert {key: index for key, index in real.indexes(BASE).items() if key in same} == devices
    if probes is not None:
        assert (probes.result.lost, probes.result.sent > LEAST) == (0, True), probes.result
