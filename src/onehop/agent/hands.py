"""The hands: partitions are made as they should be, and what came of it is read back."""

import errno
from collections.abc import Callable, Iterable, Mapping

from onehop.agent.advertiser import Advertiser, occupied
from onehop.agent.board import UNTRIED
from onehop.agent.desire import Desire
from onehop.agent.holding import STRAY
from onehop.agent.sight import Sight
from onehop.agent.verdict import is_as_wanted
from onehop.compiler.state import Claim
from onehop.kernel.base import Kernel
from onehop.log import logger
from onehop.objects import KernelObject, Key
from onehop.reconciler.block import WAITS
from onehop.reconciler.diff import diff
from onehop.reconciler.plan import Op, Plan, Report
from onehop.reconciler.readback import named_alone

LOG = logger("agent")
ROUNDS = 3
"""Attempts within one pass: what was believed of the kernel may have been out of date."""


OVERTAKEN = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EEXIST, errno.EBUSY})
"""What the kernel says where something has come or gone since it was read: that is tried again once, at once.

What waits for the next retry loses packets for half a second; an instance that moves takes its link along.
"""


class Hands:
    """Changes one kernel.

    Args:
        kernel: to be changed.
        sight: knows what is there, and reads it back.
        desire: knows what is wanted.
        advertiser: tells instances of legs that go.
        look: reads the whole host.
        done: takes ops that were carried out.

    Attributes:
        writes: number of ops carried out.
        repaired: ops that the last `reconcile` carried out in suspects, each with its partition.
    """

    def __init__(
        self,
        kernel: Kernel,
        sight: Sight,
        desire: Desire,
        advertiser: Advertiser,
        look: Callable[[], None],
        done: Callable[[Iterable[Op]], None],
    ) -> None:
        self.writes = 0
        self.repaired: list[tuple[Op, str]] = []
        self._kernel = kernel
        self._sight = sight
        self._desire = desire
        self._advertiser = advertiser
        self._look = look
        self._done = done

    def execute(self, plan: Plan) -> Report:
        """Carry out a plan."""
        report = self._kernel.execute(plan)
        self.writes += len(report.done)
        return report

    def reconcile(self, names: set[str], doubtful: set[str], suspects: frozenset[str] = frozenset()) -> dict[Key, str]:
        """Make partitions as they should be; returns why, by key, where that failed.

        Args:
            names: the partitions.
            doubtful: those that are read first.
            suspects: those where what has to be done is a repair; see `Ledger.suspects`.
        """
        reasons: dict[Key, str] = {}
        self.repaired = []
        if doubtful:
            reasons.update(self._observe(doubtful))
        overtaken = False
        for _ in range(ROUNDS):
            plan = self.diff(names - self._sight.unread)
            if plan.ops:
                self._withdraw(names - self._sight.unread)
            reasons.update((k, UNTRIED if why.startswith(WAITS) else why) for k, why in plan.blocked.items())
            if not plan.ops:
                break
            places = self._places(suspects)
            report = self.execute(plan)
            self.repaired += [(op, places[op.key]) for op in report.done if op.key in places]
            self._done(report.done)
            for failure in report.failed:
                LOG.warning("the kernel refused", op=type(failure.op).__name__, key=failure.op.key, why=failure.reason)
            failed = {failure.op.key: failure.reason for failure in report.failed}
            failed.update({op.key: UNTRIED for op in report.skipped if op.key not in failed})
            reasons.update(failed)
            single = None if failed or STRAY in names else named_alone(plan)
            if single is None:
                reasons.update(self._observe(self._sight.affected(names, plan, self._desire)))
            else:
                reasons.update(self._sight.read_single(names, single, self._desire))
            if failed and (overtaken or not all(failure.errno in OVERTAKEN for failure in report.failed)):
                break
            overtaken = bool(failed)
        return reasons

    def _places(self, names: Iterable[str]) -> dict[Key, str]:
        """Which of some partitions an object belongs to, as it is or should be."""
        return {key: n for n in names for key in (*self._sight.holding.objects(n), *self.claims(n))}

    def _withdraw(self, names: set[str]) -> None:
        """Before anything is changed: instances hear of the legs that are about to go."""
        holding = self._sight.holding

        def heard(leg: str) -> bool:
            network = holding.owner("hr-" + leg.removeprefix("qr-"))
            return occupied(self._desire.partitions.get(network)) if network is not None else False

        for name in names:
            if name.startswith("router/"):
                self._advertiser.withdraw(self._desire.partitions.get(name), holding.objects(name), heard)

    def diff(self, names: set[str]) -> Plan:
        """What has to be done in these partitions, by what is known of them."""
        if all(is_as_wanted(self.claims(name), self._sight.holding.objects(name)) for name in names):
            return Plan()
        observed: dict[Key, KernelObject] = {}
        desired: dict[Key, KernelObject] = {}
        for name in names:
            observed.update(self._sight.holding.objects(name))
            desired.update((key, claim.object) for key, claim in self.claims(name).items())
        return diff(observed, desired, frozenset(self._sight.holding.foreign))

    def claims(self, name: str) -> Mapping[Key, Claim]:
        """What is wanted of a partition."""
        wanted = self._desire.partitions.get(name)
        return {} if wanted is None else wanted.claims

    def _observe(self, names: set[str]) -> dict[Key, str]:
        """Read partitions back; returns why, by key, where that failed."""
        if STRAY not in names:
            return self._sight.read(names, self._desire)
        # Nobody knows where to look for these but everywhere. They wait for their retry like everything that fails.
        self._look()
        return {}
