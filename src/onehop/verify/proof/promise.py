"""What a promise is: frames of a box arrive at somebody, in a form; and the kinds of packets by which it is kept."""

import msgspec

from onehop.model.port import Port
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.reach import Source
from onehop.verify.proof.spans import Box, Numbers, both, every, meet, points, without

_OPENING = points([0x02, 0x42, 0x82, 0xC2])
"""SYN alone, and with the bits of explicit congestion notification (RFC 3168)."""
_OTHERS = without(every(8), points([1, 6, 17, 58]))

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
        untracked: no router has a connection of it.
        reset: it does not arrive, but is reset.
    """

    source: Source
    version: int
    box: Box
    to: str
    form: Form = Form()
    answered: bool = True
    told: bool = True
    untracked: bool = False
    reset: bool = False


def let_in(groups: Groups, target: Port, version: int, form: Form) -> list[Box]:
    """The packets, as they were sent, that a port's groups surely let in when they come in a form."""
    found: list[Box] = []
    for box in groups.inwards(target, version):
        left = dict(box)
        if form.source is not None and "source" in left:
            if both(form.source, left.pop("source")) != form.source:
                continue
        if form.sport is not None and "sport" in left:
            continue
        if form.destination is not None:
            left.pop("destination", None)
        if form.dport is not None and "dport" in left:
            if not both(points([form.dport]), left.pop("dport")):
                continue
        found.append(left)
    return found


def may_come_in(groups: Groups, target: Port, version: int, form: Form) -> list[Box]:
    """The packets, as they were sent, that a port's groups may let in when they come in a form."""
    found: list[Box] = []
    for box in groups.inwards(target, version):
        left = dict(box)
        if form.source is not None and "source" in left and not both(form.source, left.pop("source")):
            continue
        if form.sport is not None:
            left.pop("sport", None)
        if form.dport is not None and "dport" in left and not both(points([form.dport]), left.pop("dport")):
            continue
        found.append(left)
    return found


def all_of(*sets: list[Box]) -> list[Box]:
    """What is in one box of each list, as boxes."""
    found: list[Box] = [{}]
    for boxes in sets:
        found = [box for one in found for other in boxes if (box := meet(one, other)) is not None]
    return found
