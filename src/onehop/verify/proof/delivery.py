"""The proof that what the API promises is so: each frame of a promise arrives, once, where and as it should.

And its answer comes back as the answer, the next segments of a TCP connection go the same way, an ICMP error about it
is told to who sent it, and routers on the way say when its hop limit is used up.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from onehop.model.topology import Topology
from onehop.net import naming
from onehop.verify.packet import ACK, SYN, Frame, Packet
from onehop.verify.proof.arrived import misformed, same
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.hearing import Hearing
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.promise import Promise
from onehop.verify.proof.promises import Promises
from onehop.verify.proof.reach import probe, send, tracks
from onehop.verify.proof.spans import Box
from onehop.verify.quote import UNREACHABLE, about, quoted
from onehop.verify.space import Space
from onehop.verify.trail import LATE, End, Trail, foremost
from onehop.verify.world import World

_MOST_HOPS = 4
Wrong = tuple[str, Trail]


class Delivery:
    """Asks every promise."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self.promises = Promises(view)
        self.hearing = Hearing(view)

    def cases(self) -> Iterator[Case]:
        """One for each promise."""
        for promise in self.promises.all():
            if promise.box and all(promise.box.values()):
                yield Case("promise", _Judge(self, promise), promise.box)


class _Judge:
    """Judges the classes of one promise."""

    def __init__(self, delivery: Delivery, promise: Promise) -> None:
        self.hearing = delivery.hearing
        self.promise = promise

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        def walk(world: World, frame: Frame, listener: Listener) -> "_Found":
            return _Found(self.promise, _Question(self, world, frame, listener).wrong(), frame)

        return judged(world, self.promise.version, box, walk)


class _Found:
    """What was found of a class."""

    def __init__(self, promise: Promise, wrong: Wrong | None, frame: Frame) -> None:
        self.promise = promise
        self.wrong = wrong
        self.frame = frame

    def __call__(self, _values: Mapping[str, int], _box: Box) -> Violation | None:
        if self.wrong is None:
            return None
        what, trail = self.wrong
        return Violation(what, self.promise.source.port or "", self.promise.to, str(self.frame.payload), 1, trail)


class _Question:
    """One frame, its answer, and what follows."""

    def __init__(self, judge: _Judge, world: World, frame: Frame, listener: Listener) -> None:
        self.promise, self.hearing = judge.promise, judge.hearing
        self.world, self.frame, self.listener = world, frame, listener
        self.walk = probe(world, listener)
        packet = frame.payload
        assert isinstance(packet, Packet)  # noqa: S101  # promises are about IP
        self.packet, self.stays = packet, False

    def wrong(self) -> Wrong | None:
        """What is not as promised; None where all is."""
        found = self._asked()
        if found is None:
            found = self.hearing.side(self.walk.heard)
        if found is None and self.listener.questions:
            known = next((one for one in self.listener.questions if self.hearing.is_known(*one)), None)
            found = (f"makes a router ask for {known[1]} by {known[0]}, whose MAC is known", ()) if known else None
        if found is None and self.listener.marked:
            found = f"leaves {self.listener.marked[0]} with a mark of ours", ()
        return found

    def _asked(self) -> Wrong | None:
        promise = self.promise
        heard, ends = self._sent(self.packet, first=True)
        if promise.reset:
            end = foremost(ends) if ends else None
            good = end is not None and end.death is not None and end.death.reset
            return (
                None if good else ("is in mid-stream of nothing, and not reset", end.trail if end is not None else ())
            )
        if promise.all:
            deaf = promise.all - {a.who for a in heard if a.kind == "port" and a.asked}
            return (f"is not heard by port {min(deaf)}", ()) if deaf else None
        there, wrong = self._arrived(self.packet, heard, ends)
        if there is None or wrong is not None:
            return wrong
        if promise.untracked and tracks(self.walk):
            return "is kept in connection tracking, which each direction sees the half of", there.trail
        if promise.passed and self._keeps():
            return "is kept in connection tracking on a host that only passes it on", there.trail
        copies = [a for a in heard if a.kind == "tunnel" and a.asked]
        asker = self.world.place(promise.source.port) if promise.source.port is not None else None
        self.stays = not copies and asker is not None and there.kind == "port" and asker[0].host == there.space.host
        if len(copies) < self.walk.copies:
            return "is copied to hosts that it does not concern", there.trail
        if promise.silent:
            back, trail, _ = self._came_back(there.space, (there.packet or self.packet).answer(SYN | ACK))
            return ("is answered, which rules without connections do not let pass", trail) if back else None
        if promise.answered:
            wrong = self._answered(there)
        if wrong is None and promise.told and promise.answered and self.packet.protocol == 17:
            wrong = self._hops()
        return wrong

    def _keeps(self) -> bool:
        """Whether a router has a connection on the sender's own host."""
        at = self.world.place(self.promise.source.port) if self.promise.source.port is not None else None
        here = at[0].host if at is not None else ""
        return any(
            hooks.space.name.startswith("qrouter-") and hooks.space.host == here and not hooks.tracker.is_empty
            for hooks in self.walk.known_hooks()
        )

    def _sent(self, packet: Packet, *, first: bool = False) -> tuple[list[Arrival], list[End]]:
        source = self.promise.source
        if source.port is None:
            before = len(self.walk.heard)
            ends = self.walk.output(self.world.outside, packet)
            return self.walk.heard[before:], ends
        return send(self.walk, source, self.frame if first else replace(self.frame, payload=packet))

    def _arrived(self, sent: Packet, heard: list[Arrival], ends: list[End]) -> tuple[Arrival | None, Wrong | None]:
        """The one arrival that there is to be."""
        ours = [
            a for a in heard if a.asked and a.packet is not None and a.kind in ("port", "outside", "router", "host")
        ]
        promise = self.promise
        if not ours:
            end = foremost(ends) if ends else None
            why = end.death.reason if end is not None and end.death is not None else "lost"
            return None, (f"does not arrive: {why}", end.trail if end is not None else ())
        there = ours[0]
        if len(ours) > 1:
            return None, ("arrives more than once", ours[1].trail)
        if (there.kind, there.who) != self._place(there):
            return None, (f"comes to {there.kind} {there.who}", there.trail)
        assert there.packet is not None  # noqa: S101  # asked above
        wrong = misformed(sent, there.packet, promise.form)
        return there, ((wrong, there.trail) if wrong else None)

    def _place(self, there: Arrival) -> tuple[str, str]:
        if self.promise.to == "router":
            return "router", there.who
        return ("port", self.promise.to) if self.promise.to else ("outside", there.space.name)

    def _answered(self, there: Arrival) -> Wrong | None:
        packet = there.packet
        assert packet is not None  # noqa: S101  # asked before
        wrong = self._replied(there.space, packet.answer(SYN | ACK), "answer")
        if wrong is None and self.packet.protocol == 6:
            later = replace(self.packet, flags=ACK)
            _, wrong = self._arrived(later, *self._sent(later))
            if wrong is not None:
                return f"handshake is answered, but then {wrong[0]}", wrong[1]
            wrong = self._replied(there.space, packet.answer(ACK), "later answer")
        if wrong is None and self.promise.told and packet.protocol != 58:
            wrong = self._told(there.space, packet)
        if wrong is None and self.packet.protocol == 6 and self._bar():
            heard, _ = self._sent(replace(self.packet, flags=ACK))
            if any(a.kind == "port" and a.asked for a in heard):
                return "goes on after its connection was barred", ()
        return wrong

    def _bar(self) -> bool:
        """Bars the connections that security groups know of; whether there are any."""
        hosts = [hooks for hooks in self.walk.known_hooks() if hooks.space.name == naming.HOST]
        return sum(hooks.bar(naming.BARRED_MARK) for hooks in hosts) > 0

    def _replied(self, space: Space, reply: Packet, what: str) -> Wrong | None:
        back, trail, why = self._came_back(space, reply)
        if back is None:
            return f"has an {what} that does not arrive: {why}", trail
        expected = self.packet.answer(reply.flags)
        if replace(back, ttl=0) != replace(expected, ttl=0):
            return f"has an {what} that arrives as {back}, not as {expected}", trail
        return None

    def _came_back(self, space: Space, packet: Packet) -> tuple[Packet | None, Trail, str]:
        """What the asker gets of a packet that somebody sends, and only the asker."""
        before = len(self.walk.heard)
        self.walk.asked = None
        ends = self.walk.output(space, packet)
        return self._got(self.walk.heard[before:], ends)

    def _got(self, heard: list[Arrival], ends: list[End]) -> tuple[Packet | None, Trail, str]:
        detour = next((a for a in heard if a.kind == "tunnel" and a.asked), None) if self.stays else None
        if detour is not None:
            return None, detour.trail, "it goes by another host, where the question did not"
        ours = [
            a for a in heard if a.asked and a.packet is not None and a.kind in ("port", "outside", "router", "host")
        ]
        who = ("port", self.promise.source.port) if self.promise.source.port else ("outside", self.world.outside.name)
        if len(ours) != 1 or (ours[0].kind, ours[0].who) != who:
            end = foremost(ends) if ends else None
            why = "" if end is None or end.death is None else end.death.reason
            strays = ", ".join(f"it comes to {a.kind} {a.who}" for a in ours)
            return None, end.trail if end is not None else (), strays or why
        return ours[0].packet, ours[0].trail, ""

    def _told(self, space: Space, packet: Packet) -> Wrong | None:
        """Of an error that the other end sends: it comes, and is about what was sent."""
        error, trail, why = self._came_back(space, about(packet, packet.destination, UNREACHABLE))
        if error is None:
            return f"has an error about it that is lost: {why}", trail
        inner = quoted(error)
        if inner is None or not same(inner, self.packet):
            return f"has an error about it that quotes {inner}", trail
        return None

    def _hops(self) -> Wrong | None:
        """Of a hop limit that is too small: whoever drops it says so, as somebody whom the sender can know."""
        for ttl in range(1, _MOST_HOPS):
            self.walk = probe(self.world, self.listener)
            self.walk.tells = True
            before = len(self.walk.heard)
            _, ends = self._sent(replace(self.packet, ttl=ttl), first=False)
            if any(
                a.kind in ("port", "outside", "router") and a.packet is not None and quoted(a.packet) is None
                for a in self.walk.heard[before:]
                if a.asked
            ):
                return None
            if not self.walk.told and not any(a.packet is not None and quoted(a.packet) for a in self.walk.heard):
                late = next((end for end in ends if end.death is not None and end.death.reason == LATE), None)
                if late is not None and self.promise.source.port is None:
                    return f"with hop limit {ttl} is dropped, and nobody tells that", late.trail
                continue
            error, trail, why = self._got(self.walk.heard[before:], self.walk.told)
            if error is None:
                return f"with hop limit {ttl} is dropped, and that is not told: {why}", trail
            inner = quoted(error)
            if (
                inner is None
                or not same(inner, self.packet)
                or not self.hearing.is_routers(error.source, self.promise.source.port, self.packet.destination)
            ):
                return f"with hop limit {ttl} is dropped, and {error.source} tells it of {inner}", trail
        return None
