"""A packet and the frame it travels in, as values. What a kernel notes beside them (mark, connection) is not here."""

from typing import ClassVar

import msgspec

from onehop.net import address

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
"""Protocols whose header is known here; a packet of any other has a number and no ports."""

ECHO = {"icmp": (8, 0), "icmpv6": (128, 129)}
"""Types of echo request and echo reply (RFC 792, RFC 4443)."""

SOLICIT, ADVERTISE = 135, 136
"""ICMPv6 types of neighbour solicitation and advertisement (RFC 4861)."""

UNTRACKABLE = frozenset({130, 131, 132, 133, 134, 135, 136, 143})
"""ICMPv6 types of group membership and discovery: never tracked (noct_valid_new in nf_conntrack_proto_icmpv6.c)."""

SYN, RST, ACK = 0x02, 0x04, 0x10
BROADCAST = "ff:ff:ff:ff:ff:ff"
HOP_LIMIT = 64

_NAMES = {number: name for name, number in PROTOCOLS.items()}


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """An IP packet, whole: fragments are put together before anything looks at them.

    Attributes:
        source, destination: canonical addresses of one family.
        protocol: its number.
        source_port, destination_port: of TCP and UDP, else 0.
        flags: of TCP (RFC 9293, 3.1).
        type, code, identifier: of ICMP and ICMPv6.
        rest: the octets behind the first eight of an ICMP header: a quoted packet, the target of a solicitation.
        ttl: or hop limit.
    """

    source: str
    destination: str
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    flags: int = 0
    type: int = 0
    code: int = 0
    identifier: int = 0
    rest: bytes = b""
    ttl: int = HOP_LIMIT

    @property
    def version(self) -> int:
        """4 or 6."""
        return address.version(self.destination)

    @property
    def protocol_name(self) -> str:
        """``tcp``, or the number of one that is not known here."""
        return _NAMES.get(self.protocol, str(self.protocol))

    @property
    def has_ports(self) -> bool:
        """Whether it is TCP or UDP."""
        return self.protocol in (6, 17)

    @property
    def is_icmp(self) -> bool:
        """Whether it is ICMP or ICMPv6."""
        return self.protocol in (1, 58)

    @property
    def is_echo(self) -> bool:
        """Whether it is an echo request or reply."""
        return self.is_icmp and self.type in ECHO[self.protocol_name]

    def answer(self, flags: int) -> "Packet":
        """What its receiver answers to it, with these flags where it is TCP."""
        return msgspec.structs.replace(
            self,
            source=self.destination,
            destination=self.source,
            source_port=self.destination_port,
            destination_port=self.source_port,
            type=ECHO[self.protocol_name][1] if self.is_echo else self.type,
            flags=flags if self.protocol == PROTOCOLS["tcp"] else 0,
            ttl=64,
        )

    def transport(self) -> bytes:
        """The octets from the transport header on; checksums are 0."""
        if self.protocol == 6:
            fixed = bytes(8) + bytes([0x50, self.flags]) + bytes(6)
            return self.source_port.to_bytes(2) + self.destination_port.to_bytes(2) + fixed
        if self.protocol == 17:
            return self.source_port.to_bytes(2) + self.destination_port.to_bytes(2) + b"\0\x08\0\0"
        if self.is_icmp:
            return bytes([self.type, self.code, 0, 0]) + self.identifier.to_bytes(2) + b"\0\1" + self.rest
        return self.rest

    def __str__(self) -> str:
        """In tcpdump's manner: ``10.0.1.10.40000 > 198.51.100.2.80 tcp``."""
        if self.has_ports:
            return f"{self.source}.{self.source_port} > {self.destination}.{self.destination_port} {self._kind()}"
        return f"{self.source} > {self.destination} {self._kind()}"

    def _kind(self) -> str:
        if self.protocol == 6:
            words = [word for bit, word in ((SYN, "S"), (RST, "R"), (ACK, ".")) if self.flags & bit]
            return f"tcp [{''.join(words)}]"
        if self.is_echo:
            what = "request" if self.type == ECHO[self.protocol_name][0] else "reply"
            return f"{self.protocol_name} echo {what}, id {self.identifier}"
        if self.is_icmp:
            return f"{self.protocol_name} type {self.type}"
        return self.protocol_name if self.protocol in _NAMES else f"protocol {self.protocol}"


class Arp(msgspec.Struct, frozen=True, kw_only=True):
    """A question or an answer of ARP (RFC 826)."""

    REQUEST: ClassVar[int] = 1
    REPLY: ClassVar[int] = 2
    operation: int
    sender_mac: str
    sender: str
    target_mac: str
    target: str


class Frame(msgspec.Struct, frozen=True):
    """An Ethernet frame."""

    source: str
    destination: str
    payload: Packet | Arp

    @property
    def is_unicast(self) -> bool:
        """Whether it goes to one MAC only."""
        return not int(self.destination[:2], 16) & 1

    def asked_for(self) -> str | None:
        """The address that it asks a neighbour for, of an ARP request or a neighbour solicitation."""
        if isinstance(self.payload, Arp):
            return self.payload.target if self.payload.operation == Arp.REQUEST else None
        return target_of(self.payload) if self.payload.type == SOLICIT else None


def solicitation(source: str, mac: str, target: str) -> Packet:
    """A neighbour solicitation to the target's solicited-node address (RFC 4861, 4.3)."""
    packed = address.pack(target)
    group = address.unpack(address.pack("ff02::1:ff00:0")[:13] + packed[13:])
    return _discovery(SOLICIT, source, group, packed + b"\1\1" + address.pack_mac(mac))


def advertisement(target: str, mac: str, asker: str) -> Packet:
    """The answer to a solicitation (RFC 4861, 4.4)."""
    return _discovery(ADVERTISE, target, asker, address.pack(target) + b"\2\1" + address.pack_mac(mac))


def _discovery(type: int, source: str, destination: str, rest: bytes) -> Packet:
    return Packet(source=source, destination=destination, protocol=58, type=type, rest=rest, ttl=255)


def mac_in(packet: Packet) -> str | None:
    """The MAC in the link-layer option of a solicitation or advertisement (RFC 4861, 4.6.1)."""
    option = packet.rest[16:24]
    return address.unpack_mac(option[2:]) if len(option) == 8 and option[1] == 1 and option[0] in (1, 2) else None


def target_of(packet: Packet) -> str | None:
    """The address that a solicitation or advertisement is about; None of any other packet."""
    if packet.protocol != 58 or packet.type not in (SOLICIT, ADVERTISE) or len(packet.rest) < 16:
        return None
    return address.unpack(packet.rest[:16])


def group_mac(group: str) -> str:
    """The MAC that an IPv6 multicast address is sent to (RFC 2464, 7)."""
    return "33:33:" + address.pack(group)[12:].hex(":")
