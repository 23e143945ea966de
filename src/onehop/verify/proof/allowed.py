"""Which frames may come from one port to another, by the API's values: shared networks, routers, what is published.

Nothing here looks at what the compiler makes. A way through routers is followed by their interfaces and extra routes as
the API has them; from outside there is a way to floating IPs, to forwarded ports and to prefixes that routers do not
translate.
"""

from collections.abc import Iterable, Iterator

from onehop.model.floating_ip import FloatingIp
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import NetworkId, PortId, RouterId
from onehop.verify.packet import PROTOCOLS
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import GROUPS, ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, numbers, points, without
from onehop.verify.route import LINK_LOCALS

_NOWHERE = span_of("169.254.0.0/16")
"""Dies in every router (RFC 3927, 7)."""


class Allowed:
    """What the API allows, of one topology."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self._outside: dict[PortId, list[Box]] | None = None

    def boxes(self, source: Port | None, target: Port, version: int) -> list[Box]:
        """Boxes of frames of an IP version that may come to a port; of ARP (0) those of its own network.

        Args:
            source: who sends; None is the outside.
            target: to whom.
            version: of IP, or 0.
        """
        if source is None:
            if self._is_flat(target.network_id):
                return [{}]
            return self._published(target, version) if version else []
        found = list(self._beside(source, target)) if source.network_id == target.network_id else []
        if version == 0:
            return found
        legs = points(mac_number(leg.mac_address) for leg in self.view.legs_on(source.network_id))
        routed = self._published(target, version) if self._leaves(source.network_id) else []
        mine = [ip for ip in _addresses(target) if address.version(ip) == version]
        routed += [{"destination": some} for ip in mine if (some := self.inside(source.network_id, ip, target))]
        if version == 6 and source.network_id == target.network_id:
            # A router sends back to its link what is for the link only.
            routed.append({"destination": span_of(LINK_LOCALS)})
        flat = self._is_flat(source.network_id)
        return [*found, *(box if flat else {**box, "destination_mac": legs} for box in routed)]

    def _beside(self, source: Port, target: Port) -> Iterator[Box]:
        """On one network: what is sent to groups, and to a MAC of the port's; where MACs move, to any."""
        pairs = [
            pair.mac_address for port in self.view.ports_of(source.network_id) for pair in port.allowed_address_pairs
        ]
        if self._is_flat(source.network_id) or len(set(pairs)) < len(pairs):
            yield {}
            return
        yield {"destination_mac": GROUPS}
        own = {target.mac_address, *(pair.mac_address for pair in target.allowed_address_pairs)}
        yield {"destination_mac": points(map(mac_number, own))}

    def inside(self, start: NetworkId, ip: str, target: Port) -> Numbers:
        """Destinations by which routers between networks lead from one to an address of a port."""
        return self._by_routers((leg.router_id for leg in self.view.legs_on(start)), ip, target)

    def by_router(self, router: Router, ip: str, target: Port) -> Numbers:
        """Destinations by which one router leads to an address of a port."""
        return self._by_routers([router.id], ip, target)

    def _by_routers(self, first: Iterable[RouterId | None], ip: str, target: Port) -> Numbers:
        some = span_of(ip) if "/" in ip else points([ip_number(ip)])
        seen: set[RouterId] = set()
        todo = list(first)
        found: list[tuple[int, int]] = []
        while todo:
            router = self.view.routers.get(todo.pop() or RouterId(""))
            if router is None or router.id in seen or not router.admin_state_up:
                continue
            seen.add(router.id)
            if self.is_connected(router, target, ip):
                found.extend(some)
            for route in router.routes:
                if address.version(route.destination) != address.version(ip):
                    continue
                holder = self._holder(router, route.nexthop)
                if holder is not None and holder.router_id is not None:
                    todo.append(holder.router_id)
                elif route.nexthop in _addresses(target) and self.is_connected(router, target, route.nexthop):
                    found.extend(span_of(route.destination))
        return without(numbers(found), _NOWHERE) if "." in ip else numbers(found)

    def is_connected(self, router: Router, target: Port, ip: str) -> bool:
        """Whether a router has an interface on the target's network, in a subnet of this address."""
        for leg in self.view.interfaces_of(router.id):
            if leg.network_id == target.network_id:
                for fixed in leg.fixed_ips:
                    subnet = self.view.subnets.get(fixed.subnet_id)
                    if subnet is not None and address.contains(subnet.cidr, ip.partition("/")[0]):
                        return True
        return False

    def _holder(self, router: Router, nexthop: str) -> Port | None:
        for leg in self.view.interfaces_of(router.id):
            for port in self.view.ports_of(leg.network_id):
                if port.id != leg.id and any(ip.ip_address == nexthop for ip in port.fixed_ips):
                    return port
        return None

    def _is_flat(self, network: NetworkId) -> bool:
        return self.view.networks[network].network_type == "flat"

    def _leaves(self, start: NetworkId) -> bool:
        """Whether something of a network may come to the outside: by a gateway, or because it is the outside."""
        if self._is_flat(start):
            return True
        return any(r.gateway is not None for r in self._routers_from(start))

    def _routers_from(self, start: NetworkId) -> Iterator[Router]:
        seen: set[RouterId] = set()
        todo = [leg.router_id for leg in self.view.legs_on(start)]
        while todo:
            router = self.view.routers.get(todo.pop() or RouterId(""))
            if router is None or router.id in seen or not router.admin_state_up:
                continue
            seen.add(router.id)
            yield router
            holders = (self._holder(router, route.nexthop) for route in router.routes)
            todo.extend(holder.router_id for holder in holders if holder is not None)

    def _published(self, target: Port, version: int) -> list[Box]:
        found: list[Box] = []
        for floating in self.view.floating_ips.values() if version == 4 else ():
            found.extend(_leading(floating, target))
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not router.admin_state_up or (version == 4 and gateway.enable_snat):
                continue
            # Who translates nothing passes on what it has a way to, by extra routes too.
            mine = [ip for ip in _addresses(target) if address.version(ip) == version]
            ways = (self._by_routers([router.id], ip, target) for ip in mine)
            found += [{"destination": some} for some in ways if some]
        return found


def _leading(floating: FloatingIp, target: Port) -> Iterator[Box]:
    destination = points([ip_number(floating.address)])
    if floating.port_id == target.id or floating.fixed_ip in _addresses(target):
        yield {"destination": destination}
    for forwarding in floating.forwardings:
        if forwarding.port_id == target.id:
            yield {
                "destination": destination,
                "protocol": points([PROTOCOLS[forwarding.protocol]]),
                "dport": ((forwarding.external_first, forwarding.external_last),),
            }


def _addresses(port: Port) -> list[str]:
    """Addresses and prefixes that a port may hold."""
    return [*(ip.ip_address for ip in port.fixed_ips), *(pair.ip_address for pair in port.allowed_address_pairs)]
