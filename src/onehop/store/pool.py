"""A free value of a pool of whole numbers, of which the database knows those that are taken.

The search begins at a random place, so that a value just given back is rarely given out again at once (others may
still remember it), and reads taken values in order from there until there is a gap. It costs one small query in a
pool with room, and never more than reading what is taken; a pool that is full says so after one count.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

Range = tuple[int, int]
"""First and last, both in it."""

_CHUNKS = (8, 64, 1024)


class Taken(Protocol):
    """What is taken, as the database knows it."""

    def count(self, within: Range) -> int:
        """How many values in the range are taken."""
        ...

    def first(self, within: Range, limit: int) -> Sequence[int]:
        """The lowest `limit` taken values in the range, in order."""
        ...


def free(ranges: Sequence[Range], taken: Taken, below: Callable[[int], int]) -> int | None:
    """A value of the ranges that is not taken, or None where there is none.

    Args:
        ranges: disjoint.
        taken: what is not free.
        below: a random number from 0 to less than its argument.
    """
    size = sum(last - first + 1 for first, last in ranges)
    if size <= 0:
        return None
    counted = False
    for within in _rotated(ranges, below(size)):
        low, high = within
        for step in itertools.count():
            limit = _CHUNKS[min(step, len(_CHUNKS) - 1)]
            found = taken.first((low, high), limit)
            low = _after_run(low, found)
            if low > high:
                break
            if len(found) < limit or found[-1] >= low:
                return low
            if not counted:
                counted = True
                if sum(taken.count(one) for one in ranges) >= size:
                    return None
    return None


def _after_run(low: int, found: Sequence[int]) -> int:
    """The first number from `low` on that is not in the sorted `found`."""
    for number in found:
        if number != low:
            break
        low += 1
    return low


def _rotated(ranges: Sequence[Range], start: int) -> list[Range]:
    """The same numbers, beginning with the one at place `start` and wrapping around."""
    for place, (first, last) in enumerate(ranges):
        if start <= last - first:
            middle = first + start
            head = [] if middle == first else [(first, middle - 1)]
            return [(middle, last), *ranges[place + 1 :], *ranges[:place], *head]
        start -= last - first + 1
    return list(ranges)
