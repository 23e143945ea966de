"""Sets of numbers as spans, and boxes: what remains of all packets when some are taken away.

A set is a tuple of `(first, last)`, both included, ascending, never touching. A box is a product of such sets, one for
each dimension: a set of packets. Boxes are closed under intersection; a difference is several boxes, all disjoint.
"""

from collections.abc import Iterable, Iterator, Mapping

Numbers = tuple[tuple[int, int], ...]
Box = Mapping[str, Numbers]


def every(bits: int) -> Numbers:
    """All numbers of so many bits."""
    return ((0, (1 << bits) - 1),)


def numbers(spans: Iterable[tuple[int, int]]) -> Numbers:
    """A set from spans in any order, overlapping or not."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def points(values: Iterable[int]) -> Numbers:
    """A set of single numbers."""
    return numbers((value, value) for value in values)


def both(one: Numbers, other: Numbers) -> Numbers:
    """What is in both sets."""
    for some, whole in ((one, other), (other, one)):
        if len(whole) == 1 and some and whole[0][0] <= some[0][0] and some[-1][1] <= whole[0][1]:
            return some
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(one) and j < len(other):
        first, last = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if first <= last:
            found.append((first, last))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(one: Numbers, other: Numbers) -> Numbers:
    """What is in the first set only."""
    found: list[tuple[int, int]] = []
    at = 0
    for first, last in one:
        while at < len(other) and other[at][1] < first:
            at += 1
        here = at
        while here < len(other) and other[here][0] <= last:
            if other[here][0] > first:
                found.append((first, other[here][0] - 1))
            first = other[here][1] + 1
            here += 1
        if first <= last:
            found.append((first, last))
    return tuple(found)


def holds(some: Numbers, number: int) -> bool:
    """Whether a number is in a set."""
    return any(first <= number <= last for first, last in some)


def meet(one: Box, other: Box) -> Box | None:
    """What is in both boxes; a dimension that one does not name is not limited by it. None is nothing."""
    found = dict(one)
    for name, some in other.items():
        found[name] = both(found[name], some) if name in found else some
        if not found[name]:
            return None
    return found


def minus(one: Box, other: Box) -> Iterator[Box]:
    """What is in the first box only, as boxes that do not overlap."""
    if meet(one, other) is None:
        yield one
        return
    left = dict(one)
    for name, some in other.items():
        outside = without(left[name], some)
        if outside:
            yield {**left, name: outside}
        left[name] = both(left[name], some)


def remainder(one: Box, others: Iterable[Box]) -> list[Box]:
    """What is in a box and in none of the others."""
    left = [one]
    for other in others:
        left = [part for box in left for part in minus(box, other)]
        if not left:
            break
    return left


def size(box: Box) -> int:
    """How many packets a box holds."""
    total = 1
    for some in box.values():
        total *= sum(last - first + 1 for first, last in some)
    return total
