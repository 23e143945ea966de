"""Sight: what is known of the kernel, and how it comes to be known. Reads, never writes."""

import itertools
import math
from collections.abc import Callable, Iterator

from onehop.agent.desire import Desire, partition_of_namespace
from onehop.agent.holding import STRAY, Holding
from onehop.agent.scope import settings_of, union
from onehop.errors import KernelError
from onehop.kernel.base import Kernel
from onehop.log import logger
from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.objects import Key, Link, Namespace, Veth
from onehop.objects.conntrack import Load
from onehop.reconciler.plan import Observation, Plan, Scope
from onehop.reconciler.readback import by_namespace

LOG = logger("agent")
PART = 8
"""Namespaces that are read at a time when the whole host is: some 3 ms each."""


class Sight:
    """What is known of one kernel.

    Args:
        kernel: to be read.
        clock: seconds, never going back.

    Attributes:
        holding: what was observed last.
        unread: partitions that could not be read back; nothing may be concluded of them.
        complete: the whole host was read at least once.
    """

    def __init__(self, kernel: Kernel, clock: Callable[[], float]) -> None:
        self.holding = Holding()
        self.unread: set[str] = set()
        self.complete = False
        self._kernel = kernel
        self._clock = clock
        self._began: dict[str, float] = {}
        """When the last reading of a partition, all of it, began."""
        self._began_all = self._begins = -math.inf
        """When that of the whole host began, the last and the one that is going on."""
        self._looking: Iterator[Observation] | None = None
        self._parts: list[Observation] = []
        self._meanwhile: set[str] = set()

    @property
    def looked_at(self) -> float:
        """When the last reading of the whole host that worked began, by the clock."""
        return self._began_all

    def look(self, desire: Desire) -> bool:
        """Read the whole host, also what nobody wants; whether that worked. If not, what was known stays."""
        fresh = Holding()
        self._begins = self._clock()
        try:
            fresh.read(self._observations(desire), desire.partitions.values())
        except KernelError as error:
            LOG.error("could not read the host back", why=str(error))
            return False
        self._take(fresh)
        return True

    def look_on(self, desire: Desire) -> bool | None:
        """Read the next part of the whole host, so that what happens meanwhile does not wait for all of it.

        Returns:
            None while more is left, else as `look`. What was read by itself meanwhile is read once more at the end,
            because nobody knows which was later.
        """
        if self._looking is None:
            self._looking, self._parts, self._meanwhile = self._observations(desire), [], set()
            self._begins = self._clock()
        fresh = Holding()
        try:
            parts = list(itertools.islice(self._looking, PART))
            self._parts += parts
            if len(parts) == PART:
                return None
            fresh.read(self._parts, desire.partitions.values())
        except KernelError as error:
            LOG.error("could not read the host back", why=str(error))
            self._looking = None
            return False
        again = self._meanwhile - {STRAY}
        self._take(fresh)
        if again:
            self.read(again, desire)
        return True

    def _take(self, fresh: Holding) -> None:
        self.holding = fresh
        self.unread.clear()
        self.complete = True
        self._looking, self._parts = None, []
        self._began_all = self._begins
        self._began.clear()

    def read_since(self, name: str, moment: float) -> bool:
        """Whether all of a partition was read from some later moment on."""
        return max(self._began.get(name, self._began_all), self._began_all) > moment

    def read(self, names: set[str], desire: Desire) -> dict[Key, str]:
        """Read some partitions; returns why, by key of what is wanted there, where that failed."""
        self._meanwhile |= names
        spaces: dict[str, Scope] = {}
        host: list[Scope] = []
        for name in names:
            scope = self.holding.scope(name, desire.partitions.get(name))
            if scope.namespace == naming.HOST:
                host.append(scope)
            else:
                spaces[name] = scope
        reasons: dict[Key, str] = {}
        for name, scope in spaces.items():
            reasons.update(self._read({name}, scope, desire))
        if host:
            reasons.update(self._read(names - spaces.keys(), union(host), desire))
        return reasons

    def read_single(self, names: set[str], keys: frozenset[Key], desire: Desire) -> dict[Key, str]:
        """Read single objects of some partitions; returns as `read`."""
        self._meanwhile |= names
        reasons: dict[Key, str] = {}
        wanted = [desire.partitions[name] for name in names if name in desire.partitions]
        for namespace, inside in by_namespace(keys).items():
            observation = self._observe(names, Scope(namespace=namespace, keys=inside), desire)
            if isinstance(observation, Observation):
                self.holding.amend(names, inside, observation, wanted)
            else:
                reasons.update(observation)
        return reasons

    def joined(self, name: str, desire: Desire) -> set[str]:
        """The known partitions that pairs of links join to one, as it is or should be, or that hold its links."""
        wanted = desire.partitions.get(name)
        claims = wanted.claims if wanted is not None else {}
        links = [claim.object for key, claim in claims.items() if key[0] == Link.kind]
        links += [found for key, found in self.holding.objects(name).items() if key[0] == Link.kind]
        # A link of a name that is wanted here goes from there before it comes here.
        joined = {self.holding.owner(str(key[2])) or name for key in claims if key[:2] == (Link.kind, naming.HOST)}
        for found in links:
            if isinstance(found, Link) and isinstance(found.spec, Veth):
                other = self._partition(found.spec)
                if other is not None and other != STRAY:
                    joined.add(other)
        if name.startswith("router/") and wanted is not None:
            legs = desire.view.interfaces_of(RouterId(name.removeprefix("router/")))
            joined |= {naming.network_partition(leg.network_id) for leg in legs}
            joined.add(naming.gate_partition(RouterId(name.removeprefix("router/"))))
        joined -= {name, STRAY}
        return {other for other in joined if other in desire.partitions or other in self.holding.partitions}

    def affected(self, names: set[str], plan: Plan, desire: Desire) -> set[str]:
        """Partitions of which a plan may have changed something; links take along what hangs on them elsewhere."""
        if STRAY in names or any(op.key[0] in (Link.kind, Namespace.kind) for op in plan.ops):
            return names
        keys = {op.key for op in plan.ops}
        wanted = {name: desire.partitions[name].claims.keys() for name in names if name in desire.partitions}
        return {name for name in names if keys & (self.holding.objects(name).keys() | wanted.get(name, set()))}

    def link(self, name: str) -> Link | None:
        """A link of the host's namespace that is ours, as observed last."""
        owner = self.holding.owner(name)
        found = self.holding.objects(owner).get(("link", naming.HOST, name)) if owner is not None else None
        return found if isinstance(found, Link) else None

    def load(self, namespace: str, gateway: str, enough: int, before: int | None) -> Load:
        """How far source ports are used; see `Kernel.load`.

        Raises:
            KernelError: it could not be read.
        """
        return self._kernel.load(namespace, gateway, enough, before)

    def exists(self, name: str) -> bool:
        """Whether the host's namespace holds a link of that name now, whoever's it is."""
        key: Key = ("link", naming.HOST, name)
        seen = self._kernel.observe(Scope(namespace=naming.HOST, links=frozenset({name}), tables=frozenset()))
        return key in seen.foreign or key in seen.objects

    def _partition(self, peer: Veth) -> str | None:
        if peer.peer_namespace == naming.HOST:
            return self.holding.owner(peer.peer_name)
        return partition_of_namespace(peer.peer_namespace)

    def _read(self, names: set[str], scope: Scope, desire: Desire) -> dict[Key, str]:
        began = self._clock()
        observation = self._observe(names, scope, desire)
        if not isinstance(observation, Observation):
            return observation
        self.unread -= names
        self._began.update(dict.fromkeys(names, began))
        wanted = [desire.partitions[name] for name in names if name in desire.partitions]
        self.holding.replace(names, scope, observation, wanted)
        return {}

    def _observe(self, names: set[str], scope: Scope, desire: Desire) -> Observation | dict[Key, str]:
        """What is there; or where it could not be read, why, by key of what is wanted in these partitions."""
        try:
            return self._kernel.observe(scope)
        except KernelError as error:
            self.unread |= names
            LOG.error("could not read back", namespace=scope.namespace, why=str(error))
            wanted = [desire.partitions[name] for name in names if name in desire.partitions]
            return {key: f"it could not be read back: {error}" for p in wanted for key in p.claims}

    def _observations(self, desire: Desire) -> Iterator[Observation]:
        settings = settings_of(desire.partitions.values())
        host = self._kernel.observe(Scope(namespace=naming.HOST, sysctls=settings.get(naming.HOST, frozenset())))
        yield host
        for found in host.objects.values():
            if isinstance(found, Namespace):
                paths = settings.get(found.namespace, frozenset())
                yield self._kernel.observe(Scope(namespace=found.namespace, sysctls=paths))
