"""Histories of controller, power, underlay and external network failing and returning in turn: who answers."""

import copy
from collections.abc import Hashable
from random import Random

import pytest

from tests.unit.agent.realm import Realm

HOSTS = (1, 2, 3)
WHATS = ["controller", *(f"{what} host-{n}" for what in ("power", "underlay", "cable", "switch") for n in HOSTS)]
QUIET = 9.0
"""Seconds after which everything has come to rest."""

TWICE = 1.05
"""Seconds for which two may answer who can hear each other: an interval of announcements, and a tick."""


def check(realm: Realm, history: list[str]) -> None:
    """What must be so at rest, and never for longer than an instant otherwise."""
    answering = realm.answerers()
    where = [realm.places[name].segment for name in answering]
    assert len(where) == len(set(where)), f"two answer after {history}:\n{realm.state()}"
    if any(place.alive and place.carrier and place.name in place.view[2] for place in realm.places.values()):
        assert answering, f"nobody answers after {history}:\n{realm.state()}"
    assert realm.twice <= TWICE, f"two answered for {realm.twice:.2f} s after {history}:\n{realm.state()}"


def explore(depth: int) -> int:
    """Every history of a length, each step taken at rest; states that were seen before are not gone on from."""
    level: list[tuple[list[str], Realm]] = [([], Realm())]
    seen: set[Hashable] = set()
    number = 0
    for _ in range(depth):
        following = []
        for history, realm in level:
            for what in WHATS:
                then = copy.deepcopy(realm)
                then.twice = 0.0
                then.flip(what)
                then.run(QUIET)
                number += 1
                check(then, [*history, what])
                if (kind := then.kind()) not in seen:
                    seen.add(kind)
                    following.append(([*history, what], then))
        level = following
    return number


def wander(seed: int, steps: int) -> None:
    """A history of chance, in which things also fail while others have not come to rest."""
    random, realm = Random(seed), Realm(seed=seed)
    history = [f"seed {seed}"]
    for _ in range(steps):
        what, seconds = random.choice(WHATS), random.choice([0.3, 1.0, 2.0, 5.0])
        history.append(f"{what}, {seconds} s")
        realm.flip(what)
        realm.run(seconds)
    realm.run(QUIET)
    check(realm, history)


def test_after_any_one_failure_one_host_answers() -> None:
    assert explore(1) == len(WHATS)


@pytest.mark.slow
def test_after_any_three_failures_and_returns_one_host_answers_where_hosts_hear_each_other() -> None:
    assert explore(3) > len(WHATS) ** 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_whatever_fails_before_all_has_come_to_rest_one_host_answers_in_the_end(seed: int) -> None:
    wander(seed, 8)
