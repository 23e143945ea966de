"""The ledger: what the engine's passes came to, as numbers. Written by the worker's thread alone, read by any.

A *repair* is an op in a partition of which nothing else is wanted than when it was last found whole: so somebody else
changed the kernel. A *leak* is an object of ours that is removed and that nobody wanted then either.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from onehop.agent.desire import Desire
from onehop.compiler.state import Claim
from onehop.log import logger
from onehop.metric.tally import Distribution, Sample, Tally
from onehop.model.topology import Ref, Topology
from onehop.net.identifier import HostName, RouterId
from onehop.objects import Key
from onehop.reconciler.plan import Op

LOG = logger("agent")
SHOWN = 10
"""So many of the objects that are repaired at once are named in one line of the log."""

Claims = Mapping[Key, Claim]
_NOTHING: Claims = {}


class Ledger:
    """Counts.

    Attributes:
        repairs: by kind of object, op, and kind of partition.
        leaks: by kind of object, and ``start`` or ``running``.
        turns: how often this host became owner of a router (``gained``) or is not any more (``lost``), and whether a
            ``controller`` said so or hosts came to an ``agreement``.
        passes: seconds that passes took.
        applies: seconds from the arrival of a change until it was verified.
        owned: routers that this host owns.
    """

    def __init__(self) -> None:
        self.repairs = Tally()
        self.leaks = Tally([("namespace", "start"), ("namespace", "running")])
        self.turns = Tally((change, by) for change in ("gained", "lost") for by in ("controller", "agreement"))
        self.passes = Distribution()
        self.applies = Distribution()
        self.owned: set[RouterId] = set()
        self._started = False
        self._whole: dict[str, Claims] = {}
        """Partition → what was wanted when it was last found so."""
        self._kinds: dict[str, tuple[Claims, Counter[str]]] = {}
        self._objects: Counter[str] = Counter()
        self._failing: dict[str, Counter[str]] = {}
        self._failing_kinds: Counter[str] = Counter()

    def begun(self) -> None:
        """Everything was compared once: what turns up from now on, turned up while we looked."""
        self._started = True

    def suspects(self, names: Iterable[str], anew: Collection[str], desire: Desire) -> frozenset[str]:
        """Partitions in which whatever has to be done has to be done because somebody else changed the kernel.

        Args:
            names: partitions that are taken up.
            anew: those of which something else is wanted, or something failed before.
            desire: what is wanted.
        """
        return frozenset(name for name in names if name not in anew and self._is_wanted_still(name, desire))

    def _is_wanted_still(self, name: str, desire: Desire) -> bool:
        was, now = self._whole.get(name), _claims(desire, name)
        return was is now or was == now or (was is None and not (self._started and now))

    def stood(self, name: str) -> bool:
        """Whether a partition was once found as it is wanted since: what fails there now is a repair."""
        return name in self._whole

    def carried(self, ops: Iterable[tuple[Op, str]], desire: Desire) -> None:
        """These ops were carried out in partitions that were suspects."""
        repaired: defaultdict[str, list[Op]] = defaultdict(list)
        for op, name in ops:
            if op.key not in _claims(desire, name):
                self._leaked(op)
            elif name in self._whole:
                repaired[name].append(op)
        for name, found in repaired.items():
            self._repaired(name, found)

    def _leaked(self, op: Op) -> None:
        when = "running" if self._started else "start"
        self.leaks.add(str(op.key[0]), when)
        LOG.warning("removed what is ours and nobody wants", when=when, key=op.key)

    def _repaired(self, name: str, ops: list[Op]) -> None:
        for op in ops:
            self.repairs.add(str(op.key[0]), type(op).__name__.lower(), name.partition("/")[0] or "stray")
        for at in range(0, len(ops), SHOWN):
            what = [f"{type(op).__name__.lower()} {' '.join(map(str, op.key))}" for op in ops[at : at + SHOWN]]
            LOG.warning("repaired what somebody else changed", partition=name, number=len(ops), what=what)

    def settled(self, names: Iterable[str], desire: Desire, failing: Mapping[str, Mapping[Key, str]]) -> None:
        """These partitions were read back and judged."""
        for name in names:
            claims, bad = _claims(desire, name), failing.get(name)
            if not claims or (bad and self._whole.get(name) != claims):
                self._whole.pop(name, None)
            elif not bad:
                self._whole[name] = claims
            self._count(name, claims)
            if name in self._failing:
                self._failing_kinds -= self._failing.pop(name)
            if bad:
                self._failing[name] = Counter(str(key[0]) for key in bad)
                self._failing_kinds += self._failing[name]

    def _count(self, name: str, claims: Claims) -> None:
        before = self._kinds.get(name)
        if before is not None and before[0] is claims:
            return
        if before is not None:
            self._objects.subtract(before[1])
            del self._kinds[name]
        if claims:
            kinds = Counter(str(key[0]) for key in claims)
            self._kinds[name] = (claims, kinds)
            self._objects.update(kinds)

    def turned(self, old: Topology, new: Topology, changed: Iterable[Ref], host: HostName, by: str) -> None:
        """Routers are different now: see whose they are. One that is new here, or goes, is no change of owner."""
        for kind, identifier in changed:
            if kind != "router":
                continue
            router = RouterId(identifier)
            before, after = _owner(old, router), _owner(new, router)
            if after == host:
                self.owned.add(router)
            else:
                self.owned.discard(router)
            if before is not None and after is not None and (before == host) != (after == host):
                self.turns.add("gained" if after == host else "lost", by)
                LOG.info("a router has another owner", router=router, owner=after, before=before, by=by)

    def objects(self) -> Iterator[Sample]:
        """Wanted objects by kind."""
        return iter([((kind,), float(number)) for kind, number in list(self._objects.items())])

    def failing(self) -> Iterator[Sample]:
        """Failing objects by kind."""
        found = dict(self._failing_kinds)
        return iter([((kind,), float(found.get(kind, 0))) for kind in {*list(self._objects), *found}])


def _claims(desire: Desire, name: str) -> Claims:
    wanted = desire.partitions.get(name)
    return _NOTHING if wanted is None else wanted.claims


def _owner(view: Topology, router: RouterId) -> HostName | None:
    """ "" where nobody owns a router that is known; None where it is not."""
    known = view.routers.get(router)
    if known is None or known.gateway is None:
        return None
    return known.gateway.owner or HostName("")
