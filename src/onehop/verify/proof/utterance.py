"""Every frame that can be said at a tap, in the forms that its rules can tell apart, as pieces of bits.

A form says which headers there are and what can be read of them; a field of a rule is a row of pieces: dimensions, each
with its width, and constants. Forms together are all frames: another type in the frame (tags among them), ARP, RARP,
IPv4 and IPv6; and of these whole packets, ones cut off before their ports, later fragments, and IPv6 with headers in
between.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from onehop.errors import UnknownRuleError
from onehop.verify.nft.value import Atom, Field
from onehop.verify.proof.spans import Box, Numbers, every, points, without

IP, ARP, RARP, IP6 = 0x0800, 0x0806, 0x8035, 0x86DD
EXTENSIONS = points([0, 43, 44, 51, 60, 135, 139, 140])


class Piece(NamedTuple):
    """Some bits: a dimension, or (without a name) a constant."""

    name: str
    bits: int
    value: int = 0


Row = tuple[Piece, ...]
_MAC = Piece("smac", 48)
_ALWAYS: Mapping[str, Row] = MappingProxyType({"ether saddr": (_MAC,), "ether daddr": (Piece("dmac", 48),)})


class Form(msgspec.Struct, frozen=True):
    """Frames of one form.

    Attributes:
        name: for people.
        fields: what can be read, as pieces; what is not here cannot be read.
        limits: of dimensions that are not free.
    """

    name: str
    fields: Mapping[str, Row]
    limits: Box

    def box(self) -> Box:
        """All frames of this form."""
        pieces = {piece for row in self.fields.values() for piece in row if piece.name}
        return {piece.name: self.limits.get(piece.name, every(piece.bits)) for piece in sorted(pieces)}


class Utterance:
    """One frame of a form, as rules read it."""

    def __init__(self, form: Form, values: Mapping[str, int]) -> None:
        self.form = form
        self.values = values

    def read(self, field: Field) -> Atom | None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        row = self.form.fields.get(field.name)
        if row is None:
            if field.name not in KNOWN:
                raise UnknownRuleError(f"{field.name} is not known to proofs of what is said")
            return None
        number = 0
        for piece in row:
            number = number << piece.bits | (self.values[piece.name] if piece.name else piece.value)
        return number

    def write(self, field: Field, value: int) -> None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        raise UnknownRuleError(f"{field.name} is set to {value} at a tap, which is not known to proofs")

    def untrack(self) -> None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        raise UnknownRuleError("notrack at a tap is not known to proofs")

    def __str__(self) -> str:
        return f"{self.form.name}: " + ", ".join(f"{name} {value:#x}" for name, value in self.values.items())


def _ethernet(kind: int) -> dict[str, Row]:
    return {**_ALWAYS, "ether type": (Piece("", 16, kind),), "@ll,48,64": (_MAC, Piece("", 16, kind))}


def _arp() -> Form:
    sender, mac = Piece("sender", 32), Piece("sender_mac", 48)
    fields: dict[str, Row] = {
        **_ethernet(ARP),
        "@nh,0,48": (Piece("fixed", 48),),
        "arp operation": (Piece("operation", 16),),
        "arp saddr ether": (mac,),
        "arp saddr ip": (sender,),
        "arp daddr ether": (Piece("target_mac", 48),),
        "arp daddr ip": (Piece("target", 32),),
    }
    return Form("ARP", fields, {})


def _ip4(name: str, transport: Mapping[str, Row], **limits: Numbers) -> Form:
    source, first = Piece("source", 32), (Piece("fragment_flags", 3), Piece("offset", 13))
    fields: dict[str, Row] = {
        **_ethernet(IP),
        "ip saddr": (source,),
        "@nh,96,32": (source,),
        "ip daddr": (Piece("destination", 32),),
        "ip protocol": (Piece("protocol", 8),),
        "ip frag-off": first,
        **transport,
    }
    return Form(name, fields, limits)


_PORTS: Mapping[str, Row] = MappingProxyType(
    {"udp sport": (Piece("sport", 16),), "udp dport": (Piece("dport", 16),), "th dport": (Piece("dport", 16),)}
)
_SOURCE6 = (Piece("source_high", 88), Piece("source_middle", 16), Piece("source_low", 24))
_TARGET = (Piece("target_high", 88), Piece("target_middle", 16), Piece("target_low", 24))
_TYPE: Mapping[str, Row] = MappingProxyType({"icmpv6 type": (Piece("type", 8),)})
_SOLICITS: Mapping[str, Row] = MappingProxyType(
    {**_TYPE, "@th,64,16": (Piece("option", 16),), "@th,80,48": (Piece("option_mac", 48),)}
)
_DISCOVERY: Mapping[str, Row] = MappingProxyType(
    {
        **_TYPE,
        "@th,64,128": _TARGET,
        "@th,152,16": _TARGET[1:2],
        "@th,192,16": (Piece("option", 16),),
        "@th,208,48": (Piece("option_mac", 48),),
    }
)


def _ip6(name: str, begins: Row, transport: Mapping[str, Row], **limits: Numbers) -> Form:
    fields: dict[str, Row] = {
        **_ethernet(IP6),
        "ip6 saddr": _SOURCE6,
        "@nh,64,128": _SOURCE6,
        "@nh,152,16": _SOURCE6[1:2],
        "ip6 daddr": (Piece("destination", 128),),
        "ip6 nexthdr": begins,
        "ip6 length": (Piece("length", 16),),
        **transport,
    }
    return Form(name, fields, limits)


def _of_six() -> Iterator[Form]:
    """IPv6: what is carried, behind nothing, behind other headers, or in fragments."""
    here, there = (Piece("protocol", 8),), (Piece("next", 8),)
    other = without(every(8), points([17, 58]))
    l4: dict[str, Row] = {"meta l4proto": here}
    kinds = (
        ("UDP", {**l4, **_PORTS}, points([17])),
        ("ICMPv6", {**l4, **_TYPE}, points([58])),
        ("another protocol", l4, other),
        ("UDP or ICMPv6, cut off", l4, points([17, 58])),
    )
    for name, transport, protocols in kinds:
        plain = without(protocols, EXTENSIONS)
        if name == "ICMPv6":
            yield _ip6("IPv6 with router solicitation", here, {**l4, **_SOLICITS}, protocol=plain, type=points([133]))
            for word, number in (("neighbour solicitation", 135), ("neighbour advertisement", 136)):
                yield _ip6(f"IPv6 with {word}", here, {**l4, **_DISCOVERY}, protocol=plain, type=points([number]))
            rest = without(every(8), points([133, 135, 136]))
            yield _ip6("IPv6 with other ICMPv6", here, transport, protocol=plain, type=rest)
        elif plain:
            yield _ip6(f"IPv6 with {name}", here, transport, protocol=plain)
        yield _ip6(f"IPv6 with headers and {name}", there, transport, protocol=protocols, next=EXTENSIONS)
        first = {**transport, "frag frag-off": (Piece("", 13, 0),), "frag nexthdr": (Piece("inner", 8),)}
        yield _ip6(f"first fragment of IPv6 with {name}", there, first, protocol=protocols, next=EXTENSIONS)
    later: dict[str, Row] = {**l4, "frag frag-off": (Piece("offset", 13),), "frag nexthdr": (Piece("inner", 8),)}
    yield _ip6("later fragment of IPv6", there, later, next=EXTENSIONS, offset=((1, 8191),))
    yield _ip6("IPv6 with headers that do not end", there, {}, next=EXTENSIONS)


def _forms() -> Iterator[Form]:
    others = without(every(16), points([IP, ARP, RARP, IP6]))
    kind = Piece("type", 16)
    yield Form("another type", {**_ALWAYS, "ether type": (kind,), "@ll,48,64": (_MAC, kind)}, {"type": others})
    yield _arp()
    yield Form("RARP", {**_ethernet(RARP), "@nh,64,48": (Piece("sender_mac", 48),)}, {})
    whole: Numbers = ((0, 0),)
    yield _ip4("IPv4 with UDP", _PORTS, protocol=points([17]), offset=whole)
    yield _ip4("IPv4 with UDP, cut off", {}, protocol=points([17]), offset=whole)
    yield _ip4("IPv4 with another protocol", {}, protocol=without(every(8), points([17])), offset=whole)
    yield _ip4("later fragment of IPv4", {}, offset=((1, 8191),))
    yield from _of_six()


FORMS: tuple[Form, ...] = tuple(_forms())
"""All frames."""

KNOWN = frozenset(name for form in FORMS for name in form.fields)
