"""Announcements: the frames that tell a segment where an address is now.

Gratuitous ARP (RFC 826, RFC 5227) and unsolicited neighbour advertisements (RFC 4861, 4.4 and 7.2.6).
"""

from struct import pack

from onehop.net import address

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ETHERNET, _IPV4, _REQUEST = 1, 0x0800, 1
_SHORTEST = 60
_ETHERTYPE_IPV6 = 0x86DD
_ICMPV6, _ADVERTISEMENT, _HOPS = 58, 136, 255
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


def unsolicited_advertisement(mac: str, ip: str) -> bytes:
    """A neighbour advertisement to all nodes as an Ethernet frame, from a router, that overrides what they know.

    Args:
        mac: of the link that has the address.
        ip: canonical IPv6 address.
    """
    sender, packed, everybody = address.pack_mac(mac), address.pack(ip), address.pack(_ALL_NODES)
    option = pack("!BB", _TARGET_LINK_LAYER, 1) + sender
    body = pack("!BBHI", _ADVERTISEMENT, 0, 0, _ROUTER_AND_OVERRIDE) + packed + option
    body = body[:2] + pack("!H", icmpv6_checksum(packed, everybody, body)) + body[4:]
    header = pack("!IHBB", 6 << 28, len(body), _ICMPV6, _HOPS) + packed + everybody
    return b"\x33\x33" + everybody[-4:] + sender + pack("!H", _ETHERTYPE_IPV6) + header + body


def icmpv6_checksum(source: bytes, target: bytes, body: bytes) -> int:
    """The checksum of an ICMPv6 message between two packed addresses (RFC 4443, 2.3); 0 where it has the right one."""
    padded = body + bytes(len(body) & 1)
    total = sum(int.from_bytes(words) for words in _pairs(source + target + pack("!II", len(body), _ICMPV6) + padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pairs(octets: bytes) -> list[bytes]:
    return [octets[at : at + 2] for at in range(0, len(octets), 2)]
