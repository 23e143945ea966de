"""When what failed is to be tried again: a schedule without a clock."""

from collections.abc import Collection, Hashable

import msgspec


class Wait(msgspec.Struct, frozen=True):
    """How often something failed in a row, and when it is due again."""

    attempts: int
    until: float


class Backoff:
    """Waits that grow with each failure in a row, for each key on its own. Times are whatever numbers the caller uses.

    Args:
        first: wait after the first failure.
        factor: by how much each further wait is longer.
        longest: no wait is longer.
    """

    def __init__(self, first: float = 0.5, factor: float = 2.0, longest: float = 60.0) -> None:
        if not (first > 0 and factor >= 1 and longest >= first):
            raise ValueError("waits must be positive and must not shrink")
        self._first, self._factor, self._longest = first, factor, longest
        self._waits: dict[Hashable, Wait] = {}

    def failed(self, key: Hashable, now: float) -> Wait:
        """Remember a failure of `key`; returns how long to wait."""
        before = self._waits.get(key)
        attempts = 1 if before is None else before.attempts + 1
        # The exponent is bounded so that something that fails for weeks does not overflow.
        pause = min(self._longest, self._first * self._factor ** min(attempts - 1, 64))
        wait = self._waits[key] = Wait(attempts, now + pause)
        return wait

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of `key`."""
        self._waits.pop(key, None)

    def keep(self, keys: Collection[Hashable]) -> None:
        """Forget every key that is not among `keys`: nobody wants it any more."""
        for key in self._waits.keys() - set(keys):
            del self._waits[key]

    def waits(self, key: Hashable, now: float) -> bool:
        """Whether it is too early to try `key` again."""
        wait = self._waits.get(key)
        return wait is not None and now < wait.until

    def due(self, now: float) -> frozenset[Hashable]:
        """The failed keys whose wait is over."""
        return frozenset(key for key, wait in self._waits.items() if wait.until <= now)

    def soonest(self) -> float | None:
        """When the next failed key is due, or None where nothing failed."""
        return min((wait.until for wait in self._waits.values()), default=None)

    def __getitem__(self, key: Hashable) -> Wait:
        return self._waits[key]

    def __contains__(self, key: object) -> bool:
        return key in self._waits

    def __len__(self) -> int:
        return len(self._waits)
