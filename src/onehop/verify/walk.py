"""A packet's way through namespaces, bridges and tunnels of every host, until it is delivered or dies.

`Walk` is the network for the length of one trace: what is learned on the way (neighbours, connections, MACs behind a
bridge's ports) stays in it, so that the answer can be sent after the question. Frames are followed depth first, each
copy to its end. Not in the model: fragments, MTU, queues, time.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from onehop.net import naming
from onehop.objects import Link, Tap, Veth, Vxlan
from onehop.verify import neighbour
from onehop.verify.hook import Hooks
from onehop.verify.packet import Arp, Frame, Packet
from onehop.verify.route import Way, is_linked, lookup
from onehop.verify.space import Machine, Space
from onehop.verify.subject import Passing
from onehop.verify.switch import Switch
from onehop.verify.trail import Death, End, Trail, step
from onehop.verify.watch import SILENT, Watch

_LOOPBACK = "lo"
_DEEPEST = 64
"""Frames inside each other's walks: more is a loop that no hop limit ends."""


class Port:
    """Where somebody outside of our hosts is attached: an instance's tap, or a physical network."""

    def __init__(self, space: Space, link: str, machine: Machine | None = None, device: str = "") -> None:
        self.space = space
        self.link = link
        self.machine = machine
        self.device = device


class Walk:
    """The network, for one question and its answer.

    Attributes:
        machines: every host.
        way: which of equal-cost ways is taken.
        learned: (namespace, link, address) → MAC, that was asked for.
    """

    def __init__(
        self,
        machines: Iterable[Machine],
        taps: Iterable[Port] = (),
        segments: Iterable[tuple[str, Port]] = (),
        way: int = 0,
        watch: Watch = SILENT,
    ) -> None:
        """Name the parts.

        Args:
            machines: hosts.
            taps: instances, each behind a device of a host.
            segments: (physical network, who is on it besides our hosts).
            way: which of equal-cost next hops is taken.
            watch: is told what is asked of packets.
        """
        self.machines = {machine.name: machine for machine in machines}
        self.way = way
        self.watch = watch
        self.learned: dict[tuple[Space, str, str], str] = {}
        self.switch = Switch(self)
        self._taps = {(p.machine.name, p.device): p for p in taps if p.machine is not None}
        self._behind = {p.space: p for p in self._taps.values()}
        self.segments = list(segments)
        self._hooks: dict[Space, Hooks] = {}
        self._depth = 0

    def hooks(self, space: Space) -> Hooks:
        """The hooks of a namespace with its connections."""
        if space not in self._hooks:
            self._hooks[space] = Hooks(space, self.watch)
        return self._hooks[space]

    def known_hooks(self) -> Iterable[Hooks]:
        """The hooks that a packet has come to."""
        return self._hooks.values()

    # ---- a link's two sides

    def receive(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        """A frame comes in by a link of a namespace."""
        passing = Passing(frame, incoming=link.name)
        if not link.up:
            return [_end(trail, space, link.name, passing, Death(f"{link.name} is down"))]
        death, steps, copies = self.hooks(space).device("ingress", link.name, passing)
        trail += tuple(steps)
        ends = [end for device in copies for end in self.transmit(space, space.links[device], frame, trail)]
        if death is not None:
            return [*ends, _end(trail, space, link.name, passing, death)]
        if link.master is not None:
            return ends + self.switch.forward(space, link.master, link, passing.frame, trail)
        self.watch.destination(passing.frame.destination, (link.mac or "",))
        if passing.frame.is_unicast and passing.frame.destination != link.mac:
            death = Death(f"{passing.frame.destination} is not the MAC of {link.name}", trivial=True)
            return [*ends, _end(trail, space, link.name, passing, death)]
        if isinstance(passing.frame.payload, Arp):
            return ends + neighbour.arp(self, space, link, passing, trail)
        return ends + self.input(space, link, passing, trail)

    def transmit(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        """A frame leaves by a link of a namespace."""
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                death = Death("it goes in a circle")
                return [_end(trail, space, link.name, Passing(frame), death)]
            return self._transmit(space, link, frame, trail)
        finally:
            self._depth -= 1

    def _transmit(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        passing = Passing(frame, outgoing=link.name)
        if not link.up:
            return [_end(trail, space, link.name, passing, Death(f"{link.name} is down"))]
        death, steps, _ = self.hooks(space).device("egress", link.name, passing)
        trail += tuple(steps)
        if death is not None:
            return [_end(trail, space, link.name, passing, death)]
        frame = passing.frame
        if space.outer:
            return self._from_outer(space, link, frame, trail)
        if isinstance(link.spec, Vxlan):
            return self._encapsulated(space, link, link.spec, frame, trail)
        tap = self._taps.get((space.host, link.name)) if space.name == naming.HOST else None
        if tap is not None:
            return self.receive(tap.space, tap.space.links[tap.link], frame, trail)
        machine = self.machines[space.host]
        if isinstance(link.spec, Veth) and link.spec.peer_namespace in machine.spaces:
            peer = machine.spaces[link.spec.peer_namespace]
            if link.spec.peer_name in peer.links:
                return self.receive(peer, peer.links[link.spec.peer_name], frame, trail)
        what = "no instance is behind" if isinstance(link.spec, Veth | Tap) else "nothing is behind"
        return [_end(trail, space, link.name, passing, Death(f"{what} {link.name}"))]

    def _from_outer(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        port = self._behind.get(space)
        if port is None or port.machine is None:
            return self.switch.segment(link.name, frame, trail, origin=space)
        host = port.machine.spaces[naming.HOST]
        if port.device not in host.links:
            death = Death(f"{port.device} is not on {port.machine.name}: the port is not realised there")
            return [_end(trail, space, link.name, Passing(frame), death)]
        return self.enter(host, host.links[port.device], frame, trail)

    def enter(self, host: Space, device: Link, frame: Frame, trail: Trail) -> list[End]:
        """What an instance sends comes to its tap."""
        return self.receive(host, device, frame, trail)

    def _encapsulated(self, space: Space, link: Link, spec: Vxlan, frame: Frame, trail: Trail) -> list[End]:
        fdb = self.machines[space.host].vxlan_fdb.get((space.name, link.name), {})
        default = fdb.get("00:00:00:00:00:00", [])
        self.watch.destination(frame.destination, fdb)
        vteps = fdb.get(frame.destination, default) if frame.is_unicast else default
        if not vteps:
            death = Death(f"{link.name} knows no VTEP for {frame.destination}", trivial=not frame.is_unicast)
            return [_end(trail, space, link.name, Passing(frame), death)]
        ends: list[End] = []
        for vtep in vteps:
            text = f"VXLAN {spec.vni} from {spec.local} to {vtep}, UDP port {spec.port}"
            on = (*trail, step(space, link.name, "tunnel", text))
            there = [
                (other, device)
                for machine in self.machines.values()
                for other, device, far in machine.vxlans(spec.vni)
                if (far.local, far.port) == (vtep, spec.port)
            ]
            if not there:
                death = Death(f"no host with the VTEP {vtep} has a device of VNI {spec.vni}")
                ends.append(_end(on, space, link.name, Passing(frame), death))
            for other, device in there:
                ends += self.receive(other, device, frame, on)
        return ends

    # ---- IP

    def input(self, space: Space, link: Link, passing: Passing, trail: Trail) -> list[End]:
        """An IP packet comes in by a link that is no bridge's port."""
        trail += (step(space, link.name, "packet", str(passing.packet)),)
        if not passing.frame.is_unicast:
            self.watch.protocol(passing.packet)
            if not neighbour.is_discovery(passing.packet):
                # ip_forward and ip6_forward: only what was sent to the link's own MAC.
                unheard = Death("what was sent to a group of MACs is not forwarded", trivial=True)
                return [_end(trail, space, link.name, passing, unheard)]
        death, steps = self.hooks(space).ip("prerouting", passing)
        trail += tuple(steps)
        if death is not None:
            return [_end(trail, space, link.name, passing, death)]
        self.watch.protocol(passing.packet)
        if neighbour.is_discovery(passing.packet):
            return self._local(space, link.name, passing, trail)
        packet = passing.packet
        way = self._way(space, passing, link.name)
        trail += (step(space, link.name, "route", way.text),)
        if way.type not in ("local", "unicast"):
            return [_end(trail, space, link.name, passing, _unroutable(way, packet.destination))]
        if self._martian(space, passing, link.name):
            death = Death(f"{packet.source} is an address of this namespace: a martian source (accept_local)")
            return [_end(trail, space, link.name, passing, death)]
        if way.type == "local":
            return self._local(space, link.name, passing, trail)
        if packet.version not in space.forwards:
            return [_end(trail, space, link.name, passing, Death("it is not for this host, which does not forward"))]
        return self._forward(space, link.name, passing, way, trail)

    def _forward(self, space: Space, link: str, passing: Passing, way: Way, trail: Trail) -> list[End]:
        packet = passing.packet
        if packet.ttl <= 1:
            return [_end(trail, space, link, passing, Death("its hop limit is used up"))]
        if is_linked(packet.source):
            return [_end(trail, space, link, passing, Death("a link-local source is not forwarded (RFC 4291, 2.5.6)"))]
        passing.outgoing = way.link
        death, steps = self.hooks(space).ip("forward", passing)
        trail += tuple(steps)
        if death is not None:
            return [_end(trail, space, link, passing, death)]
        passing.packet = _aged(passing.packet)
        return self._leave(space, passing, way, trail)

    def _leave(self, space: Space, passing: Passing, way: Way, trail: Trail) -> list[End]:
        death, steps = self.hooks(space).ip("postrouting", passing)
        trail += tuple(steps)
        if death is not None:
            return [_end(trail, space, way.link, passing, death)]
        link = space.links[way.link]
        asked = way.gateway or passing.packet.destination
        mac, how = neighbour.resolve(self, space, link, asked)
        if mac is None:
            return [_end(trail, space, way.link, passing, Death(how))]
        trail += (step(space, way.link, "neighbour", how),)
        return self.transmit(space, link, Frame(link.mac or "", mac, passing.packet), trail)

    def _local(self, space: Space, link: str, passing: Passing, trail: Trail) -> list[End]:
        death, steps = self.hooks(space).ip("input", passing)
        trail += tuple(steps)
        if death is not None:
            return [_end(trail, space, link, passing, death)]
        if neighbour.is_discovery(passing.packet):
            return neighbour.discovered(self, space, space.links[link], passing, trail)
        return [End(trail, space, link, passing.packet)]

    def output(self, space: Space, packet: Packet, trail: Trail = ()) -> list[End]:
        """A namespace sends a packet of its own."""
        passing = Passing(Frame("", "", packet))
        way = self._way(space, passing, "")
        trail += (step(space, way.link, "sent", str(packet)), step(space, way.link, "route", way.text))
        if way.type not in ("local", "unicast"):
            return [_end(trail, space, way.link, passing, _unroutable(way, packet.destination))]
        passing.outgoing = _device(way)
        death, steps = self.hooks(space).ip("output", passing)
        trail += tuple(steps)
        if death is not None:
            return [_end(trail, space, way.link, passing, death)]
        again = self._way(space, passing, "")
        if again != way:
            # A chain of the type route, or a translation, asks the routing tables again.
            trail += (step(space, again.link, "route", again.text),)
            if again.type not in ("local", "unicast"):
                return [_end(trail, space, again.link, passing, _unroutable(again, passing.packet.destination))]
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
                return [_end(trail, space, _LOOPBACK, passing, death)]
            passing.incoming, passing.outgoing = _LOOPBACK, ""
        return self._local(space, way.link, passing, trail)

    def on_link(self, space: Space, link: Link, packet: Packet, mac: str) -> list[End]:
        """A namespace sends a packet of its own to a neighbour whose MAC is known: discovery itself."""
        passing = Passing(Frame(link.mac or "", mac, packet), outgoing=link.name)
        for name in ("output", "postrouting"):
            death, _ = self.hooks(space).ip(name, passing)
            if death is not None:
                return [_end((), space, link.name, passing, death)]
        return self.transmit(space, link, passing.frame, ())

    def _way(self, space: Space, passing: Passing, incoming: str) -> Way:
        packet = passing.packet
        self.watch.route(space, packet, passing.mark)
        way = lookup(
            space, packet.destination, mark=passing.mark, source=packet.source, incoming=incoming, way=self.way
        )
        if way.type == "none" and space.everything and incoming:
            return Way("local", "the rest of the world")
        return way

    def _martian(self, space: Space, passing: Passing, link: str) -> bool:
        packet = passing.packet
        if packet.version == 6 or space.setting("net/ipv4/conf/{}/accept_local", link):
            return False
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


def _end(trail: Trail, space: Space, link: str, passing: Passing, death: Death) -> End:
    payload = passing.frame.payload
    return End(trail, space, link, payload if isinstance(payload, Packet) else None, death)
