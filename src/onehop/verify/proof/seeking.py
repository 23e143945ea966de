"""The proof that a router finds an address that may be anywhere, and asks across the underlay for nothing else.

Whose place nobody knows is asked for by the legs of every host: for such an address the question is heard on all hosts,
and whoever holds it answers to the leg that asked (`onehop.compiler.question`). What gateways say otherwise stays at
home.
"""

from collections.abc import Iterator, Mapping

from onehop.model.port import Port
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName
from onehop.verify.packet import Arp, Frame, Packet, group_mac, solicitation, target_of
from onehop.verify.proof.asking import who_has
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.external import virtual
from onehop.verify.proof.hearing import Hearing
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.probe import Probe
from onehop.verify.proof.promise import whole
from onehop.verify.proof.reach import probe
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, both, numbers, points, size, without
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.world import World

_GROUP = "ff02::1:ff00:0/104"
_GROUP_MACS: Numbers = ((mac_number("33:33:ff:00:00:00"), mac_number("33:33:ff:ff:ff:ff")),)


class Seeking:
    """Asks as every leg on an overlay network, on every host."""

    def __init__(self, view: Topology) -> None:
        self.view, self.hearing, self._virtual = view, Hearing(view), virtual(view)

    def cases(self) -> Iterator[Case]:
        """For each leg, host and subnet: who is held somewhere, one by one, and all that can be nowhere."""
        for leg in self.view.ports.values():
            router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
            vni = self.view.networks[leg.network_id].vni
            if router is None or not router.admin_state_up or not leg.admin_state_up or vni is None:
                continue
            for fixed in leg.fixed_ips:
                subnet = self.view.subnets.get(fixed.subnet_id)
                if subnet is not None:
                    for host in self.view.hosts:
                        yield from self._asked(leg, fixed.ip_address, subnet, host, str(vni))

    def _asked(self, leg: Port, mine: str, subnet: Subnet, host: HostName, vni: str) -> Iterator[Case]:
        version = address.version(mine)
        for port, ip in self._held(leg, subnet):
            judge = _Judge(self.hearing, leg, host, vni, version, mac=port.mac_address)
            yield Case("seeking", judge, _question(leg, mine, points([ip_number(ip)]), ip))
        for port, some in self._opened(leg, version):
            targets = both(some, span_of(subnet.cidr))
            if targets:
                judge = _Judge(self.hearing, leg, host, vni, version, port=port.id)
                yield Case("seeking", judge, _question(leg, mine, targets))
        own = points(ip_number(ip.ip_address) for one in self.view.legs_on(leg.network_id) for ip in one.fixed_ips)
        nowhere = without(without(span_of(subnet.cidr), own), self._pairs(leg, version))
        if nowhere:
            yield Case("seeking", _Judge(self.hearing, leg, host, vni, version), _question(leg, mine, nowhere))

    def _held(self, leg: Port, subnet: Subnet) -> Iterator[tuple[Port, str]]:
        """Virtual addresses of a subnet, and who has them."""
        for port in self.view.ports_of(leg.network_id):
            for held in self._virtual.get(port.id, ()) if self.view.is_up(port) else ():
                ip = held.partition("/")[0]
                if address.contains(subnet.cidr, ip):
                    yield port, ip

    def _opened(self, leg: Port, version: int) -> Iterator[tuple[Port, Numbers]]:
        """Ports whose pairs open prefixes, with the addresses there that are nobody's: any of them may be theirs."""
        ports = self.view.ports_of(leg.network_id)
        taken = points(ip_number(ip.ip_address) for port in ports for ip in port.fixed_ips)
        for port in ports:
            wide = [pair.ip_address for pair in port.allowed_address_pairs if "/" in pair.ip_address]
            spans = numbers(span for ip in wide if address.version(ip) == version for span in span_of(ip))
            if spans and port.host is not None and self.view.is_up(port):
                yield port, without(spans, taken)

    def _pairs(self, leg: Port, version: int) -> Numbers:
        ports = self.view.ports_of(leg.network_id)
        pairs = (pair.ip_address for port in ports for pair in port.allowed_address_pairs)
        return numbers(span for ip in pairs if address.version(ip) == version for span in span_of(ip))


class _Judge:
    """Judges the questions of a leg on one host: `mac` is whose answer is to come, `port` who is to hear them.

    Without both they are to stay at home.
    """

    def __init__(
        self, hearing: Hearing, leg: Port, host: HostName, vni: str, version: int, *, mac: str = "", port: str = ""
    ) -> None:
        self.hearing, self.host, self.vni, self.mac, self.port = hearing, host, vni, mac, port
        self.family = 0 if version == 4 else 6
        self.namespace = naming.router_namespace(leg.router_id) if leg.router_id is not None else ""
        self.link = naming.leg(leg.id)

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        here = world.spaces(self.host).get(self.namespace)
        if here is None or self.link not in here.links:
            return iter(())
        return judged(world, self.family, box, lambda world, frame, listener: self._walk(world, here, frame, listener))

    def _walk(self, world: World, here: Space, frame: Frame, listener: Listener) -> "_Found":
        walk = probe(world, listener)
        _ask(walk, here, self.link, frame)
        target = _target(frame)
        found = walk.learned.get((here, self.link, target), "")
        listener.observed("found", target, found)
        crossed = any(one.kind == "tunnel" and one.who == self.vni for one in walk.heard)
        side = self.hearing.side(walk.heard)
        if side is not None:
            return _Found(frame, side[0])
        if self.mac and found != self.mac:
            return _Found(frame, f"is asked for by a leg on {self.host}, and found at {found or 'nobody'}")
        if self.port and not any(one.kind == "port" and one.who == self.port for one in walk.heard):
            return _Found(frame, f"may be anywhere, and is asked for by a leg on {self.host} so that no one hears it")
        if not self.mac and not self.port and crossed:
            return _Found(frame, f"is nowhere, and asked for across the underlay from {self.host}")
        return _Found(frame, "")


def _ask(walk: Probe, here: Space, link: str, frame: Frame) -> None:
    leg, payload = here.links[link], frame.payload
    if isinstance(payload, Packet):
        walk.on_link(here, leg, payload, frame.destination)
        return
    passing = Passing(Frame(leg.mac or "", frame.destination, payload), outgoing=link)
    if walk.hooks(here).arp("output", passing) is None:
        walk.transmit(here, leg, passing.frame, ())


class _Found:
    def __init__(self, frame: Frame, what: str) -> None:
        self.frame, self.what = frame, what

    def __call__(self, _values: Mapping[str, int], box: Box) -> Violation | None:
        return Violation(self.what, "", "", str(Passing(self.frame)), size(box)) if self.what else None


def _target(frame: Frame) -> str:
    payload = frame.payload
    return payload.target if isinstance(payload, Arp) else target_of(payload) or ""


def _question(leg: Port, mine: str, targets: Numbers, one: str = "") -> Box:
    """A leg's questions for some addresses; for the one, where it is one, to its own group."""
    if address.version(mine) == 4:
        return who_has(leg, mine, targets)
    mac = points([mac_number(leg.mac_address)])
    own = address.link_local(leg.mac_address)
    group = solicitation(own, leg.mac_address, one).destination if one else ""
    macs = points([mac_number(group_mac(group))]) if one else _GROUP_MACS
    return whole(
        {
            "source_mac": mac,
            "destination_mac": macs,
            "source": points([ip_number(own)]),
            "destination": points([ip_number(group)]) if one else span_of(_GROUP),
            "protocol": points([58]),
            "type": points([135]),
            "code": points([0]),
            "target": targets,
            "option": points([0x101]),
            "option_mac": points([int.from_bytes(address.pack_mac(leg.mac_address))]),
        },
        6,
    )
