"""The last answer of a function."""

from onehop.compiler.latest import Latest


def test_the_same_question_is_worked_out_once_and_another_one_anew() -> None:
    asked: list[tuple[int, ...]] = []

    @Latest
    def total(numbers: tuple[int, ...]) -> int:
        asked.append(numbers)
        return sum(numbers)

    # Equal, but not the same object.
    assert [total((1, 2)), total(tuple(range(1, 3))), total((1, 3)), total((1, 2))] == [3, 3, 4, 3]
    assert asked == [(1, 2), (1, 3), (1, 2)]
