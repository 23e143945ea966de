"""An nftables table: structure (chains, rules, counters, declarations of sets and maps) and the elements of its sets.

The structure changes by replacing the table; elements change in place.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from onehop.objects.base import KernelObject, Key

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Parts of an element's key and of its value (of a set: none)."""


class NamedSet(msgspec.Struct, frozen=True, gc=False):
    """A named set, or a map, of a table.

    Attributes:
        name: unique in its table.
        key: types of the parts of a key as nftables names them (``ipv4_addr``, ``inet_proto``, ``inet_service``, …),
            or, with `typeof`, the expressions that have these types (``ip daddr``, ``@th,224,16``).
        value: the same of what a key maps to; () for a set.
        typeof: `key` and `value` are expressions.
        interval: parts of a key may be ranges (``1024-2047``) and prefixes (``10.0.0.0/8``).
        elements: in nft's words and sorted as text: ``10.0.0.1``, ``203.0.113.5 . tcp . 80 : 10.0.0.5 . 8080``.
    """

    name: str
    key: tuple[str, ...]
    value: tuple[str, ...] = ()
    typeof: bool = False
    interval: bool = False
    elements: tuple[str, ...] = ()

    @property
    def declaration(self) -> "NamedSet":
        """It without its elements."""
        return msgspec.structs.replace(self, elements=()) if self.elements else self

    def pairs(self) -> Iterator[Pair]:
        """Its elements, taken apart."""
        return map(parts_of, self.elements)


def parts_of(element: str) -> Pair:
    """An element, taken apart."""
    key, _, value = element.partition(" : ")
    return tuple(key.split(" . ")), tuple(value.split(" . ")) if value else ()


class Ruleset(KernelObject, frozen=True, kw_only=True):
    """One nftables table with all that is in it, changed in one transaction.

    Attributes:
        family: ``inet``, ``ip``, ``ip6``, ``arp``, ``bridge`` or ``netdev``.
        table: its name, beginning with `onehop.net.naming.TABLE`.
        counters: names of its counters, in the order of declaration; what they count is not part of the table's value.
        sets: its named sets and maps, in the order of declaration.
        body: the lines of its chains, which follow the sets, in exactly the form that ``nft -s list table`` prints them
            (tabs, quotes, order), made from typed values only.
        devices: links that its chains hook (``netdev``); they must exist before it, and it must stand before they
            come up.
    """

    kind: ClassVar[str] = "ruleset"
    family: str
    table: str
    counters: tuple[str, ...] = ()
    sets: tuple[NamedSet, ...] = ()
    body: str
    devices: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.family, self.table)

    def has_structure_of(self, other: "Ruleset") -> bool:
        """Whether the two differ in elements only, so that one becomes the other in place."""
        return (
            self.key == other.key
            and self.body == other.body
            and self.counters == other.counters
            and len(self.sets) == len(other.sets)
            and all(a is b or a.declaration == b.declaration for a, b in zip(self.sets, other.sets, strict=True))
        )

    def differing(self, other: "Ruleset") -> Iterator[tuple[NamedSet, NamedSet]]:
        """Pairs of sets, of this and of one with the same structure, whose elements are not the same."""
        return ((a, b) for a, b in zip(self.sets, other.sets, strict=True) if a.elements != b.elements)
