"""The agenda: which partitions are dirty, why, and which of them come next."""

from collections.abc import Callable, Iterable

BATCH = 64
"""Partitions in one pass, so that the first of many are reported before the last are made."""

READ = 1
"""Of these as many as are read first, each with what pairs join it to: some 3 ms, for which other changes wait."""


class Agenda:
    """Names of partitions that are to be taken up.

    Attributes:
        changed: something else is wanted of them: they go before those that are only looked at.
        seen: read with everything else, and not compared yet.
        doubtful: the kernel told of a change; to be read again first.
    """

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self.seen: set[str] = set()
        self.doubtful: set[str] = set()
        self._hurried = False

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.changed or self.seen or self.doubtful)

    def strike(self, names: Iterable[str]) -> None:
        """These are taken up."""
        for dirty in (self.changed, self.seen, self.doubtful):
            dirty.difference_update(names)

    def batch(self, doubtful: set[str], joined: Callable[[str], set[str]]) -> set[str]:
        """Some of the dirty partitions, with all that pairs join them to: both ends are in one plan.

        What is wanted anew goes by itself, and every other time what is only looked at, a little at a time.

        Args:
            doubtful: what is to be read again; some of it may be due for a retry only.
            joined: the partitions that pairs join one to.
        """
        dirty = self.changed if self._hurries() else self.changed | self.seen | doubtful
        batch: set[str] = set()
        read = 0
        for name in sorted(dirty, key=lambda name: (name not in self.changed, name)):
            read += name in doubtful and name not in self.changed and name not in batch
            if len(batch) >= BATCH or read > READ:
                break
            todo = [name]
            while todo:
                found = todo.pop()
                if found not in batch:
                    batch.add(found)
                    todo.extend(joined(found) - batch if found in dirty else ())
        return batch

    def _hurries(self) -> bool:
        self._hurried = bool(self.changed) and not self._hurried
        return self._hurried
