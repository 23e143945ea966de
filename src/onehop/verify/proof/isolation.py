"""The proof that nobody comes to a port of another project but by a way that the API allows."""

from collections.abc import Iterator

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.case import Violation
from onehop.verify.proof.identity import identity
from onehop.verify.proof.reach import Arrival, Reach, Source
from onehop.verify.proof.sample import ARPS, PACKETS, UNICAST, frame_of, mac_number
from onehop.verify.proof.spans import Box, points, remainder
from onehop.verify.trail import Trail
from onehop.verify.world import World


class Isolation:
    """Asks every port of a network, and its outside.

    Attributes:
        classes: how many classes of frames were walked.
    """

    def __init__(self, view: Topology, world: World) -> None:
        self.view = view
        self.reach = Reach(world)
        self.allowed = Allowed(view)
        self.classes = 0
        self.outside = sorted(world.outside.links)

    def violations(self) -> Iterator[Violation]:
        """Every class of frames that comes where the API does not lead it.

        Raises:
            UnknownRuleError: a ruleset says something that is not known here.
        """
        for port in self.view.ports.values():
            if port.router_id is None and port.host is not None:
                yield from self.of(port)
        for network in self.outside:
            for family, box in ((4, PACKETS[4]), (6, PACKETS[6]), *((0, arps) for arps in _arps(ARPS))):
                yield from self._checked(None, Source(None, network), family, box)

    def of(self, port: Port) -> Iterator[Violation]:
        """Those of one port's frames."""
        for family, box in _said(self.view, port):
            yield from self._checked(port, Source(port.id), family, box)

    def _checked(self, port: Port | None, source: Source, family: int, box: Box) -> Iterator[Violation]:
        for one in self.reach.classes(source, family, box):
            self.classes += 1
            for arrival in one.found:
                target = self.view.ports.get(arrival.port)  # type: ignore[call-overload]  # of an instance, or none
                if target is None or (port is not None and target.project_id == port.project_id):
                    continue
                left = remainder(one.box, self.allowed.boxes(port, target, family))
                if left:
                    yield _violation(port, target, arrival, frame_of(one.values, family), left)


def _violation(port: Port | None, target: Port, arrival: Arrival, frame: object, left: list[Box]) -> Violation:
    from onehop.verify.proof.spans import size
    from onehop.verify.subject import Passing

    return Violation(
        what=f"comes to a port of project {target.project_id}, to which nothing in the API leads",
        port="" if port is None else port.id,
        to=target.id,
        frame=str(Passing(frame)),  # type: ignore[arg-type]  # a frame
        packets=sum(map(size, left)),
        trail=arrival.trail,
    )


def _said(view: Topology, port: Port) -> Iterator[tuple[int, Box]]:
    """All that a port may say; of a port without protection, all."""
    if not port.port_security_enabled:
        yield 4, PACKETS[4]
        yield 6, PACKETS[6]
        yield from ((0, box) for box in _arps(ARPS))
        return
    who = identity(view, port)
    macs = points(mac_number(mac) for mac in who.macs)
    for version in (4, 6):
        yield version, {**PACKETS[version], "source_mac": macs, "source": who.sources(version)}
    arps = {**ARPS, "source_mac": macs, "sender_mac": macs, "sender": who.sources(4)}
    yield from ((0, box) for box in _arps(arps))


def _arps(box: Box) -> Iterator[Box]:
    """ARP that says of its sender, and all other."""
    yield {name: some for name, some in box.items() if name != "target"}
    yield box


__all__ = ["UNICAST", "Isolation", "Violation"]
