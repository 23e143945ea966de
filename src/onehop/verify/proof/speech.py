"""What a protected port may say, frame by frame, as boxes over the forms of `onehop.verify.proof.utterance`.

By the API's values, not by the rules: the proof compares the two.
"""

from collections.abc import Iterator

from onehop.net.address import pack_mac
from onehop.verify.proof.identity import Identity
from onehop.verify.proof.pieces import split
from onehop.verify.proof.spans import Box, Numbers, every, meet, numbers, points, without
from onehop.verify.proof.utterance import Form

_ARP_OF_IPV4 = 0x000108000604
_EUI64 = without(every(16), points([0xFFFE]))
_NOBODY: Box = {"source_high": ((0, 0),), "source_middle": ((0, 0),), "source_low": ((0, 0),)}
_LISTENERS = points([131, 132, 143])
_ROUTERS = points([134, 137])
_CARRIED = without(every(8), points([0, 43, 44, 51, 60]))
_PROTOCOLS = ((0, 254),)
"""255 is reserved, and is how a rule tells headers that do not end."""
SERVED: dict[int, tuple[Box, ...]] = {
    4: ({"protocol": points([17]), "dport": points([68])},),
    6: ({"protocol": points([17]), "dport": points([546])}, {"protocol": points([58]), "type": _ROUTERS}),
}
"""By IP version: what only those say who serve a network, and no protected port."""
_OF_NEIGHBOURS = points([133, 135, 136])


def _number(mac: str) -> int:
    return int.from_bytes(pack_mac(mac))


class Speech:
    """What one port may say."""

    def __init__(self, who: Identity) -> None:
        self.who = who
        self.macs = points(map(_number, who.macs))

    def allowed(self, form: Form) -> list[Box]:
        """The frames of a form that it may say, as boxes."""
        if form.name == "another type" or "cut off" in form.name or form.name.endswith("do not end"):
            return []
        if form.name == "ARP":
            return list(self._arp())
        if form.name == "RARP":
            return [{"smac": self.macs, "sender_mac": self.macs}]
        if "IPv4" in form.name:
            return list(self._ip4(form))
        return list(self._ip6(form))

    def _arp(self) -> Iterator[Box]:
        for mac in self.who.macs:
            mine = numbers((*self.who.own[mac, 4], *self.who.wide[4]))
            said: Box = {"smac": self.macs, "fixed": points([_ARP_OF_IPV4]), "sender_mac": points([_number(mac)])}
            yield {**said, "sender": mine}
            yield {**said, "sender": points([0]), "target": mine}

    def _ip4(self, form: Form) -> Iterator[Box]:
        udp: Box = {"dport": without(every(16), points([68]))} if form.name.endswith("UDP") else {}
        for mac in self.who.macs:
            mine = numbers((*self.who.own[mac, 4], *self.who.wide[4]))
            yield {"smac": points([_number(mac)]), "source": mine, **udp}
        if udp:
            nobody, all_ = points([0]), points([(1 << 32) - 1])
            yield {
                "smac": self.macs,
                "source": nobody,
                "destination": all_,
                "sport": points([68]),
                "dport": points([67]),
            }

    def _ip6(self, form: Form) -> Iterator[Box]:
        sources = list(self._sources(form))
        if "fragment" in form.name:
            # What is fragmented shows what it carries: no further headers behind the fragment's.
            sources = _all(sources, [{"inner": _CARRIED}])
        if "type" not in form.box() and not form.name.endswith("UDP"):
            sources = _all(sources, [{"protocol": _PROTOCOLS}])
        if form.name.endswith("UDP"):
            yield from _all(sources, [{"dport": without(every(16), points([546]))}])
        elif "type" not in form.box():
            yield from sources
        elif "option" in form.box():
            yield from self._discovery(form, sources)
        else:
            yield from self._icmp(form, sources)

    def _icmp(self, form: Form, sources: list[Box]) -> Iterator[Box]:
        others = without(without(every(8), _ROUTERS), _OF_NEIGHBOURS)
        yield from _all(sources, [{"type": others}])
        nobody: Box = {"smac": self.macs, **_NOBODY, **({"inner": _CARRIED} if "fragment" in form.name else {})}
        yield {**nobody, "type": _LISTENERS}

    def _discovery(self, form: Form, sources: list[Box]) -> list[Box]:
        nobody: Box = {"smac": self.macs, **_NOBODY}
        if form.name.endswith("router solicitation"):
            alone: Box = {"length": points([8])}
            signed: Box = {"length": points([16]), "option": points([0x101]), "option_mac": self.macs}
            return _all([*sources, nobody], [alone, signed])
        options: list[Box] = [
            {"length": points([24])},
            {"length": points([32]), "option": points([0x101, 0x201]), "option_mac": self.macs},
            {"length": points([32]), "option": points([0xE01])},
        ]
        mine = _all(options, list(self._targets(form)))
        if form.name.endswith("solicitation"):
            return [*_all(sources, options), *_all([nobody], mine)]
        return _all(sources, mine)

    def _sources(self, form: Form) -> Iterator[Box]:
        row = form.fields["ip6 saddr"]
        for mac in self.who.macs:
            speaks: Box = {"smac": points([_number(mac)])}
            for box in split(row, numbers((*self.who.own[mac, 6], *self.who.wide[6]))):
                yield {**box, **speaks}
            for box in split(row, self.who.linked):
                chosen = meet(box, {"source_middle": _EUI64})
                if chosen is not None:
                    yield {**chosen, **speaks}

    def _targets(self, form: Form) -> Iterator[Box]:
        row = form.fields["@th,64,128"]
        own: Numbers = numbers(span for mac in self.who.macs for span in self.who.own[mac, 6])
        yield from split(row, numbers((*own, *self.who.wide[6])))
        for box in split(row, self.who.linked):
            chosen = meet(box, {"target_middle": _EUI64})
            if chosen is not None:
                yield chosen


def _all(ones: list[Box], others: list[Box]) -> list[Box]:
    return [found for one in ones for other in others if (found := meet(one, other)) is not None]
