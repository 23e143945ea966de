"""A host that is Linux, for agents that die on it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from onehop.agent.engine import Engine
from onehop.compiler.state import Local
from onehop.kernel.linux import LinuxKernel
from onehop.model.locality import changed_between
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.objects import KernelObject, Key, Namespace, Sysctl
from onehop.objects.agreement import agrees
from onehop.reconciler.plan import Scope
from tests.contract.hosts import LinuxHost
from tests.crash.life import FOREIGN, objects_of, wanted_of
from tests.crash.scenes import Scene
from tests.unit.agent.bench import HOST

Told = tuple[Topology, Local]


def told(scene: Scene) -> Told:
    """What an agent hears of a scene."""
    return scene.view(), scene.local()


class Real:
    """The host; `engine` is the agent that lives on it now, `made` the scene that it was last seen to hold."""

    def __init__(self, host: LinuxHost, foreign: Sequence[KernelObject] = FOREIGN) -> None:
        self.host = host
        self.foreign = foreign
        self.now = 1000.0
        self.engine: Engine | None = None
        self.made: Scene | None = None

    def restart(self) -> None:
        """The agent is dead; a new one begins as `onehop agent` does, and knows nothing."""
        self.engine = self.made = None
        self.host.kernel.close()
        self.host.kernel = LinuxKernel(self.host.path, str(self.host.directory))
        self.host.kernel.tidy()

    def tell(self, scene: Scene) -> None:
        """Say what is wanted from now on, to the agent or to a fresh one after a restart; nothing is done yet."""
        view, local = told(scene)
        if self.engine is None:
            self.engine = Engine(self.host.kernel, HOST, local, lambda: self.now)
            self.engine.confirm(True)
        elif local != self.engine.desire.local:
            self.engine.equip(local)
        self.engine.see(view, changed_between(self.engine.desire.view, view), confirmed=True)

    def work(self) -> None:
        """Go on until there is nothing to do."""
        assert self.engine is not None
        while not self.engine.idle:
            self.engine.run()

    def make(self, scene: Scene) -> None:
        """Have the kernel made so."""
        self.tell(scene)
        self.work()

    def mend(self) -> None:
        """Let time pass until nothing waits to be tried again."""
        assert self.engine is not None
        for _ in range(4):
            if not self.engine.failing:
                return
            self.now += 130
            self.engine.run()
            self.work()

    def assert_made(self, scene: Scene) -> None:
        """The kernel holds a cold compile of the scene, nothing else, no name of what is gone, and all foreign."""
        assert self.engine is not None
        assert self.engine.failing == {}
        wanted = objects_of(wanted_of(scene))
        found, foreign = self._observe(wanted)
        assert not wanted.keys() - found.keys(), f"missing: {sorted(wanted.keys() - found.keys(), key=str)}"
        assert not found.keys() - wanted.keys(), f"left over: {sorted(found.keys() - wanted.keys(), key=str)}"
        for key, item in wanted.items():
            assert agrees(found[key], item), (found[key], item)
        assert {item.key for item in self.foreign} <= foreign
        names = {path.name for path in self.host.directory.iterdir()}
        assert names == {item.namespace for item in [*wanted.values(), *self.foreign] if isinstance(item, Namespace)}
        self.made = scene

    def indexes(self, scene: Scene) -> dict[Key, int]:
        """By key of each link that a scene wants, its index: another one is another device."""
        links = [key for key in objects_of(wanted_of(scene)) if key[0] == "link"]
        numbers: dict[str, dict[str, int]] = {}
        for namespace in {str(key[1]) for key in links}:
            lines = self.host.run(namespace, "ip", "-o", "link").splitlines()
            numbers[namespace] = {
                line.split(":")[1].strip().partition("@")[0]: int(line.split(":")[0]) for line in lines
            }
        return {key: numbers[str(key[1])][str(key[2])] for key in links}

    def _observe(self, wanted: dict[Key, KernelObject]) -> tuple[dict[Key, KernelObject], set[Key]]:
        paths: dict[str, set[str]] = {}
        for item in wanted.values():
            if isinstance(item, Sysctl):
                paths.setdefault(item.namespace, set()).add(item.path)
        kernel = self.host.kernel
        host = kernel.observe(Scope(namespace=naming.HOST, sysctls=frozenset(paths.get(naming.HOST, ()))))
        found, foreign = dict(host.objects), set(host.foreign)
        for item in host.objects.values():
            if isinstance(item, Namespace):
                scope = Scope(namespace=item.namespace, sysctls=frozenset(paths.get(item.namespace, ())))
                inside = kernel.observe(scope)
                found.update(inside.objects)
                foreign |= inside.foreign
        return found, foreign


@contextmanager
def real_host(*others: KernelObject) -> Iterator[Real]:
    """A host of its own, that leaves nothing; with `others` that are not ours."""
    host, foreign = LinuxHost(), (*FOREIGN, *others)
    try:
        for item in foreign:
            host.plant(item)
        yield Real(host, foreign)
    finally:
        host.close()
