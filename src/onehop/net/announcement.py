"""Announcements: the frame that tells a segment where an address is now (gratuitous ARP, RFC 826 and RFC 5227)."""

from struct import pack

from onehop.net import address

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ETHERNET, _IPV4, _REQUEST = 1, 0x0800, 1
_SHORTEST = 60


def gratuitous_arp(mac: str, ip: str) -> bytes:
    """An ARP announcement as an Ethernet frame: a request in which sender and target are the address itself.

    Args:
        mac: of the link that has the address.
        ip: canonical IPv4 address.
    """
    sender, packed = bytes.fromhex(mac.replace(":", "")), address.pack(ip)
    header = _BROADCAST + sender + pack("!H", _ETHERTYPE_ARP)
    words = pack("!HHBBH", _ETHERNET, _IPV4, 6, 4, _REQUEST) + sender + packed + bytes(6) + packed
    return (header + words).ljust(_SHORTEST, b"\0")
