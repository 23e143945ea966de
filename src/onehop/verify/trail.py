"""What is noted of a walk: step by step where a packet was and what happened to it, and how it ended."""

from typing import Literal

import msgspec

from onehop.net.identifier import HostName
from onehop.verify.packet import Packet
from onehop.verify.space import Space
from onehop.verify.subject import Passing

Kind = Literal["sent", "packet", "bridge", "nft", "nat", "route", "neighbour", "tunnel", "fabric", "end"]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened to a packet.

    Attributes:
        host: where; ``outside`` for what is no host of ours.
        namespace: in which; empty for the host's own.
        device: the link that it is about.
        kind: what sort of thing.
        text: in the words of ``ip``, ``bridge`` and ``nft``.
        before, after: the packet, where it was changed.
    """

    host: str
    namespace: str
    device: str
    kind: Kind
    text: str
    before: str = ""
    after: str = ""


Trail = tuple[Step, ...]


LATE = "its hop limit is used up"
"""Why a packet goes no further that a router has to tell of (RFC 1812, 5.3.1)."""


class Death(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a packet went no further.

    Attributes:
        reason: one clause.
        table, chain, rule: of nftables, where a rule decided.
        trivial: nobody meant it for here: one of the copies that a switch makes.
        reset: the sender is told by a TCP reset.
    """

    reason: str
    table: str = ""
    chain: str = ""
    rule: str = ""
    trivial: bool = False
    reset: bool = False


class End(msgspec.Struct, frozen=True):
    """The end of a packet, or of one of its copies.

    Attributes:
        trail: how it came there.
        space: where; for a host's own namespace of whatever link `link` is.
        link: the link that it was on.
        packet: as it was then; None of an ARP frame.
        death: why, or None where it was delivered.
    """

    trail: Trail
    space: Space
    link: str
    packet: Packet | None
    death: Death | None = None

    @property
    def host(self) -> HostName:
        """The host where it ended."""
        return self.space.host


def foremost(ends: list[End]) -> End:
    """Of a packet's copies the one that matters: delivered, else the one that came furthest."""
    return max(ends, key=lambda end: (end.death is None, end.death is None or not end.death.trivial, len(end.trail)))


def step(space: Space, device: str, kind: Kind, text: str, before: object = "", after: object = "") -> Step:
    """A step in a namespace."""
    return Step(space.host, space.name, device, kind, text, str(before), str(after))


def ended(trail: Trail, space: Space, link: str, passing: Passing, death: Death) -> End:
    """The end of a frame that died."""
    payload = passing.frame.payload
    return End(trail, space, link, payload if isinstance(payload, Packet) else None, death)
