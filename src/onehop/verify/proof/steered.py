"""The proof that what is for another host's ports goes there, once, and is tracked there alone.

Of every gateway address each host has blocks of ports. Whoever sends to one, from outside or from inside, by TCP, UDP,
an echo reply, or an error about what was sent from it, is heard by the router on that host; and by none where nobody
has the port.
"""

from collections.abc import Iterator, Mapping

from onehop.model.gateway import FIRST_PORT, Gateway
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName
from onehop.verify.packet import Frame
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.external import External, answers, public
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.probe import Arrival, Probe
from onehop.verify.proof.promise import all_of, whole
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.sample import UNICAST, ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, numbers, points, without
from onehop.verify.subject import Passing
from onehop.verify.world import World

QUOTING: Box = {"protocol": points([1]), "type": points([3, 11, 12]), "quoted_version": points([0x45])}
"""Errors that quote an IPv4 header without options."""


class Steered:
    """Asks for every block of every router."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self.external, self.groups = External(view), Groups(view)

    def cases(self) -> Iterator[Case]:
        """One for each block, who calls it, and how."""
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not gateway.distributed or not answers(router):
                continue
            gateways = [ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == 4]
            for ip in gateways:
                found = shares(gateway, ip, gateways[0])
                taken = numbers(span for some in found.values() for span in some)
                found[HostName("")] = without(((FIRST_PORT, 65535),), taken)
                for host, ports in found.items():
                    for box in _boxes(ip, ports) if ports else ():
                        yield from self._from_outside(router, gateway, host, box)
                        if host:
                            yield from self._from_inside(router, gateway, host, box)

    def _from_outside(self, router: Router, gateway: Gateway, host: HostName, box: Box) -> Iterator[Case]:
        """By every leg: what is still sent to an owner of yesterday goes on as well."""
        network = str(self.view.networks[gateway.network_id].physical_network)
        for place in gateway.hosts:
            to: Box = {"destination_mac": points([mac_number(place.mac_address)]), "source": public(self.view, 4)}
            judge = Crossing(router, gateway, place.host, host, Source(None, network))
            yield Case("steered", judge, whole({**box, **to}, 4))
            if place.host == gateway.owner and place.host != host:
                # Another host sends it there because it does not know better yet.
                mine = points(ip_number(ip.ip_address) for ip in gateway.fixed_ips if "." in ip.ip_address)
                misled: Box = {"destination_mac": points([mac_number(place.transit_mac)]), "source": mine}
                link, namespace = naming.transit_leg(gateway.port_id), naming.router_namespace(router.id)
                judge = Crossing(router, gateway, place.host, host, Source(None, link, place.host, namespace))
                yield Case("steered", judge, whole({**box, **misled, "source_mac": UNICAST}, 4))

    def _from_inside(self, router: Router, gateway: Gateway, host: HostName, box: Box) -> Iterator[Case]:
        legs = self.view.interfaces_of(router.id)
        for port in (port for leg in legs for port in self.view.ports_of(leg.network_id)):
            if port.router_id is not None or port.host in (None, host) or not self.view.is_up(port):
                continue
            if not self.external.has_block(router, port):
                continue  # The owner translates for it, and hears no more than that nobody begins there.
            for ip in port.fixed_ips:
                if address.version(ip.ip_address) != 4 or not self.external.is_default(port, ip.ip_address, router):
                    continue
                macs = [leg.mac_address for leg in legs if leg.network_id == port.network_id]
                sent: Box = {
                    **box,
                    "source_mac": points([mac_number(port.mac_address)]),
                    "destination_mac": points(map(mac_number, macs)),
                    "source": points([ip_number(ip.ip_address)]),
                }
                # An echo reply or an error begins no connection, and so has no source that may leave.
                for kind in ({"protocol": points([6]), "flags": points([2])}, {"protocol": points([17])}):
                    for found in all_of([sent], [kind], self.groups.outwards(port, 4)):
                        judge = Crossing(router, gateway, port.host, host, Source(port.id))
                        yield Case("steered", judge, whole(found, 4))


class Crossing:
    """Judges what is sent to a block of a host (`opens`: or to what begins there), and comes in on another, `near`."""

    def __init__(
        self,
        router: Router,
        gateway: Gateway,
        near: HostName | None,
        host: HostName,
        source: Source,
        *,
        opens: bool = False,
    ) -> None:
        self.opens = opens
        self.near, self.host, self.source = near, host, source
        self.link, self.leg = naming.transit_leg(gateway.port_id), naming.external_leg(gateway.port_id)
        self.namespace = naming.router_namespace(router.id)

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, 4, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> "_Found":
        walk = probe(world, listener)
        send(walk, self.source, frame)
        near = world.spaces(self.near).get(self.namespace) if self.near is not None else None
        comes = near is not None and (self.source.port is not None or self.leg in near.links)
        held = comes and bool(self.host) and self.namespace in world.spaces(self.host)
        return _Found(self, frame, self.wrong(walk, walk.heard, held=held))

    def wrong(self, walk: Probe, heard: list[Arrival], *, held: bool) -> str:
        """What is wrong with where it came; empty where nothing is."""
        there = [one.space.host for one in heard if one.kind == "leg" and one.who == self.link and one.asked]
        there = there[1:] if self.source.host else there  # where it comes from a transit leg, it has come by one
        wanted = [self.host] if held and self.host != self.near else []
        if there != wanted:
            return (
                f"is for ports of {self.host or 'nobody'}, and comes to {', '.join(there) or 'nobody'} by the transit"
            )
        kinds = ("outside",) if self.opens else ("port", "outside")
        if any(one.kind in kinds and one.asked and one.packet is not None for one in heard):
            return "is for ports without a connection, and somebody hears it"
        here = {self.host} if self.source.port is None else {self.host, self.near}
        tracked = (
            hooks.space.host
            for hooks in walk.known_hooks()
            if hooks.space.name == self.namespace and not hooks.tracker.is_empty
        )
        strange = next((host for host in tracked if host not in here), None) if self.host else None
        return f"is tracked on {strange}, which only passes it on" if strange else ""


class _Found:
    def __init__(self, judge: Crossing, frame: Frame, wrong: str) -> None:
        self.judge, self.frame, self.what = judge, frame, wrong

    def __call__(self, _values: Mapping[str, int], _box: Box) -> Violation | None:
        port = self.judge.source.port or ""
        return Violation(self.what, port, "", str(Passing(self.frame)), 1) if self.what else None


def shares(gateway: Gateway, ip: str, first: str) -> dict[HostName, Numbers]:
    """Host → its ports of a gateway address."""
    return {
        place.host: some
        for place in gateway.hosts
        if (some := numbers((b.first, b.last) for b in place.blocks if (b.address or first) == ip))
    }


def _boxes(ip: str, ports: Numbers) -> Iterator[Box]:
    """All that is for ports of an address: to them, or about what came from them."""
    number = points([ip_number(ip)])
    to: Box = {"destination": number}
    for protocol in (6, 17):
        yield {**to, "protocol": points([protocol]), "dport": ports}
    icmp: Box = {**to, "protocol": points([1])}
    yield {**icmp, "type": points([0]), "code": points([0]), "id": ports}
    about: Box = {**to, **QUOTING, "quoted_source": number}
    for protocol in (6, 17):
        yield {**about, "quoted_protocol": points([protocol]), "quoted_sport": ports}
    yield {**about, "quoted_protocol": points([1]), "quoted_id": ports}
