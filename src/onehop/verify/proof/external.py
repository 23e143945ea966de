"""The outside, by the API's values: which address leads to whom, as whom an instance is seen, what nobody has."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from onehop.model.floating_ip import FloatingIp
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.identifier import NetworkId, PortId
from onehop.verify.packet import PROTOCOLS
from onehop.verify.proof.exits import exit_of
from onehop.verify.proof.promise import Form
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number, ip_text
from onehop.verify.proof.spans import Box, Numbers, every, numbers, points, without

_NOBODYS = {
    4: ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"),
    6: ("::/8", "fe80::/10", "ff00::/8"),
}


class Published(msgspec.Struct, frozen=True):
    """What an external address leads to.

    Attributes:
        router: which translates it.
        box: of packets to it.
        target: whose instance.
        destination: the fixed (or virtual) IP; `port` the inner port, None where it stays.
    """

    router: Router
    box: Box
    target: Port
    destination: int
    port: int | None

    @property
    def inner_ip(self) -> str:
        """The fixed (or virtual) IP in words."""
        return ip_text(self.destination, 4)


def translating(router: Router) -> Router:
    """A router as if it translated what has no floating IP."""
    gateway = router.gateway
    return router if gateway is None else replace(router, gateway=replace(gateway, enable_snat=True))


def public(view: Topology, version: int) -> Numbers:
    """Addresses that nobody in a topology has, and that can be somebody's, to which no extra route leads."""
    return _others(view, version, [route.destination for router in view.routers.values() for route in router.routes])


def nobodys(view: Topology, version: int) -> Numbers:
    """Addresses that nobody in a topology has, and that can be somebody's."""
    return _others(view, version, [])


def _others(view: Topology, version: int, routed: list[str]) -> Numbers:
    own = [s.cidr for s in view.subnets.values()] + routed
    taken = [span for cidr in (*own, *_NOBODYS[version]) if address.version(cidr) == version for span in span_of(cidr)]
    return without(every(32 if version == 4 else 128), numbers(taken))


def virtual(view: Topology) -> dict[PortId, list[str]]:
    """Addresses of pairs that instances have: each is held by the first bound port of its network that may."""
    found: dict[PortId, list[str]] = {}
    held: set[tuple[NetworkId, str]] = {
        (p.network_id, ip.ip_address) for p in view.ports.values() if p.bindings for ip in p.fixed_ips
    }
    for port in sorted(view.ports.values(), key=lambda one: one.id):
        for pair in port.allowed_address_pairs if port.host is not None else ():
            ip = pair.ip_address
            if "/" in ip:
                continue
            subnet = next((s for s in view.subnets_of(port.network_id) if address.contains(s.cidr, ip)), None)
            if subnet is not None and (port.network_id, ip) not in held:
                held.add((port.network_id, ip))
                found.setdefault(port.id, []).append(f"{ip}/{address.prefix_length(subnet.cidr)}")
    return found


def answers(router: Router) -> bool:
    """Whether somebody answers outside for a router."""
    return router.admin_state_up and router.gateway is not None and router.gateway.owner is not None


class External:
    """The outside of a topology."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self._virtual = {ip.partition("/")[0]: port for port, ips in virtual(view).items() for ip in ips}

    def published(self) -> Iterator[Published]:
        """Everything that leads inwards by translation."""
        for floating in self.view.floating_ips.values():
            router = self.view.routers.get(floating.router_id)
            if router is None or not answers(router):
                continue
            there = points([ip_number(floating.address)])
            target = self.holder(floating)
            if target is not None and floating.fixed_ip is not None:
                yield Published(router, {"destination": there}, target, ip_number(floating.fixed_ip), None)
            for rule in floating.forwardings:
                target = self.view.ports.get(rule.port_id)
                if target is None or target.host is None or not self.view.is_up(target):
                    continue
                for number in range(rule.external_last - rule.external_first + 1):
                    box: Box = {
                        "destination": there,
                        "protocol": points([PROTOCOLS[rule.protocol]]),
                        "dport": points([rule.external_first + number]),
                    }
                    inner = rule.internal_first + number
                    yield Published(router, box, target, ip_number(rule.internal_ip), inner)

    def holder(self, floating: FloatingIp) -> Port | None:
        """Whose instance has the address that a floating IP leads to."""
        port = self.view.ports.get(floating.port_id) if floating.port_id is not None else None
        if port is None:
            return None
        if port.host is not None and any(ip.ip_address == floating.fixed_ip for ip in port.fixed_ips):
            return port if self.view.is_up(port) else None
        holder = self._virtual.get(str(floating.fixed_ip))
        return self.view.ports.get(holder) if holder is not None else None

    def floating_of(self, router: Router, port: Port, ip: str) -> str | None:
        """The floating IP of an instance's address: of several the one with the lowest."""
        holds = any(one.ip_address == ip for one in port.fixed_ips)
        mine = [
            f.address
            for f in self.view.floating_ips_of(router.id)
            if f.fixed_ip == ip and (f.port_id == port.id or (not holds and self._virtual.get(ip) == port.id))
        ]
        return min(mine, key=ip_number, default=None)

    def floating_at(self, router: Router, ip: str) -> bool:
        """Whether a floating IP leads to an address."""
        return any(floating.fixed_ip == ip for floating in self.view.floating_ips_of(router.id))

    def has_block(self, router: Router, port: Port) -> bool:
        """Whether the host of an instance translates by ports of its own."""
        gateway = router.gateway
        places = gateway.hosts if gateway is not None and gateway.distributed else ()
        return any(place.host == port.host and place.blocks for place in places)

    def is_default(self, port: Port, ip: str, router: Router) -> bool:
        """Whether an instance answers by a router: it has the gateway's address on the subnet of this address."""
        subnets = {fixed.subnet_id for fixed in port.fixed_ips}
        for subnet in self.view.subnets_of(port.network_id):
            if subnet.id in subnets and address.contains(subnet.cidr, ip):
                own = {one.ip_address for leg in self.view.interfaces_of(router.id) for one in leg.fixed_ips}
                return subnet.gateway_ip in own
        return False

    def tells(self, published: Published) -> bool:
        """Whether errors are told too: of a forwarded port only where its host translates by a block of ports."""
        gateway = published.router.gateway
        translates = gateway is not None and gateway.enable_snat
        return published.port is None or (translates and self.has_block(published.router, published.target))

    def answering(self, router: Router, ip: str) -> list[Box]:
        """What an address may send as the answer of a forwarded port."""
        rules = (rule for floating in self.view.floating_ips_of(router.id) for rule in floating.forwardings)
        return [
            {
                "protocol": points([PROTOCOLS[rule.protocol]]),
                "sport": ((rule.internal_first, rule.internal_first + rule.external_last - rule.external_first),),
            }
            for rule in rules
            if rule.internal_ip == ip
        ]

    def beyond(self, router: Router, version: int) -> Numbers:
        """Everybody outside of a router, its neighbour upstream too."""
        gateway = router.gateway
        subnets = self.view.subnets_of(gateway.network_id) if gateway is not None else ()
        near = [s.gateway_ip for s in subnets if s.gateway_ip is not None and address.version(s.gateway_ip) == version]
        return numbers((*public(self.view, version), *points(map(ip_number, near))))

    def is_inside(self, router: Router, ip: str) -> bool:
        """Whether an address is of a router's subnets, or of what its extra routes lead to."""
        legs = (fixed.subnet_id for leg in self.view.interfaces_of(router.id) for fixed in leg.fixed_ips)
        known = [subnet.cidr for id in legs if (subnet := self.view.subnets.get(id)) is not None]
        return any(address.contains(cidr, ip) for cidr in (*known, *(route.destination for route in router.routes)))

    def seen_as(self, router: Router, port: Port, ip: str, *, ported: bool) -> Form:
        """As whom a router shows an instance to the outside (`ported`: by TCP, UDP or echo)."""
        gateway = router.gateway
        if gateway is None or address.version(ip) == 6:
            return Form()
        floating = self.floating_of(router, port, ip)
        if floating is not None:
            return Form(source=points([ip_number(floating)]))
        if not gateway.enable_snat:
            return Form()
        mine = [ip_number(one.ip_address) for one in gateway.fixed_ips if address.version(one.ip_address) == 4]
        chosen = exit_of(gateway, port)
        own = mine if chosen is None else [ip_number(chosen)]
        place = next((p for p in gateway.hosts if p.host == port.host), None)
        if not ported or place is None or not gateway.distributed or not place.blocks:
            return Form(source=points(own))
        blocks = [b for b in place.blocks if (ip_number(b.address) if b.address else mine[0]) in own]
        return Form(source=points(own), sport=numbers((b.first, b.last) for b in blocks))
