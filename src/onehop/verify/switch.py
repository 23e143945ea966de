"""Bridges: FDB entries, flooding, and ARP and ND that a bridge answers itself; and physical networks between hosts."""

from typing import TYPE_CHECKING

from onehop.net import naming
from onehop.objects import Bridge, Link
from onehop.verify.packet import ADVERTISE, Arp, Frame, Packet, advertisement
from onehop.verify.space import Machine, Space
from onehop.verify.subject import Passing
from onehop.verify.trail import Death, End, Trail, step

if TYPE_CHECKING:
    from onehop.verify.walk import Walk


class Switch:
    """Every bridge of every host, for the length of a trace.

    A bridge that nobody declared is the host's own way to a physical network: it learns and floods, as bridges do.
    """

    def __init__(self, walk: "Walk") -> None:
        self._walk = walk
        self._seen: dict[tuple[str, str, str], str] = {}

    def forward(self, space: Space, bridge: str, port: Link | None, frame: Frame, trail: Trail) -> list[End]:
        """A frame comes into a bridge by a port, or (None) from the physical network behind it."""
        machine = self._walk.machines[space.host]
        ports = [one for one in machine.ports(bridge) if one.up]
        self._walk.watch.used("bridge", machine.name, bridge)
        came = port.name if port is not None else ""
        if port is None or (port.port is not None and port.port.learning):
            self._seen[machine.name, bridge, frame.source] = came
        passing, death, trail = self._tracked(space, bridge, frame, trail)
        if death is not None:
            return [End(trail, space, bridge, _packet(frame), death)]
        self._walk.watch.destination(frame.destination, ())
        answer, quiet = self._suppressed(space, machine, bridge, port, ports, frame)
        if answer is not None and port is not None:
            return self._walk.transmit(space, port, answer, trail)
        if frame.is_unicast:
            return self._unicast(space, machine, bridge, came, passing, trail)
        ends = self._up(space, bridge, frame, trail)
        for other in ports:
            if other.name != came and not (quiet and other.port is not None and other.port.neigh_suppress):
                ends += self._out(space, bridge, came, other, passing, trail)
        if port is not None and bridge in machine.physical:
            ends += self._out(space, bridge, came, None, passing, trail)
        return ends or [_lost(space, bridge, frame, trail, "nobody else is on the bridge", trivial=True)]

    def _tracked(self, space: Space, bridge: str, frame: Frame, trail: Trail) -> tuple[Passing, Death | None, Trail]:
        """IP on a bridge that is tracked goes through the hooks of IP as well (br_nf_pre_routing)."""
        passing = Passing(frame, incoming=bridge)
        link = space.links.get(bridge)
        self._walk.watch.used("link", space.host, space.name, bridge)
        calls = link is not None and isinstance(link.spec, Bridge) and link.spec.tracked
        if not calls or not isinstance(frame.payload, Packet):
            return passing, None, trail
        death, steps = self._walk.hooks(space).ip("prerouting", passing)
        return passing, death, (*trail, *steps)

    def _out(
        self, space: Space, bridge: str, came: str, other: Link | None, passing: Passing, trail: Trail
    ) -> list[End]:
        """From one port to another, or (None) to the physical network behind the bridge."""
        through = Passing(passing.frame, incoming=came, outgoing=other.name if other is not None else "")
        through.mark = passing.mark
        death, steps = self._walk.hooks(space).bridge(through)
        trail += tuple(steps)
        if death is not None:
            return [End(trail, space, through.outgoing or bridge, _packet(through.frame), death)]
        self._walk.watch.left(space, through.outgoing or bridge, through.mark)
        if other is not None:
            return self._walk.transmit(space, other, through.frame, trail)
        network = self._walk.machines[space.host].physical[bridge]
        return self.segment(network, through.frame, trail, origin=space, bridge=bridge)

    def _up(self, space: Space, bridge: str, frame: Frame, trail: Trail) -> list[End]:
        """To the host itself, by the bridge as a link; of what stays out nothing is said."""
        link = space.links.get(bridge)
        if link is None or (frame.is_unicast and frame.destination != link.mac):
            return []
        self._walk.watch.destination(frame.destination, (link.mac or "",))
        passing = Passing(frame, incoming=bridge)
        death, steps, _ = self._walk.hooks(space).device("ingress", bridge, passing)
        return self._walk.taken(space, link, passing.frame, (*trail, *steps)) if death is None else []

    def _unicast(
        self, space: Space, machine: Machine, bridge: str, came: str, passing: Passing, trail: Trail
    ) -> list[End]:
        frame = passing.frame
        uplink = bridge in machine.physical
        own = space.links.get(bridge)
        if own is not None:
            self._walk.watch.destination(frame.destination, (own.mac or "",))
            if frame.destination == own.mac:
                gone = _lost(space, bridge, frame, trail, f"{bridge} is no way to the host", trivial=True)
                return self._up(space, bridge, frame, trail) or [gone]
        seen = [mac for host, where, mac in self._seen if (host, where) == (machine.name, bridge)]
        self._walk.watch.destination(frame.destination, machine.fdb.get(bridge, {}), seen)
        known = machine.fdb.get(bridge, {}).get(frame.destination)
        self._walk.watch.used("fdb", machine.name, bridge, frame.destination if known is not None else "")
        if known is None:
            known = self._seen.get((machine.name, bridge, frame.destination))
        if known is not None:
            if known == came:
                return [_lost(space, bridge, frame, trail, f"{frame.destination} is where it came from", trivial=True)]
            if known:
                on = (*trail, step(space, known, "bridge", f"{bridge}: {frame.destination} is behind {known}"))
                if known not in space.links:
                    return [_lost(space, bridge, frame, on, f"{known} is not there")]
                return self._out(space, bridge, came, space.links[known], passing, on)
        ends: list[End] = []
        if uplink and came:
            ends += self._out(space, bridge, came, None, passing, trail)
        for other in machine.ports(bridge):
            if known is None and other.up and other.name != came and other.port is not None and other.port.flood:
                text = f"{bridge}: {frame.destination} is not known and flooded to {other.name}"
                on = (*trail, step(space, other.name, "bridge", text))
                ends += self._out(space, bridge, came, other, passing, on)
        if ends:
            return ends
        reason = f"{bridge} has no FDB entry for {frame.destination}, and what is unknown is not flooded"
        return [_lost(space, bridge, frame, trail, reason, trivial=uplink and not came)]

    def segment(self, network: str, frame: Frame, trail: Trail, origin: Space, bridge: str = "") -> list[End]:
        """A frame is on a physical network: everybody who is on it gets it."""
        ends: list[End] = []
        text = f"out to the physical network {network}"
        if not origin.outer:
            trail += (step(origin, bridge or _bridge(self._walk.machines[origin.host], network), "fabric", text),)
        for machine in self._walk.machines.values():
            for name, there in machine.physical.items():
                if there == network and machine.name != origin.host:
                    ends += self.forward(machine.spaces[naming.HOST], name, None, frame, trail)
        for there, port in self._walk.segments:
            if there == network and port.space is not origin:
                ends += self._walk.receive(port.space, port.space.links[port.link], frame, trail)
        return ends or [End(trail, origin, network, _packet(frame), Death(f"nobody else is on {network}"))]

    def _suppressed(
        self, space: Space, machine: Machine, bridge: str, port: Link | None, ports: list[Link], frame: Frame
    ) -> tuple[Frame | None, bool]:
        """What a bridge answers itself, and whether ports with ``neigh_suppress`` are spared.

        After br_do_proxy_suppress_arp and br_do_suppress_nd in net/bridge/br_arp_nd_proxy.c.
        """
        if not any(one.port is not None and one.port.neigh_suppress for one in ports):
            return None, False
        if port is None or port.port is None or port.port.neigh_suppress:
            return None, False
        payload = frame.payload
        watch = self._walk.watch
        if isinstance(payload, Arp):
            watch.arp(payload)
            watch.address(payload.sender, ("0.0.0.0",))  # noqa: S104  # nobody's address
            if payload.sender in ("0.0.0.0", payload.target):  # noqa: S104  # nobody's address
                return None, True
        else:
            watch.discovery(payload)
            watch.address(payload.destination, ("ff02::1",))
        if isinstance(payload, Packet) and payload.type == ADVERTISE and payload.protocol == 58:
            return None, payload.destination == "ff02::1"
        asked = frame.asked_for()
        if asked is None:
            return None, False
        watch.address(asked, [known for on, known in space.neighbours if on == bridge])
        mac = space.neighbours.get((bridge, asked))
        watch.used("neighbour", space.host, space.name, bridge, asked if mac is not None else "")
        behind = machine.fdb.get(bridge, {}).get(mac) if mac is not None else None
        watch.used("fdb", machine.name, bridge, mac if behind is not None else "")
        if mac is None or behind is None:
            return None, False
        there = space.links.get(behind)
        if there is None or there.port is None or not there.port.neigh_suppress:
            return None, True
        return _answer(frame, asked, mac), True


def _answer(frame: Frame, asked: str, mac: str) -> Frame:
    payload = frame.payload
    if isinstance(payload, Arp):
        reply = Arp(
            operation=Arp.REPLY,
            sender_mac=mac,
            sender=asked,
            target_mac=payload.sender_mac,
            target=payload.sender,
        )
        return Frame(mac, frame.source, reply)
    return Frame(mac, frame.source, advertisement(asked, mac, payload.source))


def _packet(frame: Frame) -> Packet | None:
    return frame.payload if isinstance(frame.payload, Packet) else None


def _bridge(machine: Machine, network: str) -> str:
    return next((name for name, there in machine.physical.items() if there == network), "")


def _lost(space: Space, bridge: str, frame: Frame, trail: Trail, reason: str, trivial: bool = False) -> End:
    return End(trail, space, bridge, _packet(frame), Death(reason, trivial=trivial))
