"""The beacon: when which leg advertises itself to all of its network (RFC 4861 section 6.2). Pure; it sends nothing."""

import heapq
from collections.abc import Callable, Iterable
from itertools import count

import msgspec

from onehop.net.advertisement import Advertisement
from onehop.net.identifier import NetworkId

SLOWEST, FASTEST = 600.0, 200.0
"""Seconds between two unsolicited advertisements of a leg, at most and at least (MaxRtrAdvInterval, a third of it)."""

INITIAL, INITIAL_SECONDS = 3, 16.0
"""So many of the first ones are so close together at most (MAX_INITIAL_RTR_ADVERTISEMENTS and …_INTERVAL)."""

PAUSE = 3.0
"""Seconds between two advertisements to all nodes of a network, at least (MIN_DELAY_BETWEEN_RAS)."""

Leg = tuple[str, str]
"""Namespace and link."""


class _Plan(msgspec.Struct):
    """Of one leg: what is said, when next, when last, and how often it was."""

    said: Advertisement
    when: float
    last: float
    times: int = 0


class Beacon:
    """Knows what legs are here, and when each is to be heard next.

    Args:
        chance: a number from 0 to 1, another one each time: routers must not fall into step.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._legs: dict[Leg, _Plan] = {}
        self._partitions: dict[str, frozenset[Leg]] = {}
        self._networks: dict[NetworkId, set[Leg]] = {}
        self._queue: list[tuple[float, int, Leg]] = []
        self._order = count()

    def know(self, partition: str, said: Iterable[Advertisement], now: float) -> None:
        """Take all that a partition says; what is new or different is said from now on, what is gone no more."""
        new = {(one.namespace, one.link): one for one in said}
        for leg in self._partitions.pop(partition, frozenset()) - new.keys():
            self._forget(leg)
        if new:
            self._partitions[partition] = frozenset(new)
        for leg, one in new.items():
            plan = self._legs.get(leg)
            if plan is None:
                self._legs[leg] = plan = _Plan(one, now, now - PAUSE)
            elif plan.said == one:
                continue
            self._unlist(leg)
            plan.said, plan.times = one, 0
            self._networks.setdefault(one.network_id, set()).add(leg)
            self._set(leg, max(now, plan.last + PAUSE))

    def knows(self, leg: Leg) -> bool:
        """Whether a leg is advertised."""
        return leg in self._legs

    def on(self, network: NetworkId) -> list[Advertisement]:
        """What is said on a network."""
        return [self._legs[leg].said for leg in sorted(self._networks.get(network, ()))]

    def hurry(self, network: NetworkId, now: float) -> None:
        """Somebody who has no address yet asks: say it to all, as soon as that may be again."""
        for leg in self._networks.get(network, ()):
            plan = self._legs[leg]
            self._set(leg, min(plan.when, max(now, plan.last + PAUSE)))

    def soonest(self) -> float | None:
        """When the next one is to be sent."""
        while self._queue and not self._counts(self._queue[0]):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def due(self, now: float, most: int) -> list[Advertisement]:
        """What is to be said now to all, so many at most; each is due again in its time."""
        found: list[Advertisement] = []
        while len(found) < most and (when := self.soonest()) is not None and when <= now:
            leg = heapq.heappop(self._queue)[2]
            plan = self._legs[leg]
            plan.last, plan.times = now, plan.times + 1
            pause = FASTEST + (SLOWEST - FASTEST) * self._chance()
            self._set(leg, now + (min(pause, INITIAL_SECONDS) if plan.times < INITIAL else pause))
            found.append(plan.said)
        return found

    def _set(self, leg: Leg, when: float) -> None:
        self._legs[leg].when = when
        heapq.heappush(self._queue, (when, next(self._order), leg))

    def _counts(self, entry: tuple[float, int, Leg]) -> bool:
        plan = self._legs.get(entry[2])
        return plan is not None and plan.when == entry[0]

    def _forget(self, leg: Leg) -> None:
        self._unlist(leg)
        del self._legs[leg]

    def _unlist(self, leg: Leg) -> None:
        network = self._legs[leg].said.network_id
        others = self._networks.get(network, set())
        others.discard(leg)
        if not others:
            self._networks.pop(network, None)
