"""Numbers that are put together from pieces of bits, as boxes over the pieces."""

from collections.abc import Iterator

from onehop.verify.proof.spans import Box, Numbers, meet
from onehop.verify.proof.utterance import Row


def split(row: Row, some: Numbers) -> Iterator[Box]:
    """A set of numbers as boxes over the pieces that they are put together from."""
    for first, last in some:
        for box in _boxes(row, first, last):
            yield box


def around(row: Row, some: Numbers, number: int) -> Box:
    """One of these boxes, in which a number of the set is."""
    first, last = next(span for span in some if span[0] <= number <= span[1])
    return next(box for box in _boxes(row, first, last) if _within(row, box, number))


def _boxes(row: Row, first: int, last: int) -> Iterator[Box]:
    piece, rest = row[0], row[1:]
    bits = sum(one.bits for one in rest)
    top = (1 << bits) - 1
    low, high = first >> bits, last >> bits
    if not rest:
        yield from _named(piece.name, piece.value, low, high)
        return
    if first & top == 0 and last & top == top:
        yield from _named(piece.name, piece.value, low, high)
        return
    if low == high:
        yield from _joined(_named(piece.name, piece.value, low, low), list(_boxes(rest, first & top, last & top)))
        return
    yield from _joined(_named(piece.name, piece.value, low, low), list(_boxes(rest, first & top, top)))
    if low + 1 <= high - 1:
        yield from _named(piece.name, piece.value, low + 1, high - 1)
    yield from _joined(_named(piece.name, piece.value, high, high), list(_boxes(rest, 0, last & top)))


def _named(name: str, value: int, low: int, high: int) -> Iterator[Box]:
    if name:
        yield {name: ((low, high),)}
    elif low <= value <= high:
        yield {}


def _joined(ones: Iterator[Box], others: list[Box]) -> Iterator[Box]:
    for one in ones:
        for other in others:
            found = meet(one, other)
            if found is not None:
                yield found


def _within(row: Row, box: Box, number: int) -> bool:
    left = sum(piece.bits for piece in row)
    for piece in row:
        left -= piece.bits
        value = number >> left & ((1 << piece.bits) - 1)
        if piece.name in box and not any(first <= value <= last for first, last in box[piece.name]):
            return False
        if not piece.name and value != piece.value:
            return False
    return True
