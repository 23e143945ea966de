"""An engine over a kernel in memory, with a clock that tests turn."""

from collections.abc import Iterable, Mapping

from onehop.agent.board import Entry
from onehop.agent.engine import Engine
from onehop.agent.outcome import Outcome
from onehop.compiler.host import compile_host
from onehop.compiler.state import Local, Plug
from onehop.kernel.memory import MemoryKernel
from onehop.model.locality import changed_between
from onehop.model.port import Port
from onehop.model.topology import Ref, Topology
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import KernelObject, Key, Link, Namespace, Sysctl
from onehop.objects.agreement import agrees
from onehop.reconciler.plan import Scope
from tests.worlds import World

HOST = HostName("host-1")


class Bench:
    """One host's engine and kernel; `kernel` may be that of an earlier life, and a controller may not confirm."""

    def __init__(self, kernel: MemoryKernel | None = None, *, confirmed: bool = True) -> None:
        self.now = 1000.0
        self.kernel = kernel if kernel is not None else MemoryKernel()
        self.local = Local()
        self.engine = Engine(self.kernel, HOST, self.local, lambda: self.now)
        self.engine.confirm(confirmed)
        self.said: dict[Ref, Entry] = {}

    def see(self, world: World | Topology, revision: int = 1) -> list[Outcome]:
        """Give the engine a view and let it work until there is nothing to do."""
        view = world if isinstance(world, Topology) else world.topology(revision)
        self.engine.see(view, changed_between(self.engine.desire.view, view))
        return self.work()

    def plug(self, *ports: Port, netns: str | None = None) -> list[Outcome]:
        """Plug instances, by tap or into a namespace."""
        if netns is not None and netns not in self.kernel.world.spaces:
            self.kernel.plant(Namespace(namespace=netns, mark=""))
        plugs = {**self.local.plugs, **{port.id: Plug(port.id, netns) for port in ports}}
        return self.equip(Local(plugs))

    def unplug(self, *ports: Port) -> list[Outcome]:
        gone = {port.id for port in ports}
        return self.equip(Local({id: plug for id, plug in self.local.plugs.items() if id not in gone}))

    def equip(self, local: Local) -> list[Outcome]:
        self.local = local
        self.engine.equip(local)
        return self.work()

    def wait(self, seconds: float) -> list[Outcome]:
        """Let time pass; what is due is tried once."""
        self.now += seconds
        return [self._run(), *self.work()]

    def work(self) -> list[Outcome]:
        outcomes = []
        while not self.engine.idle:
            outcomes.append(self._run())
        return outcomes

    def _run(self) -> Outcome:
        outcome = self.engine.run()
        for ref, entry in outcome.changed.items():
            if entry is None:
                self.said.pop(ref, None)
            else:
                self.said[ref] = entry
        return outcome

    def state(self, kind: str, id: str) -> str:
        entry = self.said.get((kind, id))
        return entry.state if entry is not None else ""

    def reason(self, kind: str, id: str) -> str:
        return self.said[kind, id].reason

    def ours(self) -> dict[Key, KernelObject]:
        """Everything in the kernel that is ours, settings aside."""
        host = self.kernel.observe(Scope(namespace=naming.HOST)).objects
        spaces = [found.namespace for found in host.values() if isinstance(found, Namespace)]
        found = dict(host)
        for name in spaces:
            found.update(self.kernel.observe(Scope(namespace=name)).objects)
        return {key: value for key, value in found.items() if not isinstance(value, Sysctl)}

    def holds(self, world: World | Topology) -> bool:
        """Whether the kernel holds what a cold compile of a topology wants, and nothing else of ours."""
        view = world if isinstance(world, Topology) else world.topology()
        state = compile_host(view, HOST, self.local)
        wanted = {k: c.object for p in state.values() for k, c in p.claims.items() if not isinstance(c.object, Sysctl)}
        ours = self.ours()
        return ours.keys() == wanted.keys() and all(agrees(ours[key], wanted[key]) for key in wanted)


def links(objects: Mapping[Key, KernelObject] | Iterable[KernelObject]) -> set[str]:
    """Names of the links among objects."""
    values = objects.values() if isinstance(objects, Mapping) else objects
    return {found.name for found in values if isinstance(found, Link)}


def routed(hosts: int = 3) -> tuple[World, Port, Port]:
    """Networks 1 and 2 with router 1 between them; a port on each, both on host-1."""
    world = World(hosts)
    world.network(1)
    world.network(2)
    world.router(1, (1, 2))
    return world, world.port(1, 1), world.port(2, 1)
