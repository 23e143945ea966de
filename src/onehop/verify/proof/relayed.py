"""The proof of what an owner without instances hands on where it came in: all that it should, and nothing else.

Whole packets to another host's ports go on at once. What a router would have to answer or to ask more about goes the
long way: fragments, the last hop, what is too large for the transit leg, and sources that may not come in.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from onehop.model.gateway import Gateway
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.verify.nft.value import Atom, Field
from onehop.verify.packet import HOP_LIMIT, Frame, Packet
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.external import answers, public
from onehop.verify.proof.leaving import Leaving
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.promise import whole
from onehop.verify.proof.reach import probe
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, numbers, points
from onehop.verify.proof.steered import shares
from onehop.verify.subject import Passing
from onehop.verify.world import World

_FRAGMENTS = (0x2000, 0x2001, 0x0001)
"""First, middle and last of a datagram, as the octets of flags and offset."""
_LARGE = 65_535


class Relayed:
    """Asks every owner on which no instance of its router is."""

    def __init__(self, view: Topology) -> None:
        self.view, self.leaving = view, Leaving(view)

    def cases(self) -> Iterator[Case]:
        """One for each block of another host, and kind of packet."""
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not gateway.distributed or not answers(router) or self._lives(router, gateway):
                continue
            mine = [ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == 4]
            place = next((one for one in gateway.hosts if one.host == gateway.owner), None)
            if place is None:
                continue
            for ip in mine:
                for other in gateway.hosts:
                    ports = shares(gateway, ip, mine[0]).get(other.host)
                    if other.host == gateway.owner or ports is None:
                        continue
                    for box in _boxes(ip, ports):
                        to: Box = {**box, "destination_mac": points([mac_number(place.mac_address)])}
                        yield from self._asked(router, gateway, other.transit_ip, to)

    def _lives(self, router: Router, gateway: Gateway) -> bool:
        """Whether an instance of the router is on the owner: then packets are not looked at there twice."""
        networks = {leg.network_id for leg in self.view.interfaces_of(router.id)}
        return any(
            port.router_id is None and any(one.host == gateway.owner for one in port.bindings)
            for network in networks
            for port in self.view.ports_of(network)
        )

    def _asked(self, router: Router, gateway: Gateway, hop: str, box: Box) -> Iterator[Case]:
        good, bad = public(self.view, 4), self._refused(router)
        plain = Case("relayed", _Judge(router, gateway, hop, {}), whole({**box, "source": good}, 4))
        yield plain
        yield Case("relayed", _Judge(router, gateway, "", {}), whole({**box, "source": bad}, 4))
        odd: list[dict[str, int]] = [{"ip frag-off": offset} for offset in _FRAGMENTS]
        odd += [{"ip ttl": ttl} for ttl in (0, 1)]
        # TCP comes in pieces larger than any link's, and keeps to the instance's MTU by itself.
        odd += [{"ip length": _LARGE}] if box["protocol"] != points([6]) else []
        for one in odd:
            yield Case("relayed", _Judge(router, gateway, "", one), plain.box)

    def _refused(self, router: Router) -> Numbers:
        """Sources that are asked about on the long way: inside ones, the external network's, link-local ones."""
        gateway = router.gateway
        near = [s.cidr for s in self.view.subnets_of(gateway.network_id) if "." in s.cidr] if gateway else []
        spans = (span for cidr in (*near, "169.254.0.0/16") for span in span_of(cidr))
        return numbers((*spans, *self.leaving.inside(router.id, 4)))


class _Odd(Passing):
    """A packet with a field that `onehop.verify.packet.Packet` cannot say."""

    def __init__(self, frame: Frame, incoming: str, said: Mapping[str, int]) -> None:
        super().__init__(frame, incoming=incoming)
        self.said = said

    def read(self, field: Field) -> Atom | None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        return self.said[field.name] if field.name in self.said else super().read(field)


class _Judge:
    """Judges one kind of packet to one block; `hop` is to whom it is handed on, "" where it is not."""

    def __init__(self, router: Router, gateway: Gateway, hop: str, said: Mapping[str, int]) -> None:
        self.namespace, self.host = naming.router_namespace(router.id), gateway.owner
        self.leg, self.transit = naming.external_leg(gateway.port_id), naming.transit_leg(gateway.port_id)
        self.hop, self.said = hop, said

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, 4, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> "_Found":
        here = world.spaces(self.host).get(self.namespace) if self.host is not None else None
        if here is None:
            return _Found(frame, "")
        payload = frame.payload
        assert isinstance(payload, Packet)  # noqa: S101  # relays are of IPv4
        passing = _Odd(replace(frame, payload=replace(payload, ttl=HOP_LIMIT)), self.leg, self.said)
        death, _, _ = probe(world, listener).hooks(here).device("ingress", self.leg, passing)
        device, hop = passing.handed_on
        listener.observed("handed on", device, hop, death is not None)
        if self.said and death is not None:
            return _Found(frame, "needs to be looked at, and is dropped unseen")
        if self.hop and (device, hop) != (self.transit, self.hop):
            return _Found(frame, f"is for another host's ports, and not handed on to {self.hop}")
        return _Found(frame, "needs to be looked at, and is handed on unseen" if hop and not self.hop else "")


class _Found:
    def __init__(self, frame: Frame, what: str) -> None:
        self.frame, self.what = frame, what

    def __call__(self, _values: Mapping[str, int], _box: Box) -> Violation | None:
        return Violation(self.what, "", "", str(Passing(self.frame)), 1) if self.what else None


def _boxes(ip: str, ports: Numbers) -> Iterator[Box]:
    to: Box = {"destination": points([ip_number(ip)])}
    for protocol in (6, 17):
        yield {**to, "protocol": points([protocol]), "dport": ports}
    yield {**to, "protocol": points([1]), "type": points([0]), "code": points([0]), "id": ports}
