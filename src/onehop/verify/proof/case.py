"""What is proved, in parts: a case is a question about all frames of a box, answered class by class.

A class knows what it depends on, so that after a change of the state only the classes that it touches need be judged
anew: what was not looked at on a walk cannot change it.
"""

from collections.abc import Callable, Iterator

import msgspec

from onehop.verify.proof.spans import Box
from onehop.verify.trail import Trail
from onehop.verify.world import World

Used = frozenset[tuple[object, ...]]
"""What a walk has looked at; see `onehop.verify.watch.Watch.used`."""


class Violation(msgspec.Struct, frozen=True):
    """Something that must not be.

    Attributes:
        what: a sentence.
        port: whose frame it is; empty is the outside.
        to: the port that it comes to; empty where it is about what is said.
        frame: one of the frames, in words.
        packets: how many there are like it.
        trail: its way.
    """

    what: str
    port: str
    to: str = ""
    frame: str = ""
    packets: int = 0
    trail: Trail = ()


class Judged(msgspec.Struct, frozen=True):
    """A class of frames, judged.

    Attributes:
        box: which.
        used: what the judgement depends on.
        violation: what is wrong with it, or None.
        noticed: what anybody would notice of one of its frames, in order.
    """

    box: Box
    used: Used
    violation: Violation | None = None
    noticed: tuple[object, ...] = ()


class Case(msgspec.Struct, frozen=True):
    """Frames that are asked about.

    Attributes:
        kind: ``emission``, ``senders``, ``seeking``, ``asking``, ``promise``, ``relayed``, ``severed``, ``steered``,
            ``transit``, ``hops``, ``isolation``, ``home`` or ``settings``.
        judge: all classes of a box, in a world that was compiled from the case's topology, or should have been.
        box: the frames.
    """

    kind: str
    judge: Callable[[World, Box], Iterator[Judged]]
    box: Box
