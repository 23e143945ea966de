"""The batch that a plan's netlink ops are gathered in, one namespace at a time."""

import errno
from collections.abc import Callable
from random import randrange

from onehop.kernel.batch import LONGEST, Batch
from onehop.kernel.connection import Refusal
from onehop.kernel.refusal import Refused
from onehop.kernel.space import Space, Spaces

_FIRST_INDEX = 10
_FRESH = range(1 << 16, 1 << 24)

Settle = Callable[[int, Refusal | None], None]


class Sender:
    """Gathers and sends; belongs to the thread of its `Spaces`.

    Args:
        spaces: the namespaces.
        settle: called with the number of each op that was sent, and what the kernel refused of it.
        sent: called when a batch was sent and all of it is settled.
    """

    def __init__(self, spaces: Spaces, settle: Settle, sent: Callable[[], None]) -> None:
        self._spaces = spaces
        self._settle = settle
        self._sent = sent
        self._cursors: dict[str, int] = {}
        self.batch: Batch | None = None

    def open(self, namespace: str) -> Space:
        """A namespace that is there.

        Raises:
            Refused: it is not.
        """
        space = self._spaces.open(namespace)
        if space is None:
            raise Refused(errno.ENOENT, f"there is no namespace {namespace}")
        return space

    def begin(self, namespace: str) -> None:
        """Note that a namespace is new: the indexes of its links begin low."""
        self._cursors[namespace] = _FIRST_INDEX

    def batch_in(self, namespace: str) -> Batch:
        """The batch of a namespace; what was gathered for another one is sent first.

        Raises:
            Refused: there is no such namespace.
        """
        batch = self.batch
        if batch is not None and (batch.space.name != namespace or len(batch) >= LONGEST):
            self.flush()
            batch = None
        if batch is None:
            cursor = self._cursors.get(namespace) or randrange(_FRESH.start, _FRESH.stop)  # noqa: S311  # any free one
            batch = self.batch = Batch(self.open(namespace), cursor)
        return batch

    def flush(self) -> None:
        """Send what was gathered."""
        batch, self.batch = self.batch, None
        if batch is None:
            return
        self._cursors[batch.space.name] = batch.cursor
        for number, refusal in batch.send():
            self._settle(number, refusal)
        self._sent()
