"""The proof that what is sent to the wrong host finds its way: whole addresses and forwarded ports, by any leg.

Upstream may still send to the owner of yesterday, and so may the router's other hosts. Whoever of them hears it passes
it on to the host that translates it, once, and does not track it.
"""

from collections.abc import Iterator

from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import Gateway, RouterHost
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName
from onehop.verify.packet import PROTOCOLS
from onehop.verify.proof.carriers import has_leg, own_port
from onehop.verify.proof.case import Case
from onehop.verify.proof.external import answers, public
from onehop.verify.proof.promise import whole
from onehop.verify.proof.reach import Source
from onehop.verify.proof.sample import UNICAST, ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, points
from onehop.verify.proof.steered import QUOTING, Crossing

_KINDS: tuple[Box, ...] = (
    {"protocol": points([6]), "flags": points([2])},
    {"protocol": points([17])},
    {"protocol": points([1]), "type": points([8]), "code": points([0])},
    {"protocol": points([47])},
)


class Yesterday:
    """Asks every host of every router for what other hosts translate."""

    def __init__(self, view: Topology) -> None:
        self.view = view

    def cases(self) -> Iterator[Case]:
        """One for each floating IP or forwarded port, host that does not translate it, and way to there."""
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not answers(router):
                continue
            places = {place.host: place for place in gateway.hosts if place.host in self.view.hosts}
            for floating in self.view.floating_ips_of(router.id):
                for host, box in self._parts(floating, gateway):
                    for place in places.values() if host in places else ():
                        if place.host != host:
                            yield from self._cases(router, gateway, place, host, box)

    def _parts(self, floating: FloatingIp, gateway: Gateway) -> Iterator[tuple[HostName, Box]]:
        """Which host translates which packets to a floating IP."""
        to: Box = {"destination": points([ip_number(floating.address)])}
        for rule in floating.forwardings:
            target = self.view.ports.get(rule.port_id)
            if target is not None and target.host is not None and self.view.is_up(target):
                span: Numbers = ((rule.external_first, rule.external_last),)
                protocol = points([PROTOCOLS[rule.protocol]])
                begun: Box = _KINDS[0 if rule.protocol == "tcp" else 1]
                yield target.host, {**to, **begun, "protocol": protocol, "dport": span}
                # An error about what is answered from there.
                about: Box = {"quoted_source": to["destination"], "quoted_protocol": protocol, "quoted_sport": span}
                yield target.host, {**to, **about, **QUOTING}
        if floating.port_id not in self.view.ports or gateway.owner is None:
            return
        port = own_port(self.view, floating)
        if port is not None and (not self.view.is_up(port) or has_leg(self.view, gateway, port.host)):
            return  # It is nobody's, or carried there, and nobody steers it.
        host = gateway.owner if port is None or port.host is None else port.host
        yield from ((host, {**to, **kind}) for kind in _KINDS)

    def _cases(self, router: Router, gateway: Gateway, near: RouterHost, host: HostName, box: Box) -> Iterator[Case]:
        network = str(self.view.networks[gateway.network_id].physical_network)
        namespace = naming.router_namespace(router.id)
        if not has_leg(self.view, gateway, near.host):
            return
        outside: Box = {"destination_mac": points([mac_number(near.mac_address)]), "source": public(self.view, 4)}
        judge = Crossing(router, gateway, near.host, host, Source(None, network), opens=True)
        yield Case("steered", judge, whole({**box, **outside}, 4))
        if near.host == gateway.owner:
            mine = points(ip_number(ip.ip_address) for ip in gateway.fixed_ips if address.version(ip.ip_address) == 4)
            misled: Box = {
                "source_mac": UNICAST,
                "destination_mac": points([mac_number(near.transit_mac)]),
                "source": mine,
            }
            source = Source(None, naming.transit_leg(gateway.port_id), near.host, namespace)
            judge = Crossing(router, gateway, near.host, host, source, opens=True)
            yield Case("steered", judge, whole({**box, **misled}, 4))
