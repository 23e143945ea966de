"""Welcome: an instance that comes to this host while it runs is told at once where its gateways are. Pure.

Its kernel may have asked for them while nobody could answer (a link without carrier loses the question, and drops what
was known), and it asks again only a second later; an answer that was not asked for is taken by whoever waits for one.
Taps that are there when a network is looked at first have been there before, or begin to ask from now on.
"""

from collections.abc import Iterable, Iterator, Mapping

from onehop.net import naming
from onehop.net.announcement import announcement
from onehop.objects import BridgeFdb, KernelObject, Key, Link, Neighbour

_TAP, _LEG = "tap", "hr-"


class Welcome:
    """Knows the taps of each network."""

    def __init__(self) -> None:
        self._taps: dict[str, frozenset[str]] = {}

    def know(self, partition: str, held: Mapping[Key, KernelObject]) -> Iterator[tuple[str, list[bytes]]]:
        """Take what a network's partition holds now; says what is to be sent on which link of the host."""
        found = list(held.values())
        taps = frozenset(o.name for o in found if isinstance(o, Link) and o.name.startswith(_TAP) and o.up)
        before = self._taps.get(partition, taps)
        if found:
            self._taps[partition] = taps
        else:
            self._taps.pop(partition, None)
        if taps - before:
            frames = list(_gateways(found))
            yield from ((tap, frames) for tap in sorted(taps - before) if frames)


def _gateways(held: Iterable[KernelObject]) -> Iterator[bytes]:
    """The legs' addresses, each as an announcement: those whose MAC is behind a leg of the bridge."""
    found = list(held)
    legs = {o.mac for o in found if isinstance(o, BridgeFdb) and o.namespace == naming.HOST and o.port.startswith(_LEG)}
    for item in found:
        if isinstance(item, Neighbour) and item.mac in legs:
            yield announcement(item.mac, item.address)
