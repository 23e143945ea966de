"""What a controller remembers of a host that is away, so that it is sent only what changed meanwhile."""

import msgspec

from onehop.model.topology import Ref

MAX_REMEMBERED = 20_000


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

    def since(self, revision: int) -> set[Ref] | None:
        """Superset of what changed since a view of that revision; None where that is not known."""
        return set(self.refs) if self.base is not None and revision >= self.base else None
