"""The box of packets that are alike: in everything that was asked of one on its walk, all of them answer the same.

What is asked is told by `onehop.verify.watch`. A value belongs to the dimension whose value it has: what a rule has put
in its place is a constant to all packets of the box, because the rule found the same for all of them. Where two
dimensions happen to have one value both are cut: boxes become smaller than need be, never larger.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from onehop.errors import UnknownRuleError
from onehop.net.address import version
from onehop.verify.conntrack import begins_tcp
from onehop.verify.nft.value import Atom, Field, Members, Span
from onehop.verify.packet import ECHO, UNTRACKABLE, Arp, Packet
from onehop.verify.proof.alike import WHOLE, alike, masked, same
from onehop.verify.proof.pieces import around
from onehop.verify.proof.routes import same_route, span_of
from onehop.verify.proof.sample import GROUPS, RAW, UNICAST, ip_number, is_part, mac_number
from onehop.verify.proof.spans import Box, Numbers, both, every, holds, points, size, without
from onehop.verify.proof.utterance import Piece
from onehop.verify.route import OF_LINK
from onehop.verify.space import Space
from onehop.verify.watch import Readable, Watch

_MACS = ("source_mac", "destination_mac", "sender_mac", "target_mac", "option_mac")
_ADDRESSES = ("source", "destination", "sender", "target", "quoted_source")
_PORTS = ("sport", "dport", "id", "quoted_sport", "quoted_dport", "quoted_id")
_BY_KIND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ether_addr": _MACS,
        "ipv4_addr": _ADDRESSES,
        "ipv6_addr": _ADDRESSES,
        "inet_proto": ("protocol",),
        "inet_service": _PORTS,
        "integer16": _PORTS,
        "integer8": ("code",),
        "icmp_type": ("type",),
        "icmpv6_type": ("type",),
        "tcp_flag": ("flags",),
        "arp_op": ("operation",),
        "mark": (),
        "ifname": (),
        "nf_proto": (),
        "ether_type": (),
        "ct_state": (),
        "ct_status": (),
        "ct_dir": (),
    }
)
_ABOVE_IP = ("icmp ", "icmpv6 ", "tcp ", "udp ", "th ", "@th")
_OPTIONS = "@nh,320,64"
_CALLED = "@nh,128,32"
"""The destination of IPv4."""
_TYPE_CODE = "type and code"
_PROTOCOL = Field("meta l4proto", "inet_proto")
_FLOW = ("inet_proto", "ipv4_addr", "inet_service", "ipv4_addr", "inet_service", "icmp_type")
"""Kinds of the parts of a flow."""
_SHAPES = (points([6]), points([17]), points([1]), points([58]))
_BEGINNING = points(flags for flags in range(256) if begins_tcp(flags))
_MOST_MACS = 65_536
_DISCOVERS = points([58])
_OTHERS = without(((0, 255),), points([1, 6, 17, 58]))


class Recorder(Watch):
    """Listens while one packet is walked.

    Attributes:
        values: the packet's, by dimension, those that are part of it.
        box: those that are alike so far; a dimension that is not in it does not matter.
    """

    def __init__(self, values: Mapping[str, int], family: int, limit: Box = MappingProxyType({})) -> None:
        """Begin.

        Args:
            values: of the packet that is walked.
            family: 4, 6, or 0 of ARP.
            limit: the packets that are looked at at all.
        """
        self.limit = limit
        self.values = {name: value for name, value in values.items() if is_part(name, values.get("protocol"), family)}
        self.family = family
        self.box: dict[str, Numbers] = {}

    def _keep(self, name: str, some: Numbers) -> None:
        known = self.box.get(name)
        self.box[name] = some if known is None else both(known, some)

    def _named(self, names: tuple[str, ...], value: int) -> Iterator[str]:
        return (name for name in names if self.values.get(name) == value)

    def _mac(self, mac: str, some: Numbers) -> None:
        for name in self._named(_MACS, mac_number(mac)):
            self._keep(name, some)

    def _ip(self, ip: str, some: Numbers) -> None:
        if version(ip) == (self.family or 4):
            for name in self._named(_ADDRESSES, ip_number(ip)):
                self._keep(name, some)

    def destination(self, mac: str, known: Collection[str], learned: Collection[str] = ()) -> None:
        """See `Watch`.

        What was learned from the frame itself is its source, whatever that is. That a frame goes to its own source is
        not told apart: it comes to fewer places than its class, not to more.
        """
        number = mac_number(mac)
        if not any(self._named(_MACS, number)):
            return
        others = {mac_number(one) for one in known if one}
        source = self.values.get("source_mac")
        others |= {one for one in map(mac_number, learned) if one != source or not self._varies("source_mac")}
        group = UNICAST if holds(UNICAST, number) else GROUPS
        self._mac(mac, both(group, same(number, (points([one]) for one in others))))

    def address(self, ip: str, known: Collection[str]) -> None:
        """See `Watch`."""
        number = ip_number(ip)
        if any(self._named(_ADDRESSES, number)):
            alike_ = (points([ip_number(one)]) for one in known if version(one) == version(ip))
            self._ip(ip, same(number, alike_))

    def arp(self, arp: Arp) -> None:
        """See `Watch`; that sender and target are one is a space of its own."""
        for name in self._named(("operation",), arp.operation):
            self._keep(name, same(arp.operation, (points([known]) for known in (Arp.REQUEST, Arp.REPLY))))

    def route(self, space: Space, packet: Packet, mark: int) -> None:
        """See `Watch`."""
        destinations, sources = same_route(space, packet.destination, packet.source, mark)
        self._ip(packet.destination, destinations)
        if sources != WHOLE:
            self._ip(packet.source, sources)

    def discovery(self, packet: Packet) -> None:
        """See `Watch`."""
        for name in self._named(("protocol",), packet.protocol):
            self._keep(name, _DISCOVERS if packet.protocol == 58 else without(((0, 255),), _DISCOVERS))
        if packet.protocol == 58 and self.values.get("type") == packet.type:
            self._keep("type", same(packet.type, iter([points([135]), points([136]), points(UNTRACKABLE)])))

    def linked(self, packet: Packet) -> None:
        """See `Watch`."""
        self._ip(packet.destination, same(ip_number(packet.destination), map(span_of, OF_LINK)))

    def protocol(self, packet: Packet) -> None:
        """See `Watch`."""
        self._shape(packet.protocol)
        if packet.is_icmp:
            self._type(packet)
        elif packet.protocol == 6:
            for name in self._named(("flags",), packet.flags):
                self._keep(name, _BEGINNING if holds(_BEGINNING, packet.flags) else without(((0, 255),), _BEGINNING))

    def _type(self, packet: Packet) -> None:
        known = ECHO["icmp"] if packet.protocol == 1 else (*ECHO["icmpv6"], 135, 136)
        if self.values.get("type") == packet.type:
            self._keep("type", same(packet.type, (points([one]) for one in known)))

    def _shape(self, protocol: int) -> None:
        if self.values.get("protocol") == protocol:
            self._keep("protocol", next((shape for shape in _SHAPES if holds(shape, protocol)), _OTHERS))

    def port(self, number: int, span: Span) -> None:
        """See `Watch`."""
        for name in self._named(_PORTS, number):
            self._keep(name, same(number, iter([((span.first, span.last),)])))

    def flow(self, mine: tuple[Atom, ...], known: tuple[Atom, ...]) -> None:
        """See `Watch`: of flows that differ, a part that does goes on to differ; of several the one that is freest."""
        apart = [
            (kind, _as_number(one), _as_number(other))
            for kind, one, other in zip(_FLOW, mine, known, strict=True)
            if one != other
        ]
        if apart:
            self._apart(*min(apart, key=lambda part: self._moves(part[0], part[1]) + self._moves(part[0], part[2])))

    def _moves(self, kind: str, value: int) -> bool:
        return any(map(self._varies, self._named(_BY_KIND[kind], value)))

    def _apart(self, kind: str, first: int, second: int) -> None:
        ours, theirs = (set(self._named(_BY_KIND[kind], value)) for value in (first, second))
        if not any(map(self._varies, (*ours, *theirs))):
            return
        if not any(map(self._varies, theirs)):
            for name in ours:
                self._keep(name, without(WHOLE, points([second])))
        elif not any(map(self._varies, ours)):
            for name in theirs:
                self._keep(name, without(WHOLE, points([first])))
        else:
            low = min(first, second)
            below, above = ((0, low),), ((low + 1, WHOLE[0][1]),)
            for name in ours:
                self._keep(name, below if first == low else above)
            for name in theirs:
                self._keep(name, below if second == low else above)

    def _varies(self, name: str) -> bool:
        """Whether other packets that are looked at have another value there."""
        some = self.limit.get(name, ())
        return len(some) != 1 or some[0][0] != some[0][1]

    def read(self, subject: Readable, field: Field, found: Atom | None) -> None:
        """See `Watch`."""
        if not field.name.startswith(_ABOVE_IP):
            return
        protocol = subject.read(_PROTOCOL)
        if not isinstance(protocol, int):
            return
        self._shape(protocol)
        if field.name in ("icmp id", "icmpv6 id") and protocol in (1, 58):
            echo = points(ECHO["icmp" if protocol == 1 else "icmpv6"])
            kind = self.values.get("type", 0)
            self._keep("type", echo if holds(echo, kind) else without(WHOLE, echo))
        if field.name.startswith("@th") and found is not None and (protocol, field.name) not in RAW:
            raise UnknownRuleError(f"{field.name} of protocol {protocol} is not known to proofs")

    def matched(
        self,
        subject: Readable,
        fields: tuple[Field, ...],
        members: Members,
        key: tuple[Atom, ...],
        mask: int | None,
    ) -> None:
        """See `Watch`."""
        asked = key if mask is None else tuple(atom & mask for atom in key if isinstance(atom, int))
        names = [tuple(self._dimensions(subject, field, atom)) for field, atom in zip(fields, key, strict=True)]
        for part, some in alike(members, asked, lambda number: bool(names[number])):
            for name in names[part]:
                if name == _TYPE_CODE:
                    self._types(both(some, every(16)))
                    continue
                self._keep(name, _macs(some) if name in _MACS else some if mask is None else masked(some, mask, 16))

    def _types(self, some: Numbers) -> None:
        number = self.values["type"] << 8 | self.values["code"]
        for name, few in around((Piece("type", 8), Piece("code", 8)), some, number).items():
            self._keep(name, few)

    def _dimensions(self, subject: Readable, field: Field, atom: Atom) -> Iterator[str]:
        """Whose value a field has."""
        if not isinstance(atom, int):
            return
        protocol = subject.read(_PROTOCOL) if field.name.startswith(_ABOVE_IP) else None
        if field.name.startswith("th ") and protocol in (1, 58):
            # Of an ICMP header that is type and code, or the checksum, which is nothing to anybody.
            if field.name == "th sport" and self.values.get("type", -1) << 8 | self.values.get("code", 0) == atom:
                yield _TYPE_CODE
            return
        candidates = _BY_KIND.get(field.kind, ())
        if field.name.startswith("@th") and isinstance(protocol, int):
            raw = RAW.get((protocol, field.name), "")
            candidates = next((some for some in (_MACS, _ADDRESSES, _PORTS) if raw in some), (raw,))
        elif field.name == _CALLED:
            # Compared before the protocol is asked; what is done with it is done with IPv4 only.
            candidates = _ADDRESSES if self.family == 4 else ()
        elif field.name == _OPTIONS:
            # Behind the first four octets the packets that are walked have zeros there, and no header of options does.
            return
        elif field.name.startswith("@"):
            raise UnknownRuleError(f"{field.name} is not known to proofs of reach")
        if candidates in (_MACS, _ADDRESSES):
            width = {"ipv4_addr": 4, "ipv6_addr": 6}.get(field.kind, self.family or 4)
            if candidates is _ADDRESSES and width != (self.family or 4):
                return
            yield from self._named(candidates, _number_of(atom) if candidates is _MACS else atom)
            return
        yield from self._named(candidates, atom)

    def flags(self, field: Field, found: int, bits: int) -> None:
        """See `Watch`."""
        if field.kind == "tcp_flag" and self.values.get("flags") == found:
            fitting = (value for value in range(256) if bool(value & bits) == bool(found & bits))
            self._keep("flags", points(fitting))


def _as_number(atom: Atom) -> int:
    return ip_number(atom) if isinstance(atom, str) else atom


def _number_of(mac: int) -> int:
    return mac_number(mac.to_bytes(6).hex(":"))


def _macs(some: Numbers) -> Numbers:
    """A set of MACs as they are written, as numbers of `mac_number`: some single ones, or all but some single ones."""
    whole = every(48)
    inside = both(some, whole)
    few = size({"": inside}) <= _MOST_MACS
    listed = inside if few else without(whole, inside)
    if size({"": listed}) > _MOST_MACS:
        raise UnknownRuleError("ranges of MACs are not known to proofs")
    found = points(_number_of(mac) for first, last in listed for mac in range(first, last + 1))
    return found if few else without(whole, found)
