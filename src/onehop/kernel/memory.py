"""A kernel in memory: refuses what Linux refuses, cascades as Linux does, fails when told to.

It is held to the contract that LinuxKernel is held to. Ownership is read off as on a real host: a link by its alias, a
namespace by its mark, a table by its name; what is put there by `plant` with ``foreign=True`` bears none of ours.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from onehop.errors import KernelError
from onehop.kernel.memory_sight import see, see_namespace
from onehop.kernel.memory_traffic import Traffic
from onehop.kernel.memory_world import World
from onehop.net.naming import HOST
from onehop.objects import (
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Namespace,
    Sysctl,
)
from onehop.reconciler.needs import Fallout
from onehop.reconciler.plan import Create, Failure, Observation, Op, Plan, Replace, Report, Scope


class PowerCutError(Exception):
    """The host died in the middle of a plan, as `MemoryKernel.stop_after` asked for."""


@dataclass
class _Trap:
    when: Callable[[Op], bool]
    errno: int
    times: int | None


class MemoryKernel(Traffic):
    """A host's kernel, as a value in memory.

    Attributes:
        writes: number of ops carried out.
    """

    def __init__(self, hooks_outlive_devices: bool = True) -> None:
        super().__init__(World(hooks_outlive_devices))
        self.writes = 0
        self._traps: list[_Trap] = []
        self._left: int | None = None
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
