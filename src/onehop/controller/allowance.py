"""How often one source may do something: a token bucket for each, in bounded memory."""

from collections import OrderedDict
from collections.abc import Callable

MAXIMUM_SOURCES = 10_000
"""Sources remembered; the one that was silent longest is forgotten first, and begins anew with a full bucket."""


class Allowance:
    """So many a second for each source, and a burst of twice as many (one at least).

    Args:
        per_second: how many; 0 is no limit.
        clock: seconds that only grow.
        burst: how many at once, where that is not twice as many.
    """

    def __init__(self, per_second: float, clock: Callable[[], float], burst: float | None = None) -> None:
        self._rate = per_second
        self._most = max(1.0, 2 * per_second if burst is None else burst)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, source: str, *, take: bool = True) -> float:
        """Seconds until `source` may do it once more; 0 is now, and with `take` it counts as done."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        left, at = self._left.pop(source, (self._most, now))
        left = min(self._most, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._left[source] = (left - 1 if take and not wait else left, now)
        if len(self._left) > MAXIMUM_SOURCES:
            self._left.popitem(last=False)
        return wait
