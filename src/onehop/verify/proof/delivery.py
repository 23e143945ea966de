"""That what the API promises works: for every promised way one question of each protocol, with its answer.

No proof over all packets, as the others are: it is what keeps an empty data plane from being perfectly isolated, and it
finds what is broken without anybody reaching anybody else.
"""

from collections.abc import Iterator

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.isolation import Violation
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import holds
from onehop.verify.trace import Question, Trace, trace
from onehop.verify.world import FAR, World

_PROTOCOLS = ("icmp", "tcp", "udp")


class Delivery:
    """Asks every promised way.

    Attributes:
        questions: how many were asked.
    """

    def __init__(self, view: Topology, world: World) -> None:
        self.view = view
        self.world = world
        self.allowed = Allowed(view)
        self.questions = 0

    def violations(self) -> Iterator[Violation]:
        """What should be answered and is not, or by or as somebody else."""
        ports = [p for p in self.view.ports.values() if p.router_id is None and self.world.instance(p.id) is not None]
        for port in ports:
            for other in ports:
                if other.id != port.id:
                    yield from self._between(port, other)
            yield from self._outwards(port)
        yield from self._inwards()

    def _between(self, port: Port, other: Port) -> Iterator[Violation]:
        """Fixed addresses of one another, where each has a way to the other."""
        for mine in port.fixed_ips:
            for its in other.fixed_ips:
                if address.version(mine.ip_address) != address.version(its.ip_address):
                    continue
                near = port.network_id == other.network_id and mine.subnet_id == its.subnet_id
                if near or (self._leads(port, its.ip_address, other) and self._leads(other, mine.ip_address, port)):
                    wanted = (other, mine.ip_address, its.ip_address, 0)
                    for protocol in _PROTOCOLS:
                        question = _question(port, its.ip_address, protocol, mine.ip_address)
                        yield from self._asked(question, wanted, tracked=False)

    def _leads(self, port: Port, ip: str, target: Port) -> bool:
        return holds(self.allowed.inside(port.network_id, ip, target), ip_number(ip))

    def _outwards(self, port: Port) -> Iterator[Violation]:
        """To the outside, by the floating IP that the API says, or the gateway's address."""
        for leg in self.view.legs_on(port.network_id):
            router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
            gateway = router.gateway if router is not None and router.admin_state_up else None
            if router is None or gateway is None or gateway.owner is None:
                continue
            subnets = {ip.subnet_id for ip in leg.fixed_ips if self._is_gateway(leg, ip.subnet_id)}
            for mine in port.fixed_ips:
                if mine.subnet_id not in subnets:
                    continue
                version = address.version(mine.ip_address)
                outer = [ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == version]
                floating = [
                    f.address
                    for f in self.view.floating_ips_of(router.id)
                    if f.port_id == port.id and f.fixed_ip == mine.ip_address
                ]
                seen = floating or (outer if version == 4 and gateway.enable_snat else [mine.ip_address])
                if outer:
                    for protocol in _PROTOCOLS:
                        question = _question(port, FAR[version], protocol, mine.ip_address)
                        yield from self._asked(question, (None, seen[0], FAR[version], 0), tracked=None)

    def _is_gateway(self, leg: Port, subnet: str) -> bool:
        known = self.view.subnets.get(subnet)  # type: ignore[call-overload]  # an id
        return known is not None and any(ip.ip_address == known.gateway_ip for ip in leg.fixed_ips)

    def _inwards(self) -> Iterator[Violation]:
        """From outside, and from every port that may: what is published."""
        for floating in self.view.floating_ips.values():
            router = self.view.routers.get(floating.router_id)
            if router is None or router.gateway is None or router.gateway.owner is None or not router.admin_state_up:
                continue
            port = self.view.ports.get(floating.port_id) if floating.port_id is not None else None
            if port is not None and floating.fixed_ip is not None and self._is_at(port, floating.fixed_ip):
                for protocol in _PROTOCOLS:
                    question = _question(None, floating.address, protocol, "")
                    yield from self._asked(question, (port, "", floating.fixed_ip, 0), tracked=None)
            for forwarding in floating.forwardings:
                target = self.view.ports.get(forwarding.port_id)
                if target is not None and self._is_at(target, forwarding.internal_ip):
                    wanted = (target, "", forwarding.internal_ip, forwarding.internal_first)
                    question = _question(None, floating.address, forwarding.protocol, "", forwarding.external_first)
                    yield from self._asked(question, wanted, tracked=None)

    def _is_at(self, port: Port, ip: str) -> bool:
        return self.world.instance(port.id) is not None and any(one.ip_address == ip for one in port.fixed_ips)

    def _asked(
        self, question: Question, wanted: tuple[Port | None, str, str, int], *, tracked: bool | None
    ) -> Iterator[Violation]:
        self.questions += 1
        found = trace(self.world, question)
        target, seen, reached, number = wanted
        what = ""
        if found.outcome != "answered":
            what = f"is not answered: {found.summary}"
        elif found.end.port != ("" if target is None else target.id) or found.reached != reached:
            what = f"comes to {found.end} as {found.reached}, not to {reached}"
        elif seen and found.seen != seen:
            what = f"is seen as {found.seen}, not as {seen}"
        elif number and found.reached_port != number:
            what = f"comes to port {found.reached_port}, not {number}"
        elif tracked is False and found.tracked:
            what = "is kept in connection tracking, which each direction sees the half of"
        if what:
            yield _violation(question, target, found, what)


def _question(port: Port | None, destination: str, protocol: str, source: str, number: int = 80) -> Question:
    return Question(
        port=None if port is None else port.id,
        destination=destination,
        protocol=protocol,
        destination_port=number,
        source=source,
    )


def _violation(question: Question, target: Port | None, found: Trace, what: str) -> Violation:
    return Violation(what, question.port or "", "" if target is None else target.id, found.packet, 1, found.there)
