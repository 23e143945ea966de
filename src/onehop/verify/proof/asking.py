"""The proof that who asks for a neighbour gets the neighbour's MAC: from its own host where the address is known.

Every bound port's own addresses are known to every host of its network, so that questions for them need not cross the
underlay; and a neighbour that is asked at its own address hears that, whatever its security groups say.
"""

from collections.abc import Iterator, Mapping

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.address import pack_mac
from onehop.verify.packet import ADVERTISE, SOLICIT, Arp, Frame, group_mac, mac_in, solicitation, target_of
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.probe import Arrival
from onehop.verify.proof.promise import whole
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.sample import ARPS, ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, points
from onehop.verify.subject import Passing
from onehop.verify.world import World

_BROADCAST = "ff:ff:ff:ff:ff:ff"


class Asking:
    """Asks, as every port, for every neighbour."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self._ports = [p for p in view.ports.values() if p.router_id is None and p.host in view.hosts and view.is_up(p)]

    def cases(self) -> Iterator[Case]:
        """One for each question."""
        for port in self._ports:
            if self.view.networks[port.network_id].network_type == "flat":
                continue
            neighbours = [p for p in self._ports if p.network_id == port.network_id and p.id != port.id]
            for other in neighbours:
                for mine, its in _pairs(port, other):
                    yield self._case(port, other, its, *_asked(port, mine, its))
                    if address.version(its) == 6:
                        for kind in (SOLICIT, ADVERTISE):
                            box = _straight(port, mine, other, its, kind)
                            yield self._case(port, other, its, 6, box, straight=True)
            for leg in self.view.legs_on(port.network_id):
                router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
                if router is not None and router.admin_state_up and leg.admin_state_up:
                    for mine, its in _pairs(port, leg):
                        yield self._case(port, leg, its, *_asked(port, mine, its))

    def _case(self, port: Port, other: Port, its: str, version: int, box: Box, *, straight: bool = False) -> Case:
        return Case("asking", _Judge(port, other, its, version, straight=straight), box)


class _Judge:
    """Judges one question."""

    def __init__(self, port: Port, other: Port, ip: str, version: int, *, straight: bool) -> None:
        self.port, self.other, self.ip = port, other, ip
        self.version, self.straight = version, straight

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        def walk(world: World, frame: Frame, listener: Listener) -> "_Found":
            heard, _ = send(probe(world, listener), Source(self.port.id), frame)
            return _Found(self, frame, heard)

        return judged(world, self.version, box, walk)

    def wrong(self, heard: list[Arrival]) -> tuple[str, Arrival | None]:
        """What is wrong with who heard what; empty where nothing is."""
        asked = [one for one in heard if one.kind == "port" and one.asked]
        answers = [(one, _told(one.frame, self.ip)) for one in heard if one.kind == "port" and not one.asked]
        told = [(one, mac) for one, mac in answers if mac and one.who == self.port.id]
        crossed = next((one for one in heard if one.kind == "tunnel"), None)
        if crossed is not None and not self.straight:
            return f"asks for {self.ip}, which is known, across the underlay", crossed
        stranger = next((one for one, mac in told if mac != self.other.mac_address), None)
        if stranger is not None:
            return f"asks for {self.ip}, and is told another MAC than {self.other.mac_address}", stranger
        if self.straight and any(one.who != self.other.id for one in asked):
            return f"speaks to {self.ip}, and somebody else hears it", asked[0]
        if len(told) + sum(one.who == self.other.id for one in asked) != 1:
            return f"asks for {self.ip}, and not one answers", None
        return "", None


class _Found:
    """What became of a question."""

    def __init__(self, judge: _Judge, frame: Frame, heard: list[Arrival]) -> None:
        self.judge, self.frame, self.heard = judge, frame, heard

    def __call__(self, _values: Mapping[str, int], _box: Box) -> Violation | None:
        what, arrival = self.judge.wrong(self.heard)
        if not what:
            return None
        trail = arrival.trail if arrival is not None else ()
        return Violation(what, self.judge.port.id, self.judge.other.id, str(Passing(self.frame)), 1, trail)


def _pairs(port: Port, other: Port) -> Iterator[tuple[str, str]]:
    """Addresses of two ports on one subnet."""
    for mine in port.fixed_ips:
        for its in other.fixed_ips:
            if mine.subnet_id == its.subnet_id:
                yield mine.ip_address, its.ip_address


def _told(frame: Frame, ip: str) -> str:
    """The MAC that an answer tells of an address; empty where it is none."""
    payload = frame.payload
    if isinstance(payload, Arp):
        return payload.sender_mac if payload.operation == Arp.REPLY and payload.sender == ip else ""
    if payload.type != ADVERTISE or target_of(payload) != ip:
        return ""
    return mac_in(payload) or frame.source


def who_has(port: Port, mine: str, targets: Numbers) -> Box:
    """A port's ARP questions to all for some addresses."""
    mac = points([mac_number(port.mac_address)])
    question: Box = {
        "source_mac": mac,
        "destination_mac": points([mac_number(_BROADCAST)]),
        "operation": points([Arp.REQUEST]),
        "sender_mac": mac,
        "sender": points([ip_number(mine)]),
        "target_mac": ((0, 0),),
        "target": targets,
    }
    return {name: question[name] for name in ARPS}


def _asked(port: Port, mine: str, its: str) -> tuple[int, Box]:
    """The question to all, ARP or a solicitation."""
    if address.version(its) == 4:
        return 0, who_has(port, mine, points([ip_number(its)]))
    group = solicitation(mine, port.mac_address, its).destination
    to: Box = {
        "destination_mac": points([mac_number(group_mac(group))]),
        "destination": points([ip_number(group)]),
    }
    return 6, whole({**_discovery(port, mine, its, SOLICIT), **to}, 6)


def _straight(port: Port, mine: str, other: Port, its: str, kind: int) -> Box:
    """A solicitation to an address that is known (RFC 4861, 7.3.1), or an advertisement of one's own to it."""
    to: Box = {
        "destination_mac": points([mac_number(other.mac_address)]),
        "destination": points([ip_number(its)]),
    }
    return whole({**_discovery(port, mine, its if kind == SOLICIT else mine, kind), **to}, 6)


def _discovery(port: Port, mine: str, target: str, kind: int) -> Box:
    number = int.from_bytes(pack_mac(port.mac_address))
    return {
        "source_mac": points([mac_number(port.mac_address)]),
        "source": points([ip_number(mine)]),
        "protocol": points([58]),
        "type": points([kind]),
        "code": points([0]),
        "target": points([ip_number(target)]),
        "option": points([0x101 if kind == SOLICIT else 0x201]),
        "option_mac": points([number]),
    }
