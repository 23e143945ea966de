"""Who may be seen outside, who is asked there, and what a router takes for its own: by the API's values."""

from collections.abc import Iterable

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import RouterId
from onehop.verify.packet import SOLICIT, SYN, Frame, Packet
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, every, meet, numbers, points, remainder, without

_LATE = points(flags for flags in range(256) if not flags & SYN)
_NOWHERE = span_of("169.254.0.0/16")


class Leaving:
    """The outer side of a topology's routers."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self._asked: dict[str, Numbers] = {}
        self._asked6: dict[str, Numbers] = {}
        gateways = [(router, router.gateway) for router in view.routers.values()]
        self._external = numbers(
            (ip_number(ip), ip_number(ip))
            for router, gateway in gateways
            if gateway is not None
            for ip in (*self._own(router.id), *(one.ip_address for one in gateway.fixed_ips))
            if ":" not in ip
        )
        for router, gateway in gateways:
            if gateway is None:
                continue
            upstream = {s.gateway_ip for s in view.subnets_of(gateway.network_id) if s.gateway_ip is not None}
            for place in gateway.hosts:
                heir = place.host in gateway.candidates or place.host == gateway.owner
                mine = set(self._own(router.id, None if heir else place.host))
                mine |= {one.ip_address for one in gateway.fixed_ips} if heir else set()
                known = mine | upstream | {address.link_local(place.mac_address)}
                self._asked[place.mac_address] = points(ip_number(ip) for ip in known if ":" not in ip)
                self._asked6[place.mac_address] = points(ip_number(ip) for ip in known if ":" in ip)

    def _own(self, router: str, host: str | None = None) -> list[str]:
        """A router's floating IPs (of one host: of its instances)."""
        found = []
        for floating in self.view.floating_ips_of(router):  # type: ignore[arg-type]  # an id
            port = self.view.ports.get(floating.port_id) if floating.port_id is not None else None
            if host is None or (port is not None and port.host == host):
                found.append(floating.address)
        return found

    def asked(self, arrival: Arrival, box: Box) -> list[Box]:
        """Questions from outside that a leg hears and that are for none of its addresses."""
        link = arrival.space.links.get(arrival.who)
        known = self._asked.get(link.mac or "") if link is not None else None
        question = meet(box, {"operation": points([1])})
        if known is None or question is None:
            return []
        name = "target" if "target" in box else "sender"
        return remainder(question, [{name: known}])

    def taken(self, box: Box) -> list[Box]:
        """Segments in mid-stream for an external address: nobody is at home there, and nobody may answer them."""
        if "flags" not in box:
            return []
        found = meet(box, {"protocol": points([6]), "flags": _LATE, "destination": self._external})
        return [] if found is None or not self._external else [found]

    def unseen(self, port: Port, sent: Frame, came: Packet, box: Box) -> list[Box]:
        """What goes out and is neither translated nor of a prefix that is not."""
        was = sent.payload
        if not isinstance(was, Packet) or self.view.networks[port.network_id].network_type == "flat":
            return []
        stray = (
            meet(box, {"destination": _NOWHERE}) if came.destination == was.destination and was.version == 4 else None
        )
        if stray is not None:
            return [stray]
        if came.destination == was.destination:
            led = self._led_out(port, was.version)
            beyond = remainder(box, [{"destination": led}] if led else [])
            if beyond:
                return beyond
        if came.source != was.source:
            return [] if self._is_external(came.source) else [box]
        open_ = numbers(span for cidr in self._untranslated(was.version) for span in span_of(cidr))
        return remainder(box, [{"source": open_}] if open_ else [])

    def from_outside(self, target: Port, version: int) -> list[Box]:
        """As whom somebody outside may come in: no instance, nothing link-local, no router but from our legs."""
        if self.view.networks[target.network_id].network_type == "flat":
            return [{}]
        return self.strangers({leg.router_id for leg in self._legs(target) if leg.router_id is not None}, version)

    def strangers(self, routers: Iterable[RouterId], version: int) -> list[Box]:
        """As whom somebody outside may come in to some routers."""
        routers = list(routers)
        inside = [s for router in routers for s in self._subnets(router) if address.version(s) == version]
        # Programs take an IPv4-mapped source for the IPv4 address in it (RFC 4942, 2.2).
        nobodys = ("169.254.0.0/16",) if version == 4 else ("fe80::/10", "::ffff:0:0/96")
        never = numbers(span for cidr in (*inside, *nobodys) for span in span_of(cidr))
        outer = [ip for router in routers for ip in self._outer(router) if address.version(ip) == version]
        mine = points(map(ip_number, outer))
        others = without(without(every(32 if version == 4 else 128), never), mine)
        macs = points(mac_number(mac) for mac in self._asked)
        # IPv6 addresses of a router are its own legs' on the owner only: from there nothing comes by the outside.
        peers = version == 4 and macs and mine
        return [{"source": others}, {"source": mine, "source_mac": macs}] if peers else [{"source": others}]

    def called(self, routers: Iterable[RouterId], version: int) -> Numbers:
        """What somebody outside may call by some routers: their addresses outside, and prefixes not translated."""
        found: list[tuple[int, int]] = []
        for router in routers:
            found += points(ip_number(ip) for ip in self._outer(router) if address.version(ip) == version)
            gateway = self.view.routers[router].gateway
            if gateway is not None and (version == 6 or not gateway.enable_snat):
                for cidr in (*self._subnets(router), *(r.destination for r in self.view.routers[router].routes)):
                    found += span_of(cidr) if address.version(cidr) == version else ()
        return numbers(found)

    def inside(self, router: RouterId, version: int) -> Numbers:
        """Prefixes inside of a router, and what its extra routes lead to."""
        routes = [route.destination for route in self.view.routers[router].routes]
        known = (cidr for cidr in (*self._subnets(router), *routes) if address.version(cidr) == version)
        return numbers(span for cidr in known for span in span_of(cidr))

    def outer(self, router: RouterId, version: int) -> Numbers:
        """A router's addresses outside."""
        return points(ip_number(ip) for ip in self._outer(router) if address.version(ip) == version)

    def asked6(self, arrival: Arrival, box: Box) -> list[Box]:
        """The same of solicitations."""
        link = arrival.space.links.get(arrival.who)
        known = self._asked6.get(link.mac or "") if link is not None else None
        question = meet(box, {"protocol": points([58]), "type": points([SOLICIT])})
        return [] if known is None or question is None else remainder(question, [{"target": known}])

    def _outer(self, router: RouterId) -> list[str]:
        """A router's addresses outside."""
        known = self.view.routers.get(router)
        gateway = known.gateway if known is not None else None
        return self._own(router) + [one.ip_address for one in gateway.fixed_ips] if gateway is not None else []

    def _legs(self, target: Port) -> list[Port]:
        return [leg for leg in self.view.legs_on(target.network_id) if leg.router_id is not None]

    def _subnets(self, router: RouterId | None) -> list[str]:
        legs = self.view.interfaces_of(router) if router is not None else []
        known = [self.view.subnets.get(ip.subnet_id) for leg in legs for ip in leg.fixed_ips]
        return [subnet.cidr for subnet in known if subnet is not None]

    def _is_external(self, ip: str) -> bool:
        number = ip_number(ip)
        return any(first <= number <= last for first, last in self._external)

    def _led_out(self, port: Port, version: int) -> Numbers:
        """Destinations that lead from a port's network to a router with a gateway, by default or by extra routes."""
        everything = span_of("0.0.0.0/0" if version == 4 else "::/0")
        found: list[tuple[int, int]] = []
        for leg in self.view.legs_on(port.network_id):
            router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
            if router is None or not router.admin_state_up:
                continue
            found += everything if router.gateway is not None else ()
            for route in router.routes:
                if address.version(route.destination) == version:
                    found += span_of(route.destination)
        return numbers(found)

    def _untranslated(self, version: int) -> set[str]:
        """Prefixes that routers lead out as they are."""
        found: set[str] = set()
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or (version == 4 and gateway.enable_snat):
                continue
            subnets = [
                self.view.subnets.get(ip.subnet_id)
                for leg in self.view.interfaces_of(router.id)
                for ip in leg.fixed_ips
            ]
            found |= {s.cidr for s in subnets if s is not None and address.version(s.cidr) == version}
            found |= {r.destination for r in router.routes if address.version(r.destination) == version}
        return found
