"""Neighbours: declared, or asked for by ARP (RFC 826) and neighbour discovery (RFC 4861) through the same network."""

from typing import TYPE_CHECKING

from onehop.net.address import link_local, version
from onehop.objects import Link
from onehop.verify.packet import (
    ADVERTISE,
    BROADCAST,
    SOLICIT,
    Arp,
    Frame,
    Packet,
    advertisement,
    group_mac,
    mac_in,
    solicitation,
    target_of,
)
from onehop.verify.route import Way, source_for
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.trail import Death, End, Trail, foremost

if TYPE_CHECKING:
    from onehop.verify.layer3 import Layer3

_GATES = "netdev onehop-gate"
_NOBODY = "00:00:00:00:00:00"


def is_discovery(packet: Packet) -> bool:
    """Whether it is a neighbour solicitation or advertisement."""
    return packet.protocol == 58 and packet.type in (SOLICIT, ADVERTISE)


def resolve(walk: "Layer3", space: Space, link: Link, ip: str) -> tuple[str | None, str]:
    """The MAC of a neighbour on a link, and how it is known; without one why not."""
    walk.watch.address(ip, [known for on, known in space.neighbours if on == link.name])
    walk.watch.used("neighbour", space.host, space.name, link.name, ip if (link.name, ip) in space.neighbours else "")
    declared = space.neighbours.get((link.name, ip))
    if declared is not None:
        return declared, f"{ip} lladdr {declared} PERMANENT"
    known = (space, link.name, ip)
    word = "ND" if version(ip) == 6 else "ARP"
    if known not in walk.learned:
        walk.watch.asks(space, link.name, ip)
        ends = _ask(walk, space, link, ip)
        if known not in walk.learned:
            return None, f"nobody on {link.name} answers {word} for {ip}{_why(ends)}"
    mac = walk.learned[known]
    return mac, f"{ip} lladdr {mac}, asked by {word}"


def _why(ends: list[End]) -> str:
    # At a gate questions for others' addresses are dropped as a rule: that is no reason.
    dropped = [e for e in ends if e.death is not None and e.death.rule and not e.death.table.startswith(_GATES)]
    if not ends or not dropped:
        return ""
    death = foremost(dropped).death
    return f" (the question or its answer was dropped in table {death.table}, chain {death.chain})" if death else ""


def _ask(walk: "Layer3", space: Space, link: Link, ip: str) -> list[End]:
    mac = link.mac or ""
    walk.watch.used("addresses", space.host, space.name)
    if version(ip) == 6:
        target = solicitation(_own_link_local(space, link), mac, ip)
        return walk.on_link(space, link, target, group_mac(target.destination))
    source = source_for(space, Way("unicast", "", link.name), ip) or "0.0.0.0"  # noqa: S104  # nobody's address
    question = Arp(operation=Arp.REQUEST, sender_mac=mac, sender=source, target_mac=_NOBODY, target=ip)
    passing = Passing(Frame(mac, BROADCAST, question), outgoing=link.name)
    death = walk.hooks(space).arp("output", passing)
    if death is not None:
        return [End((), space, link.name, None, death)]
    return walk.transmit(space, link, passing.frame, ())


def _own_link_local(space: Space, link: Link) -> str:
    mine = [a.address.partition("/")[0] for a in space.addresses.get(link.name, ()) if a.address.startswith("fe80:")]
    return mine[0] if mine else link_local(link.mac or _NOBODY)


def arp(walk: "Layer3", space: Space, link: Link, passing: Passing, trail: Trail) -> list[End]:
    """An ARP frame has come to a link: answer what is our own, learn what was asked for."""
    frame = passing.frame
    payload = frame.payload
    death = walk.hooks(space).arp("input", passing)
    if death is not None or not isinstance(payload, Arp):
        return [End(trail, space, link.name, None, death)]
    walk.watch.arp(payload)
    if payload.operation == Arp.REPLY:
        walk.learned[space, link.name, payload.sender] = payload.sender_mac
        return [End(trail, space, link.name, None)]
    walk.watch.used("setting", space.host, space.name)
    walk.watch.used("addresses", space.host, space.name)
    only = link.name if space.setting("net/ipv4/conf/{}/arp_ignore", link.name) else None
    walk.watch.address(payload.target, space.owned)
    if not space.own(payload.target, only):
        return [End(trail, space, link.name, None, Death(f"{payload.target} is not here", trivial=True))]
    mac = link.mac or ""
    answer = Arp(
        operation=Arp.REPLY,
        sender_mac=mac,
        sender=payload.target,
        target_mac=payload.sender_mac,
        target=payload.sender,
    )
    answering = Passing(Frame(mac, frame.source, answer), outgoing=link.name)
    death = walk.hooks(space).arp("output", answering)
    if death is not None:
        return [End(trail, space, link.name, None, death)]
    return walk.transmit(space, link, answering.frame, trail)


def discovered(walk: "Layer3", space: Space, link: Link, passing: Passing, trail: Trail) -> list[End]:
    """A solicitation or advertisement was delivered to a namespace."""
    packet = passing.packet
    target = target_of(packet)
    walk.watch.used("addresses", space.host, space.name)
    if target is not None:
        walk.watch.address(target, [*space.owned, link_local(link.mac or _NOBODY)])
    if packet.type == ADVERTISE and target is not None:
        walk.learned[space, link.name, target] = mac_in(packet) or passing.frame.source
        return [End(trail, space, link.name, packet)]
    mine = target is not None and (space.own(target, link.name) or target == link_local(link.mac or _NOBODY))
    if target is None or not mine:
        return [End(trail, space, link.name, packet, Death(f"{target} is not here", trivial=True))]
    answer = advertisement(target, link.mac or _NOBODY, packet.source)
    return walk.on_link(space, link, answer, mac_in(packet) or passing.frame.source)
