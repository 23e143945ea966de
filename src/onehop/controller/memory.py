"""What a controller remembers of a host: what changed since its view, and which requests that comes from."""

from collections.abc import Iterable

import msgspec

from onehop.model.topology import Ref
from onehop.wire import MAX_REQUESTS

MAX_REMEMBERED = 20_000
MAX_STEPS = 4096


class Memory(msgspec.Struct):
    """What is known of a host's view, also while it is away, so that it can resume.

    Attributes:
        base: a revision that the host acknowledged, or None.
        refs: superset of what changed in its share since; with more than `MAX_REMEMBERED` the host starts anew.
    """

    base: int | None = None
    refs: set[Ref] = msgspec.field(default_factory=set)

    def add(self, refs: set[Ref]) -> None:
        """These changed."""
        if self.base is None:
            return
        self.refs |= refs
        if len(self.refs) > MAX_REMEMBERED:
            self.base = None
            self.refs.clear()

    def since(self, revision: int, stood: bool = True) -> set[Ref] | None:
        """Superset of what changed since a view of that revision; None where that is not known.

        Args:
            revision: of the view.
            stood: this controller was at that revision itself. Else it may have gone from before it to after it in one
                step, and knows nothing of what came and went between; but another controller may have told the host.
        """
        known = self.base is not None and (revision == self.base or (stood and revision > self.base))
        return set(self.refs) if known else None

    def handed_on(self) -> "Memory":
        """A copy for the next session: what an older one still hears of its agent does not change it."""
        return Memory(self.base, set(self.refs))


class Steps:
    """Revisions that a controller was at, one after another: the newest `MAX_STEPS`."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}

    def add(self, revision: int) -> None:
        """It is at this one now."""
        self._known[revision] = None
        if len(self._known) > MAX_STEPS:
            del self._known[next(iter(self._known))]

    def __contains__(self, revision: int) -> bool:
        """Whether it is known to have been there."""
        return revision in self._known


class Causes:
    """The newest requests that what a host is owed comes from."""

    def __init__(self) -> None:
        self._requests: dict[str, None] = {}

    def add(self, requests: Iterable[str]) -> None:
        """Of these too; of more than can be told the oldest are forgotten."""
        self._requests |= dict.fromkeys(requests)
        for oldest in list(self._requests)[:-MAX_REQUESTS]:
            del self._requests[oldest]

    def take(self) -> tuple[str, ...]:
        """All of them; they are told now."""
        taken, self._requests = tuple(self._requests), {}
        return taken
