"""What nobody should hear while something else is asked: who may ask outside as whom, and what stays at home."""

from collections import defaultdict
from collections.abc import Iterable

from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import NetworkId
from onehop.verify.packet import ADVERTISE, SOLICIT, Arp, Frame, Packet, target_of
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.sample import ARPS, PACKETS, ip_number
from onehop.verify.proof.spans import Box, meet, points
from onehop.verify.trail import Trail

_ROUTER = (133, 134)


class Hearing:
    """By the API's values: who has which address outside, and which addresses are gateways'."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self.published: dict[str, set[str]] = defaultdict(set)
        self.outside: set[str] = set()
        for router in view.routers.values():
            gateway = router.gateway
            for place in gateway.hosts if gateway is not None else ():
                mine = self.published[place.mac_address]
                for floating in view.floating_ips_of(router.id):
                    port = view.ports.get(floating.port_id) if floating.port_id is not None else None
                    if gateway is not None and (
                        place.host == gateway.owner or (port is not None and port.host == place.host)
                    ):
                        mine.add(floating.address)
                if gateway is not None and place.host == gateway.owner:
                    mine |= {ip.ip_address for ip in gateway.fixed_ips}
            self.outside |= {ip.ip_address for ip in gateway.fixed_ips} if gateway is not None else set()
            self.outside |= {floating.address for floating in view.floating_ips_of(router.id)}
        routed = (router.gateway for router in view.routers.values() if router.gateway is not None)
        self._gateways_outside = {ip.ip_address for gateway in routed for ip in gateway.fixed_ips}
        self._legs = {ip.ip_address for p in view.ports.values() if p.router_id is not None for ip in p.fixed_ips}
        self._legs |= {address.link_local(p.mac_address) for p in view.ports.values() if p.router_id is not None}
        self._probes = {mac for network in view.networks for mac in self.probes(network)}
        self._known = {
            (naming.leg(leg.id), ip.ip_address)
            for leg in view.ports.values()
            if leg.router_id is not None
            for port in view.ports_of(leg.network_id)
            for ip in port.fixed_ips
            if port.bindings and port.router_id is None
        }
        self._home = {str(n.vni): self._gateways(n.id) for n in view.networks.values() if n.vni is not None}

    def _gateways(self, network: NetworkId) -> set[str]:
        legs = [leg for leg in self.view.legs_on(network) if self._is_held(leg.router_id)]
        ips = {ip.ip_address for leg in legs for ip in leg.fixed_ips}
        six = [leg for leg in legs if any(":" in ip.ip_address for ip in leg.fixed_ips)]
        return ips | {address.link_local(leg.mac_address) for leg in six}

    def _is_held(self, router: str | None) -> bool:
        known = self.view.routers.get(router) if router is not None else None  # type: ignore[call-overload]  # an id
        return known is not None and known.admin_state_up

    def is_routers(self, ip: str, asker: str | None, called: str) -> bool:
        """Whether a router may be heard of by this address: from inside one outside or a leg's, from outside (`asker`
        is None) only its own or the one that was called."""
        return ip in self._gateways_outside or (ip == called if asker is None else ip in self.outside | self._legs)

    def is_known(self, leg: str, ip: str) -> bool:
        """Whether an address is a bound port's own, on the network of a leg: then nobody need ask for it."""
        return (leg, ip) in self._known

    def side(self, heard: Iterable[Arrival]) -> tuple[str, Trail] | None:
        """What is wrong with what was heard besides the frame that was asked about."""
        for arrival in heard:
            payload = arrival.frame.payload
            if arrival.kind == "host":
                return "comes to the host's own stack", arrival.trail
            if arrival.kind == "tunnel" and not arrival.asked and self.is_home(arrival.who, arrival.frame):
                return f"makes a gateway speak across the underlay: {payload}", arrival.trail
            if arrival.kind == "outside" and isinstance(payload, Arp) and payload.operation == Arp.REQUEST:
                known = self.published.get(payload.sender_mac)
                if known is not None and payload.sender not in {*known, "0.0.0.0"}:  # noqa: S104  # nobody's address
                    return f"makes {payload.sender_mac} ask outside as {payload.sender}", arrival.trail
        return None

    def is_home(self, vni: str, frame: Frame) -> bool:
        """Whether a frame speaks of a gateway, which stays at home."""
        if frame.source in self._probes:
            return False  # what is asked of others under a MAC that nobody else has
        home, payload = self._home.get(vni, set()), frame.payload
        if isinstance(payload, Arp):
            return payload.sender in home or payload.target in home
        return self._discovers(payload, home)

    def _discovers(self, packet: Packet, home: set[str]) -> bool:
        if packet.protocol != 58 or not any(":" in ip for ip in home):
            return False
        if packet.type in _ROUTER:
            return True
        return packet.type in (SOLICIT, ADVERTISE) and (packet.source in home or target_of(packet) in home)

    def boxes(self, vni: str) -> list[tuple[int, Box]]:
        """All frames that speak of a network's gateways: family and box."""
        home = self._home.get(vni, set())
        four = points(ip_number(ip) for ip in home if ":" not in ip)
        six = points(ip_number(ip) for ip in home if ":" in ip)
        found: list[tuple[int, Box]] = []
        if four:
            found += [(0, {**ARPS, "sender": four}), (0, {**ARPS, "target": four})]
        if six:
            for box in ({"type": points(_ROUTER)}, {"source": six}, {"target": six}):
                kinds: Box = {"protocol": points([58]), "type": points([SOLICIT, ADVERTISE])}
                found.append((6, meet({**PACKETS[6], **kinds, **box}, {}) or {}))
        return found

    def probes(self, network: NetworkId) -> set[str]:
        """MACs under which legs may ask across the underlay."""
        legs = self.view.legs_on(network)
        return {naming.probe_mac(host, leg.id) for leg in legs for host in self.view.hosts}
