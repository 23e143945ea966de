"""Classes of frames that are walked, with what their walks have used, and what must never be on any walk."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from onehop.net import naming
from onehop.verify.packet import Frame
from onehop.verify.proof.case import Judged, Used, Violation
from onehop.verify.proof.explore import classes
from onehop.verify.proof.recorder import Recorder
from onehop.verify.proof.sample import frame_of
from onehop.verify.proof.spans import Box
from onehop.verify.space import Space
from onehop.verify.world import World


class Listener(Recorder):
    """A recorder that also keeps what was used, and whether our mark left a namespace.

    Attributes:
        seen: what was used.
        noticed: what somebody would notice, in order.
        marked: links by which a packet left that still had a steering mark.
        questions: legs of routers by which a neighbour was asked for, and its address.
    """

    def __init__(self, values: Mapping[str, int], family: int, limit: Box = MappingProxyType({})) -> None:
        super().__init__(values, family, limit)
        self.seen: set[tuple[object, ...]] = set()
        self.noticed: list[tuple[object, ...]] = []
        self.marked: list[str] = []
        self.questions: list[tuple[str, str]] = []

    def used(self, *what: object) -> None:
        """See `Watch`."""
        self.seen.add(what)

    def observed(self, *what: object) -> None:
        """See `Watch`."""
        self.noticed.append(what)

    @property
    def resets(self) -> bool:
        """Whether a router has reset something."""
        return any(what[0] == "reject" and str(what[2]).startswith("qrouter-") for what in self.noticed)

    def asks(self, space: Space, link: str, ip: str) -> None:
        """See `Watch`."""
        if space.name.startswith("qrouter-"):
            self.questions.append((link, ip))

    def left(self, space: Space, link: str, mark: int) -> None:
        """See `Watch`."""
        if mark & naming.STEERING_MASK:
            self.marked.append(f"{link} of {space.name} on {space.host}")


Walked = Callable[[World, Frame, Listener], Callable[[Mapping[str, int], Box], Violation | None]]
"""Walks one frame; what it returns judges its class."""


def judged(world: World, family: int, box: Box, walk: Walked) -> Iterator[Judged]:
    """Every class of a box, walked and judged."""

    def one(
        values: Mapping[str, int], limit: Box
    ) -> tuple[Box, tuple[Used, tuple[object, ...], Callable[..., Violation | None]]]:
        listener = Listener(values, family, limit)
        judge = walk(world, frame_of(values, family), listener)
        return listener.box, (frozenset(listener.seen), (*listener.noticed, *listener.marked), judge)

    for found in classes(box, one):
        used, noticed, judge = found.found
        yield Judged(found.box, used, judge(found.values, found.box), noticed)
