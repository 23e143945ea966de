"""What passes a kernel in memory: nothing does. What it is told is kept, and tests say what it answers."""

import errno
import threading
from collections.abc import Iterable, Mapping

from onehop.errors import KernelError
from onehop.kernel.memory_world import World
from onehop.net.naming import HOST, TABLE
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Load, Translations
from onehop.objects.counter import Count, Counts
from onehop.objects.nftables import dropping
from onehop.objects.way import Shortened, Way


class Traffic:
    """The part of `onehop.kernel.base.Kernel` that is about packets.

    Attributes:
        world: the state itself, for tests that want to look or to break something behind everybody's back.
        announced: namespace, link and frame of everything announced.
        emitted: namespace, link and packet of everything emitted.
        admitted: what was allowed each time that connections were barred.
        allowed: namespace → translations that were allowed when connections were last cut.
        loads: namespace and address → how far the source ports are used, for tests to say.
        counted: what has passed, by table and counter; put there by tests.
        ways: namespace and link → what it was said to be for the short cut.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._lock = threading.RLock()
        self.ways: dict[tuple[str, str], Way | None] = {}
        self.admitted: list[Admissions] = []
        self.announced: list[tuple[str, str, bytes]] = []
        self.emitted: list[tuple[str, str, bytes]] = []
        self.allowed: dict[str, Translations] = {}
        self.loads: dict[tuple[str, str], Load] = {}
        self.counted: dict[tuple[str, str], Count] = {}

    def announce(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
        """Put frames on a link; see `onehop.kernel.base.Kernel.announce`. They are kept in `announced`."""
        space = self.world.spaces.get(namespace)
        if space is None or link not in space.devices:
            raise KernelError(f"nothing can be announced on {link}: it is not there", errno.ENODEV)
        self.announced.extend((namespace, link, frame) for frame in frames)

    def emit(self, namespace: str, link: str, packets: Iterable[bytes]) -> None:
        """Send packets by a link; see `onehop.kernel.base.Kernel.emit`. They are kept in `emitted`."""
        space = self.world.spaces.get(namespace)
        if space is None or link not in space.devices:
            raise KernelError(f"nothing can be sent by {link}: it is not there", errno.ENODEV)
        self.emitted.extend((namespace, link, packet) for packet in packets)

    def cut(self, namespace: str, allowed: Translations) -> int:
        """Cut connections; see `onehop.kernel.base.Kernel.cut`. It holds none; what is allowed is kept in `allowed`."""
        self.allowed[namespace] = allowed
        return 0

    def load(self, namespace: str, gateway: str, enough: int, before: int | None = None) -> Load:
        """See `onehop.kernel.base.Kernel.load`. It tracks nothing; `loads` says what to answer."""
        found = self.loads.get((namespace, gateway), Load())
        looked = found.used >= enough or (before is not None and found.failed > before)
        return found if looked else Load(0, found.failed)

    def bar(self, admissions: Admissions) -> int:
        """Bar connections; see `onehop.kernel.base.Kernel.bar`. It holds none, and keeps what it was told."""
        self.admitted.append(admissions)
        return 0

    def shorten(self, links: Mapping[tuple[str, str], Way | None]) -> None:
        """See `onehop.kernel.base.Kernel.shorten`. Nothing passes here; it keeps what it was told."""
        self.ways.update(links)

    def shortened(self) -> Shortened | None:
        """See `onehop.kernel.base.Kernel.shortened`."""
        return Shortened(0, 0, 0)

    def count(self, family: str, table: str | None = None) -> Counts:
        """See `onehop.kernel.base.Kernel.count`."""
        with self._lock:
            tables = self.world.spaces[HOST].rulesets.values()
            return {
                one.table: {name: self.counted.get((one.table, name), Count()) for name in one.counters}
                for one in tables
                if one.table.startswith(TABLE) and one.counters and one.family == family and table in (None, one.table)
            }

    def drops(self, namespace: str, family: str | None = None, table: str | None = None) -> Counts:
        """See `onehop.kernel.base.Kernel.drops`. No packet passes; `counted` says what to answer."""
        with self._lock:
            space = self.world.spaces.get(namespace)
            found: Counts = {}
            for one in space.rulesets.values() if space is not None else ():
                if one.table.startswith(TABLE) and family in (None, one.family) and table in (None, one.table):
                    chains = {chain: self.counted.get((one.table, chain), Count()) for chain in dropping(one.body)}
                    if chains:
                        found.setdefault(one.table, {}).update(chains)
            return found
