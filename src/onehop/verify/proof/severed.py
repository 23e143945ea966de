"""The proof that a connection goes no further than its mapping: one whose mapping is gone is cut, on both its sides.

A router may remember connections of a floating IP that is now another's, or nobody's. What an instance goes on sending
is not sent out as that address (of TCP it is told by a reset), and what still arrives does not come to the instance.
"""

from collections.abc import Iterator, Mapping

from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.verify.conntrack import DNAT, SNAT, Connection, Flow
from onehop.verify.packet import ACK, Frame
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.external import External, answers
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.promise import whole
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.sample import ip_number, ip_text, mac_number
from onehop.verify.proof.spans import Box, points
from onehop.verify.subject import Passing
from onehop.verify.world import FAR, World

_NEAR, _BEYOND = 40_000, 4_000
"""Ports of the instance and of the other end."""


class Severed:
    """Asks of every instance behind a router with a gateway."""

    def __init__(self, view: Topology) -> None:
        self.view, self._external = view, External(view)

    def cases(self) -> Iterator[Case]:
        """One for each instance, protocol, direction in which it began, and side that goes on."""
        for router in self.view.routers.values():
            if not answers(router):
                continue
            old = self._nobodys(router)
            for leg in self.view.interfaces_of(router.id) if old else ():
                for port in self.view.ports_of(leg.network_id):
                    if port.router_id is None and port.host in self.view.hosts and self.view.is_up(port):
                        yield from self._cases(router, leg, port, old)

    def _cases(self, router: Router, leg: Port, port: Port, old: str) -> Iterator[Case]:
        for ip in port.fixed_ips:
            subnet = self.view.subnets.get(ip.subnet_id)
            own = {one.ip_address for one in leg.fixed_ips}
            if address.version(ip.ip_address) != 4 or subnet is None or subnet.gateway_ip not in own:
                continue
            if not self._is_translated(router, port, ip.ip_address):
                continue
            for protocol in (6, 17):
                mine = Flow(protocol, ip.ip_address, _NEAR, FAR[4], _BEYOND)
                outer = Flow(protocol, old, _NEAR, FAR[4], _BEYOND)
                called = Flow(protocol, ip.ip_address, _NEAR, old, _BEYOND)
                back = Flow(protocol, ip.ip_address, _BEYOND, router_ip(router), _NEAR)
                yield self._case(router, leg, port, _Past(mine, outer.answer, SNAT), mine)
                yield self._case(router, leg, port, _Past(outer.answer, mine, DNAT), mine)
                yield self._case(router, leg, port, _Past(called, back, SNAT | DNAT), called)
                for past in (_Past(mine, outer.answer, SNAT), _Past(outer.answer, mine, DNAT)):
                    yield self._late(router, port, past, outer.answer)

    def _case(self, router: Router, leg: Port, port: Port, past: "_Past", flow: Flow) -> Case:
        macs: Box = {
            "source_mac": points([mac_number(port.mac_address)]),
            "destination_mac": points([mac_number(leg.mac_address)]),
        }
        return Case("severed", _Judge(router, port, past, Source(port.id)), whole({**macs, **flow_box(flow)}, 4))

    def _late(self, router: Router, port: Port, past: "_Past", flow: Flow) -> Case:
        """What still comes by the transit leg, from an owner that has not heard yet."""
        gateway = router.gateway
        place = next((p for p in gateway.hosts if p.host == port.host), None) if gateway is not None else None
        link = naming.transit_leg(gateway.port_id) if gateway is not None else ""
        to: Box = {"destination_mac": points([mac_number(place.transit_mac)])} if place is not None else {}
        source = Source(None, link, str(port.host), naming.router_namespace(router.id))
        return Case("severed", _Judge(router, port, past, source), whole({**to, **flow_box(flow)}, 4))

    def _is_translated(self, router: Router, port: Port, ip: str) -> bool:
        """Whether the port's own host has its connections."""
        gateway = router.gateway
        if gateway is None or not (gateway.enable_snat or self._external.floating_of(router, port, ip)):
            return False
        return gateway.owner == port.host or self._external.has_block(router, port)

    def _nobodys(self, router: Router) -> str:
        """An address outside that was the router's once, and is nobody's."""
        gateway = router.gateway
        taken = {ip.ip_address for one in self.view.ports.values() for ip in one.fixed_ips}
        taken |= {ip.address for ip in self.view.floating_ips.values()}
        for subnet in self.view.subnets_of(gateway.network_id) if gateway is not None else ():
            if address.version(subnet.cidr) == 4:
                base = ip_number(subnet.cidr.partition("/")[0])
                known = {*taken, subnet.gateway_ip, *(ip.ip_address for ip in gateway.fixed_ips)} if gateway else taken
                return next(ip for n in range(7, 250) if (ip := ip_text(base + n, 4)) not in known)
        return ""


class _Past:
    """A connection as it was when its mapping was there."""

    def __init__(self, original: Flow, reply: Flow, status: int) -> None:
        self.original, self.reply, self.status = original, reply, status

    def connection(self) -> Connection:
        """It, anew for each walk."""
        found = Connection(self.original)
        found.reply, found.status = self.reply, self.status
        found.settled, found.answered, found.confirmed = {"snat", "dnat"}, True, True
        return found


class _Judge:
    def __init__(self, router: Router, port: Port, past: _Past, source: Source) -> None:
        self.namespace, self.port = naming.router_namespace(router.id), port
        self.past, self.source = past, source

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, 4, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> "Found":
        walk = probe(world, listener)
        here = world.spaces(self.port.host).get(self.namespace) if self.port.host is not None else None
        if here is not None:
            walk.hooks(here).tracker.know(self.past.connection())
        heard, ends = send(walk, self.source, frame)
        if any(one.kind in ("port", "outside") and one.asked and one.packet is not None for one in heard):
            return Found(self.port.id, frame, "is of a connection whose mapping is gone, and goes on")
        told = any(end.death is not None and end.death.reset for end in ends)
        wanted = self.source.port is not None and self.past.original.protocol == 6
        if told != wanted:
            return Found(
                self.port.id, frame, f"is of a connection whose mapping is gone, and is {'' if told else 'not '}reset"
            )
        return Found(self.port.id, frame, "")


class Found:
    """What became of a frame of a port; `what` is empty where that is right."""

    def __init__(self, port: str, frame: Frame, what: str) -> None:
        self.port, self.frame, self.what = port, frame, what

    def __call__(self, _values: Mapping[str, int], _box: Box) -> Violation | None:
        return Violation(self.what, self.port, "", str(Passing(self.frame)), 1) if self.what else None


def router_ip(router: Router) -> str:
    """A router's first IPv4 address outside."""
    gateway = router.gateway
    mine = [ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == 4] if gateway else []
    return mine[0] if mine else ""


def flow_box(flow: Flow) -> Box:
    """The packets of a flow; of TCP those in mid-stream."""
    box: Box = {
        "source": points([ip_number(flow.source)]),
        "destination": points([ip_number(flow.destination)]),
        "protocol": points([flow.protocol]),
        "sport": points([flow.source_port]),
        "dport": points([flow.destination_port]),
    }
    return {**box, "flags": points([ACK])} if flow.protocol == 6 else box
