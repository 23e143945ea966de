"""A kernel in memory: refuses what Linux refuses, cascades as Linux does, fails when told to.

It is held to the contract that LinuxKernel is held to. Ownership is read off as on a real host: a link by its alias, a
namespace by its mark, a table by its name; what is put there by `plant` with ``foreign=True`` bears none of ours.
"""

import errno
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from onehop.errors import KernelError
from onehop.kernel.memory_device import Device, Space
from onehop.kernel.memory_world import World
from onehop.net.naming import HOST, MARK, TABLE
from onehop.objects import (
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Namespace,
    Neighbour,
    Sysctl,
    Veth,
    VxlanFdb,
)
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Load, Translations
from onehop.objects.counter import Count, Counts
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
                    self._see_namespace(name, objects, foreign)
            space = self.world.spaces.get(scope.namespace)
            if space is None:
                return Observation()
            if scope.namespace != HOST:
                self._see_namespace(scope.namespace, objects, foreign)
                if foreign:
                    return Observation(foreign=frozenset(foreign))
            for found in self._see(space, scope, foreign):
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

    def load(self, namespace: str, gateway: str, enough: int) -> Load:
        """See `onehop.kernel.base.Kernel.load`. It tracks nothing; `loads` says what to answer."""
        found = self.loads.get((namespace, gateway), Load())
        return found if found.used >= enough else Load(0, found.failed)

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

    def _see_namespace(self, name: str, objects: dict[Key, KernelObject], foreign: set[Key]) -> None:
        if name == HOST:
            return
        found = Namespace(namespace=name, mark=self.world.spaces[name].mark)
        if found.mark.startswith(MARK):
            objects[found.key] = found
        else:
            foreign.add(found.key)

    def _see(self, space: Space, scope: Scope, foreign: set[Key]) -> Iterator[KernelObject]:
        for name, device in space.devices.items():
            if scope.links is not None and name not in scope.links:
                continue
            if self._is_ours(device.link):
                yield from self._see_device(device)
                if scope.links is None or device.link.master in scope.links:
                    yield from self._see_guest(space, device)
            else:
                foreign.add(device.link.key)
        if scope.links is None:
            yield from (route for key, route in space.routes.items() if key not in space.alien)
            yield from (rule for key, rule in space.rules.items() if key not in space.alien)
        for ruleset in space.rulesets.values():
            if not ruleset.table.startswith(TABLE):
                continue
            if scope.tables is None or (ruleset.family, ruleset.table) in scope.tables:
                yield ruleset
        for path in sorted(scope.sysctls):
            if path in space.sysctls:
                yield Sysctl(namespace=scope.namespace, path=path, value=space.sysctls[path], link=_link_of(path))

    def _is_ours(self, link: Link) -> bool:
        """Whether a link bears our mark, or none while the other end of its pair bears it."""
        if link.alias or not isinstance(link.spec, Veth):
            return link.alias.startswith(MARK)
        there = self.world.spaces.get(link.spec.peer_namespace)
        peer = None if there is None else there.devices.get(link.spec.peer_name)
        return peer is not None and peer.link.alias.startswith(MARK)

    def _see_guest(self, space: Space, port: Device) -> Iterator[KernelObject]:
        """What somebody else's bridge holds of a port of ours."""
        bridge = space.devices.get(port.link.master or "")
        if bridge is not None and not self._is_ours(bridge.link):
            yield from (entry for entry in bridge.bridge_fdb.values() if entry.port == port.link.name)

    @staticmethod
    def _see_device(device: Device) -> Iterator[KernelObject]:
        yield device.link
        yield from device.addresses
        hanging: tuple[dict[Key, Neighbour], dict[Key, BridgeFdb], dict[Key, VxlanFdb]]
        hanging = (device.neighbours, device.bridge_fdb, device.vxlan_fdb)
        for entries in hanging:
            yield from entries.values()


def _link_of(path: str) -> str | None:
    """The link of ``net/ipv4/conf/<link>/…`` and ``net/ipv6/neigh/<link>/…``."""
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in ("conf", "neigh") and parts[3] not in ("all", "default"):
        return parts[3]
    return None
