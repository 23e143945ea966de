"""All packets of a box, class by class: one of each is walked, and stands for those that are alike.

A class is what the walk of its representative did not tell apart (`onehop.verify.proof.recorder`). What is left of the
box is walked on, until nothing is left: so every packet of the box is in exactly one class.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from onehop.errors import UnknownRuleError
from onehop.verify.proof.spans import Box, Numbers, meet, minus, points, without

T = TypeVar("T")

MOST_CLASSES = 200_000
"""Of one box. More means that something is told apart value by value, and the proof would not end."""


class Class(msgspec.Struct, Generic[T], frozen=True):
    """Packets that are alike.

    Attributes:
        box: which.
        values: the representative.
        found: what became of it.
    """

    box: Box
    values: Mapping[str, int]
    found: T


def classes(box: Box, walk: Callable[[Mapping[str, int], Box], tuple[Box, T]]) -> Iterator[Class[T]]:
    """Divide a box.

    Args:
        box: the packets.
        walk: walks one of a box, and says which are alike with it, and what became of it.

    Raises:
        UnknownRuleError: there are too many classes.
    """
    todo, count = [box], 0
    while todo:
        left = todo.pop()
        values = representative(left)
        if values is None:
            continue
        seen, found = walk(values, left)
        mine = meet(left, {name: some for name, some in seen.items() if name in left})
        if mine is None or any(not any(a <= values[n] <= b for a, b in some) for n, some in mine.items()):
            raise UnknownRuleError(f"a packet is not alike with itself: {dict(values)}")
        yield Class(mine, values, found)
        count += 1
        if count > MOST_CLASSES:
            raise UnknownRuleError(f"more than {MOST_CLASSES} classes of packets: something compares value by value")
        todo.extend(minus(left, mine))


def representative(box: Box) -> dict[str, int] | None:
    """One packet of a box, whose values differ from each other where they can: what is equal is told apart no more.

    Sender and target of ARP always differ (where they are one there is no `target`); None where they cannot.
    """
    values = {name: _one_of(some, number) for number, (name, some) in enumerate(box.items(), 1)}
    if "target" in values and values["target"] == values.get("sender"):
        for name in ("target", "sender"):
            others = without(box[name], points([values[name]]))
            if others:
                return {**values, name: others[0][0]}
        return None
    return values


def _one_of(some: Numbers, number: int) -> int:
    first, last = max(some, key=lambda span: span[1] - span[0])
    return first + (last - first) * number // _PARTS


_PARTS = 32
"""More than there are dimensions."""
