"""Announcements: the frames that tell a segment where an address is now, and the ones that ask it.

Gratuitous ARP (RFC 826, RFC 5227) and unsolicited neighbour advertisements (RFC 4861, 4.4 and 7.2.6).
"""

from struct import pack

from onehop.net import address

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ETHERNET, _IPV4, _REQUEST = 1, 0x0800, 1
_SHORTEST = 60
_ETHERTYPE_IPV6 = 0x86DD
_ICMPV6, _SOLICITATION, _ADVERTISEMENT, _HOPS = 58, 135, 136, 255
_ROUTER_AND_OVERRIDE = 0xA0000000
_TARGET_LINK_LAYER = 2
_ALL_NODES = "ff02::1"


def gratuitous_arp(mac: str, ip: str) -> bytes:
    """An ARP announcement as an Ethernet frame: a request in which sender and target are the address itself.

    Args:
        mac: of the link that has the address.
        ip: canonical IPv4 address.
    """
    sender, packed = address.pack_mac(mac), address.pack(ip)
    header = _BROADCAST + sender + pack("!H", _ETHERTYPE_ARP)
    words = pack("!HHBBH", _ETHERNET, _IPV4, 6, 4, _REQUEST) + sender + packed + bytes(6) + packed
    return (header + words).ljust(_SHORTEST, b"\0")


def announcement(mac: str, ip: str) -> bytes:
    """The frame that tells everybody where an address of either version is now."""
    return (unsolicited_advertisement if address.version(ip) == 6 else gratuitous_arp)(mac, ip)


def probe(mac: str, ip: str) -> bytes:
    """The frame that asks who has an address of either version."""
    return (neighbour_probe if address.version(ip) == 6 else arp_probe)(mac, ip)


def arp_probe(mac: str, ip: str) -> bytes:
    """An ARP probe as an Ethernet frame (RFC 5227, 1.1): who has the address? It names no address of the asker.

    Args:
        mac: of the link to which the answer is to come.
        ip: canonical IPv4 address that is asked for.
    """
    sender = address.pack_mac(mac)
    header = _BROADCAST + sender + pack("!H", _ETHERTYPE_ARP)
    words = pack("!HHBBH", _ETHERNET, _IPV4, 6, 4, _REQUEST) + sender + bytes(4) + bytes(6) + address.pack(ip)
    return (header + words).ljust(_SHORTEST, b"\0")


def arp_sender(frame: bytes) -> tuple[str, str] | None:
    """MAC and IPv4 address that an ARP frame's sender says to have; None for a probe and for what is no such frame."""
    words = frame[14:]
    if len(words) < 28 or words[:6] != pack("!HHBB", _ETHERNET, _IPV4, 6, 4) or words[14:18] == bytes(4):
        return None
    return words[8:14].hex(":"), address.unpack(words[14:18])


def neighbour_probe(mac: str, ip: str) -> bytes:
    """A neighbour solicitation as duplicate address detection sends it (RFC 4862, 5.4.2), as an Ethernet frame.

    Whoever has the address answers to all nodes. It names no address of the asker.

    Args:
        mac: of the link that asks.
        ip: canonical IPv6 address that is asked for.
    """
    target = address.pack(ip)
    everybody = address.pack("ff02::1:ff00:0")[:13] + target[13:]
    return _neighbour_discovery(address.pack_mac(mac), bytes(16), everybody, _SOLICITATION, 0, target)


def advertiser(frame: bytes) -> tuple[str, str] | None:
    """MAC and IPv6 address of a neighbour advertisement (RFC 4861, 7.1.2); None for what is no valid one.

    The MAC is the one that it says the address has, or where it does not, the frame's sender.
    """
    header, body = frame[14:54], frame[54:]
    if frame[12:14] != pack("!H", _ETHERTYPE_IPV6) or len(body) < 24 or header[6:8] != bytes((_ICMPV6, _HOPS)):
        return None
    body = body[: int.from_bytes(header[4:6])]
    if body[:2] != bytes((_ADVERTISEMENT, 0)) or icmpv6_checksum(header[8:24], header[24:40], body) != 0:
        return None
    told = body[26:32] if body[24:26] == bytes((_TARGET_LINK_LAYER, 1)) and len(body) >= 32 else frame[6:12]
    return told.hex(":"), address.unpack(body[8:24])


def unsolicited_advertisement(mac: str, ip: str) -> bytes:
    """A neighbour advertisement to all nodes as an Ethernet frame, from a router, that overrides what they know.

    Args:
        mac: of the link that has the address.
        ip: canonical IPv6 address.
    """
    sender, packed = address.pack_mac(mac), address.pack(ip)
    option = pack("!BB", _TARGET_LINK_LAYER, 1) + sender
    said = packed + option
    return _neighbour_discovery(sender, packed, address.pack(_ALL_NODES), _ADVERTISEMENT, _ROUTER_AND_OVERRIDE, said)


def _neighbour_discovery(sender: bytes, source: bytes, group: bytes, kind: int, flags: int, said: bytes) -> bytes:
    """A frame to a multicast group: type, code, checksum, flags, and what is said."""
    body = pack("!BBHI", kind, 0, 0, flags) + said
    body = body[:2] + pack("!H", icmpv6_checksum(source, group, body)) + body[4:]
    header = pack("!IHBB", 6 << 28, len(body), _ICMPV6, _HOPS) + source + group
    return b"\x33\x33" + group[-4:] + sender + pack("!H", _ETHERTYPE_IPV6) + header + body


def icmpv6_checksum(source: bytes, target: bytes, body: bytes) -> int:
    """The checksum of an ICMPv6 message between two packed addresses (RFC 4443, 2.3); 0 where it has the right one."""
    padded = body + bytes(len(body) & 1)
    total = sum(int.from_bytes(words) for words in _pairs(source + target + pack("!II", len(body), _ICMPV6) + padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pairs(octets: bytes) -> list[bytes]:
    return [octets[at : at + 2] for at in range(0, len(octets), 2)]
