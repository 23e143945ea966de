"""The proof of what a router's hosts send to each other: it comes to whom it is for, and goes no further.

A router's hosts are joined by its transit legs. What is for another host's ports crosses once, to that host only, and
is tracked there alone; and whatever comes by such a leg, be it what no host should have sent, is neither sent on by it
again nor let out, in or answered but as the API has it.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from onehop.model.gateway import Gateway, RouterHost
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.verify.packet import HOP_LIMIT, SYN, Frame, Packet
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.carriers import carried_elsewhere, roaming
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.external import public
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.leaving import Leaving
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.promise import Form, all_of, may_come_in
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.sample import PACKETS, UNICAST, ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, every, meet, numbers, points, remainder, size, without
from onehop.verify.quote import is_error
from onehop.verify.subject import Passing
from onehop.verify.trail import Trail
from onehop.verify.world import World

_LATE = points(flags for flags in range(256) if not flags & SYN)
Wrong = tuple[str, list[Box], Trail]


class Transit:
    """Asks every host of every router with a gateway what it makes of what others send to it."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self.allowed, self.groups, self.leaving = Allowed(view), Groups(view), Leaving(view)

    def cases(self) -> Iterator[Case]:
        """One for each host and IP version; and what came to the wrong host by a way that was too long."""
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not router.admin_state_up:
                continue
            for place in (one for one in gateway.hosts if one.host in self.view.hosts):
                for version in (4, 6):
                    box = {**PACKETS[version], "source_mac": UNICAST, "destination_mac": _mac(place)}
                    yield Case("transit", _Judge(self, router, gateway, place, version), box)
                if gateway.enable_snat and place.host != gateway.owner:
                    mine = points(ip_number(ip.ip_address) for ip in gateway.fixed_ips if "." in ip.ip_address)
                    late: Box = {"source": public(self.view, 4), "destination": mine, "protocol": points([6, 17])}
                    box = {**PACKETS[4], "source_mac": UNICAST, "destination_mac": _mac(place), **late}
                    yield Case("transit", _Judge(self, router, gateway, place, 4, ttl=1), box)


class _Judge:
    """Judges what comes to one host."""

    def __init__(
        self, transit: Transit, router: Router, gateway: Gateway, place: RouterHost, version: int, ttl: int = HOP_LIMIT
    ) -> None:
        self.all, self.router, self.gateway, self.place = transit, router, gateway, place
        self.version, self.ttl = version, ttl
        link = naming.transit_leg(gateway.port_id)
        self.source = Source(None, link, place.host, naming.router_namespace(router.id))
        leaving = transit.leaving
        self.inside, self.outer = leaving.inside(router.id, version), leaving.outer(router.id, version)
        self.called = leaving.called([router.id], version)
        others = points(carried_elsewhere(transit.view, router, gateway, place.host)) if version == 4 else ()
        self.meant = without(self.outer, others) if version == 4 else ()
        self.roaming = points(roaming(transit.view, router)) if version == 4 else ()

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, self.version, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> "_Found":
        walk = probe(world, listener)
        payload = frame.payload
        if self.ttl != HOP_LIMIT and isinstance(payload, Packet):
            walk.tells = True
            frame = replace(frame, payload=replace(payload, ttl=self.ttl))
        heard, _ = send(walk, self.source, frame)
        hooks = (one for one in walk.known_hooks() if one.space.host == self.place.host)
        tracked = any(one.space.name == self.source.namespace and not one.tracker.is_empty for one in hooks)
        return _Found(self, frame, heard, listener, tracked=tracked)

    def wrong(
        self, sent: Frame, heard: list[Arrival], listener: Listener, box: Box, *, tracked: bool
    ) -> Iterator[Wrong]:
        """What is wrong with who has heard a class."""
        if any(one.asked and one.kind in ("port", "outside") for one in heard):
            yield from self._tracked(box, tracked=tracked, comes=any(one.kind == "port" for one in heard))
        crossings = [one for one in heard if one.kind == "tunnel" and one.asked and one.who == str(self.gateway.vni)]
        if self.ttl != HOP_LIMIT:
            told = next((one for one in heard if one.packet is not None and is_error(one.packet)), None)
            yield "came to the wrong host, and that its way was too long is told", [box] if told else [], ()
            return
        if crossings:
            # Once more goes what is from inside (and so is translated here), and what a host sent to the owner because
            # it did not know better yet.
            misled = (self.inside, self.outer if self._is_owner else ())
            plain = self.gateway.enable_snat and any(self._is_inside(one.packet) for one in crossings)
            left = [box] if crossings[1:] or plain else remainder(box, [{"source": some} for some in misled if some])
            yield "comes by a transit leg and is sent on by it", left, ()
        if listener.resets:
            yield "comes by a transit leg and is reset, which may end what has only moved", [box], ()
        external = naming.external_leg(self.gateway.port_id)
        went = any(o.asked and o.packet is not None and (o.kind == "outside" or o.who == external) for o in heard)
        if went and not self._is_owner and self.meant:
            yield (
                "is to be translated back here, and goes out instead",
                all_of([box], [{"destination": self.meant}]),
                (),
            )
        for one in heard:
            packet = one.packet
            if packet is None or not one.asked:
                continue
            if one.kind == "outside":
                roams: list[Box] = [] if self._is_owner or not self.roaming else [{"source": self.roaming}]
                yield "is of an address that only the owner translates, and goes out here", all_of([box], roams), ()
                yield "goes out as nobody who may be seen there", self._out(sent, packet, box), one.trail
            elif one.kind == "port":
                target = self.all.view.ports.get(one.who)  # type: ignore[call-overload]  # an id
                left = remainder(box, self._ways(target, sent, packet)) if target is not None else []
                yield "comes to a port to which nothing in the API leads", left, one.trail
            elif one.kind == "router":
                yield "is a stray, and taken for the router's own", self._taken(box), one.trail

    def _tracked(self, box: Box, *, tracked: bool, comes: bool) -> Iterator[Wrong]:
        """Of what goes on: inside prefixes do not track each other, nor the owner what it only passes on."""
        within: list[Box] = [{"source": self.inside, "destination": self.inside}] if self.inside else []
        beyond = without(every(32 if self.version == 4 else 128), self.inside)
        plain = [*within] if self.version == 4 else [{}]
        if self._is_owner and self.version == 4:
            plain.append({"source": beyond, "destination": without(beyond, self.outer)})
        if tracked:
            yield "comes by a transit leg, is not translated, and tracked", all_of([box], plain), ()
        elif comes and self.version == 4 and self.inside:
            # Whoever calls an address inside is known where that is translated.
            called: Box = {"source": beyond, "destination": self.inside, "protocol": points([17])}
            yield "comes by a transit leg and is not tracked, though it may be answered", all_of([box], [called]), ()

    @property
    def _is_owner(self) -> bool:
        return self.place.host == self.gateway.owner

    def _is_inside(self, packet: Packet | None) -> bool:
        if packet is None or packet.version != self.version:
            return False
        number = ip_number(packet.source)
        return any(first <= number <= last for first, last in self.inside)

    def _out(self, sent: Frame, came: Packet, box: Box) -> list[Box]:
        was = sent.payload
        if not isinstance(was, Packet) or came.source != was.source:
            return [] if any(a <= ip_number(came.source) <= b for a, b in self.outer) else [box]
        routed = self.inside if self.version == 6 or not self.gateway.enable_snat else ()
        seen = numbers((*self.outer, *routed))
        return remainder(box, [{"source": seen}] if seen else [])

    def _ways(self, target: Port, sent: Frame, came: Packet) -> list[Box]:
        was, version = sent.payload, self.version
        moved = isinstance(was, Packet) and came.destination != was.destination
        ports = isinstance(was, Packet) and came.destination_port != was.destination_port
        form = Form(
            destination=ip_number(came.destination) if moved else None, dport=came.destination_port if ports else None
        )
        mine = [ip for ip in target.addresses if address.version(ip) == version]
        ways = self.all.allowed.boxes(None, target, version)
        ways += [{"destination": some} for ip in mine if (some := self.all.allowed.by_router(self.router, ip, target))]
        who: Numbers = every(32) if version == 4 else self.inside
        lets = may_come_in(self.all.groups, target, version, form)
        return all_of(ways, [{"source": who}], lets) if who else []

    def _taken(self, box: Box) -> list[Box]:
        """Strays to an address outside: from elsewhere than the router's hosts, or in mid-stream."""
        if self.version == 6 or not self.outer:
            return []
        called = meet(box, {"destination": self.outer})
        if called is None:
            return []
        hosts: list[Box] = [{"source": some} for some in (self.inside, self.outer) if some]
        strays = remainder(called, hosts) if self._is_owner else []
        late = meet(called, {"protocol": points([6]), "flags": _LATE}) if "flags" in box else None
        return [*strays, *([late] if late is not None else [])]


class _Found:
    """Who has heard a class."""

    def __init__(self, judge: _Judge, frame: Frame, heard: list[Arrival], listener: Listener, *, tracked: bool) -> None:
        self.judge, self.frame, self.heard, self.listener, self.tracked = judge, frame, heard, listener, tracked

    def __call__(self, _values: Mapping[str, int], box: Box) -> Violation | None:
        for what, left, trail in self.judge.wrong(self.frame, self.heard, self.listener, box, tracked=self.tracked):
            if left:
                return Violation(what, "", "", str(Passing(self.frame)), sum(map(size, left)), trail)
        return None


def _mac(place: RouterHost) -> Numbers:
    return points([mac_number(place.transit_mac)])
