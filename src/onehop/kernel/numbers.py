"""Which number means which namespace: the kernel speaks of namespaces by numbers, and each has its own for others."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from onehop.kernel import nsid
from onehop.net.naming import HOST

if TYPE_CHECKING:
    from onehop.kernel.space import Space, Spaces

_MET = 64


class Numbers:
    """Finds names for numbers, and numbers for names; belongs to the thread of its `Spaces`."""

    def __init__(self, spaces: "Spaces") -> None:
        self._spaces = spaces
        self._known: dict[str, dict[int, str]] = {}
        self._met: dict[str, None] = {}

    def of(self, space: "Space") -> int | None:
        """The host's number for a namespace, given now if need be."""
        for _ in range(2):
            for number, name in nsid.numbers(self._spaces.host.route, [(space.name, space.descriptor)]):
                self._known.setdefault(HOST, {})[number] = name
                return number
            nsid.give(self._spaces.host.route, space.descriptor)
        return None

    def _numbers(self, at: "Space", names: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Numbers by which `at` knows namespaces; those it does not know are left out."""
        asked: list[tuple[str, int]] = []
        opened: list[int] = []
        for name in names:
            kept = self._spaces.kept(name)
            descriptor = self._spaces.descriptor(name) if kept is None else kept.descriptor
            if descriptor is None:
                continue
            if kept is None:
                opened.append(descriptor)
            asked.append((name, descriptor))
        try:
            yield from nsid.numbers(at.route, asked)
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def meet(self, name: str) -> None:
        """Note that a link was led into a namespace: it will be asked for soon."""
        self._met.pop(name, None)
        self._met[name] = None
        if len(self._met) > _MET:
            del self._met[next(iter(self._met))]

    def resolve(self, at: "Space", numbers: Iterable[int]) -> dict[int, str]:
        """Names of the namespaces that `at` knows by these numbers; unnamed ones are left out.

        What was known is only a guess: a number is given to another namespace when the first is gone. So each is
        asked for again, and only where neither that nor those met lately help all names are tried, of which there are
        as many as routers.
        """
        wanted = set(numbers)
        if not wanted:
            return {}
        known = self._known.setdefault(at.name, {})
        found: dict[int, str] = {}
        tried: set[str] = set()
        for guessed in self._guesses(known[number] for number in wanted if number in known):
            missing = wanted - found.keys()
            found.update({number: name for number, name in self._numbers(at, guessed - tried) if number in missing})
            if len(found) == len(wanted):
                break
            tried |= guessed
        known.update(found)
        for name in found.values():
            self._met.pop(name, None)
        return found

    def _guesses(self, known: Iterable[str]) -> Iterator[set[str]]:
        """Names to try, the likely first."""
        yield {HOST, *known}
        yield set(self._met)
        yield set(self._spaces.names())
