"""A realm: gateway hosts of one router, a controller and two networks between them, all of which can fail. No kernel.

Each host runs what an agent decides with (`Reach`, `Succession`, `Permits`), the controller its `Liveness`; what lies
between is a model: probes, words, ARP and the stream, with a clock that goes on in ticks.
"""

from collections.abc import Hashable, Iterable
from random import Random

from onehop.controller.liveness import Liveness
from onehop.model.reign import Reign
from onehop.net.identifier import HostName
from tests.unit.agent.province import ADDRESS, BRIDGE, KEY, ROUTER, Place, mac

TICK, PROBE, TRUST, DETECTION = 0.05, 0.2, 2.5, 1.0
SAID = (0.15, 1.15, 2.15, 3.15)
"""Seconds after which an address is announced again."""


class Realm:
    """All of it; `answerers` is what counts.

    Attributes:
        now: seconds.
        twice: for how long at most two answered who could hear each other.
        controller: it runs.
    """

    def __init__(self, number: int = 3, seed: int = 0) -> None:
        self.random = Random(seed)
        self.now = 100.0
        self.twice = 0.0
        self.controller = True
        order = tuple(HostName(f"host-{i}") for i in range(1, number + 1))
        self.places = {name: Place(name, order, self.random) for name in order}
        self.stored = (1, order[0], order)
        self._liveness = Liveness(DETECTION, self.now)
        self._vacant: dict[tuple[int, int], float] = {}
        self._both: dict[tuple[HostName, HostName], float] = {}
        self._probe_at = self.now
        self.run(3)

    # --- what fails, and returns

    def flip(self, what: str) -> None:
        """Let something fail, or return: ``controller``; ``power``, ``underlay``, ``cable`` or ``switch`` of a host."""
        kind, _, name = what.partition(" ")
        if kind == "controller":
            self.controller = not self.controller
            self._liveness = Liveness(DETECTION, self.now)
            self._vacant = {}
            for place in self.places.values():
                place.heard_of_controller = float("-inf")
                place.connects_at = self.now + self.random.uniform(0.1, 1)
            return
        place = self.places[HostName(name)]
        if kind == "power":
            place.alive = not place.alive
            place.boot()
            place.connects_at = self.now + self.random.uniform(0.1, 1)
        elif kind == "underlay":
            place.underlay = not place.underlay
            place.connects_at = self.now + self.random.uniform(0.1, 1)
        elif kind == "cable":
            place.carrier = not place.carrier
        else:
            place.segment = int(name[-1]) - place.segment

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self.now = round(self.now + TICK, 3)
            self._tick()

    def answerers(self) -> set[HostName]:
        """Who answers for the address."""
        return {name for name, place in self.places.items() if place.alive and place.carrier and place.held}

    def state(self) -> str:
        """What there is, for the message of a test that fails."""
        lines = [f"controller {self.controller} {self.stored}"]
        for name, p in self.places.items():
            kept = (p.succession.confirmed, p.view, p.succession.reigns(), sorted(p.verdict.silent))
            lines.append(f"{name} {p.alive=} {p.underlay=} {p.carrier=} {p.segment=} {p.held=} {kept}")
        return "\n".join(lines)

    def kind(self) -> Hashable:
        """What tells this state from others at rest, whatever numbers it took to get there."""
        places = list(self.places.values())
        known = [[(r.generation, r.epoch) for r in p.succession.reigns()] for p in places]
        numbers = {pair for pairs in known for pair in pairs} | {(p.view[0], 0) for p in places} | {(self.stored[0], 0)}
        order = {pair: at for at, pair in enumerate(sorted(numbers))}
        return (
            self.controller,
            order[self.stored[0], 0],
            self.stored[1:],
            tuple(
                (
                    (place.alive, place.underlay, place.carrier, place.segment, place.held),
                    (order[place.view[0], 0], place.view[1:], place.succession.owner(ROUTER)),
                    tuple(
                        (order[pair], reign.owner) for pair, reign in zip(pairs, place.succession.reigns(), strict=True)
                    ),
                )
                for place, pairs in zip(places, known, strict=True)
            ),
        )

    # --- what goes on

    def _tick(self) -> None:
        self._control()
        if self.now >= self._probe_at:
            self._probe_at += PROBE
            self._probe()
        for place in self._alive():
            self._work(place)
        self._measure()

    def _alive(self) -> list[Place]:
        return [place for place in self.places.values() if place.alive]

    def _reached(self, place: Place) -> list[Place]:
        return [p for p in self._alive() if p is not place and p.underlay and place.underlay]

    def _hearing(self, place: Place) -> list[Place]:
        if not place.carrier:
            return []
        return [p for p in self._alive() if p is not place and p.carrier and p.segment == place.segment]

    def _probe(self) -> None:
        for place in self._alive():
            place.reach.probing(frozenset(self.places.keys() - {place.name}))
            for other in self._reached(place):
                place.reach.answered(other.name)
                self._tell(place, other)
            verdict = place.reach.verdict()
            if verdict != place.verdict:
                place.verdict = verdict
                place.succession.judged(verdict, self.now)
                self._speak(place)

    def _tell(self, place: Place, other: Place) -> None:
        words = place.succession.words().get(other.name)
        if words:
            other.succession.told(words, self.now)

    def _work(self, place: Place) -> None:
        place.succession.know({ROUTER: place.seat()}, self.now)
        fresh = place.underlay and self.controller and place.connects_at <= self.now
        confirmed = self.now - place.heard_of_controller < TRUST or fresh
        place.succession.confirm(confirmed, self.now)
        place.permits.confirm(confirmed, self.now)
        for _ in place.succession.due(self.now):
            self._ask(place)
        asked, _ = place.permits.due(self.now)
        for _ in asked:
            self._ask(place)
        if place.succession.taken:
            place.succession.taken.clear()
            place.permits.grant("router", place.wanted())
        if place.succession.changed:
            place.succession.changed.clear()
            for other in self._reached(place):
                self._tell(place, other)
        self._carry_out(place)
        if place.announce and place.announce[0] <= self.now:
            place.announce.pop(0)
            self._announce(place)

    def _carry_out(self, place: Place) -> None:
        wanted = place.wanted()
        waiting = place.permits.take("router", wanted, {KEY: None} if place.held else {}, self.now)
        held = bool(wanted.keys() - waiting)
        if held and not place.held:
            place.held = True
            place.announce = [self.now + later for later in SAID]
            self._announce(place)
        elif not held:
            place.held, place.announce = False, []

    def _ask(self, place: Place) -> None:
        for other in self._hearing(place):
            if other.held:
                self._hear(place, other)

    def _announce(self, place: Place) -> None:
        if place.held:
            for other in self._hearing(place):
                self._hear(other, place)

    def _hear(self, place: Place, other: Place) -> None:
        """An agent hears another say that it has the address."""
        confirmed = place.underlay and self.controller and place.connects_at <= self.now
        if not confirmed:
            place.heard_of_controller = float("-inf")
            place.succession.confirm(False, self.now)
            place.permits.confirm(False, self.now)
        item = place.permits.heard(BRIDGE, ADDRESS, mac(other.name), self.now)
        if confirmed:
            if item is not None:
                place.announce = place.announce or [self.now + 1]
            return
        place.succession.heard(BRIDGE, ADDRESS, mac(other.name), self.now)
        if item is not None:
            place.permits.give_up(item, self.now)
            place.held = False

    def _speak(self, place: Place) -> None:
        if self.controller and place.underlay and place.connects_at <= self.now:
            self._liveness.hear(place.name, self.now, place.verdict.answering, place.verdict.silent)

    # --- the controller

    def _control(self) -> None:
        if not self.controller:
            return
        for place in self._alive():
            if place.underlay and place.connects_at <= self.now:
                self._speak(place)
                place.heard_of_controller = self.now
                self._reach(place)
                self._adopt(place.succession.reigns() if place.view == self.stored else [])
        lost = self._liveness.lost(self.places, self.now)
        if self.stored[1] in lost:
            self._assign([host for host in self.stored[2] if host not in lost])
        for place in self._alive():
            if place.underlay and place.connects_at <= self.now:
                place.view = self.stored

    def _reach(self, place: Place) -> None:
        generation, owner, candidates = self.stored
        if place.carrier and place.name not in candidates:
            self.stored = (generation, owner, (*candidates, place.name))
        elif not place.carrier and place.name in candidates:
            self.stored = (generation, owner, tuple(host for host in candidates if host != place.name))
        if self.stored[1] not in self.stored[2]:
            self._assign(self.stored[2])

    def _assign(self, heirs: Iterable[HostName]) -> None:
        generation, _, candidates = self.stored
        heir = next(iter(heirs), None)
        if heir is not None:
            self.stored = (generation + 1, heir, candidates)

    def _adopt(self, reigns: Iterable[Reign]) -> None:
        for reign in reigns:
            if reign.generation != self.stored[0]:
                continue
            since = self._vacant.setdefault((reign.generation, reign.epoch), self.now)
            if reign.vacant and self.now - since < 1:
                continue
            self._assign([reign.owner] if reign.owner in self.stored[2] else self.stored[2])

    # --- what must not be

    def _measure(self) -> None:
        answering = [self.places[name] for name in sorted(self.answerers())]
        now: dict[tuple[HostName, HostName], float] = {}
        for one in answering:
            for other in answering:
                if one.name < other.name and other in self._hearing(one):
                    since = self._both.get((one.name, other.name), self.now)
                    now[one.name, other.name] = since
                    self.twice = max(self.twice, self.now - since)
        self._both = now
