"""Choosing a free value: whatever is taken and wherever the search begins, it is found while there is one."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from onehop.store.pool import Range, free


class Numbers:
    """Taken numbers in memory; counts how many it was asked to read."""

    def __init__(self, numbers: set[int]) -> None:
        self.numbers = numbers
        self.read = 0

    def count(self, within: Range) -> int:
        return sum(within[0] <= n <= within[1] for n in self.numbers)

    def first(self, within: Range, limit: int) -> Sequence[int]:
        found = sorted(n for n in self.numbers if within[0] <= n <= within[1])[:limit]
        self.read += len(found)
        return found


@given(
    gaps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=4),
    taken=st.sets(st.integers(0, 40)),
    start=st.floats(0, 1, exclude_max=True),
)
def test_a_free_value_is_found_exactly_when_there_is_one(
    gaps: list[tuple[int, int]], taken: set[int], start: float
) -> None:
    ranges, low = [], 0
    for gap, length in gaps:
        ranges.append((low + gap, low + gap + length))
        low += gap + length + 1
    wanted = {n for first, last in ranges for n in range(first, last + 1)} - taken
    found = free(ranges, Numbers(taken), lambda size: int(size * start))
    assert found in wanted if wanted else found is None


def test_the_search_begins_where_chance_says() -> None:
    assert free([(10, 19), (30, 39)], Numbers(set()), lambda _: 12) == 32


def test_a_pool_wider_than_64_bits_costs_no_more() -> None:
    assert free([(1, 2**128 - 2)], Numbers({5}), lambda _: 4) == 6


def test_a_full_pool_is_told_by_counting() -> None:
    taken = Numbers(set(range(1, 65536)))
    assert free([(1, 65535)], taken, lambda size: size // 2) is None
    assert taken.read <= 8
