"""Succession: who acts as a router's owner while no controller tells. Pure; times and chance are given.

A candidate without a controller takes a router over when its owner does not answer over the underlay, or has laid the
reign down, **and** nobody answers for the router's address on the external network. Candidates do so in their order,
each a little later than the one before it. What they come to is a `Reign`, which the probes carry to every host of the
router. The later reign counts, but for two cases in which who holds the address says so, and by that has the later one:

- the other took over without reaching anybody, so it could not know;
- a controller confirms the owner that it chose itself.

docs/decisions/0019 has the table of what fails and what follows.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from onehop.agent.reach import Verdict
from onehop.agent.seat import Seat
from onehop.model.reign import Reign
from onehop.net.identifier import HostName, RouterId

ASKED = 3
"""Questions without an answer that make an address free."""

PAUSE = 0.08
"""Seconds between those: the owner was looked for a second already."""

STEP = 0.5
"""Seconds that a candidate leaves to each candidate before it that may be alive."""

AGAIN = 1.0
"""Seconds, and up to twice as many, until an address that somebody has is asked for again."""

SOON = 0.3
"""Seconds, and up to twice as many, until who laid a reign down asks: perhaps both did who heard each other."""

STALE = 2.0
"""Seconds for which who spoke of a past reign is told of the one that counts."""


class Trial(msgspec.Struct):
    """Of an address that may be taken over: when to ask for it next, and how often nobody answered."""

    due: float
    asked: int = 0


class Succession:
    """Who acts as the owner of each router, as one host sees it.

    Args:
        host: this one.
        chance: gives a number from 0 to 1.

    Attributes:
        confirmed: a controller says that the view is the newest.
        changed: routers of which somebody else acts, or something else is to be told, since it was emptied last.
        taken: routers that this host took over since that was emptied last.
        version: raised when `ears` answers something else.
    """

    def __init__(self, host: HostName, chance: Callable[[], float]) -> None:
        self.confirmed = False
        self.changed: set[RouterId] = set()
        self.taken: set[RouterId] = set()
        self.version = 0
        self._host = host
        self._chance = chance
        self._seats: dict[RouterId, Seat] = {}
        self._reigns: dict[RouterId, Reign] = {}
        self._trials: dict[RouterId, Trial] = {}
        self._stale: dict[RouterId, float] = {}
        self._verdict = Verdict()

    # what is so

    def owner(self, router: RouterId) -> HostName | None:
        """Who acts as a router's owner; None while nobody does."""
        reign = self._current(router)
        return None if reign is None or reign.vacant else reign.owner

    def reigns(self) -> list[Reign]:
        """What hosts came to by themselves, and a controller does not know yet."""
        return [reign for reign in self._reigns.values() if reign.own]

    def all(self) -> list[Reign]:
        """What counts where that is not the view."""
        return list(self._reigns.values())

    def words(self) -> dict[HostName, list[Reign]]:
        """What is to be told to whom."""
        said: dict[HostName, list[Reign]] = {}
        for router in sorted(self._reigns.keys() | self._stale.keys()):
            reign = self._current(router)
            seat = self._seats[router]
            if reign is not None and (reign.own or router in self._stale) and self._host in seat.candidates:
                for host in seat.hosts:
                    said.setdefault(host, []).append(reign)
        return said

    def ears(self) -> dict[tuple[str, str], str]:
        """Whom to listen for: bridge and address of what this host may take over → its own MAC there."""
        return {(seat.bridge, seat.address): seat.mac for seat in self._seats.values() if seat.router in self._trials}

    # what happens

    def know(self, seats: Mapping[RouterId, Seat | None], now: float) -> None:
        """What a view says of some routers; None: there is no such router any more, or it has no gateway."""
        for router, seat in seats.items():
            if seat is None:
                self._forget(router)
                continue
            self._seats[router] = seat
            reign = self._reigns.get(router)
            if reign is not None and reign.generation < seat.generation:
                self._put(router, None)
            self._judge(router, now)

    def restore(self, reigns: Iterable[Reign], now: float) -> None:
        """What this host knew in an earlier life."""
        for reign in reigns:
            current = self._current(reign.router)
            if reign.router in self._seats and (current is None or current.rank < reign.rank):
                self._put(reign.router, reign)
                self._judge(reign.router, now)

    def confirm(self, confirmed: bool, now: float) -> None:
        """A controller confirms the view, or does not any more."""
        if confirmed == self.confirmed:
            return
        self.confirmed = confirmed
        for router, seat in self._seats.items():
            reign = self._reigns.get(router)
            if confirmed and reign is not None and self._is_void(seat, reign):
                self._put(router, None)
            self._judge(router, now)

    def judged(self, verdict: Verdict, now: float) -> None:
        """Other hosts answer over the underlay, or do not any more."""
        self._verdict = verdict
        for router in self._seats:
            self._judge(router, now)

    def told(self, reigns: Iterable[Reign], now: float) -> None:
        """Another host of these routers says who acts. While a controller confirms, who it knows of is its matter."""
        for reign in reigns:
            current = self._current(reign.router)
            seat = self._seats.get(reign.router)
            if seat is None or reign == current:
                continue
            if current is not None and reign.rank < current.rank:
                self._stale[reign.router] = now + STALE
                self.changed.add(reign.router)
            elif self._stands(seat, current, reign):
                above = msgspec.structs.replace(
                    reign, epoch=reign.epoch + 1, owner=self._host, vacant=False, blind=False
                )
                self._put(reign.router, above)
            elif not self.confirmed:
                self._put(reign.router, reign)
            self._judge(reign.router, now)

    def heard(self, bridge: str, address: str, mac: str, now: float) -> None:
        """Somebody else says on an external network to have an address; no controller says that it should not."""
        for router, seat in self._seats.items():
            if (seat.bridge, seat.address) != (bridge, address) or mac == seat.mac:
                continue
            if router in self._trials:
                self._trials[router] = Trial(self._later(now))
            elif mac in seat.peers and not self.confirmed and self.owner(router) == self._host:
                self._lay_down(router)
                self._judge(router, now)
                if router in self._trials:
                    self._trials[router] = Trial(now + SOON * (1 + self._chance()))

    def due(self, now: float) -> list[tuple[str, str]]:
        """What is to be asked for now: bridge and address. Who was asked for often enough is taken over."""
        asked: list[tuple[str, str]] = []
        for router in [router for router, trial in self._trials.items() if trial.due <= now]:
            trial, seat = self._trials[router], self._seats[router]
            if trial.asked < ASKED:
                trial.asked += 1
                trial.due = now + PAUSE
                asked.append((seat.bridge, seat.address))
            else:
                self._take(router)
        for router in [router for router, until in self._stale.items() if until <= now]:
            del self._stale[router]
            self.changed.add(router)
        return asked

    def soonest(self) -> float | None:
        """When something is to be done next."""
        return min([*(trial.due for trial in self._trials.values()), *self._stale.values()], default=None)

    # inside

    def _current(self, router: RouterId) -> Reign | None:
        """What counts: a reign that was heard of or taken, or that of the view."""
        found = self._reigns.get(router)
        if found is not None:
            return found
        seat = self._seats.get(router)
        if seat is None or seat.owner is None:
            return None
        return Reign(router=router, generation=seat.generation, epoch=0, owner=seat.owner)

    def _is_void(self, seat: Seat, reign: Reign) -> bool:
        """Whether a controller that confirms the view by that says otherwise than a reign."""
        # Of a database that is no more, or of a word that will come; or this host laid down what it is given again.
        mine = reign.vacant and reign.epoch == 0 and reign.owner == self._host
        return reign.generation > seat.generation or mine

    def _stands(self, seat: Seat, current: Reign | None, reign: Reign) -> bool:
        """Whether this host, which acts, goes on although somebody speaks of a later reign."""
        if current is None or current.vacant or current.owner != self._host or not seat.bridge:
            return False
        if reign.vacant:
            return True
        if reign.owner == self._host or reign.generation > current.generation:
            return False
        return reign.blind or (self.confirmed and current.epoch == 0)

    def _judge(self, router: RouterId, now: float) -> None:
        """Whether this host should try to take a router over now, and whether it can still act."""
        seat, current = self._seats[router], self._current(router)
        acts = current is not None and current.owner == self._host and not current.vacant
        if acts and current is not None and not seat.bridge and (current.own or not self.confirmed):
            self._lay_down(router)
            acts = False
        free = current is None or current.vacant or current.owner in self._verdict.silent
        if self.confirmed or acts or not free or not seat.bridge or self._host not in seat.candidates:
            if self._trials.pop(router, None) is not None:
                self.version += 1
        elif router not in self._trials:
            self._trials[router] = Trial(now + STEP * self._before(seat, current))
            self.version += 1

    def _before(self, seat: Seat, current: Reign | None) -> int:
        """How many candidates that may be alive come before this host; who laid a reign down comes last."""
        last = current.owner if current is not None else None
        order = sorted(seat.candidates, key=lambda host: host == last)
        return sum(host not in self._verdict.silent for host in order[: order.index(self._host)])

    def _take(self, router: RouterId) -> None:
        current, seat = self._current(router), self._seats[router]
        del self._trials[router]
        self.version += 1
        self.taken.add(router)
        self._put(
            router,
            Reign(
                router=router,
                generation=current.generation if current is not None else seat.generation,
                epoch=(current.epoch if current is not None else 0) + 1,
                owner=self._host,
                blind=not self._verdict.answering,
            ),
        )

    def _lay_down(self, router: RouterId) -> None:
        current = self._current(router)
        if current is not None:
            self._put(router, msgspec.structs.replace(current, vacant=True))

    def _put(self, router: RouterId, reign: Reign | None) -> None:
        if reign is None:
            self._reigns.pop(router, None)
        else:
            self._reigns[router] = reign
        self.changed.add(router)

    def _forget(self, router: RouterId) -> None:
        self._seats.pop(router, None)
        self._reigns.pop(router, None)
        self._stale.pop(router, None)
        if self._trials.pop(router, None) is not None:
            self.version += 1
        self.changed.add(router)

    def _later(self, now: float) -> float:
        return now + AGAIN * (1 + self._chance())
