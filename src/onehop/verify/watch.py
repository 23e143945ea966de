"""What a walk asks of a packet, told to whoever wants to know on which of its values the outcome depends.

Everything in this package that decides by a value of the packet says so to the walk's `Watch`, and says with it which
other values it was compared with. `Watch` itself does not listen; `onehop.verify.proof.recorder` does: two packets that
are alike in all that was asked have the same fate.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from onehop.verify.nft.value import Atom, Field, Members, Span
from onehop.verify.packet import Arp, Packet

if TYPE_CHECKING:
    from onehop.verify.space import Space


class Readable(Protocol):
    """A packet whose fields can be read."""

    def read(self, field: Field) -> Atom | None:
        """What a field holds; None where there is no such field."""
        ...


class Watch:
    """Hears every question about a packet, and does nothing."""

    def used(self, *what: object) -> None:
        """Something that a host holds was looked at: its kind, and what tells it from others of the kind.

        Whoever hears this knows what a walk does not depend on: all else. Kinds: link, bridge, vni, fdb, vtep,
        neighbour, addresses, routes, rules, setting, tracks, chain, rule, set.
        """

    def asks(self, space: "Space", link: str, ip: str) -> None:
        """A namespace asks on a link who has an address."""

    def left(self, space: "Space", link: str, mark: int) -> None:
        """A packet leaves a namespace, or a bridge, by a link, with this mark."""

    def destination(self, mac: str, known: Collection[str], learned: Collection[str] = ()) -> None:
        """A MAC was looked for among these, and those that were learned; or it was asked whether it is a group's."""

    def address(self, ip: str, known: Collection[str]) -> None:
        """An address was looked for among these."""

    def arp(self, arp: Arp) -> None:
        """It was asked what ARP this is, and whether its sender and its target are one."""

    def route(self, space: "Space", packet: Packet, mark: int) -> None:
        """A packet was looked up in the policy rules and tables of a namespace."""

    def observed(self, *what: object) -> None:
        """Somebody would notice this: who hears which frame, what is reset, what is kept in a connection."""

    def discovery(self, packet: Packet) -> None:
        """It was asked whether it is a neighbour solicitation or advertisement."""

    def linked(self, packet: Packet) -> None:
        """It was asked whether an IPv6 packet goes to a link-local address or a group."""

    def protocol(self, packet: Packet) -> None:
        """It was asked whether it is neighbour discovery, or what connection it may begin: protocol, type, flags."""

    def port(self, number: int, span: Span) -> None:
        """It was asked whether a port, or an id, is in a span."""

    def flow(self, mine: tuple[Atom, ...], known: tuple[Atom, ...]) -> None:
        """A flow was compared with one that is known: protocol, source, port, destination, port, type."""

    def read(self, subject: Readable, field: Field, found: Atom | None) -> None:
        """A rule has read a field, or found that the packet has none."""

    def matched(
        self,
        subject: Readable,
        fields: tuple[Field, ...],
        members: Members,
        key: tuple[Atom, ...],
        mask: int | None,
    ) -> None:
        """A key of these fields (of which only the bits of `mask` count) was looked for in a set or map."""

    def flags(self, field: Field, found: int, bits: int) -> None:
        """It was asked whether one of these bits is set."""


SILENT = Watch()
"""For walks whose packet is all that is asked about."""
