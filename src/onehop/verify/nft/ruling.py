"""What rules ask of a packet, and what a base chain says of it."""

from typing import Literal, Protocol

import msgspec

from onehop.verify.nft.value import Atom, Field, Span


class Subject(Protocol):
    """A packet, as rules see it."""

    def read(self, field: Field) -> Atom | None:
        """What a field holds, or None where the packet has no such field: then the rule does not concern it."""
        ...

    def write(self, field: Field, value: int) -> None:
        """Change a field."""
        ...

    def untrack(self) -> None:
        """Keep it out of connection tracking."""
        ...

    def __str__(self) -> str:
        """The packet in words."""
        ...


class Said(msgspec.Struct, frozen=True):
    """What a rule did to a packet: the packet before and after, in words.

    Attributes:
        chain, rule: its chain, its text.
        before, after: equal where it changed nothing that is shown.
    """

    chain: str
    rule: str
    before: str
    after: str


class Ruling(msgspec.Struct, frozen=True):
    """What a base chain decided.

    Attributes:
        verdict: ``accept`` goes on to the next chain.
        chain, rule: where it was decided; `rule` is empty where it was the policy.
        said: what rules did on the way.
        copies: devices that a copy goes to.
        address, ports: of a translation: the new address, and the ports of which one is to be chosen. Of what is sent
            away to a neighbour: its address.
        how: of a reject.
    """

    verdict: Literal["accept", "drop", "reject", "translate", "forward"]
    chain: str
    rule: str = ""
    said: tuple[Said, ...] = ()
    copies: tuple[str, ...] = ()
    address: int = 0
    ports: Span | None = None
    how: str = ""
