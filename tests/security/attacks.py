"""Frames that a port must not send: each with the reason by which it is counted, and where it is no attack.

`shots` is one list for all variants; which of them pass where is said by each.
"""

from collections.abc import Iterator

import msgspec
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
)
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from tests.security.range import Who

BROADCAST = "ff:ff:ff:ff:ff:ff"
UNUSED4, UNUSED6 = "10.0.1.250", "fd00:1::250"
ELSEWHERE4, ELSEWHERE6 = "198.51.100.66", "2001:db8:51::66"


class Shot(msgspec.Struct, frozen=True):
    """One attack.

    Attributes:
        name: unique.
        reason: by which it is counted.
        frame: whole.
        opened: address pairs for everything allow it: it uses an address that nobody has.
        stays: without protection too it does not reach other hosts: what speaks of gateways is dropped at the tunnel,
            and a bridge keeps some ARP and ND to itself.
    """

    name: str
    reason: str
    frame: bytes
    opened: bool = False
    stays: bool = False


def shots(me: Who, victim: Who, claimed: Who, gateway: Who) -> Iterator[Shot]:
    """Everything, from one to another."""
    to = Ether(src=me.mac, dst=victim.mac)
    yield from _ipv4(to, me, victim, claimed, gateway)
    yield from _arp(to, me, victim, claimed, gateway)
    yield from _dhcp(to, me, victim, gateway)
    yield from _tagged(me, victim, gateway)
    yield from _strange(to, me, victim, claimed)
    yield from _ipv6(to, me, victim, claimed, gateway)
    yield from _discovery(to, me, victim, claimed, gateway)
    yield from _router(to, me, victim, gateway)
    yield from _dhcp6(to, me, victim)


def _shot(name: str, reason: str, packet: Packet, *, opened: bool = False, stays: bool = False) -> Shot:
    return Shot(name, reason, bytes(packet), opened, stays)


def _ipv4(to: Packet, me: Who, victim: Who, claimed: Who, gateway: Who) -> Iterator[Shot]:
    udp = UDP(sport=4000, dport=4001)
    forged = Ether(src=claimed.mac, dst=victim.mac)
    yield _shot("ipv4, another's MAC", "source-mac", forged / IP(src=me.v4, dst=victim.v4) / udp)
    yield _shot("ipv4, another's MAC and address", "source-mac", forged / IP(src=claimed.v4, dst=victim.v4) / udp)
    yield _shot(
        "ipv4, the gateway's MAC", "source-mac", Ether(src=gateway.mac, dst=victim.mac) / IP(src=me.v4, dst=victim.v4)
    )
    for what, source, opened in (
        ("another's", claimed.v4, False),
        ("the gateway's", gateway.v4, False),
        ("the victim's own", victim.v4, False),
        ("an unused", UNUSED4, True),
        ("an outside", ELSEWHERE4, True),
    ):
        base = to / IP(src=source, dst=victim.v4)
        yield _shot(f"udp from {what} address", "source-address", base / udp, opened=opened)
        yield _shot(f"tcp from {what} address", "source-address", base / TCP(dport=80, flags="S"), opened=opened)
        yield _shot(f"ping from {what} address", "source-address", base / ICMP(), opened=opened)
    later = IP(src=claimed.v4, dst=victim.v4, frag=3, proto=17) / Raw(b"x" * 16)
    yield _shot("a later fragment from another's address", "source-address", to / later)
    nobody = IP(src="0.0.0.0", dst=victim.v4) / udp  # noqa: S104  # an address in a packet
    yield _shot("udp from nobody that is no DHCP", "source-address", to / nobody, opened=False)


def _arp(to: Packet, me: Who, victim: Who, claimed: Who, gateway: Who) -> Iterator[Shot]:
    def said(op: int, mac: str, ip: str, target: str = victim.v4) -> Packet:
        return ARP(op=op, hwsrc=mac, psrc=ip, hwdst=victim.mac, pdst=target)

    why = "arp-sender"
    yield _shot("arp: the gateway is at mine", why, to / said(2, me.mac, gateway.v4), stays=True)
    yield _shot("arp: the gateway asks, from mine", why, to / said(1, me.mac, gateway.v4), stays=True)
    yield _shot("arp: another is at mine", why, to / said(2, me.mac, claimed.v4))
    yield _shot("arp: another asks, from mine", why, to / said(1, me.mac, claimed.v4))
    yield _shot("arp: mine is at another's", why, to / said(2, claimed.mac, me.v4))
    yield _shot("arp: mine is at nobody's", why, to / said(2, "fa:16:3e:99:99:99", me.v4))
    yield _shot("arp: an unused one is at mine", why, to / said(2, me.mac, UNUSED4), opened=True)
    everybody = Ether(src=me.mac, dst=BROADCAST)
    gratuitous = said(1, me.mac, claimed.v4, claimed.v4)
    yield _shot("arp: another is at mine, gratuitously", why, everybody / gratuitous, stays=True)
    probe = said(1, me.mac, "0.0.0.0")  # noqa: S104  # an address in a packet
    yield _shot("arp: a probe for the victim's address", why, to / probe)
    forged = Ether(src=claimed.mac, dst=victim.mac)
    yield _shot("arp: mine, from another's MAC", "source-mac", forged / said(2, me.mac, me.v4))
    yield _shot("arp: another's, from another's MAC", "source-mac", forged / said(2, claimed.mac, claimed.v4))
    other = said(2, me.mac, claimed.v4)
    other.hwtype = 6
    yield _shot("arp: another is at mine, on IEEE 802", why, to / other)
    short = Ether(src=me.mac, dst=victim.mac, type=0x0806) / Raw(_short_arp(me, claimed))
    yield _shot("arp with short hardware addresses", why, short)
    long = bytes(said(2, me.mac, me.v4))
    odd = Ether(src=me.mac, dst=victim.mac, type=0x0806) / Raw(long[:4] + b"\x08\4" + long[6:])
    yield _shot("arp with long hardware addresses, mine where it usually is", why, odd)
    free = said(1, me.mac, "0.0.0.0", UNUSED4)  # noqa: S104  # an address in a packet
    yield _shot("arp: a probe for an unused address", why, to / free, opened=True)
    mine = Ether(src=claimed.mac, dst=BROADCAST, type=0x8035) / ARP(op=3, hwsrc=me.mac)
    yield _shot("rarp about mine, from another's MAC", "source-mac", mine)
    asks = ARP(op=3, hwsrc=claimed.mac, psrc="0.0.0.0")  # noqa: S104  # an address in a packet
    rarp = Ether(src=me.mac, dst=BROADCAST, type=0x8035) / asks
    yield _shot("rarp about another's MAC", why, rarp)


def _short_arp(me: Who, claimed: Who) -> bytes:
    """A hardware address of two octets: what comes behind is not where it usually is."""
    packed = bytes(map(int, claimed.v4.split(".")))
    return b"\0\1\x08\0\2\4\0\2" + bytes.fromhex(me.mac.replace(":", ""))[:2] + packed + bytes(12)


def _dhcp(to: Packet, me: Who, victim: Who, gateway: Who) -> Iterator[Shot]:
    offer = BOOTP(op=2, yiaddr=victim.v4, siaddr=me.v4) / DHCP(options=[("message-type", "offer"), "end"])
    answer = UDP(sport=67, dport=68) / offer
    why = "dhcp-answer"
    yield _shot("dhcp answer", why, to / IP(src=me.v4, dst=victim.v4) / answer)
    yield _shot(
        "dhcp answer to all", why, Ether(src=me.mac, dst=BROADCAST) / IP(src=me.v4, dst="255.255.255.255") / answer
    )
    yield _shot("dhcp answer from the gateway", why, to / IP(src=gateway.v4, dst=victim.v4) / answer)
    yield _shot(
        "dhcp answer from another port", why, to / IP(src=me.v4, dst=victim.v4) / UDP(sport=4000, dport=68) / offer
    )
    optional = IP(src=me.v4, dst=victim.v4, options=[IPOption_Router_Alert()] * 4)
    yield _shot("dhcp answer behind options", why, to / optional / answer)
    first = bytes(answer)[:64]
    yield _shot(
        "dhcp answer's first fragment", why, to / IP(src=me.v4, dst=victim.v4, flags="MF", proto=17) / Raw(first)
    )


def _tagged(me: Who, victim: Who, gateway: Who) -> Iterator[Shot]:
    base = Ether(src=me.mac, dst=victim.mac)
    good = IP(src=me.v4, dst=victim.v4) / UDP(sport=4000, dport=4001)
    good6 = IPv6(src=me.v6, dst=victim.v6) / UDP(sport=4000, dport=4001)
    claim = ARP(op=2, hwsrc=me.mac, psrc=gateway.v4, hwdst=victim.mac, pdst=victim.v4)
    yield _shot("ipv4 behind a tag", "vlan-tag", base / Dot1Q(vlan=5) / good)
    yield _shot("ipv6 behind a tag", "vlan-tag", base / Dot1Q(vlan=5) / good6)
    yield _shot("ipv4 behind a priority tag", "vlan-tag", base / Dot1Q(vlan=0, prio=3) / good)
    yield _shot("arp claim behind a tag", "vlan-tag", base / Dot1Q(vlan=5) / claim, stays=True)
    yield _shot("ipv4 behind two tags", "vlan-tag", base / Dot1AD(vlan=5) / Dot1Q(vlan=6) / good)
    yield _shot("ipv4 behind a service tag", "vlan-tag", base / Dot1AD(vlan=5) / good)


def _strange(to: Packet, me: Who, victim: Who, claimed: Who) -> Iterator[Shot]:
    base = IP(src=claimed.v4, dst=victim.v4) / UDP(sport=4000, dport=4001)
    why = "ethernet-type"
    yield _shot("ipv4 in SNAP", why, to / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x0800) / base)
    for name, number in (("MPLS", 0x8847), ("PPPoE", 0x8864), ("an old QinQ tag", 0x9100), ("LLDP", 0x88CC)):
        yield _shot(f"ipv4 behind {name}", why, Ether(src=me.mac, dst=victim.mac, type=number) / Raw(b"\0" * 4) / base)


def _ipv6(to: Packet, me: Who, victim: Who, claimed: Who, gateway: Who) -> Iterator[Shot]:
    udp = UDP(sport=4000, dport=4001)
    forged = Ether(src=claimed.mac, dst=victim.mac)
    yield _shot("ipv6, another's MAC", "source-mac", forged / IPv6(src=me.v6, dst=victim.v6) / udp)
    for what, source, opened in (
        ("another's", claimed.v6, False),
        ("another's link-local", claimed.local, False),
        ("the gateway's", gateway.v6, False),
        ("the gateway's link-local", gateway.local, False),
        ("a temporary", UNUSED6, True),
        ("an outside", ELSEWHERE6, True),
    ):
        base = to / IPv6(src=source, dst=victim.v6)
        yield _shot(f"udp6 from {what} address", "source-address", base / udp, opened=opened)
        yield _shot(f"tcp6 from {what} address", "source-address", base / TCP(dport=80, flags="S"), opened=opened)
        yield _shot(f"ping6 from {what} address", "source-address", base / ICMPv6EchoRequest(), opened=opened)
    nobody = to / IPv6(src="::", dst=victim.v6)
    yield _shot("ping6 from nobody", "source-address", nobody / ICMPv6EchoRequest())
    yield _shot("udp6 from nobody", "source-address", nobody / udp)
    base = to / IPv6(src=claimed.v6, dst=victim.v6)
    yield _shot("udp6 from another's address behind options", "source-address", base / _options() / udp)
    yield _shot(
        "a later ipv6 fragment from another's address",
        "source-address",
        base / IPv6ExtHdrFragment(offset=3, nh=17) / Raw(b"x" * 16),
    )
    cut = IPv6(src=me.v6, dst=victim.v6, nh=0) / Raw(b"\x3a")
    yield _shot("ipv6 options cut off", "unreadable-header", to / cut)


def _options() -> Packet:
    return IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])


def _discovery(to: Packet, me: Who, victim: Who, claimed: Who, gateway: Who) -> Iterator[Shot]:
    why = "neighbour-discovery"
    six = to / IPv6(src=me.v6, dst=victim.v6, hlim=255)
    local = to / IPv6(src=me.local, dst=victim.local, hlim=255)
    mine, another = ICMPv6NDOptDstLLAddr(lladdr=me.mac), ICMPv6NDOptDstLLAddr(lladdr=claimed.mac)

    def na(target: str) -> Packet:
        return ICMPv6ND_NA(tgt=target, R=0, S=1, O=1)

    yield _shot("nd: the gateway is at mine", why, six / na(gateway.v6) / mine, stays=True)
    yield _shot("nd: the gateway's link-local is at mine", why, local / na(gateway.local) / mine, stays=True)
    yield _shot("nd: another is at mine", why, six / na(claimed.v6) / mine)
    yield _shot("nd: another is at mine, not saying which", why, six / na(claimed.v6))
    yield _shot("nd: another's link-local is at mine", why, local / na(claimed.local) / mine)
    yield _shot("nd: an unused one is at mine", why, six / na(UNUSED6) / mine, opened=True)
    yield _shot("nd: mine is at another's", why, six / na(me.v6) / another)
    yield _shot("nd: my link-local is at another's", why, local / na(me.local) / another)
    decoy = ICMPv6NDOptUnknown(type=14, len=1, data=b"\0" * 6)
    yield _shot("nd: mine is at another's, behind another option", why, six / na(me.v6) / decoy / another)
    yield _shot("nd: mine is at mine and at another's", why, six / na(me.v6) / mine / another)
    yield _shot("nd: another is at mine, behind options", why, six / _options() / na(claimed.v6) / mine)
    atomic = six / IPv6ExtHdrFragment(offset=0, m=0) / na(claimed.v6) / mine
    yield _shot("nd: another is at mine, in a fragment", why, atomic)
    ask = ICMPv6ND_NS(tgt=victim.v6)
    yield _shot("nd: a question with another's MAC", why, six / ask / ICMPv6NDOptSrcLLAddr(lladdr=claimed.mac))
    asked = to / IPv6(src=claimed.v6, dst=victim.v6, hlim=255) / ask / ICMPv6NDOptSrcLLAddr(lladdr=me.mac)
    yield _shot("nd: another asks, from mine", "source-address", asked)
    detection = to / IPv6(src="::", dst=victim.v6, hlim=255)
    yield _shot("nd: detection of the victim's address", why, detection / ask, stays=False)
    local_target = ICMPv6ND_NS(tgt=victim.local)
    yield _shot("nd: detection of the victim's link-local", why, detection / local_target)
    solicit = six / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=claimed.mac)
    yield _shot("nd: a router is asked with another's MAC", why, solicit, stays=True)


def _router(to: Packet, me: Who, victim: Who, gateway: Who) -> Iterator[Shot]:
    why = "router-advertisement"
    local = to / IPv6(src=me.local, dst=victim.local, hlim=255)
    prefix = ICMPv6NDOptPrefixInfo(prefix="fd66::", prefixlen=64)
    said = ICMPv6ND_RA(routerlifetime=1800) / prefix
    yield _shot("a router advertisement", why, local / said, stays=True)
    yield _shot(
        "a router advertisement to all",
        why,
        Ether(src=me.mac, dst="33:33:00:00:00:01") / IPv6(src=me.local, dst="ff02::1", hlim=255) / said,
        stays=True,
    )
    forged = to / IPv6(src=gateway.local, dst=victim.local, hlim=255)
    yield _shot("a router advertisement as the gateway", why, forged / said, stays=True)
    yield _shot("a router advertisement behind options", why, local / _options() / said, stays=True)
    hops = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    yield _shot("a router advertisement behind hop-by-hop options", why, local / hops / said, stays=True)
    yield _shot("a router advertisement in a fragment", why, local / IPv6ExtHdrFragment(m=0) / said, stays=True)
    # RFC 7113: the first fragment ends before the message begins.
    chain = bytes(IPv6ExtHdrDestOpt(nh=58, options=[PadN(optdata=b"\0" * 20)]))
    first = local / IPv6ExtHdrFragment(nh=60, offset=0, m=1) / Raw(chain[:8])
    yield _shot("a router advertisement behind a first fragment", "unreadable-header", first)
    whole = local / IPv6ExtHdrFragment(nh=60, offset=0, m=1) / Raw(chain)
    yield _shot("a router advertisement behind a first fragment of options", "unreadable-header", whole)
    later = local / IPv6ExtHdrFragment(nh=60, offset=1, m=0) / Raw(bytes(said))
    yield _shot("a later fragment that begins with options", "unreadable-header", later)
    yield _shot("a redirect", why, local / ICMPv6ND_Redirect(tgt=me.local, dst=ELSEWHERE6))


def _dhcp6(to: Packet, me: Who, victim: Who) -> Iterator[Shot]:
    why = "dhcp-answer"
    answer = UDP(sport=547, dport=546) / DHCP6_Advertise()
    local = to / IPv6(src=me.local, dst=victim.local)
    yield _shot("dhcpv6 answer", why, local / answer)
    yield _shot("dhcpv6 answer from another port", why, local / UDP(sport=4000, dport=546) / DHCP6_Advertise())
    yield _shot("dhcpv6 answer behind options", why, local / _options() / answer)
    yield _shot("dhcpv6 answer in a fragment", why, local / IPv6ExtHdrFragment(m=0) / answer)
