"""Numbers that are put together from pieces of bits, as boxes over the pieces."""

from collections.abc import Iterator

from onehop.verify.proof.spans import Box, Numbers, both, every, holds, meet, numbers, points
from onehop.verify.proof.utterance import Piece, Row


def split(row: Row, some: Numbers) -> Iterator[Box]:
    """A set of numbers as boxes over the pieces that they are put together from.

    First the values of the first piece behind which everything is in the set; then the others, one by one.
    """
    piece, rest = row[0], row[1:]
    if not rest:
        yield from _named(piece, some)
        return
    bits = sum(one.bits for one in rest)
    top = (1 << bits) - 1
    whole: list[tuple[int, int]] = []
    parts: set[int] = set()
    for first, last in some:
        low, high = -(-first >> bits), (last + 1 >> bits) - 1
        if low <= high:
            whole.append((low, high))
        parts.update(value for value in (first >> bits, last >> bits) if not low <= value <= high)
    if whole:
        yield from _named(piece, numbers(whole))
    for value in sorted(parts):
        here = both(some, ((value << bits, value << bits | top),))
        behind = list(split(rest, tuple((first & top, last & top) for first, last in here)))
        for one in _named(piece, points([value])):
            yield from (found for other in behind if (found := meet(one, other)) is not None)


def pieces(row: Row, number: int) -> dict[str, int]:
    """A number, cut into the pieces of a row."""
    found, left = {}, sum(piece.bits for piece in row)
    for piece in row:
        left -= piece.bits
        found[piece.name] = number >> left & ((1 << piece.bits) - 1)
    return found


def around(row: Row, some: Numbers, number: int) -> Box:
    """One of these boxes, in which a number of the set is."""
    return next(box for box in split(row, some) if _within(row, box, number))


def _named(piece: Piece, some: Numbers) -> Iterator[Box]:
    if piece.name:
        inside = both(some, every(piece.bits))
        if inside:
            yield {piece.name: inside}
    elif holds(some, piece.value):
        yield {}


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
