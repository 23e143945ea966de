"""The engine: view and plugs in, kernel made so, states out. One pass at a time, in one thread; it never waits.

A pass takes the partitions that are dirty. Why one is dirty decides what is believed of it:

- something else is wanted: what was observed last is believed, and compared with what is wanted now;
- the kernel told of a change, a retry is due, or the time for a look at everything has come: it is read again first,
  a little at a time, and what is wanted anew overtakes it.

After ops were executed, the partitions are read back, or single objects where these tell all
(`onehop.reconciler.readback`), and only what is found there counts as done.

Nothing is deleted before there is a complete view: until then nothing is wanted and nothing is compared. From the first
one on, what is ours and not wanted goes, also what an earlier life of the agent left in partitions that nobody knows.
"""

from collections.abc import Callable, Iterable, Mapping

from onehop.agent.advertiser import Advertiser
from onehop.agent.board import Board, Entry, concerned, judge
from onehop.agent.collector import uncollected
from onehop.agent.device import Devices
from onehop.agent.drops import Drops, read_drops
from onehop.agent.hands import Hands
from onehop.agent.holding import STRAY, Holding
from onehop.agent.news import News
from onehop.agent.outcome import Outcome
from onehop.agent.verdict import wrong
from onehop.agent.ways import Ways
from onehop.compiler.state import Claim, Local
from onehop.kernel.base import Kernel
from onehop.log import logger
from onehop.model.topology import Ref
from onehop.net import naming
from onehop.net.advertisement import Solicitation
from onehop.net.identifier import HostName, PortId
from onehop.objects import Key
from onehop.objects.counter import Counts
from onehop.objects.way import Shortened
from onehop.reconciler.backoff import Backoff
from onehop.reconciler.plan import Op, Plan

LOG = logger("agent")
EVERYTHING = "*"
"""Stands for the whole host among what is to be retried."""


class Engine(News):
    """Keeps one kernel as the view and the plugs want it.

    Args:
        kernel: this host's.
        host: its name.
        local: what it knows of itself.
        clock: seconds, never going back.
    """

    def __init__(self, kernel: Kernel, host: HostName, local: Local, clock: Callable[[], float]) -> None:
        super().__init__(kernel, host, local, clock)
        self.board = Board()
        self._kernel = kernel
        self._retry = Backoff()
        self._advertiser = Advertiser(kernel)
        self._hands = Hands(kernel, self._sight, self.desire, self._advertiser, self._look_for_strays, self._published)
        self._devices = Devices(self._sight, self._hands.execute)
        self._ways = Ways(kernel)

    @property
    def writes(self) -> int:
        """Number of ops carried out."""
        return self._hands.writes

    @property
    def looked_at(self) -> float:
        """When the last reading of the whole host began, by the clock."""
        return self._sight.looked_at

    @property
    def holding(self) -> Holding:
        """What is known to be in the kernel."""
        return self._sight.holding

    @property
    def idle(self) -> bool:
        """Nothing is to be done before `due`."""
        if not self.complete:
            return True
        if self._all_doubtful:
            return False
        # A host that could not be read is left alone until that is tried again.
        return not (self._sight.complete and (self._agenda or self.regency.pending))

    def due(self) -> float | None:
        """When the next retry is to be made, by the clock."""
        if not self.complete:
            return None
        sources = (self._retry, self._outward, self._advertiser, self.tenure)
        times = [source.soonest() for source in sources]
        return min((when for when in times if when is not None), default=None)

    def run(self) -> Outcome:
        """Make one pass."""
        with uncollected():
            return self._pass()

    def _pass(self) -> Outcome:
        changed: dict[Ref, Entry | None] = {}
        if not self.complete:
            return Outcome(0, changed, False, 0, self.equipped)
        self._outward.speak(self._clock())
        self._advertiser.speak(self._clock())
        due = {str(name) for name in self._retry.due(self._clock())}
        if EVERYTHING in due or (self._all_doubtful and not self._sight.complete):
            self._look_at_everything()
        elif self._all_doubtful:
            self._looked(self._sight.look_on(self.desire))
        if not self._sight.complete:
            return Outcome(self.desire.view.revision, changed, False, 0, self.equipped)
        doubtful = self._agenda.doubtful | (due - {EVERYTHING})
        questions, free = self.tenure.ask(self._clock())
        self._agenda.changed |= free
        if self.regency.pending:
            self._follow()
        dirty = self._agenda.batch(doubtful, lambda name: self._sight.joined(name, self.desire))
        if self._knows(naming.SECURITY_PARTITION) and any(name.startswith("net/") for name in dirty):
            # So that no tap comes up in a plan that does not say whether its rules stand.
            dirty.add(naming.SECURITY_PARTITION)
        insecure = naming.SECURITY_PARTITION in self.failing
        for name in dirty:
            self.tenure.permit(name, self.desire, self._sight.holding, self._clock())
        doubtful &= dirty
        anew = dirty & (self._agenda.changed | {name for name in self.failing if not self.ledger.stood(name)})
        self._agenda.strike(dirty)
        reasons = self._hands.reconcile(
            dirty,
            doubtful.union(*(self._sight.joined(name, self.desire) for name in doubtful)),
            self.ledger.suspects(dirty, anew, self.desire),
        )
        self.ledger.carried(self._hands.repaired, self.desire)
        self._settle(dirty, reasons)
        self._ways.heed(dirty, self.desire)
        self.ledger.settled(dirty, self.desire, self.failing)
        if not self._agenda:
            self.ledger.begun()
        for name in concerned(dirty, self.desire, insecure or naming.SECURITY_PARTITION in self.failing):
            changed.update(self.board.put(name, judge(name, self.desire, self.failing)))
        errors = sum(map(len, self.failing.values()))
        settled = not self._agenda.changed
        return Outcome(
            self.desire.view.revision,
            changed,
            settled,
            errors,
            self.equipped,
            tuple(questions),
            self.tenure.ears(),
            self.regency.said(),
        )

    def plan(self) -> tuple[Plan, Mapping[Key, Claim]]:
        """What would be done now, everything read again; nothing is executed. With the claims, by key."""
        if not self.complete:
            return Plan(), {}
        self._look_at_everything()
        names = self._known()
        for name in names:
            self.tenure.permit(name, self.desire, self._sight.holding, self._clock())
        claims = {key: claim for p in self.desire.partitions.values() for key, claim in p.claims.items()}
        return self._hands.diff(names), claims

    def solicited(self, asked: Iterable[Solicitation]) -> None:
        """Instances ask for routers."""
        self._advertiser.answer(asked, self._clock())

    def release(self, name: str) -> None:
        """Give a link of the host's namespace away as it is: from now on it is foreign. One that is gone is fine.

        Raises:
            KernelError: its mark could not be taken off.
        """
        self._devices.release(name)
        self.doubt(naming.HOST, name)

    def has_device(self, name: str) -> bool:
        """Whether the host's namespace holds a link of that name, whoever's it is."""
        return self._sight.exists(name)

    def adopt(self, name: str) -> None:
        """Make a link of the host's namespace ours, that is wanted here by its name.

        Raises:
            NotFoundError: it is not there, or not wanted.
            KernelError: it could not be marked.
        """
        owner = self._devices.adopt(name, self.desire)
        if owner is not None:
            self._agenda.doubtful.add(owner)

    def drops(self, port: PortId | None = None) -> Drops:
        """What protection refused of a port, or of every one that is plugged here.

        Raises:
            KernelError: it could not be read.
        """
        return read_drops(self._kernel, self.desire, port)

    def dropped(self, namespace: str, family: str | None = None, table: str | None = None) -> Counts:
        """What rules of ours dropped; see `Kernel.drops`.

        Raises:
            KernelError: it could not be read.
        """
        return self._kernel.drops(namespace, family, table)

    def shortened(self) -> Shortened | None:
        """What passes by the rules; see `Kernel.shortened`."""
        return self._kernel.shortened()

    # inside

    def _knows(self, name: str) -> bool:
        return any(name in known for known in (self.desire.partitions, self._sight.holding.partitions, self.failing))

    def _follow(self) -> None:
        """Hosts agreed on who acts as some routers' owner: carry that out."""
        view, changes, taken = self.regency.follow()
        self.tenure.turn(self.desire.view, view, changes, self.desire, self._sight.holding)
        self.ledger.turned(self.desire.view, view, changes, self.desire.host, "agreement")
        self._agenda.changed |= self.desire.advance(view, changes)
        self.tenure.grant(taken, self.desire)

    def _known(self) -> set[str]:
        return self.desire.partitions.keys() | self._sight.holding.partitions.keys() | self.failing.keys()

    def _published(self, done: Iterable[Op]) -> None:
        self._outward.publish(done, self._sight.holding, self._clock())

    def _look_for_strays(self) -> None:
        """Nobody knows where to look for these but everywhere. They wait for their retry like everything that fails."""
        self._look_at_everything()
        self._agenda.changed.discard(STRAY)
        self._agenda.seen.discard(STRAY)

    def _look_at_everything(self) -> None:
        """Read the whole host; every partition is compared afterwards."""
        self._looked(self._sight.look(self.desire))

    def _looked(self, whole: bool | None) -> None:
        if whole is None:
            return
        self._all_doubtful = False
        if whole:
            self._retry.succeeded(EVERYTHING)
            self._agenda.seen |= self._known()
        else:
            self._retry.failed(EVERYTHING, self._clock())

    def _settle(self, names: set[str], reasons: Mapping[Key, str]) -> None:
        """Work out what is not as it should be, and when to try again."""
        now = self._clock()
        for name in names:
            wanted = self.desire.partitions.get(name)
            held = self._sight.holding.objects(name)
            bad = wrong(self._hands.claims(name), held, name in self._sight.unread, reasons)
            self._advertiser.heed(name, wanted, held, now)
            if not bad:
                bad = self._outward.heed(name, wanted, held, now)
            if bad:
                self.failing[name] = bad
                self._retry.failed(name, now)
            else:
                self.failing.pop(name, None)
                self._retry.succeeded(name)
