"""The proof that a host that was the owner once is nobody any more, also to connections that it still remembers.

What came to a router's own address while a host had it is a connection that is not translated. When another host has
the address, packets of it that still come here are strays: they are heard by nobody, and nobody is told of them.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from onehop.model.gateway import FIRST_PORT, Gateway, RouterHost
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.verify.conntrack import Connection, Flow
from onehop.verify.packet import Frame, Packet
from onehop.verify.proof.case import Case, Judged
from onehop.verify.proof.external import answers
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.promise import whole
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.sample import UNICAST, mac_number
from onehop.verify.proof.severed import Found, flow_box, router_ip
from onehop.verify.proof.spans import Box, points
from onehop.verify.world import FAR, World

_OURS = FIRST_PORT - 200
"""A port of nobody's block."""
_BEYOND = 4_000


class Stale:
    """Asks every host of every router that does not own its addresses."""

    def __init__(self, view: Topology) -> None:
        self.view = view

    def cases(self) -> Iterator[Case]:
        """One for each such host, protocol, leg by which it comes, and hop limit that is used up or not."""
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not answers(router) or not router_ip(router) or not gateway.enable_snat:
                continue
            network = str(self.view.networks[gateway.network_id].physical_network)
            for place in gateway.hosts:
                if place.host == gateway.owner or place.host not in self.view.hosts:
                    continue
                link, namespace = naming.transit_leg(gateway.port_id), naming.router_namespace(router.id)
                ways = [(Source(None, link, place.host, namespace), place.transit_mac)]
                if network in self.view.hosts[place.host].physical_networks:
                    ways.append((Source(None, network), place.mac_address))
                for source, mac in ways:
                    yield from self._cases(router, gateway, place, source, mac)

    def _cases(self, router: Router, gateway: Gateway, place: RouterHost, source: Source, mac: str) -> Iterator[Case]:
        for protocol in (6, 17):
            for ip in (one.ip_address for one in gateway.fixed_ips if address.version(one.ip_address) == 4):
                flow = Flow(protocol, FAR[4], _BEYOND, ip, _OURS)
                macs: Box = {"source_mac": UNICAST, "destination_mac": points([mac_number(mac)])}
                for ttl in (64, 1):
                    judge = _Judge(router, place, source, flow, ttl)
                    yield Case("severed", judge, whole({**macs, **flow_box(flow)}, 4))


class _Judge:
    def __init__(self, router: Router, place: RouterHost, source: Source, flow: Flow, ttl: int) -> None:
        self.namespace, self.place = naming.router_namespace(router.id), place
        self.source, self.flow, self.ttl = source, flow, ttl

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, 4, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> Found:
        walk, payload = probe(world, listener), frame.payload
        walk.tells = True
        here = world.spaces(self.place.host).get(self.namespace)
        if here is not None:
            walk.hooks(here).tracker.know(self._known())
        sent = replace(frame, payload=replace(payload, ttl=self.ttl)) if isinstance(payload, Packet) else frame
        heard, _ = send(walk, self.source, sent)
        came = next((o for o in heard if o.packet is not None and o.asked and o.kind != "leg"), None)
        what = "" if came is None else f"is of a connection of this router while it owned, and comes to {came.kind}"
        return Found("", sent, what)

    def _known(self) -> Connection:
        known = Connection(self.flow)
        known.settled, known.answered, known.confirmed = {"snat", "dnat"}, True, True
        return known
