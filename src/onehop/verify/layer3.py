"""IP in a namespace: routed, filtered, translated, delivered; and the errors that a router sends of its own.

A part of `onehop.verify.walk.Walk`, which knows the links.
"""

from abc import ABC, abstractmethod

from msgspec.structs import replace

from onehop.objects import Link
from onehop.verify import neighbour
from onehop.verify.conntrack import RELATED, Tracked
from onehop.verify.hook import Hooks
from onehop.verify.packet import Frame, Packet
from onehop.verify.quote import EXCEEDED, about, is_error
from onehop.verify.route import Way, is_linked, is_nobodys, is_of_link, lookup, source_for
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.trail import LATE, Death, End, Trail, ended, step
from onehop.verify.watch import Watch

_LOOPBACK = "lo"


class Layer3(ABC):
    """What a namespace does with IP.

    Attributes:
        way: which of equal-cost ways is taken.
        watch: is told what is asked of packets.
        learned: (namespace, link, address) → MAC, that was asked for.
        tells: routers say by ICMP that a packet's hop limit is used up; what becomes of that is in `told`.
    """

    way: int
    watch: Watch
    learned: dict[tuple[Space, str, str], str]
    tells: bool = False
    told: list[End]

    @abstractmethod
    def hooks(self, space: Space) -> Hooks:
        """The hooks of a namespace with its connections."""

    @abstractmethod
    def transmit(self, space: Space, link: Link, frame: Frame, trail: Trail, mark: int = 0) -> list[End]:
        """A frame leaves by a link of a namespace, with a mark."""

    def input(self, space: Space, link: Link, passing: Passing, trail: Trail) -> list[End]:
        """An IP packet comes in by a link that is no bridge's port."""
        trail += (step(space, link.name, "packet", str(passing.packet)),)
        if not passing.frame.is_unicast:
            self.watch.discovery(passing.packet)
            if not neighbour.is_discovery(passing.packet):
                # ip_forward and ip6_forward: only what was sent to the link's own MAC.
                unheard = Death("what was sent to a group of MACs is not forwarded", trivial=True)
                return [ended(trail, space, link.name, passing, unheard)]
        death, steps = self.hooks(space).ip("prerouting", passing)
        trail += tuple(steps)
        if death is not None:
            return [ended(trail, space, link.name, passing, death)]
        packet = passing.packet
        self.watch.discovery(packet)
        if neighbour.is_discovery(packet):
            # Of one link where it says so; else it is routed like any packet (RFC 4861, 7.1 is the hearer's matter).
            self.watch.linked(packet)
            if is_of_link(packet.destination):
                return self._local(space, link.name, passing, trail)
        way = self._way(space, passing, link.name)
        trail += (step(space, link.name, "route", way.text),)
        if way.type not in ("local", "unicast"):
            return [ended(trail, space, link.name, passing, _unroutable(way, packet.destination))]
        if self._martian(space, passing, link.name):
            death = Death(f"{packet.source} is an address of this namespace: a martian source (accept_local)")
            return [ended(trail, space, link.name, passing, death)]
        if way.type == "local":
            return self._local(space, link.name, passing, trail)
        self.watch.used("setting", space.host, space.name)
        if packet.version not in space.forwards:
            return [ended(trail, space, link.name, passing, Death("it is not for this host, which does not forward"))]
        return self._forward(space, link.name, passing, way, trail)

    def _forward(self, space: Space, link: str, passing: Passing, way: Way, trail: Trail) -> list[End]:
        packet = passing.packet
        if is_nobodys(packet.source):
            return [ended(trail, space, link, passing, Death(f"{packet.source} is nobody's source: a martian"))]
        if packet.ttl <= 1:
            if self.tells and not is_error(packet):
                self.told += self._exceeded(space, passing)
            return [ended(trail, space, link, passing, Death(LATE))]
        if is_linked(packet.source):
            return [ended(trail, space, link, passing, Death("a link-local source is not forwarded (RFC 4291, 2.5.6)"))]
        passing.outgoing = way.link
        death, steps = self.hooks(space).ip("forward", passing)
        trail += tuple(steps)
        if death is not None:
            return [ended(trail, space, link, passing, death)]
        passing.packet = _aged(passing.packet)
        return self._leave(space, passing, way, trail)

    def _exceeded(self, space: Space, passing: Passing) -> list[End]:
        """Tells the sender, from the address by which the answer leaves (icmp_route_lookup in net/ipv4/icmp.c).

        The error is of the packet's connection from the start (nf_ct_attach).
        """
        packet, known = passing.packet, passing.tracked
        way = lookup(space, packet.source, source="", way=self.way)
        source = source_for(space, way, packet.source) if way.type == "unicast" else None
        if source is None:
            return []
        attached = None if known is None else Tracked(known.connection, not known.is_reply, RELATED)
        return self.output(space, about(packet, source, EXCEEDED), attached=attached)

    def _leave(self, space: Space, passing: Passing, way: Way, trail: Trail) -> list[End]:
        death, steps = self.hooks(space).ip("postrouting", passing)
        trail += tuple(steps)
        if death is not None:
            return [ended(trail, space, way.link, passing, death)]
        self.watch.used("link", space.host, space.name, way.link)
        if way.link not in space.links:
            return [ended(trail, space, way.link, passing, Death(f"{way.link} is not there"))]
        link = space.links[way.link]
        asked = way.gateway or passing.packet.destination
        mac, how = neighbour.resolve(self, space, link, asked)
        if mac is None:
            return [ended(trail, space, way.link, passing, Death(how))]
        trail += (step(space, way.link, "neighbour", how),)
        return self.transmit(space, link, Frame(link.mac or "", mac, passing.packet), trail, passing.mark)

    def _local(self, space: Space, link: str, passing: Passing, trail: Trail) -> list[End]:
        death, steps = self.hooks(space).ip("input", passing)
        trail += tuple(steps)
        if death is not None:
            return [ended(trail, space, link, passing, death)]
        if neighbour.is_discovery(passing.packet):
            return neighbour.discovered(self, space, space.links[link], passing, trail)
        return [End(trail, space, link, passing.packet)]

    def output(self, space: Space, packet: Packet, trail: Trail = (), attached: Tracked | None = None) -> list[End]:
        """A namespace sends a packet of its own (`attached`: that is known to be of a connection)."""
        passing = Passing(Frame("", "", packet))
        passing.tracked, passing.looked = attached, attached is not None
        way = self._way(space, passing, "")
        trail += (step(space, way.link, "sent", str(packet)), step(space, way.link, "route", way.text))
        if way.type not in ("local", "unicast"):
            return [ended(trail, space, way.link, passing, _unroutable(way, packet.destination))]
        passing.outgoing = _device(way)
        death, steps = self.hooks(space).ip("output", passing)
        trail += tuple(steps)
        if death is not None:
            return [ended(trail, space, way.link, passing, death)]
        again = self._way(space, passing, "")
        if again != way:
            # A chain of the type route, or a translation, asks the routing tables again.
            trail += (step(space, again.link, "route", again.text),)
            if again.type not in ("local", "unicast"):
                return [ended(trail, space, again.link, passing, _unroutable(again, passing.packet.destination))]
            passing.outgoing = _device(again)
        if again.type == "unicast":
            return self._leave(space, passing, again, trail)
        return self._looped(space, passing, again, trail)

    def _looped(self, space: Space, passing: Passing, way: Way, trail: Trail) -> list[End]:
        """By the loopback device to the namespace itself; the connection stays with the packet."""
        for name in ("postrouting", "prerouting"):
            death, steps = self.hooks(space).ip(name, passing)
            trail += tuple(steps)
            if death is not None:
                return [ended(trail, space, _LOOPBACK, passing, death)]
            passing.incoming, passing.outgoing = _LOOPBACK, ""
        return self._local(space, way.link, passing, trail)

    def on_link(self, space: Space, link: Link, packet: Packet, mac: str) -> list[End]:
        """A namespace sends a packet of its own to a neighbour whose MAC is known: discovery itself."""
        passing = Passing(Frame(link.mac or "", mac, packet), outgoing=link.name)
        for name in ("output", "postrouting"):
            death, _ = self.hooks(space).ip(name, passing)
            if death is not None:
                return [ended((), space, link.name, passing, death)]
        return self.transmit(space, link, passing.frame, ())

    def _way(self, space: Space, passing: Passing, incoming: str) -> Way:
        packet = passing.packet
        self.watch.route(space, packet, passing.mark)
        self.watch.used("rules", space.host, space.name)
        self.watch.used("addresses", space.host, space.name)
        way = lookup(
            space,
            packet.destination,
            mark=passing.mark,
            source=packet.source,
            incoming=incoming,
            way=self.way,
            watch=self.watch,
        )
        if way.type == "none" and space.everything and incoming:
            return Way("local", "the rest of the world")
        return way

    def _martian(self, space: Space, passing: Passing, link: str) -> bool:
        packet = passing.packet
        self.watch.used("setting", space.host, space.name)
        if packet.version == 6 or space.setting("net/ipv4/conf/{}/accept_local", link):
            return False
        self.watch.used("addresses", space.host, space.name)
        self.watch.address(packet.source, space.owned)
        return space.own(packet.source)


def _device(way: Way) -> str:
    return _LOOPBACK if way.type == "local" else way.link


def _aged(packet: Packet) -> Packet:
    return replace(packet, ttl=packet.ttl - 1)


def _unroutable(way: Way, destination: str) -> Death:
    if way.type == "none":
        return Death(f"there is no route to {destination}")
    return Death(f"the route to {destination} is {way.type}")
