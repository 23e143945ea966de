"""A walk that notes who hears what: instances, the outside, routers and their legs, tunnels, hosts themselves."""

from typing import Literal

import msgspec

from onehop.net import naming
from onehop.objects import Link, Vxlan
from onehop.verify.neighbour import is_discovery
from onehop.verify.packet import Arp, Frame, Packet
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.trail import End, Trail
from onehop.verify.walk import Walk
from onehop.verify.world import World

Kind = Literal["port", "outside", "router", "leg", "tunnel", "host"]


class Arrival(msgspec.Struct, frozen=True):
    """Somebody who heard a frame.

    Attributes:
        kind: ``port`` is an instance; ``router`` takes an IP packet as its own, ``leg`` is a link of one that hears any
            frame; ``tunnel`` is the underlay between hosts; ``host`` a host's own stack.
        who: the port; of a leg its link; of a tunnel its VNI.
        space: where it came to.
        frame: as it was then.
        trail: how it came.
        asked: it is the frame that was sent, or what routers made of it; else a question or an answer about neighbours.
    """

    kind: Kind
    who: str
    space: Space
    frame: Frame
    trail: Trail
    asked: bool = True

    @property
    def packet(self) -> Packet | None:
        """What it carried, of IP."""
        return self.frame.payload if isinstance(self.frame.payload, Packet) else None


class Probe(Walk):
    """A walk whose frames end at the instances, but for the questions that routers ask them.

    Attributes:
        asked: the frame that it is about.
        heard: by whom.
        copies: how often something came out of a tunnel that is no question about neighbours.
        world: where it walks.
    """

    asked: Frame | None = None
    world: World
    copies: int = 0
    heard: list[Arrival]

    def _note(self, kind: Kind, who: str, space: Space, frame: Frame, trail: Trail) -> None:
        first = self.asked is not None and frame.payload is self.asked.payload
        question = isinstance(frame.payload, Arp) or is_discovery(frame.payload)
        self.watch.observed(kind, who, space.host, space.name, frame)
        self.heard.append(Arrival(kind, who, space, frame, trail, first or not question))

    def receive(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        """Notes it; what comes to an instance, ends there."""
        if isinstance(link.spec, Vxlan) and isinstance(frame.payload, Packet) and not is_discovery(frame.payload):
            self.copies += 1
        meant = not frame.is_unicast or frame.destination == link.mac
        if space.everything:
            if meant and not isinstance(frame.payload, Packet):
                self._note("outside", link.name, space, frame, trail)
        elif space.outer:
            self._note("port", str(self.world.port_of(space)), space, frame, trail)
            if self.heard[-1].asked:
                return [End(trail, space, link.name, self.heard[-1].packet)]
        elif space.name != naming.HOST and meant:
            self._note("leg", link.name, space, frame, trail)
        return super().receive(space, link, frame, trail)

    def enter(self, host: Space, device: Link, frame: Frame, trail: Trail) -> list[End]:
        """Behind the tap's rules, for answers too: these let pass what is the instance's own."""
        if device.master is None or not device.up:
            return []
        return self.switch.forward(host, device.master, device, frame, trail)

    def taken(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        """Notes it."""
        self._note("host", link.name, space, frame, trail)
        return super().taken(space, link, frame, trail)

    def _encapsulated(self, space: Space, link: Link, spec: Vxlan, frame: Frame, trail: Trail) -> list[End]:
        self._note("tunnel", str(spec.vni), space, frame, trail)
        return super()._encapsulated(space, link, spec, frame, trail)

    def _local(self, space: Space, link: str, passing: Passing, trail: Trail) -> list[End]:
        ends = super()._local(space, link, passing, trail)
        packet = passing.packet
        if any(end.death is None and end.space is space and end.packet is packet for end in ends):
            self._note("outside" if space.everything else "router", space.name, space, passing.frame, trail)
        return ends
