"""The herald: what was published is announced, several times and spaced, for as long as it is published. Pure.

Whoever asked for an address lately does not believe the first word (Linux keeps a neighbour for some time after it was
confirmed), and a frame can be lost: so each address is announced `TIMES` times, the second `SOON`, then `EVERY` seconds
apart (RFC 5227 section 2.3 asks for two).
"""

from collections.abc import Iterable

import msgspec

TIMES = 5
EVERY = 1.0
SOON = 0.15
"""Seconds until the second time: a host that an address has just left may have said its last word after our first."""


class Published(msgspec.Struct, frozen=True, order=True):
    """An external address on a link of this host.

    Attributes:
        namespace, link: where it is.
        mac: of the link.
        address: canonical, without prefix length.
    """

    namespace: str
    link: str
    mac: str
    address: str


class Herald:
    """Knows what is published, and what of it is still to be announced when."""

    def __init__(self) -> None:
        self._published: dict[str, frozenset[Published]] = {}
        self._todo: dict[Published, tuple[float, int]] = {}
        self._said: dict[Published, float] = {}

    def know(self, partition: str, published: Iterable[Published], now: float) -> None:
        """Take all that a partition has published; what is new is announced from now on, what is gone no more."""
        new = frozenset(published)
        old = self._published.pop(partition, frozenset())
        if new:
            self._published[partition] = new
        for gone in old - new:
            self._todo.pop(gone, None)
            self._said.pop(gone, None)
        for fresh in new - old:
            said = self._said.pop(fresh, None)
            self._todo[fresh] = (now, TIMES) if said is None else (said + SOON, TIMES - 1)

    def say(self, partition: str, found: Published, now: float) -> bool:
        """Whether something that a partition just got is to be announced now; then that was the first time."""
        fresh = found not in self._published.get(partition, frozenset())
        if fresh:
            self._said[found] = now
        return fresh

    def silence(self, namespace: str, address: str) -> None:
        """An address has gone from its link: nothing more is said of it."""
        for gone in [f for f in self._todo if (f.namespace, f.address) == (namespace, address)]:
            del self._todo[gone]

    def soonest(self) -> float | None:
        """When the next announcement is to be made."""
        return min((when for when, _ in self._todo.values()), default=None)

    def due(self, now: float) -> list[Published]:
        """What is to be announced now; each is due again, until it was said often enough."""
        ready = sorted(found for found, (when, _) in self._todo.items() if when <= now)
        for found in ready:
            _, left = self._todo.pop(found)
            if left > 1:
                self._todo[found] = (now + (SOON if left == TIMES else EVERY), left - 1)
        return ready
