"""Questions that may cross the underlay: where an address is whose place nobody knows (walk 9). Text of rules only.

Every host's leg has the same MAC and addresses, so an answer to a leg would reach the leg of the host that answers. The
leg therefore asks under a MAC of its own on this host (`naming.probe_mac`), to which the other hosts know the way, and
the answer is turned back where it arrives.

- ARP (RFC 826): the question comes from nobody (sender 0.0.0.0), as an ARP probe does.
- ND (RFC 4861): nobody (``::``) would be duplicate address detection, which is answered to everybody, never to a
  unicast question, and never so that the address counts as reachable. So the question comes from the link-local
  address of that MAC instead, with that MAC in its source link-layer address option. The kernel mends the checksum for
  the address (it is in the pseudo header) but not for an option, so what the option adds is taken off again in the
  reserved field, which receivers ignore (section 4.3).

An address that moves says so (gratuitous ARP, unsolicited advertisement); suppression swallows that on its way to the
underlay, so it is passed on at its tap, behind the checks of `onehop.compiler.protection_rules`.
"""

from collections.abc import Iterable, Iterator

from onehop.compiler import nft
from onehop.compiler.context import Context, Segment
from onehop.model.port import Port
from onehop.net import address, naming

_TARGET = "@th,64,128"
"""Of a solicitation or an advertisement: behind type, code, checksum and four further octets (RFC 4861, 4.3, 4.4)."""


def questions(context: Context, segment: Segment) -> Iterator[str]:
    """At the egress of the VXLAN port: a leg's question goes out under the probe MAC."""
    for leg, ip, probe in _probes(context, segment):
        asked = f"arp operation request arp saddr ether {leg.mac_address} arp saddr ip {ip} arp daddr ip @roving"
        yield f"{asked} ether saddr set {probe} arp saddr ether set {probe} arp saddr ip set 0.0.0.0 accept"
    for leg, probe in _probes6(context, segment):
        asked = f"icmpv6 type nd-neighbor-solicit ether saddr {leg.mac_address} ip6 saddr @gateways6"
        # Behind the target stands the option: kind 1, one unit of eight octets, the MAC.
        option = f"{_about(segment.roving6)}@th,192,16 0x101"
        put = f"@th,32,16 set {_amends(leg.mac_address, probe)} @th,208,48 set {_number(probe)}"
        yield f"{asked} {option} ether saddr set {probe} ip6 saddr set {address.link_local(probe)} {put} accept"


def answers(context: Context, segment: Segment) -> Iterator[str]:
    """At its ingress: an answer to the probe MAC goes to the leg."""
    for leg, _, probe in _probes(context, segment):
        answered = f"ether daddr {probe} arp operation reply arp saddr ip @roving"
        yield f"{answered} ether daddr set {leg.mac_address} arp daddr ether set {leg.mac_address} accept"
    for leg, probe in _probes6(context, segment):
        answered = f"ether daddr {probe} icmpv6 type nd-neighbor-advert {_about(segment.roving6)}".rstrip()
        yield f"{answered} ether daddr set {leg.mac_address} ip6 daddr set {address.link_local(leg.mac_address)} accept"


def _probes(context: Context, segment: Segment) -> Iterator[tuple[Port, str, str]]:
    """Legs with their IPv4 addresses and the MAC under which they ask."""
    for leg in segment.legs if segment.roving else ():
        for ip in leg.fixed_ips:
            if address.version(ip.ip_address) == 4:
                yield leg, ip.ip_address, naming.probe_mac(context.host, leg.id)


def _probes6(context: Context, segment: Segment) -> Iterator[tuple[Port, str]]:
    """Legs with an IPv6 address, and the MAC under which they ask."""
    for leg in segment.legs if segment.roving6 else ():
        if any(address.version(ip.ip_address) == 6 for ip in leg.fixed_ips):
            yield leg, naming.probe_mac(context.host, leg.id)


def _about(prefixes: Iterable[str]) -> str:
    """A match of the target, with a space behind; nothing where every address may be anywhere."""
    ranges = nft.raw_prefixes(prefixes)
    return f"{_TARGET} {nft.any_of(ranges)} " if ranges else ""


def _words(mac: str) -> int:
    octets = address.pack_mac(mac)
    return sum(int.from_bytes(octets[at : at + 2]) for at in (0, 2, 4))


def _amends(old: str, new: str) -> str:
    """The word that keeps a checksum (RFC 1071) as it was when one MAC takes the other's place."""
    return hex((_words(old) - _words(new)) % 0xFFFF)


def _number(mac: str) -> str:
    return hex(int.from_bytes(address.pack_mac(mac)))
