"""Router advertisements and solicitations as octets (RFC 4861 sections 4.1, 4.2, 4.6 and 6; RFC 8106). Pure."""

from struct import pack

import msgspec

from onehop.net import address
from onehop.net.announcement import icmpv6_checksum
from onehop.net.identifier import NetworkId

LIFETIME = 9000
"""Seconds for which a default router is believed without a word: the most that RFC 4861 (6.2.1) allows."""

VALID, PREFERRED = 2_592_000, 604_800
"""Seconds for which a prefix is on-link, and for which addresses of it are used: the defaults of RFC 4861 (6.2.1)."""

_ICMPV6, _HOPS = 58, 255
_SOLICITATION, _ADVERTISEMENT = 133, 134
_SOURCE, _PREFIX, _MTU, _SERVERS = 1, 3, 5, 25
_MANAGED, _OTHER, _ON_LINK, _AUTONOMOUS = 0x80, 0x40, 0x80, 0x40
_CURRENT_HOPS = 64
_ALL_NODES = "ff02::1"


class Prefix(msgspec.Struct, frozen=True):
    """A prefix that is on-link.

    Attributes:
        cidr: canonical, IPv6.
        autonomous: instances make addresses of it themselves (SLAAC); it is a /64 then.
    """

    cidr: str
    autonomous: bool


class Advertisement(msgspec.Struct, frozen=True, kw_only=True):
    """What one leg of a router tells the instances on its network.

    Attributes:
        network_id: the network.
        namespace, link: the leg.
        mac: the leg's; the source is the link-local address that follows from it.
        mtu: of the network.
        default: the leg is the way to everywhere: it has the gateway address of a subnet that it advertises.
        managed: addresses come from a server (DHCPv6).
        other: other settings do.
        prefixes: sorted.
        servers: recursive name servers, IPv6, in the API's order.
    """

    network_id: NetworkId
    namespace: str
    link: str
    mac: str
    mtu: int
    default: bool
    managed: bool
    other: bool
    prefixes: tuple[Prefix, ...]
    servers: tuple[str, ...] = ()


class Solicitation(msgspec.Struct, frozen=True, order=True):
    """An instance that asks for routers.

    Attributes:
        network_id: the network on which it asks.
        source: its address, ``::`` where it has none yet.
    """

    network_id: NetworkId
    source: str


def advertised(of: Advertisement, ip: str = _ALL_NODES) -> bytes:
    """An IPv6 packet, to all nodes or to the one that asked."""
    flags = (_MANAGED if of.managed else 0) | (_OTHER if of.other else 0)
    options = [pack("!BBHI", _MTU, 1, 0, of.mtu), *map(_prefix, of.prefixes)]
    if of.servers:
        packed = b"".join(address.pack(server) for server in of.servers)
        options.append(pack("!BBHI", _SERVERS, 1 + 2 * len(of.servers), 0, LIFETIME) + packed)
    return _packet(of.mac, ip, flags, LIFETIME if of.default else 0, options)


def withdrawn(mac: str) -> bytes:
    """An IPv6 packet to all nodes: the leg with this MAC is no default router any more (RFC 4861, 6.2.5).

    What it said of prefixes stays as it was: instances keep their addresses as long as their subnet is there.
    """
    return _packet(mac, _ALL_NODES, 0, 0, [])


def solicitation(network_id: NetworkId, packet: bytes) -> Solicitation | None:
    """What an IPv6 packet asks, None unless it is a router solicitation that is valid (RFC 4861, 6.1.1)."""
    if len(packet) < 48 or packet[0] >> 4 != 6 or packet[6] != _ICMPV6 or packet[7] != _HOPS:
        return None
    length = int.from_bytes(packet[4:6])
    body = packet[40 : 40 + length]
    if len(body) != length or length < 8 or body[0] != _SOLICITATION or body[1] != 0:
        return None
    if icmpv6_checksum(packet[8:24], packet[24:40], body):
        return None
    source = address.unpack(packet[8:24])
    kinds = _kinds(body[8:])
    if kinds is None or (source == "::" and _SOURCE in kinds):
        return None
    return Solicitation(network_id, source)


def _kinds(options: bytes) -> set[int] | None:
    found = set()
    while options:
        if len(options) < 8 or options[1] == 0 or options[1] * 8 > len(options):
            return None
        found.add(options[0])
        options = options[options[1] * 8 :]
    return found


def _prefix(prefix: Prefix) -> bytes:
    network, _, length = prefix.cidr.partition("/")
    flags = _ON_LINK | (_AUTONOMOUS if prefix.autonomous else 0)
    head = pack("!BBBBIII", _PREFIX, 4, int(length), flags, VALID, PREFERRED, 0)
    return head + address.pack(network)


def _packet(source: str, ip: str, flags: int, lifetime: int, options: list[bytes]) -> bytes:
    sender, receiver = address.pack(address.link_local(source)), address.pack(ip)
    head = pack("!BBHBBHII", _ADVERTISEMENT, 0, 0, _CURRENT_HOPS, flags, lifetime, 0, 0)
    body = head + pack("!BB", _SOURCE, 1) + address.pack_mac(source) + b"".join(options)
    body = body[:2] + pack("!H", icmpv6_checksum(sender, receiver, body)) + body[4:]
    return pack("!IHBB", 6 << 28, len(body), _ICMPV6, _HOPS) + sender + receiver + body
