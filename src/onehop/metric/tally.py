"""Numbers that one thread writes and another reads. Nothing waits: no lock, and no copy but when somebody asks.

A writer adds to an entry of a dict, which is one step to every other thread; a reader copies the dict, which is one
step too (CPython holds the interpreter's lock for both). So a reader sees each number as it was at some moment, and
never keeps a writer waiting. Two threads must not write to the same one.
"""

from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator

Labels = tuple[str, ...]
"""Values of a metric's labels, in the order of the catalog."""

Sample = tuple[Labels, float]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of what takes time."""


class Tally:
    """Counters by labels, that only grow.

    Args:
        known: labels that are shown from the beginning, with 0: what appears with 1 has never grown to a reader.
    """

    def __init__(self, known: Iterable[Labels] = ()) -> None:
        self._numbers: dict[Labels, float] = dict.fromkeys(known, 0.0)

    def add(self, *labels: str, number: float = 1) -> None:
        """It happened (`number` times)."""
        self._numbers[labels] = self._numbers.get(labels, 0.0) + number

    def get(self, *labels: str) -> float:
        """How often it happened."""
        return self._numbers.get(labels, 0.0)

    def keep(self, known: Container[str]) -> None:
        """Forget all whose first label is none of these."""
        for labels in [labels for labels in self._numbers if labels[0] not in known]:
            del self._numbers[labels]

    def samples(self) -> Iterator[Sample]:
        """All of them, as they are now."""
        return iter(list(self._numbers.items()))


class Distribution:
    """How many of some numbers were how large, by labels.

    Args:
        bounds: upper bounds of the buckets, growing.
    """

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self._counts: dict[tuple[Labels, int], int] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, value: float, *labels: str) -> None:
        """One more."""
        place = (labels, bisect_left(self.bounds, value))
        self._counts[place] = self._counts.get(place, 0) + 1
        self._sums[labels] = self._sums.get(labels, 0.0) + value

    def histograms(self) -> Iterator[tuple[Labels, list[tuple[str, float]], float]]:
        """Labels, cumulative buckets (bound as text, number), sum; as Prometheus has them."""
        sums, counts = dict(self._sums), dict(self._counts)
        for labels, total in sums.items():
            number = 0.0
            buckets = []
            for index, bound in enumerate((*map(str, self.bounds), "+Inf")):
                number += counts.get((labels, index), 0)
                buckets.append((bound, number))
            yield labels, buckets, total
