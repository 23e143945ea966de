"""A question, walked: what becomes of a packet, what of its answer, and why."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from onehop.errors import ConflictError, InputError, NotFoundError
from onehop.model.port import Port
from onehop.net import address
from onehop.net.identifier import PortId
from onehop.verify.explain import advice
from onehop.verify.packet import ACK, ECHO, PROTOCOLS, RST, SYN, Packet
from onehop.verify.route import lookup, source_for
from onehop.verify.space import Space
from onehop.verify.trail import Death, End, Step, foremost
from onehop.verify.walk import Walk
from onehop.verify.world import FAR, World

Outcome = Literal["answered", "refused", "unanswered", "dead"]
"""``refused``: the address is a router's own, which answers, but serves nobody. ``unanswered``: the answer dies."""

SOURCE_PORT, ECHO_ID = 40_000, 4_000
"""Where nobody names one: outside of every usual block of ports, so that a translation is seen."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        port: whose instance sends; None asks from outside.
        destination: canonical address.
        protocol: ``icmp`` (ICMPv6 where the destination is IPv6), ``tcp``, ``udp`` or a number.
        destination_port: of TCP and UDP.
        source_port: of TCP and UDP; the id of an echo request. 0 leaves it to us.
        source: the source address; empty takes what the instance's routes say.
    """

    port: PortId | None
    destination: str
    protocol: str = "icmp"
    destination_port: int = 80
    source_port: int = 0
    source: str = ""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where something ended: host, namespace, link; and the port whose instance it is."""

    host: str
    namespace: str
    device: str
    port: str = ""

    def __str__(self) -> str:
        if self.port:
            return f"port {self.port} on {self.host}"
        if self.host == "outside":
            return "the outside"
        return f"{self.namespace or 'the host namespace'} on {self.host}"


class Trace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a question.

    Attributes:
        question: as asked, with the source that was taken.
        packet: as sent, in words.
        outcome: see `Outcome`.
        there, back: the steps of the packet, and of its answer.
        end: where the packet ended; `answer_end` where its answer did.
        seen: the source that it arrived with, and `seen_port` its port or echo id.
        reached: the destination that it arrived with, and `reached_port`.
        answered_from: the address that the answer came from.
        tracked: whether connection tracking has kept it somewhere.
        death: why it died, or the answer.
        summary, advice: in a sentence, and what to do.
    """

    question: Question
    packet: str
    outcome: Outcome
    there: tuple[Step, ...]
    end: Place
    back: tuple[Step, ...] = ()
    answer_end: Place | None = None
    seen: str = ""
    seen_port: int = 0
    reached: str = ""
    reached_port: int = 0
    answered_from: str = ""
    tracked: bool = False
    death: Death | None = None
    summary: str = ""
    advice: str = ""


def trace(world: World, question: Question, way: int = 0) -> Trace:
    """Walk a question, and the answer if it arrives.

    Args:
        world: the network.
        question: what is asked.
        way: which of equal-cost ways is taken.

    Raises:
        NotFoundError: the port does not exist.
        ConflictError: its instance is on no host.
        InputError: the question cannot be asked: no address of that family, an unknown protocol.
        UnknownRuleError: a ruleset says something that the model does not know.
    """
    asker = world.outside if question.port is None else _instance(world, question.port)
    packet = _packet(world, asker, question)
    walk = world.walk(way)
    end = foremost(walk.output(asker, packet))
    common = Trace(
        question=replace(question, source=packet.source),
        packet=str(packet),
        outcome="dead",
        there=end.trail,
        end=_place(world, end),
        death=end.death,
    )
    if end.death is not None or end.packet is None:
        return _said(replace(common, advice=advice(world.view, question.destination, end)))
    arrived = end.packet
    seen = replace(
        common,
        seen=arrived.source,
        seen_port=_source_port(arrived),
        reached=arrived.destination,
        reached_port=arrived.destination_port,
    )
    done = _answered(world, walk, seen, (asker, packet), end)
    return _said(replace(done, tracked=any(not hooks.tracker.is_empty for hooks in walk.known_hooks())))


def _answered(world: World, walk: Walk, so_far: Trace, asked: tuple[Space, Packet], end: End) -> Trace:
    asker, packet = asked
    if end.packet is None:
        return so_far
    refuses = not end.space.outer and not end.packet.is_echo
    if refuses and packet.protocol != PROTOCOLS["tcp"]:
        # A router's kernel says so by an ICMP error, which is not walked.
        return replace(so_far, outcome="refused")
    flags = (RST if refuses else SYN) | ACK
    answer = foremost(walk.output(end.space, end.packet.answer(flags)))
    done = replace(so_far, back=answer.trail, answer_end=_place(world, answer))
    death = _misled(asked, answer)
    if death is not None:
        return replace(done, outcome="unanswered", death=death, advice=advice(world.view, packet.source, answer))
    done = replace(done, answered_from=packet.destination)
    if packet.protocol == PROTOCOLS["tcp"] and not refuses:
        death = _broken(walk, (asker, replace(packet, flags=ACK)), end)
        if death is not None:
            return replace(done, outcome="unanswered", death=death)
    return replace(done, outcome="refused" if refuses else "answered")


def _misled(asked: tuple[Space, Packet], answer: End) -> Death | None:
    """Why an answer is of no use to the asker; None where it is the one that is waited for."""
    asker, packet = asked
    back = answer.packet
    if answer.death is not None:
        return answer.death
    if back is None or answer.space is not asker:
        return Death("the answer ends where nobody waits for it")
    if (back.destination, back.identifier or back.destination_port) != (packet.source, _source_port(packet)):
        return Death(f"the answer comes to {back.destination}, and nobody waits for it there")
    if (back.source, back.source_port) != (packet.destination, packet.destination_port):
        return Death(f"the answer comes from {back.source}, which was not asked")
    return None


def _broken(walk: Walk, asked: tuple[Space, Packet], first: End) -> Death | None:
    """Why a TCP connection ends after its handshake: the next segment, or its answer, goes another way."""
    again = foremost(walk.output(*asked))
    if again.death is not None or again.packet is None:
        reason = again.death.reason if again.death is not None else "lost"
        return Death(f"the handshake is answered, but the next segment dies: {reason}")
    if again.space is not first.space:
        return Death("the handshake is answered, but the next segment comes to somebody else")
    death = _misled(asked, foremost(walk.output(again.space, again.packet.answer(ACK))))
    return None if death is None else Death(f"the handshake is answered, but then {death.reason}")


def _source_port(packet: Packet) -> int:
    return packet.identifier if packet.is_icmp else packet.source_port


def _instance(world: World, port: PortId) -> Space:
    value: Port | None = world.view.ports.get(port)
    if value is None:
        raise NotFoundError(f"there is no port {port}")
    if value.router_id is not None:
        raise InputError(f"port {port} is a router's; name the port of an instance")
    space = world.instance(port)
    if space is None:
        raise ConflictError(f"port {port} is bound to no host, so nothing is sent from it: bind it or boot an instance")
    return space


def _packet(world: World, asker: Space, question: Question) -> Packet:
    version = address.version(question.destination)
    source = question.source or (FAR[version] if asker is world.outside else _source(asker, question.destination))
    if address.version(source) != version:
        raise InputError(f"{source} and {question.destination} are not of one family")
    name = "icmpv6" if question.protocol == "icmp" and version == 6 else question.protocol
    number = PROTOCOLS.get(name) or (int(name) if name.isdecimal() and int(name) < 256 else None)
    if number is None:
        raise InputError(f"the protocol {name[:32]!r} is not known: tcp, udp, icmp or a number")
    packet = Packet(source=source, destination=question.destination, protocol=number)
    if packet.is_icmp:
        return replace(packet, type=ECHO[name][0], identifier=question.source_port or ECHO_ID)
    if packet.has_ports:
        flags = SYN if number == PROTOCOLS["tcp"] else 0
        ports = {"source_port": question.source_port or SOURCE_PORT, "destination_port": question.destination_port}
        return replace(packet, flags=flags, **ports)
    return packet


def _source(asker: Space, destination: str) -> str:
    way = lookup(asker, destination, source="")
    source = source_for(asker, way, destination) if way.type in ("unicast", "local") else None
    if source is not None:
        return source
    six = address.version(destination) == 6
    mine = [one.address.partition("/")[0] for links in asker.addresses.values() for one in links]
    fitting = [one for one in mine if address.version(one) == (6 if six else 4)]
    if not fitting:
        raise InputError(f"the port has no IPv{6 if six else 4} address, so it sends nothing to {destination}")
    return fitting[0]


def _place(world: World, end: End) -> Place:
    port = world.port_of(end.space) if end.space.outer else None
    return Place(end.host, "" if port else end.space.name, end.link, port or "")


def _said(found: Trace) -> Trace:
    if found.outcome == "dead" and found.death is not None:
        text = f"dies in {found.end}: {found.death.reason}"
    elif found.outcome == "unanswered" and found.death is not None:
        text = f"reaches {found.end}, but {found.death.reason} (in {found.answer_end})"
    elif found.outcome == "refused":
        text = f"reaches {found.end}, whose kernel answers that nobody listens there"
    elif found.outcome == "unanswered":
        text = f"reaches {found.end}, but the answer ends in {found.answer_end}"
    else:
        text = f"reaches {found.end}, and the answer comes from {found.answered_from}"
    return replace(found, summary=text)
