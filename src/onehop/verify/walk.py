"""A packet's way through namespaces, bridges and tunnels of every host, until it is delivered or dies.

`Walk` is the network for one trace: what is learned on the way stays in it, so that the answer can be sent after the
question. Frames are followed depth first. Not in the model: fragments, MTU, queues, time.
"""

from collections.abc import Iterable

from onehop.net import naming
from onehop.objects import Link, Tap, Veth, Vxlan
from onehop.verify import neighbour, relay
from onehop.verify.hook import Hooks
from onehop.verify.layer3 import Layer3
from onehop.verify.packet import Arp, Frame, Packet
from onehop.verify.space import Machine, Space
from onehop.verify.subject import Passing
from onehop.verify.switch import Switch
from onehop.verify.trail import Death, End, Trail, ended, step
from onehop.verify.watch import SILENT, Watch

_DEEPEST = 64
"""Frames inside each other's walks: more is a loop that no hop limit ends."""


class Port:
    """Where somebody outside of our hosts is attached: an instance's tap, or a physical network."""

    def __init__(self, space: Space, link: str, machine: Machine | None = None, device: str = "") -> None:
        self.space = space
        self.link = link
        self.machine = machine
        self.device = device


class Walk(Layer3):
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
        self.told = []

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
        self.watch.used("link", space.host, space.name, link.name)
        if not link.up:
            return [ended(trail, space, link.name, passing, Death(f"{link.name} is down"))]
        death, steps, copies = self.hooks(space).device("ingress", link.name, passing)
        trail += tuple(steps)
        ends = [end for device in copies for end in self.transmit(space, space.links[device], frame, trail)]
        if death is not None:
            return [*ends, ended(trail, space, link.name, passing, death)]
        if passing.handed_on[0]:
            return ends + relay.hand_on(self, space, passing, trail)
        if link.master is not None:
            return ends + self.switch.forward(space, link.master, link, passing.frame, trail)
        self.watch.destination(passing.frame.destination, (link.mac or "",))
        if passing.frame.is_unicast and passing.frame.destination != link.mac:
            death = Death(f"{passing.frame.destination} is not the MAC of {link.name}", trivial=True)
            return [*ends, ended(trail, space, link.name, passing, death)]
        if isinstance(passing.frame.payload, Arp):
            return ends + neighbour.arp(self, space, link, passing, trail)
        return ends + self.input(space, link, passing, trail)

    def transmit(self, space: Space, link: Link, frame: Frame, trail: Trail, mark: int = 0) -> list[End]:
        """A frame leaves by a link of a namespace, with a mark."""
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                death = Death("it goes in a circle")
                return [ended(trail, space, link.name, Passing(frame), death)]
            return self._transmit(space, link, frame, trail, mark)
        finally:
            self._depth -= 1

    def taken(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        """A frame came to a host's own stack by a bridge; what that makes of it is nobody's business here."""
        return [End(trail, space, link.name, frame.payload if isinstance(frame.payload, Packet) else None)]

    def _transmit(self, space: Space, link: Link, frame: Frame, trail: Trail, mark: int) -> list[End]:
        passing = Passing(frame, outgoing=link.name)
        passing.mark = mark
        self.watch.used("link", space.host, space.name, link.name)
        if not link.up:
            return [ended(trail, space, link.name, passing, Death(f"{link.name} is down"))]
        death, steps, _ = self.hooks(space).device("egress", link.name, passing)
        trail += tuple(steps)
        if death is not None:
            return [ended(trail, space, link.name, passing, death)]
        self.watch.left(space, link.name, passing.mark)
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
            self.watch.used("link", space.host, peer.name, link.spec.peer_name)
            if link.spec.peer_name in peer.links:
                return self.receive(peer, peer.links[link.spec.peer_name], frame, trail)
        what = "no instance is behind" if isinstance(link.spec, Veth | Tap) else "nothing is behind"
        return [ended(trail, space, link.name, passing, Death(f"{what} {link.name}"))]

    def _from_outer(self, space: Space, link: Link, frame: Frame, trail: Trail) -> list[End]:
        port = self._behind.get(space)
        if port is None or port.machine is None:
            return self.switch.segment(link.name, frame, trail, origin=space)
        host = port.machine.spaces[naming.HOST]
        self.watch.used("link", host.host, host.name, port.device)
        if port.device not in host.links:
            death = Death(f"{port.device} is not on {port.machine.name}: the port is not realised there")
            return [ended(trail, space, link.name, Passing(frame), death)]
        return self.enter(host, host.links[port.device], frame, trail)

    def enter(self, host: Space, device: Link, frame: Frame, trail: Trail) -> list[End]:
        """What an instance sends comes to its tap."""
        return self.receive(host, device, frame, trail)

    def _encapsulated(self, space: Space, link: Link, spec: Vxlan, frame: Frame, trail: Trail) -> list[End]:
        fdb = self.machines[space.host].vxlan_fdb.get((space.name, link.name), {})
        default = fdb.get("00:00:00:00:00:00", [])
        self.watch.destination(frame.destination, fdb)
        vteps = fdb.get(frame.destination, default) if frame.is_unicast else default
        known = frame.destination if frame.is_unicast and frame.destination in fdb else "00:00:00:00:00:00"
        self.watch.used("vtep", space.host, space.name, link.name, known)
        self.watch.used("vni", spec.vni)
        if not vteps:
            death = Death(f"{link.name} knows no VTEP for {frame.destination}", trivial=not frame.is_unicast)
            return [ended(trail, space, link.name, Passing(frame), death)]
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
                ends.append(ended(on, space, link.name, Passing(frame), death))
            for other, device in there:
                ends += self.receive(other, device, frame, on)
        return ends
