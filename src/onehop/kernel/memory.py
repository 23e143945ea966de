"""A kernel in memory: refuses what Linux refuses, cascades as Linux does, fails when told to.

It is held to the contract that LinuxKernel is held to. Ownership is read off as on a real host: a link by its alias, a
namespace by its mark, a table by its name; what is put there by `plant` with ``foreign=True`` bears none of ours.
"""

import errno
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from onehop.errors import KernelError
from onehop.kernel.memory_sight import see, see_namespace
from onehop.kernel.memory_world import World
from onehop.net.naming import HOST, TABLE
from onehop.objects import (
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Namespace,
    Sysctl,
)
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Load, Translations
from onehop.objects.counter import Count, Counts
from onehop.objects.nftables import dropping
from onehop.reconciler.needs import Fallout
from onehop.reconciler.plan import Create, Failure, Observation, Op, Plan, Replace, Report, Scope


class PowerCutError(Exception):
    """The host died in the middle of a plan, as `MemoryKernel.stop_after` asked for."""


@dataclass
class _Trap:
    when: Callable[[Op], bool]
    errno: int
    times: int | None


class MemoryKernel:
    """A host's kernel, as a value in memory.

    Attributes:
        writes: number of ops carried out.
        announced: namespace, link and frame of everything announced.
        emitted: namespace, link and packet of everything emitted.
        admitted: what was allowed each time that connections were barred.
        allowed: namespace → translations that were allowed when connections were last cut.
        loads: namespace and address → how far the source ports are used, for tests to say.
        counted: what has passed, by table and counter; put there by tests.
        world: the state itself, for tests that want to look or to break something behind everybody's back.
    """

    def __init__(self, hooks_outlive_devices: bool = True) -> None:
        self.world = World(hooks_outlive_devices)
        self.writes = 0
        self._lock = threading.RLock()
        self._traps: list[_Trap] = []
        self._left: int | None = None
        self.admitted: list[Admissions] = []
        self.announced: list[tuple[str, str, bytes]] = []
        self.emitted: list[tuple[str, str, bytes]] = []
        self.allowed: dict[str, Translations] = {}
        self.loads: dict[tuple[str, str], Load] = {}
        self.counted: dict[tuple[str, str], Count] = {}
        self._watchers: list[queue.SimpleQueue[tuple[str, str | None] | None]] = []

    # ---- the contract

    def observe(self, scope: Scope) -> Observation:
        """See `onehop.kernel.base.Kernel.observe`."""
        if scope.keys is not None:
            return self._observe_keys(scope.namespace, scope.keys)
        return self._observe(scope)

    def _observe(self, scope: Scope) -> Observation:
        with self._lock:
            objects: dict[Key, KernelObject] = {}
            foreign: set[Key] = set()
            if scope.namespace == HOST and scope.links is None:
                for name in self.world.spaces:
                    see_namespace(self.world, name, objects, foreign)
            space = self.world.spaces.get(scope.namespace)
            if space is None:
                return Observation()
            if scope.namespace != HOST:
                see_namespace(self.world, scope.namespace, objects, foreign)
                if foreign:
                    return Observation(foreign=frozenset(foreign))
            for found in see(self.world, space, scope, foreign):
                objects[found.key] = found
            return Observation(objects, frozenset(foreign))

    def _observe_keys(self, namespace: str, keys: frozenset[Key]) -> Observation:
        paths = frozenset(str(key[2]) for key in keys if key[0] == Sysctl.kind)
        whole = self._observe(Scope(namespace=namespace, sysctls=paths))
        foreign = whole.foreign & (keys | {(Namespace.kind, namespace)})
        return Observation({key: found for key, found in whole.objects.items() if key in keys}, foreign)

    def execute(self, plan: Plan) -> Report:
        """See `onehop.kernel.base.Kernel.execute`.

        Raises:
            PowerCutError: `stop_after` said so.
        """
        done: list[Op] = []
        failed: list[Failure] = []
        skipped: list[Op] = []
        fallout = Fallout()
        with self._lock:
            for op in plan.ops:
                if fallout.hits(op):
                    skipped.append(op)
                    fallout.add(op)
                    continue
                try:
                    self._carry_out(op)
                except KernelError as error:
                    failed.append(Failure(op, error.errno, str(error)))
                    fallout.add(op)
                else:
                    done.append(op)
        return Report(tuple(done), tuple(failed), tuple(skipped))

    def watch(self, changed: Callable[[str, str | None], None]) -> Callable[[], None]:
        """See `onehop.kernel.base.Kernel.watch`."""
        events: queue.SimpleQueue[tuple[str, str | None] | None] = queue.SimpleQueue()

        def run() -> None:
            while (event := events.get()) is not None:
                changed(*event)

        thread = threading.Thread(target=run, name="memory-kernel-watch", daemon=True)
        with self._lock:
            self._watchers.append(events)
        thread.start()

        def stop() -> None:
            with self._lock:
                if events in self._watchers:
                    self._watchers.remove(events)
            events.put(None)
            if thread is not threading.current_thread():
                thread.join()

        return stop

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

    def close(self) -> None:
        """End all watches."""
        with self._lock:
            watchers, self._watchers = self._watchers, []
        for events in watchers:
            events.put(None)

    # ---- for tests

    def fail(self, when: Callable[[Op], bool], errno: int, times: int | None = None) -> None:
        """Refuse ops for which `when` holds, with `errno`, always or `times` times."""
        with self._lock:
            self._traps.append(_Trap(when, errno, times))

    def fail_at(self, position: int, errno: int) -> None:
        """Refuse one op: the `position`-th from now on, counted from 0."""
        left = iter(range(position, -1, -1))
        self.fail(lambda _op: next(left, None) == 0, errno, times=1)

    def heal(self) -> None:
        """Forget all failures that were asked for."""
        with self._lock:
            self._traps.clear()
            self._left = None

    def stop_after(self, ops: int) -> None:
        """Die after so many more ops: the next one raises PowerCutError, once."""
        with self._lock:
            self._left = ops

    def plant(self, wanted: KernelObject, foreign: bool = False) -> None:
        """Put something there as somebody else would, and tell the watchers.

        Args:
            wanted: a link or namespace with an alias or mark that is not ours is foreign by itself.
            foreign: for a route or rule: it does not bear our protocol number.
        """
        with self._lock:
            self.world.create(wanted)
            if foreign:
                self.world.spaces[wanted.namespace].alien.add(wanted.key)
            self._tell(wanted)

    def uproot(self, found: KernelObject) -> None:
        """Take something away as somebody else would, and tell the watchers."""
        with self._lock:
            space = self.world.spaces.get(found.namespace)
            if space is not None:
                space.alien.discard(found.key)
            self.world.delete(found)
            self._tell(found)

    # ---- inside

    def _carry_out(self, op: Op) -> None:
        if self._left is not None:
            if self._left == 0:
                self._left = None
                raise PowerCutError
            self._left -= 1
        for trap in self._traps:
            if trap.times != 0 and trap.when(op):
                if trap.times is not None:
                    trap.times -= 1
                raise KernelError("refused because a test asked for it", trap.errno)
        match op:
            case Create(wanted):
                self.world.create(wanted)
                self._tell(wanted)
            case Replace(_, wanted):
                self.world.replace(wanted)
                self._tell(wanted)
            case _:
                self.world.delete(op.object)
                self._tell(op.object)
        self.writes += 1

    def _tell(self, touched: KernelObject) -> None:
        link: str | None
        match touched:
            case Link():
                link = touched.name
            case BridgeFdb():
                link = touched.bridge
            case _:
                link = getattr(touched, "link", None)
        for events in self._watchers:
            events.put((touched.namespace, link))
