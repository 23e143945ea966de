"""Where the frames of somebody come: an instance behind its tap, or a neighbour on a physical network.

Frames start behind the tap's own rules: what these let pass is proved apart (`onehop.verify.proof.emission`), and the
frames that are walked are all those that the port may say, by the API.
"""

from collections.abc import Iterator, Mapping

import msgspec

from onehop.net.identifier import PortId
from onehop.objects import Link
from onehop.verify.packet import Arp, Frame, Packet
from onehop.verify.proof.explore import Class, classes
from onehop.verify.proof.recorder import Recorder
from onehop.verify.proof.sample import frame_of
from onehop.verify.proof.spans import Box
from onehop.verify.space import Space
from onehop.verify.trail import End, Trail
from onehop.verify.walk import Walk
from onehop.verify.watch import Watch
from onehop.verify.world import World


class Arrival(msgspec.Struct, frozen=True):
    """A frame that came to somebody.

    Attributes:
        port: whose instance; empty for the outside.
        packet: as it was then; None of ARP.
        trail: how it came.
        tracked: whether some router has a connection of it.
    """

    port: str
    packet: Packet | None
    trail: Trail
    tracked: bool = False


class Source(msgspec.Struct, frozen=True):
    """Who sends.

    Attributes:
        port: an instance's; None is the outside.
        network: the physical network that the outside sends on.
    """

    port: PortId | None
    network: str = ""


class _Probe(Walk):
    """A walk that ends at the instances, but for the questions that routers ask them."""

    asked: Frame | None = None
    arrivals: list[tuple[Space, Frame, Trail]]

    def receive(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        if not space.outer or space.everything:
            return super().receive(space, link, frame, trail)
        first = self.asked is not None and frame.payload is self.asked.payload
        question = isinstance(frame.payload, Arp) or frame.asked_for() is not None
        if first or not question:
            self.arrivals.append((space, frame, trail))
            return [End(trail, space, link.name, frame.payload if isinstance(frame.payload, Packet) else None)]
        return super().receive(space, link, frame, trail)

    def enter(self, host: Space, device: Link, frame: Frame, trail: Trail) -> list[End]:
        """Behind the tap's rules, for answers too: these let pass what is the instance's own."""
        if device.master is None or not device.up:
            return []
        return self.switch.forward(host, device.master, device, frame, trail)


class Reach:
    """The network, asked again and again where frames come."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.walks = 0

    def classes(self, source: Source, family: int, box: Box) -> Iterator[Class[tuple[Arrival, ...]]]:
        """Every class of a source's frames in a box, with where it comes.

        Raises:
            UnknownRuleError: a ruleset says something that is not known here.
        """

        def walk(values: Mapping[str, int], limit: Box) -> tuple[Box, tuple[Arrival, ...]]:
            recorder = Recorder(values, family, limit)
            return recorder.box, self.send(source, frame_of(values, family), recorder)

        return classes(box, walk)

    def send(self, source: Source, frame: Frame, watch: Watch) -> tuple[Arrival, ...]:
        """Where one frame comes, and what was asked of it on its way."""
        self.walks += 1
        walk = self.world.walk_as(_Probe, watch=watch)
        walk.asked, walk.arrivals = frame, []
        ends = self._sent(walk, source, frame)
        tracked = any(not hooks.tracker.is_empty for hooks in walk.known_hooks())
        found = [
            Arrival(str(self.world.port_of(space)), _packet(frame), trail, tracked)
            for space, frame, trail in walk.arrivals
        ]
        outside = self.world.outside
        found += [Arrival("", end.packet, end.trail, tracked) for end in ends if end.space is outside and not end.death]
        return tuple(found)

    def _sent(self, walk: Walk, source: Source, frame: Frame) -> list[End]:
        if source.port is None:
            return walk.switch.segment(source.network, frame, (), origin=self.world.outside)
        at = self.world.place(source.port)
        if at is None:
            return []
        host, device = at
        link = host.links.get(device)
        return walk.enter(host, link, frame, ()) if link is not None else []


def _packet(frame: Frame) -> Packet | None:
    return frame.payload if isinstance(frame.payload, Packet) else None
