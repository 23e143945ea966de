"""Lives of an agent on one kernel in memory, each with an engine of its own; what each did, and where it can be cut."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from onehop.agent.engine import Engine
from onehop.agent.outcome import Outcome
from onehop.compiler.host import compile_host
from onehop.compiler.state import Partition
from onehop.errors import KernelError
from onehop.kernel.memory import MemoryKernel
from onehop.kernel.memory_device import Device, Space
from onehop.kernel.memory_world import World as Held
from onehop.model.locality import changed_between
from onehop.net import naming
from onehop.objects import Bridge, KernelObject, Key, Link, Namespace, Sysctl
from onehop.objects.admission import Admissions
from onehop.objects.agreement import agrees
from onehop.objects.conntrack import Translations
from onehop.reconciler.plan import Observation, Op, Scope
from tests.crash.scenes import BRIDGE, INSTANCES, SECOND_BRIDGE, Scene
from tests.unit.agent.bench import HOST

FOREIGN: tuple[KernelObject, ...] = (
    Namespace(namespace=INSTANCES, mark=""),
    Link(namespace="", name=BRIDGE, spec=Bridge(), alias="", mtu=1500),
    Link(namespace="", name=SECOND_BRIDGE, spec=Bridge(), alias="", mtu=1500),
)


def twin(held: Held) -> Held:
    """A copy of what a kernel holds; the values in it are frozen."""
    copy = Held()
    copy.spaces = {name: _space(space) for name, space in held.spaces.items()}
    return copy


def _space(space: Space) -> Space:
    devices = {
        name: Device(d.link, [*d.addresses], {**d.neighbours}, {**d.vxlan_fdb}, {**d.bridge_fdb})
        for name, d in space.devices.items()
    }
    tables = ({**space.routes}, {**space.rules}, {**space.rulesets}, {**space.sysctls})
    return Space(space.mark, devices, *tables, {*space.alien})


@dataclass
class Moment:
    """What a kernel holds after a request, and what had been asked of its connections by then."""

    held: Held
    cut: dict[str, Translations]
    barred: Admissions | None


@dataclass
class Diary:
    """What was asked of a kernel, in order; reading is not written down."""

    ops: list[Op] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)


class Hand(MemoryKernel):
    """A kernel in memory that keeps a diary, and refuses one request when told to: an op, a cut, a bar or a reading.

    What it refused it refuses until it is healed: an agent may try again at once. A reading it refuses once.

    Attributes:
        diary: what was asked of it.
        keeps: whether what is held after each request is kept too.
    """

    def __init__(self, moment: Moment | None = None) -> None:
        super().__init__()
        self.diary = Diary()
        self.keeps = False
        self.requests = 0
        self.readings = 0
        self.refuse_request: tuple[int, int] | None = None
        self.refuse_reading: tuple[int, int] | None = None
        self.refused: list[Op | str] = []
        self._stubborn: tuple[object, int] | None = None
        if moment is None:
            for found in FOREIGN:
                self.plant(found)
        else:
            self.world, self.allowed = twin(moment.held), dict(moment.cut)
            self.admitted = [] if moment.barred is None else [moment.barred]

    def moment(self) -> Moment:
        """What there is now."""
        return Moment(twin(self.world), dict(self.allowed), self.admitted[-1] if self.admitted else None)

    def observe(self, scope: Scope) -> Observation:
        self.readings += 1
        if self.refuse_reading is not None and self.refuse_reading[0] == self.readings:
            self.refused.append("observe")
            raise KernelError("refused because a test asked for it", self.refuse_reading[1])
        return super().observe(scope)

    def cut(self, namespace: str, allowed: Translations) -> int:
        self._ask("cut")
        number = super().cut(namespace, allowed)
        self._asked()
        return number

    def bar(self, admissions: Admissions) -> int:
        self._ask("bar")
        number = super().bar(admissions)
        self._asked()
        return number

    def announce(self, namespace: str, link: str, frames: Iterable[bytes]) -> None:
        self._ask("announce")
        super().announce(namespace, link, frames)
        self._asked()

    def heal(self) -> None:
        super().heal()
        self.refuse_request = self.refuse_reading = self._stubborn = None

    def _carry_out(self, op: Op) -> None:
        self._ask(op)
        super()._carry_out(op)
        self.diary.ops.append(op)
        self._asked()

    def _ask(self, what: Op | str) -> None:
        self.requests += 1
        about = what if isinstance(what, str) else (type(what), what.key)
        if self.refuse_request is not None and self.refuse_request[0] == self.requests:
            self.refused.append(what)
            self._stubborn = about, self.refuse_request[1]
        if self._stubborn is not None and self._stubborn[0] == about:
            raise KernelError("refused because a test asked for it", self._stubborn[1])

    def _asked(self) -> None:
        if self.keeps:
            self.diary.moments.append(self.moment())


class Life:
    """An engine from its start to its end; the next one has nothing but the kernel and the view."""

    def __init__(self, kernel: Hand) -> None:
        self.now = 1000.0
        self.kernel = kernel
        self.revision = 0
        self.outcomes: list[Outcome] = []
        self.engine: Engine | None = None

    def clock(self) -> float:
        """Seconds, that the test lets pass."""
        return self.now

    def twin(self, kernel: Hand) -> "Life":
        """One more life that knows just the same, on another kernel: values that nobody can change are shared."""
        assert self.engine is not None
        desire, held = self.engine.desire, self.engine.holding.partitions.values()
        shared: list[object] = [HOST, desire.view, desire.local, *desire.partitions.values()]
        shared += [value for objects in held for pair in objects.items() for value in pair]
        return deepcopy(self, {**{id(value): value for value in shared}, id(self.kernel): kernel})

    def begin(self, scene: Scene) -> None:
        """Start with a scene."""
        self.engine = Engine(self.kernel, HOST, scene.local(), self.clock)
        self.engine.confirm(True)
        self.tell(scene)

    def tell(self, scene: Scene) -> None:
        """Say what is wanted from now on; nothing is done yet."""
        if self.engine is None:
            self.begin(scene)
            return
        self.revision += 1
        view, local = scene.view(self.revision), scene.local()
        if local != self.engine.desire.local:
            self.engine.equip(local)
        self.engine.see(view, changed_between(self.engine.desire.view, view), confirmed=True)

    def work(self) -> None:
        """Go on until there is nothing to do."""
        assert self.engine is not None
        while not self.engine.idle:
            self.outcomes.append(self.engine.run())

    def make(self, scene: Scene) -> None:
        """Have the kernel made so."""
        self.tell(scene)
        self.work()

    def mend(self) -> None:
        """Let time pass until nothing waits to be tried again: no call from outside."""
        assert self.engine is not None
        for _ in range(8):
            if not self.engine.failing:
                return
            self.now += 130
            self.outcomes.append(self.engine.run())
            self.work()


Wanted = dict[str, Partition]


def wanted_of(scene: Scene) -> Wanted:
    """A cold compile."""
    return dict(compile_host(scene.view(), HOST, scene.local()))


def objects_of(wanted: Wanted) -> dict[Key, KernelObject]:
    """All that a compile wants."""
    return {key: claim.object for partition in wanted.values() for key, claim in partition.claims.items()}


def ours(kernel: MemoryKernel) -> dict[Key, KernelObject]:
    """Everything of ours, settings aside."""
    host = kernel.observe(Scope(namespace=naming.HOST)).objects
    spaces = [found.namespace for found in host.values() if isinstance(found, Namespace)]
    for name in spaces:
        host = {**host, **kernel.observe(Scope(namespace=name)).objects}
    return {key: found for key, found in host.items() if not isinstance(found, Sysctl)}


def differing(kernel: MemoryKernel, wanted: dict[Key, KernelObject]) -> set[Key]:
    """Keys of what is missing, not as wanted, or left over."""
    found = ours(kernel)
    for key, item in wanted.items():
        if isinstance(item, Sysctl):
            there = kernel.world.spaces.get(item.namespace)
            if there is not None and there.sysctls.get(item.path) == item.value:
                found[key] = item
    wrong = {key for key, item in wanted.items() if key not in found or not agrees(found[key], item)}
    return wrong | (found.keys() - wanted.keys())


def assert_made(kernel: MemoryKernel, wanted: dict[Key, KernelObject]) -> None:
    """The kernel holds what is wanted, and nothing else of ours; what is foreign is as it was."""
    found = ours(kernel)
    settings = {key: item for key, item in wanted.items() if isinstance(item, Sysctl)}
    rest = wanted.keys() - settings.keys()
    assert not rest - found.keys(), f"missing: {sorted(rest - found.keys(), key=str)}"
    assert not found.keys() - rest, f"left over: {sorted(found.keys() - rest, key=str)}"
    for key in rest:
        assert agrees(found[key], wanted[key]), (found[key], wanted[key])
    for setting in settings.values():
        assert kernel.world.spaces[setting.namespace].sysctls.get(setting.path) == setting.value, setting
    for item in FOREIGN:
        there = kernel.world.spaces.get(item.namespace)
        assert there is not None, item
        assert not isinstance(item, Link) or there.devices[item.name].link == item
