"""A packet inside a namespace, as rules see it: the frame, and what the kernel notes beside it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from onehop.errors import UnknownRuleError
from onehop.net.address import pack, pack_mac, unpack, unpack_mac
from onehop.verify.conntrack import CONFIRMED, INVALID, NEW, UNTRACKED, Tracked
from onehop.verify.nft.value import Atom, Field
from onehop.verify.packet import Arp, Frame, Packet

_IP, _ARP, _IP6 = 0x0800, 0x0806, 0x86DD


class Passing:
    """A packet on its way through a namespace.

    Attributes:
        frame: as it is now.
        incoming, outgoing: links; empty where there is none (yet).
        mark: of the packet.
        zone: in which it is tracked.
        tracked: its connection, or None.
        untracked: a rule keeps it out of connection tracking.
        looked: connection tracking has seen it.
        handed_on: (device, address) of a neighbour there to whom a rule sent it, past all else; empty otherwise.
    """

    def __init__(self, frame: Frame, incoming: str = "", outgoing: str = "") -> None:
        self.frame = frame
        self.incoming = incoming
        self.outgoing = outgoing
        self.mark = 0
        self.zone = 0
        self.tracked: Tracked | None = None
        self.untracked = False
        self.looked = False
        self.handed_on = ("", "")

    @property
    def packet(self) -> Packet:
        """What the frame carries, where it is IP."""
        if not isinstance(self.frame.payload, Packet):
            raise TypeError("an ARP frame carries no packet")
        return self.frame.payload

    @packet.setter
    def packet(self, packet: Packet) -> None:
        self.frame = replace(self.frame, payload=packet)

    def read(self, field: Field) -> Atom | None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        if field.name.startswith("@"):
            return _raw(self.frame, field.name)
        return _READ[field.name](self)

    def write(self, field: Field, value: int) -> None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        if field.name == "meta mark":
            self.mark = value
            return
        if field.name == "ct zone":
            self.zone = value
            return
        if field.name.startswith("@th"):
            self.packet = _raw_written(self.packet, field.name, value)
            return
        layer, name, convert = _WRITE[field.name]
        if layer == "ether":
            self.frame = replace(self.frame, **{name: convert(value)})
        else:
            self.frame = replace(self.frame, payload=replace(self.frame.payload, **{name: convert(value)}))

    def untrack(self) -> None:
        """See `onehop.verify.nft.evaluate.Subject`."""
        if not self.looked:
            self.untracked = True

    def __str__(self) -> str:
        payload = self.frame.payload
        if isinstance(payload, Arp):
            what = "who has" if payload.operation == Arp.REQUEST else "is at, of"
            said = f"arp {what} {payload.target}, {payload.sender} ({payload.sender_mac}) says"
        else:
            said = str(payload)
        notes = [f"mark {self.mark:#010x}"] if self.mark else []
        notes += ["untracked"] if self.untracked else []
        return f"{said} ({', '.join(notes)})" if notes else said


def _raw(frame: Frame, name: str) -> int | None:
    layer, offset, length = name.split(",")
    octets, start, bits = _octets(frame, layer), int(offset), int(length)
    if start + bits > 8 * len(octets):
        return None
    return int.from_bytes(octets) >> (8 * len(octets) - start - bits) & ((1 << bits) - 1)


def _octets(frame: Frame, layer: str) -> bytes:
    """From the begin of a header on; what a model has no use for is 0. None of a header that is not there."""
    payload = frame.payload
    if layer == "@ll":
        kind = _ARP if isinstance(payload, Arp) else _IP if payload.version == 4 else _IP6
        return pack_mac(frame.destination) + pack_mac(frame.source) + kind.to_bytes(2)
    if isinstance(payload, Arp):
        return _arp_octets(payload) if layer == "@nh" else b""
    if layer == "@th":
        return payload.transport()
    ends = pack(payload.source) + pack(payload.destination)
    size = len(payload.transport())
    if payload.version == 4:
        head = b"\x45\0" + (20 + size).to_bytes(2) + bytes(4) + bytes([payload.ttl, payload.protocol, 0, 0])
    else:
        head = b"\x60\0\0\0" + size.to_bytes(2) + bytes([payload.protocol, payload.ttl])
    return head + ends + payload.transport()


def _arp_octets(arp: Arp) -> bytes:
    head = b"\0\1\x08\0\6\4" + arp.operation.to_bytes(2)
    return head + pack_mac(arp.sender_mac) + pack(arp.sender) + pack_mac(arp.target_mac) + pack(arp.target)


def _raw_written(packet: Packet, name: str, value: int) -> Packet:
    """Octets of an ICMP message changed; the words of a rule say nothing of other protocols."""
    if not packet.is_icmp:
        raise UnknownRuleError(f"{name} is not known to be written in {packet.protocol_name}")
    _, offset, length = name.split(",")
    octets, start, bits = packet.transport(), int(offset), int(length)
    shift = 8 * len(octets) - start - bits
    if shift < 0:
        return packet
    number = int.from_bytes(octets) & ~(((1 << bits) - 1) << shift) | value << shift
    new = number.to_bytes(len(octets))
    return replace(packet, type=new[0], code=new[1], identifier=int.from_bytes(new[4:6]), rest=new[8:])


def _number(address: str) -> int:
    return int.from_bytes(pack(address))


def _mac(mac: str) -> int:
    return int.from_bytes(pack_mac(mac))


def _arp(read: Callable[[Arp], int]) -> Callable[[Passing], int | None]:
    return lambda passing: read(passing.frame.payload) if isinstance(passing.frame.payload, Arp) else None


def _ip(version: int, read: Callable[[Packet], int], *protocols: int) -> Callable[[Passing], int | None]:
    """A field of IP of one version (0: of both), and of some protocols (none: of all)."""

    def asked(passing: Passing) -> int | None:
        packet = passing.frame.payload
        if isinstance(packet, Arp) or version not in (0, packet.version):
            return None
        return read(packet) if not protocols or packet.protocol in protocols else None

    return asked


def _port(end: int) -> Callable[[Passing], int | None]:
    """``th sport`` and ``th dport``: two octets at that place, whatever the protocol."""
    return lambda passing: _raw(passing.frame, f"@th,{16 * end},16")


def _echo_id(version: int, protocol: int) -> Callable[[Passing], int | None]:
    asked = _ip(version, lambda packet: packet.identifier if packet.is_echo else -1, protocol)

    def known(passing: Passing) -> int | None:
        found = asked(passing)
        return None if found == -1 else found

    return known


def _tracked(read: Callable[[Tracked], Atom]) -> Callable[[Passing], Atom | None]:
    return lambda passing: read(passing.tracked) if passing.tracked is not None else None


def _state(passing: Passing) -> int:
    if passing.tracked is not None:
        return passing.tracked.state
    return UNTRACKED if passing.untracked else INVALID


def _protocol_of_frame(passing: Passing) -> int:
    payload = passing.frame.payload
    if isinstance(payload, Arp):
        return _ARP
    return _IP if payload.version == 4 else _IP6


_READ: Mapping[str, Callable[[Passing], Atom | None]] = MappingProxyType(
    {
        "ether saddr": lambda p: _mac(p.frame.source),
        "ether daddr": lambda p: _mac(p.frame.destination),
        "ether type": _protocol_of_frame,
        "meta protocol": _protocol_of_frame,
        "arp operation": _arp(lambda a: a.operation),
        "arp saddr ip": _arp(lambda a: _number(a.sender)),
        "arp daddr ip": _arp(lambda a: _number(a.target)),
        "arp saddr ether": _arp(lambda a: _mac(a.sender_mac)),
        "arp daddr ether": _arp(lambda a: _mac(a.target_mac)),
        "ip saddr": _ip(4, lambda p: _number(p.source)),
        "ip daddr": _ip(4, lambda p: _number(p.destination)),
        "ip protocol": _ip(4, lambda p: p.protocol),
        "ip6 saddr": _ip(6, lambda p: _number(p.source)),
        "ip6 daddr": _ip(6, lambda p: _number(p.destination)),
        "ip frag-off": _ip(4, lambda _: 0),
        "ip ttl": _ip(4, lambda p: p.ttl),
        "ip length": _ip(4, lambda p: 20 + len(p.transport())),
        "ip6 nexthdr": _ip(6, lambda p: p.protocol),
        "ip6 hoplimit": _ip(6, lambda p: p.ttl),
        "ip6 length": _ip(6, lambda p: len(p.transport())),
        # Packets are whole here: see Packet.
        "frag nexthdr": lambda _: None,
        "frag frag-off": lambda _: None,
        "icmp type": _ip(4, lambda p: p.type, 1),
        "icmp code": _ip(4, lambda p: p.code, 1),
        "icmp id": _echo_id(4, 1),
        "icmpv6 type": _ip(6, lambda p: p.type, 58),
        "icmpv6 code": _ip(6, lambda p: p.code, 58),
        "icmpv6 id": _echo_id(6, 58),
        "tcp sport": _ip(0, lambda p: p.source_port, 6),
        "tcp dport": _ip(0, lambda p: p.destination_port, 6),
        "tcp flags": _ip(0, lambda p: p.flags, 6),
        "udp sport": _ip(0, lambda p: p.source_port, 17),
        "udp dport": _ip(0, lambda p: p.destination_port, 17),
        "sctp dport": _ip(0, lambda p: int.from_bytes(p.transport()[2:4]), 132),
        "dccp dport": _ip(0, lambda p: int.from_bytes(p.transport()[2:4]), 33),
        "udplite dport": _ip(0, lambda p: int.from_bytes(p.transport()[2:4]), 136),
        "th sport": _port(0),
        "th dport": _port(1),
        "meta mark": lambda p: p.mark,
        "meta nfproto": _ip(0, lambda p: 2 if p.version == 4 else 10),
        "meta l4proto": _ip(0, lambda p: p.protocol),
        "iifname": lambda p: p.incoming,
        "oifname": lambda p: p.outgoing,
        "meta iifname": lambda p: p.incoming,
        "meta oifname": lambda p: p.outgoing,
        "ct state": _state,
        # Who has an answer has left its first hooks behind.
        "ct status": _tracked(lambda t: t.connection.status | (CONFIRMED if t.state != NEW else 0)),
        "ct direction": _tracked(lambda t: int(t.is_reply)),
        "ct mark": _tracked(lambda t: t.connection.mark),
        "ct zone": lambda p: p.zone,
        "ct original ip saddr": _tracked(lambda t: _number(t.connection.original.source)),
        "ct original ip daddr": _tracked(lambda t: _number(t.connection.original.destination)),
        "ct reply ip saddr": _tracked(lambda t: _number(t.connection.reply.source)),
        "ct reply ip daddr": _tracked(lambda t: _number(t.connection.reply.destination)),
    }
)


def _text(size: int) -> Callable[[int], str]:
    return lambda value: unpack(value.to_bytes(size))


def _mac_text(value: int) -> str:
    return unpack_mac(value.to_bytes(6))


_WRITE: Mapping[str, tuple[str, str, Callable[[int], Any]]] = MappingProxyType(
    {
        "ether saddr": ("ether", "source", _mac_text),
        "ether daddr": ("ether", "destination", _mac_text),
        "arp saddr ip": ("arp", "sender", _text(4)),
        "arp daddr ip": ("arp", "target", _text(4)),
        "arp saddr ether": ("arp", "sender_mac", _mac_text),
        "arp daddr ether": ("arp", "target_mac", _mac_text),
        "ip saddr": ("ip", "source", _text(4)),
        "ip daddr": ("ip", "destination", _text(4)),
        "ip6 saddr": ("ip6", "source", _text(16)),
        "ip6 daddr": ("ip6", "destination", _text(16)),
    }
)
