"""What instances rightly say passes beside the attacks: as clients, in discovery, in groups, and with address pairs."""

from collections.abc import Iterator
from functools import cache

import msgspec
import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from tests.dataplane.site import until
from tests.dataplane_north.echo import Echo, ping, tcp, udp
from tests.security.range import VICTIMS, Range, Who

BROADCAST = "ff:ff:ff:ff:ff:ff"
STABLE = "fe80::5d9a:1c2b:3344:77aa"
"""A link-local address that does not follow from a MAC (RFC 7217)."""


class Said(msgspec.Struct, frozen=True):
    """A frame that must pass.

    Attributes:
        stays: a bridge keeps it from other hosts, as it should.
        moves: from a port with pairs for that address other hosts hear it too: the address may have moved.
    """

    name: str
    frame: bytes
    stays: bool = False
    moves: bool = False


def said(me: Who, to: Who) -> Iterator[Said]:
    """Everything, from one to another."""
    yield from _ipv4(me, to)
    yield from _arp(me, to)
    yield from _ipv6(me, to)
    yield from _discovery(me, to)


def _ipv4(me: Who, to: Who) -> Iterator[Said]:
    base = Ether(src=me.mac, dst=to.mac) / IP(src=me.v4, dst=to.v4)
    everybody = Ether(src=me.mac, dst=BROADCAST)
    yield Said("udp", bytes(base / UDP(sport=4000, dport=4001)))
    yield Said("tcp", bytes(base / TCP(dport=80, flags="S")))
    yield Said("ping", bytes(base / ICMP()))
    yield Said("gre", bytes(base / GRE()))
    yield Said("a question to a DHCP server", bytes(base / UDP(sport=68, dport=67)))
    first = IP(src=me.v4, dst=to.v4, flags="MF", id=7, proto=17) / Raw(bytes(UDP(sport=9, dport=9, len=40)) + b"x" * 24)
    later = IP(src=me.v4, dst=to.v4, frag=4, id=7, proto=17) / Raw(b"x" * 8)
    looks = IP(src=me.v4, dst=to.v4, frag=4, id=7, proto=17) / Raw(b"\0\x44" * 4)
    yield Said("a later fragment with what would be a DHCP client's port", bytes(Ether(src=me.mac, dst=to.mac) / looks))
    yield Said("a first fragment", bytes(Ether(src=me.mac, dst=to.mac) / first))
    yield Said("a later fragment", bytes(Ether(src=me.mac, dst=to.mac) / later))
    group = IP(src=me.v4, dst="224.0.0.22", options=[IPOption_Router_Alert()], ttl=1, proto=2) / Raw(b"\x16" + bytes(7))
    yield Said("igmp", bytes(Ether(src=me.mac, dst="01:00:5e:00:00:16") / group))
    discover = BOOTP(chaddr=bytes.fromhex(me.mac.replace(":", ""))) / DHCP(
        options=[("message-type", "discover"), "end"]
    )
    asks = IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)  # noqa: S104  # an address in a packet
    yield Said("a dhcp client", bytes(everybody / asks / discover))


def _arp(me: Who, to: Who) -> Iterator[Said]:
    everybody, one = Ether(src=me.mac, dst=BROADCAST), Ether(src=me.mac, dst=to.mac)
    request = ARP(op=1, hwsrc=me.mac, psrc=me.v4, pdst=to.v4)
    probe = ARP(op=1, hwsrc=me.mac, psrc="0.0.0.0", pdst=me.v4)  # noqa: S104  # an address in a packet
    yield Said("an arp request", bytes(one / request))
    yield Said("an arp reply", bytes(one / ARP(op=2, hwsrc=me.mac, psrc=me.v4, hwdst=to.mac, pdst=to.v4)))
    yield Said("an arp probe for the own address", bytes(everybody / probe), stays=True)
    yield Said("a gratuitous arp", gratuitous_arp(me.mac, me.v4), stays=True, moves=True)
    rarp = ARP(op=3, hwsrc=me.mac, psrc="0.0.0.0", hwdst=me.mac, pdst="0.0.0.0")  # noqa: S104  # addresses in a packet
    yield Said("rarp, as after a move", bytes(Ether(src=me.mac, dst=BROADCAST, type=0x8035) / rarp))


def _ipv6(me: Who, to: Who) -> Iterator[Said]:
    base = Ether(src=me.mac, dst=to.mac) / IPv6(src=me.v6, dst=to.v6)
    options = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
    yield Said("udp6", bytes(base / UDP(sport=4000, dport=4001)))
    yield Said("tcp6", bytes(base / TCP(dport=80, flags="S")))
    yield Said("ping6", bytes(base / ICMPv6EchoRequest()))
    yield Said("udp6 behind options", bytes(base / options / UDP(sport=4000, dport=4001)))
    yield Said("ping6 behind options", bytes(base / options / ICMPv6EchoRequest()))
    yield Said("tcp6 behind options", bytes(base / options / TCP(dport=80, flags="S")))
    big = bytes(UDP(sport=9, dport=9, len=40)) + b"x" * 24
    yield Said("a first fragment of udp6", bytes(base / IPv6ExtHdrFragment(nh=17, m=1, id=7) / Raw(big)))
    yield Said("a later fragment of udp6", bytes(base / IPv6ExtHdrFragment(nh=17, offset=4, id=7) / Raw(b"x" * 8)))
    looks = base / IPv6ExtHdrFragment(nh=17, offset=4, id=7) / Raw(b"\2\x22" * 4)
    yield Said("a later fragment of udp6 with what would be a DHCPv6 client's port", bytes(looks))
    looks = base / IPv6ExtHdrFragment(nh=58, offset=4, id=7) / Raw(b"\x86" * 8)
    yield Said("a later fragment of ping6 with what would be an advertisement", bytes(looks))
    echo = bytes(ICMPv6EchoRequest(data=b"x" * 24))
    yield Said("a first fragment of ping6", bytes(base / IPv6ExtHdrFragment(nh=58, m=1, id=8) / Raw(echo)))
    yield Said("a later fragment of ping6", bytes(base / IPv6ExtHdrFragment(nh=58, offset=4, id=8) / Raw(b"x" * 8)))
    servers = Ether(src=me.mac, dst="33:33:00:01:00:02")
    for name, source in (("link-local", me.local), ("stable link-local", STABLE)):
        local = Ether(src=me.mac, dst=to.mac) / IPv6(src=source, dst=to.local) / UDP(sport=4000, dport=4001)
        yield Said(f"udp6 from the {name} address", bytes(local))
        asks = servers / IPv6(src=source, dst="ff02::1:2") / UDP(sport=546, dport=547) / DHCP6_Solicit()
        yield Said(f"a dhcpv6 client with a {name} address", bytes(asks))


def _discovery(me: Who, to: Who) -> Iterator[Said]:
    one = Ether(src=me.mac, dst=to.mac)
    all_nodes = Ether(src=me.mac, dst="33:33:00:00:00:01")
    mine, source = ICMPv6NDOptDstLLAddr(lladdr=me.mac), ICMPv6NDOptSrcLLAddr(lladdr=me.mac)
    global_, local = IPv6(src=me.v6, dst=to.v6, hlim=255), IPv6(src=me.local, dst=to.local, hlim=255)
    yield Said("a solicitation", bytes(one / global_ / ICMPv6ND_NS(tgt=to.v6) / source))
    yield Said("a solicitation from link-local", bytes(one / local / ICMPv6ND_NS(tgt=to.local) / source))
    yield Said("a solicitation without its MAC", bytes(one / global_ / ICMPv6ND_NS(tgt=to.v6)))
    yield Said("an advertisement", bytes(one / global_ / ICMPv6ND_NA(tgt=me.v6) / mine))
    yield Said("an advertisement without its MAC", bytes(one / global_ / ICMPv6ND_NA(tgt=me.v6)))
    stable = IPv6(src=STABLE, dst=to.local, hlim=255) / ICMPv6ND_NA(tgt=STABLE) / mine
    yield Said("an advertisement of a stable link-local", bytes(one / stable))
    yield Said("an unsolicited advertisement", unsolicited_advertisement(me.mac, me.v6), stays=True, moves=True)
    nonce = ICMPv6NDOptUnknown(type=14, len=1, data=b"\1" * 6)
    for name, target in (("address", me.v6), ("link-local", me.local), ("stable link-local", STABLE)):
        asks = IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=target)
        group = Ether(src=me.mac, dst="33:33:ff:00:00:01")
        yield Said(f"detection of the own {name}", bytes(group / asks), stays=True)
        yield Said(f"detection of the own {name} with a nonce", bytes(group / asks / nonce), stays=True)
    routers = Ether(src=me.mac, dst="33:33:00:00:00:02")
    yield Said(
        "a router is asked by nobody",
        bytes(routers / IPv6(src="::", dst="ff02::2", hlim=255) / ICMPv6ND_RS()),
        stays=True,
    )
    asked = routers / IPv6(src=me.local, dst="ff02::2", hlim=255) / ICMPv6ND_RS() / source
    yield Said("a router is asked", bytes(asked), stays=True)
    alert = IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN()])
    for name, source_ip in (("nobody", "::"), ("link-local", me.local)):
        report = all_nodes / IPv6(src=source_ip, dst="ff02::16", hlim=1) / alert / ICMPv6MLReport2()
        yield Said(f"mld from {name}", bytes(report))


_NOBODY = Who("fa:16:3e:00:00:00", "10.0.1.9", "fd00:1::9", "fe80::1")
NAMES = [one.name for one in said(_NOBODY, _NOBODY)]


class Speech:
    """What each said to each, and what came."""

    def __init__(self, field: Range) -> None:
        self.field = field
        self.came = cache(self._came)

    def _came(self, speaker: str, listener: str) -> tuple[dict[str, Said], set[str]]:
        found = {one.name: one for one in said(self.field.who(speaker), self.field.who(listener))}
        return found, self.field.arrived(speaker, listener, {name: one.frame for name, one in found.items()})


@pytest.fixture(scope="module")
def speech(field: Range) -> Speech:
    """Each said once."""
    return Speech(field)


@pytest.mark.parametrize("listener", VICTIMS)
@pytest.mark.parametrize("speaker", ["protected", "paired", "open"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_right_passes(speech: Speech, name: str, speaker: str, listener: str) -> None:
    found, came = speech.came(speaker, listener)
    stays = found[name].stays and not (speaker == "paired" and found[name].moves)
    assert (name in came) == (listener == "near" or not stays)


def test_what_is_right_is_not_counted_as_refused(field: Range) -> None:
    before = field.refused("protected")
    me, to = field.who("protected"), field.who("near")
    field.arrived("protected", "near", {one.name: one.frame for one in said(me, to)})
    assert field.refused("protected") == before


@pytest.mark.parametrize("victim", VICTIMS)
def test_large_datagrams_and_streams_pass_whole(field: Range, victim: str) -> None:
    echo = Echo()
    try:
        who, place = field.who(victim), field.place("protected")
        echo.serve(field.place(victim), 7007, address=who.v4)
        echo.serve(field.place(victim), 7007, address=who.v6)
        for target in (who.v4, who.v6):
            octets = bytes(range(256)) * 16
            assert udp(place, target, 7007, octets) is not None
            assert tcp(place, target, 7007, octets * 64) is not None
            assert ping(place, target, size=4000) == target
    finally:
        echo.close()


def test_an_instance_finds_no_duplicate_of_its_own_address(field: Range) -> None:
    """Duplicate address detection of the kernel's own, through the checks: it ends, and the address is good."""
    place, me = field.place("protected"), field.who("protected")
    place.write([("ipv6/conf/eth0/accept_dad", "1"), ("ipv6/conf/eth0/dad_transmits", "1")])
    place.run(f"ip addr del {me.v6}/64 dev eth0")
    place.run(f"ip addr add {me.v6}/64 dev eth0")
    shown = until(lambda: _settled(place.run(f"ip -6 addr show dev eth0 to {me.v6}")))
    assert "inet6" in shown
    assert "dadfailed" not in shown


def _settled(shown: str) -> str:
    return "" if "tentative" in shown and "dadfailed" not in shown else shown


def test_the_range_holds_what_was_compiled(field: Range) -> None:
    field.settled()
