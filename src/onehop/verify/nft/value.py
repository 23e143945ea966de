"""What a table of nftables says, as values: what it matches, looks up and does, and nothing of how a packet is kept.

An interpreter of single packets is in `onehop.verify.nft.evaluate`; one of sets of packets would read the same values.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Atom = int | str
"""What a field holds: a number (addresses and MACs are numbers too), or a link's name."""


class Span(msgspec.Struct, frozen=True):
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int

    def __contains__(self, atom: Atom) -> bool:
        return isinstance(atom, int) and self.first <= atom <= self.last


class Glob(msgspec.Struct, frozen=True):
    """Names that begin with `prefix`: ``"qr-*"``."""

    prefix: str

    def __contains__(self, atom: Atom) -> bool:
        return isinstance(atom, str) and atom.startswith(self.prefix)


Item = Atom | Span | Glob
"""One part of a key of a set or a map."""


class Field(msgspec.Struct, frozen=True):
    """Something that a rule reads or writes.

    Attributes:
        name: in nft's words: ``ip saddr``, ``@th,224,16``.
        kind: its data type, as nft names it.
    """

    name: str
    kind: str


class Verdict(msgspec.Struct, frozen=True):
    """``accept``, ``drop``, ``return``, or ``jump`` and ``goto`` to a chain."""

    word: Literal["accept", "drop", "return", "jump", "goto"]
    chain: str = ""


class Members(msgspec.Struct, frozen=True, dict=True):
    """The elements of a set or a map: key → value (of a set: none). What is reckoned of them is kept with them.

    Attributes:
        exact: those whose key is one value for each part.
        wide: the others.
    """

    exact: Mapping[tuple[Atom, ...], "Value"]
    wide: tuple[tuple[tuple[Item, ...], "Value"], ...] = ()

    def find(self, key: tuple[Atom, ...]) -> "Value | None":
        """The value of the element that a key is in, or None where it is in none."""
        found = self.exact.get(key)
        if found is not None:
            return found
        for items, value in self.wide:
            if all(_holds(item, atom) for item, atom in zip(items, key, strict=True)):
                return value
        return None


Value = tuple[Item, ...] | Verdict
"""What a map leads to; ``()`` in a set."""


def _holds(item: Item, atom: Atom) -> bool:
    return atom in item if isinstance(item, Span | Glob) else item == atom


class Match(msgspec.Struct, frozen=True):
    """Go on if the fields together are (or, `negated`, are not) in a set.

    Attributes:
        members: an anonymous set, or the name of a set of the table.
        mask: of the one field only these bits are compared; None is all.
    """

    fields: tuple[Field, ...]
    members: Members | str
    negated: bool = False
    mask: int | None = None


class Flags(msgspec.Struct, frozen=True):
    """Go on if one of the bits is set (or, `negated`, none is)."""

    field: Field
    bits: int
    negated: bool = False


class Chance(msgspec.Struct, frozen=True):
    """Go on by lot, once in so many times (``numgen random mod N == …``)."""

    times: int


class Limit(msgspec.Struct, frozen=True):
    """Go on while there are not too many (``limit rate …``): one packet alone is not."""


class Log(msgspec.Struct, frozen=True):
    """Tell somebody of the packet."""


class Looked(msgspec.Struct, frozen=True):
    """What a map says of some fields; where it says nothing the rule ends."""

    fields: tuple[Field, ...]
    members: Members | str


class Masked(msgspec.Struct, frozen=True):
    """A field ``& mask``."""

    field: Field
    mask: int


Source = int | Looked | Masked


class Assign(msgspec.Struct, frozen=True):
    """Write a field."""

    field: Field
    source: Source


class Translate(msgspec.Struct, frozen=True):
    """``snat to`` or ``dnat to``.

    Attributes:
        word: which.
        target: an address, or a map to an address, or to an address and a port.
        ports: of these one is chosen; None keeps the port.
    """

    word: Literal["snat", "dnat"]
    target: int | Looked
    ports: Span | None = None


class Reject(msgspec.Struct, frozen=True):
    """Drop, and tell the sender `how`: ``tcp reset``, or an ICMP error."""

    how: str


class Copy(msgspec.Struct, frozen=True):
    """``dup to`` (or, `away`, ``fwd to``) a device; with `hop`, ``fwd ip to`` a neighbour there, as a router would."""

    device: str
    away: bool = False
    hop: int | Looked | None = None


class Decide(msgspec.Struct, frozen=True):
    """``vmap``: the verdict that a map says; where it says nothing the rule ends."""

    looked: Looked


class Notrack(msgspec.Struct, frozen=True):
    """Keep the packet out of connection tracking."""


class Counter(msgspec.Struct, frozen=True):
    """Count the packet."""


Part = Match | Flags | Chance | Limit | Log | Assign | Translate | Reject | Copy | Decide | Notrack | Counter | Verdict


class Rule(msgspec.Struct, frozen=True):
    """A rule: its text, and its parts from left to right."""

    text: str
    parts: tuple[Part, ...]


class Hook(msgspec.Struct, frozen=True):
    """Where a base chain stands.

    Attributes:
        type: ``filter``, ``nat`` or ``route``.
        name: ``prerouting``, ``ingress``, …
        priority: lower is asked first.
        policy: what becomes of a packet that no rule decides.
        devices: links, of ``ingress`` and ``egress``.
    """

    type: str
    name: str
    priority: int
    policy: Literal["accept", "drop"]
    devices: tuple[str, ...] = ()


class Chain(msgspec.Struct, frozen=True):
    """A chain; `hook` is None where only other chains lead to it."""

    name: str
    hook: Hook | None
    rules: tuple[Rule, ...]


class Table(msgspec.Struct, frozen=True):
    """A table."""

    family: str
    name: str
    sets: Mapping[str, Members]
    chains: Mapping[str, Chain]

    def members(self, which: Members | str) -> Members:
        """A set by name, or the anonymous one itself."""
        return self.sets[which] if isinstance(which, str) else which

    def reads(self, word: str) -> bool:
        """Whether a rule reads a field whose name begins with `word`."""
        return any(_reads(part, word) for chain in self.chains.values() for rule in chain.rules for part in rule.parts)


def _reads(part: Part, word: str) -> bool:
    fields: tuple[Field, ...] = ()
    if isinstance(part, Match):
        fields = part.fields
    elif isinstance(part, Flags):
        fields = (part.field,)
    return any(field.name.startswith(word) for field in fields)
