"""What a promise is: frames of a box arrive at somebody, in a form; and the kinds of packets by which it is kept."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from onehop.model.port import Port
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.reach import Source
from onehop.verify.proof.sample import PACKETS
from onehop.verify.proof.spans import Box, Numbers, both, every, holds, meet, points, remainder, without

_OPENING = points([0x02, 0x42, 0x82, 0xC2])
"""SYN alone, and with the bits of explicit congestion notification (RFC 3168)."""
_OTHERS = without(every(8), points([1, 6, 17, 58]))

_TURNED = {"source": "destination", "destination": "source", "sport": "dport", "dport": "sport"}

KINDS: dict[int, tuple[Box, ...]] = {
    version: (
        {"protocol": points([6]), "flags": _OPENING},
        {"protocol": points([17])},
        {"protocol": points([icmp]), "type": points([echo]), "code": points([0])},
        {"protocol": _OTHERS},
    )
    for version, icmp, echo in ((4, 1, 8), (6, 58, 128))
}
"""By IP version: packets that begin something which is answered."""

PORTED = 3
"""Of `KINDS` so many have ports or an id; the rest has none."""


class Form(msgspec.Struct, frozen=True):
    """What a packet looks like where it arrives; None is as it was sent.

    Attributes:
        source: one of these; `sport`, its port or id, too.
        destination: address, and `dport` its port.
    """

    source: Numbers | None = None
    sport: Numbers | None = None
    destination: int | None = None
    dport: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is translated."""
        return self == Form()


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """Frames that arrive.

    Attributes:
        source: who sends; by IP and not by frames, where that is the outside (whoever it is asks for its neighbours).
        version: of IP.
        box: which frames.
        to: the port that they come to; "" is the outside, ``router`` a router that they are for.
        form: in which they come.
        answered: the answer comes back; so does an ICMP error about the packet, where `told`.
        untracked: no router has a connection of it; `passed` the one on the sender's own host.
        reset: it does not arrive, but is reset.
        silent: the answer surely does not come back.
        all: all of these hear it, who may be others than `to`.
    """

    source: Source
    version: int
    box: Box
    to: str
    form: Form = Form()
    answered: bool = True
    told: bool = True
    untracked: bool = False
    passed: bool = False
    reset: bool = False
    silent: bool = False
    all: frozenset[str] = frozenset()


def let_in(groups: Groups, target: Port, version: int, form: Form, *, near: bool = False) -> list[Box]:
    """The packets, as they were sent, that a port's groups surely let in when they come in a form."""
    return list(_in(groups, target, version, form, sure=True, near=near))


def may_come_in(groups: Groups, target: Port, version: int, form: Form, *, near: bool = False) -> list[Box]:
    """The packets, as they were sent, that a port's groups may let in when they come in a form."""
    return list(_in(groups, target, version, form, sure=False, near=near))


def _in(groups: Groups, target: Port, version: int, form: Form, *, sure: bool, near: bool) -> Iterator[Box]:
    for box in groups.inwards(target, version, near=near):
        left, source = dict(box), form.source
        if source is not None:
            met = both(source, left.pop("source", source))
            if not met or (sure and met != source):
                continue
        if form.sport is not None and left.pop("sport", None) is not None and sure:
            continue
        if form.dport is not None and not holds(left.pop("dport", every(16)), form.dport):
            continue
        yield left


def all_of(*sets: list[Box]) -> list[Box]:
    """What is in one box of each list, as boxes."""
    found: list[Box] = [{}]
    for boxes in sets:
        found = [box for one in found for other in boxes if (box := meet(one, other)) is not None]
    return found


def whole(box: Box, version: int) -> Box:
    """The box with all dimensions."""
    return meet(PACKETS[version], box) or {}


def by_rules(groups: Groups, port: Port | None, other: Port, box: Box, promise: Promise) -> Promise:
    """A promise from one port to another, where an end does not know of connections: its rules judge answers, too."""
    if port is None or not promise.form.is_plain or groups.know(port, other):
        return promise
    names = [name for name in box if name != "type" and _TURNED.get(name, name) in box]
    turned = whole({name: box[_TURNED.get(name, name)] for name in names}, promise.version)
    near, version = port.network_id == other.network_id, promise.version
    sides = (
        (other, groups.outwards(other, version, near=near)),
        (port, groups.inwards(port, version, near=near)),
    )
    judged = [boxes for one, boxes in sides if not groups.knows(one)]
    sure = all(any(not remainder(turned, [lets]) for lets in boxes) for boxes in judged)
    never = any(all(meet(turned, lets) is None for lets in boxes) for boxes in judged)
    udp, tcp = (box.get("protocol") == points([number]) for number in (17, 6))
    return replace(promise, answered=udp and sure, told=False, silent=(udp or tcp) and never)
