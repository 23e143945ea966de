"""The proof that nobody hears what is not for him: every frame that can be said, and everybody whom it reaches.

A frame comes to an instance only by a way that the API has and its security groups allow; outside only as somebody who
may be seen there; to a host's own stack never; and what speaks of gateways stays at home.
"""

from collections.abc import Iterator, Mapping

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.verify.packet import Frame, Packet
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.hearing import Hearing
from onehop.verify.proof.identity import identity
from onehop.verify.proof.leaving import Leaving
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.promise import Form, all_of, may_come_in
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ARPS, PACKETS, ip_number, mac_number
from onehop.verify.proof.spans import Box, meet, minus, points, remainder, size
from onehop.verify.proof.speech import SERVED
from onehop.verify.subject import Passing
from onehop.verify.world import World

Wrong = tuple[str, list[Box], Arrival | None]
_OF_ONE_LINK: Box = {"protocol": points([58]), "type": points([130, 131, 132, 133, 134, 135, 136, 137, 143])}
_LINKED = span_of("169.254.0.0/16")
_GROUPS = span_of("ff00::/8")
_KEPT_UP: Box = {"protocol": points([58]), "type": points([130, 135, 136])}
"""What a leg outside keeps up with of what is for everybody: questions about groups and neighbours, and answers."""
_TOO_BIG: Box = {"protocol": points([58]), "type": points([2])}
_ENDS: dict[str, tuple[str, ...]] = {"tunnel": ("source", "destination"), "router": ("destination",)}


class Isolation:
    """Asks every port of a network, its outside, and what may come by tunnels."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self.allowed = Allowed(view)
        self.groups = Groups(view)
        self.hearing = Hearing(view)
        self.leaving = Leaving(view)
        gateways = [r.gateway for r in view.routers.values() if r.gateway is not None]
        self._outer = {place.mac_address for gateway in gateways for place in gateway.hosts}
        self._leading_out = {
            naming.router_namespace(r.id)
            for r in view.routers.values()
            if r.gateway is not None and any(address.version(ip.ip_address) == 6 for ip in r.gateway.fixed_ips)
        }
        self._transits = {str(r.gateway.vni) for r in view.routers.values() if r.gateway is not None}

    def cases(self) -> Iterator[Case]:
        """One for each that can speak, and family."""
        for port in self.view.ports.values():
            if port.router_id is None and port.host is not None:
                for family, box in said(self.view, port):
                    yield self.case(port, Source(port.id), family, box)
        flat = {str(n.physical_network) for n in self.view.networks.values() if n.network_type == "flat"}
        for network in sorted(flat):
            for family, box in ((4, PACKETS[4]), (6, PACKETS[6]), *((0, arps) for arps in _arps(ARPS))):
                yield self.case(None, Source(None, network), family, box)
        yield from self._home()

    def _home(self) -> Iterator[Case]:
        for network in self.view.networks.values():
            for host in self.view.hosts if network.vni is not None else ():
                probes = points(mac_number(mac) for mac in self.hearing.probes(network.id))
                source = Source(None, naming.vxlan(network.vni or 0), host)
                for family, box in self.hearing.boxes(str(network.vni)):
                    # What answers a leg's question comes to the MAC that it asked under.
                    for rest in minus(box, {"destination_mac": probes}) if probes else (box,):
                        yield Case("home", self._judge(None, source, family), rest)

    def case(self, port: Port | None, source: Source, family: int, box: Box) -> Case:
        return Case("isolation", self._judge(port, source, family), box)

    def _judge(self, port: Port | None, source: Source, family: int) -> "_Judge":
        return _Judge(self, port, source, family)

    def wrong(
        self, port: Port | None, source: Source, family: int, sent: Frame, heard: list[Arrival], box: Box
    ) -> Iterator[Wrong]:
        """What is wrong with who has heard a class of frames."""
        for arrival in heard:
            beyond = arrival.kind == "outside" or (arrival.kind == "port" and port is None)
            routed = beyond and arrival.asked and arrival.frame.source != sent.source
            if routed and family == 6 and (left := all_of([box], [_OF_ONE_LINK])):
                yield "is of one link (RFC 4861, RFC 3810), and routed", left, arrival
            if arrival.kind == "port" and arrival.asked:
                target = self.view.ports.get(arrival.who)  # type: ignore[call-overload]  # an id
                if source.host:
                    yield "speaks of a gateway and comes from the underlay", [box], arrival
                elif target is not None and target is not port:
                    left = remainder(box, self._allowed(port, target, family, sent, arrival))
                    yield (
                        f"comes to a port of project {target.project_id}, to which nothing in the API leads",
                        left,
                        arrival,
                    )
            elif arrival.kind in ("tunnel", "router") and (linked := self._linked(arrival, sent, family, box)):
                yield (
                    "has an address of one link, and is taken for a router's own or crosses to another host",
                    linked,
                    arrival,
                )
            elif arrival.kind == "tunnel" and arrival.frame.payload is sent.payload:
                home = [both for of, b in self.hearing.boxes(arrival.who) if of == family and (both := _common(box, b))]
                yield "speaks of a gateway across the underlay", home, arrival
            elif arrival.kind == "leg" and source.host and arrival.frame.payload is sent.payload:
                yield "speaks of a gateway, comes from the underlay and is heard by a router", [box], arrival
            elif (
                arrival.kind == "leg" and source.port is None and arrival.frame.payload is sent.payload and family == 0
            ):
                yield (
                    "asks outside for an address, and is heard where nobody has it",
                    self.leaving.asked(arrival, box),
                    arrival,
                )
            elif arrival.kind == "leg" and source.port is None and arrival.frame.payload is sent.payload:
                yield (
                    "asks outside for an address, and is heard where nobody has it",
                    self.leaving.asked6(arrival, box) if family == 6 else [],
                    arrival,
                )
                group = meet(box, {"destination": _GROUPS}) if family == 6 else None
                left = remainder(group, [_KEPT_UP]) if group is not None and self._is_outside(arrival) else []
                yield "is for everybody outside, and heard by a router, which would answer", left, arrival
            elif arrival.kind == "tunnel" and port is None and arrival.asked and not source.host:
                routers = [r.id for r in self.view.routers.values() if r.gateway and str(r.gateway.vni) == arrival.who]
                ways: Box = {"destination": self.leaving.called(routers, family)}
                came_in = all_of([ways], self.leaving.strangers(routers, family)) if routers else [{}]
                yield "is passed on to another host as nobody who may come in", remainder(box, came_in), arrival
            elif arrival.kind == "outside" and port is None and arrival.asked and arrival.packet is not None:
                yield "comes from outside and is sent out again", [box], arrival
            elif arrival.kind == "router":
                yield (
                    "is in mid-stream, and taken for the router's own",
                    self.leaving.taken(box) if family == 4 else [],
                    arrival,
                )
                believes = family == 6 and source.port is None and arrival.space.name in self._leading_out
                told = meet(box, _TOO_BIG) if believes else None
                yield "tells a router from outside that it sends too much at once", [told] if told else [], arrival
            elif arrival.kind == "outside" and arrival.packet is not None and arrival.asked and port is not None:
                yield (
                    "goes out as nobody who may be seen there",
                    self.leaving.unseen(port, sent, arrival.packet, box),
                    arrival,
                )

    def _is_outside(self, arrival: Arrival) -> bool:
        """Whether it is a router's external leg that hears, not one on an instances' network or between hosts."""
        link = arrival.space.links.get(arrival.who)
        return link is not None and link.mac in self._outer

    def _linked(self, arrival: Arrival, sent: Frame, family: int, box: Box) -> list[Box]:
        """What crosses a transit leg from or to 169.254/16, or is delivered to a router there (RFC 3927, 7)."""
        was, came = sent.payload, arrival.packet
        crosses = arrival.kind == "router" or arrival.who in self._transits
        if family != 4 or came is None or not isinstance(was, Packet) or not arrival.asked or not crosses:
            return []
        ends = [end for end in _ENDS[arrival.kind] if getattr(was, end) == getattr(came, end)]
        return [both for end in ends if (both := meet(box, {end: _LINKED})) is not None]

    def _allowed(self, port: Port | None, target: Port, family: int, sent: Frame, arrival: Arrival) -> list[Box]:
        ways = self.allowed.boxes(port, target, family)
        if family == 0 or arrival.packet is None:
            return ways
        came, was = arrival.packet, sent.payload
        assert isinstance(was, Packet)  # noqa: S101  # of ARP there is no packet
        changed = came.source != was.source
        moved = came.destination_port != was.destination_port
        form = Form(
            source=points([ip_number(came.source)]) if changed else None,
            sport=points([came.source_port]) if changed else None,
            destination=ip_number(came.destination) if came.destination != was.destination else None,
            dport=came.destination_port if moved else None,
        )
        near = port is not None and port.network_id == target.network_id
        out = (
            self.leaving.from_outside(target, family) if port is None else self.groups.outwards(port, family, near=near)
        )
        return all_of(ways, out, may_come_in(self.groups, target, family, form, near=near))


class _Judge:
    """Judges the classes of one source's frames."""

    def __init__(self, isolation: Isolation, port: Port | None, source: Source, family: int) -> None:
        self.isolation, self.port, self.source, self.family = isolation, port, source, family

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, self.family, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> "_Found":
        walk = probe(world, listener)
        heard, _ = send(walk, self.source, frame)
        return _Found(self, frame, heard, listener)


class _Found:
    """Who has heard a class."""

    def __init__(self, judge: _Judge, frame: Frame, heard: list[Arrival], listener: Listener) -> None:
        self.judge, self.frame, self.heard, self.marked = judge, frame, heard, listener.marked
        self.resets = listener.resets

    def __call__(self, _values: Mapping[str, int], box: Box) -> Violation | None:
        judge = self.judge
        found = judge.isolation.wrong(judge.port, judge.source, judge.family, self.frame, self.heard, box)
        for what, left, arrival in found:
            if left:
                return self._violation(what, left, arrival)
        if judge.port is None and self.resets:
            return self._violation("comes from outside and is reset, which may end what has only moved", [box], None)
        side = judge.isolation.hearing.side(self.heard)
        if side is not None:
            return self._violation(side[0], [box], None)
        return self._violation(f"leaves {self.marked[0]} with a mark of ours", [box], None) if self.marked else None

    def _violation(self, what: str, left: list[Box], arrival: Arrival | None) -> Violation:
        port = self.judge.port
        trail = () if arrival is None else arrival.trail
        who = "" if arrival is None else arrival.who
        return Violation(
            what, "" if port is None else port.id, who, str(Passing(self.frame)), sum(map(size, left)), trail
        )


def said(view: Topology, port: Port) -> Iterator[tuple[int, Box]]:
    """All that a port may say; of a port without protection, all."""
    if not port.port_security_enabled:
        yield 4, PACKETS[4]
        yield 6, PACKETS[6]
        yield from ((0, box) for box in _arps(ARPS))
        return
    who = identity(view, port)
    macs = points(mac_number(mac) for mac in who.macs)
    for version in (4, 6):
        every_ = {**PACKETS[version], "source_mac": macs, "source": who.sources(version)}
        yield from ((version, box) for box in remainder(every_, list(SERVED[version])))
    arps = {**ARPS, "source_mac": macs, "sender_mac": macs, "sender": who.sources(4)}
    yield from ((0, box) for box in _arps(arps))


def _common(box: Box, spoken: Box) -> Box | None:
    """What is in both; in frames of ARP that have no target that is the sender."""
    if "sender" in box and "target" not in box:
        spoken = {name: some for name, some in spoken.items() if name != "target"}
        if spoken["sender"] == ARPS["sender"]:
            return None
    return meet(box, spoken)


def _arps(box: Box) -> Iterator[Box]:
    """ARP that says of its sender, and all other."""
    yield {name: some for name, some in box.items() if name != "target"}
    yield box
