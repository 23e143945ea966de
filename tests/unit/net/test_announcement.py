"""Announcements are read by others as what they are."""

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from onehop.net.announcement import advertiser, gratuitous_arp, neighbour_probe, probe, unsolicited_advertisement

MAC = "fa:16:3e:02:01:01"


def test_a_gratuitous_arp_asks_everybody_for_its_own_address() -> None:
    frame = Ether(gratuitous_arp(MAC, "203.0.113.10"))
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", MAC)
    arp = frame[ARP]
    assert (arp.op, arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (
        1,
        MAC,
        "203.0.113.10",
        "00:00:00:00:00:00",
        "203.0.113.10",
    )
    assert len(gratuitous_arp(MAC, "203.0.113.10")) == 60


def test_an_unsolicited_advertisement_overrides_and_has_a_right_checksum() -> None:
    octets = unsolicited_advertisement(MAC, "2001:db8::10")
    frame = Ether(octets)
    assert (frame.dst, frame.src) == ("33:33:00:00:00:01", MAC)
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == ("2001:db8::10", "ff02::1", 255)
    advertisement = frame[ICMPv6ND_NA]
    assert (advertisement.tgt, advertisement.R, advertisement.S, advertisement.O) == ("2001:db8::10", 1, 0, 1)
    assert frame[ICMPv6NDOptDstLLAddr].lladdr == MAC
    given = advertisement.cksum
    del frame[ICMPv6ND_NA].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NA].cksum == given


def test_a_neighbour_probe_is_that_of_duplicate_address_detection() -> None:
    octets = neighbour_probe(MAC, "2001:db8::12:3456")
    assert octets == probe(MAC, "2001:db8::12:3456")
    frame = Ether(octets)
    assert (frame.dst, frame.src) == ("33:33:ff:12:34:56", MAC)
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == ("::", "ff02::1:ff12:3456", 255)
    solicitation = frame[ICMPv6ND_NS]
    assert solicitation.tgt == "2001:db8::12:3456"
    assert not solicitation.payload, "with no source there is no link-layer address either (RFC 4861, 4.3)"
    given = solicitation.cksum
    del frame[ICMPv6ND_NS].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NS].cksum == given


def test_an_advertisement_says_who_has_an_address() -> None:
    assert advertiser(unsolicited_advertisement(MAC, "2001:db8::10")) == (MAC, "2001:db8::10")
    bare = Ether(src=MAC) / IPv6(src="2001:db8::10", dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt="2001:db8::10")
    assert advertiser(bytes(bare)) == (MAC, "2001:db8::10")
    assert advertiser(bytes(bare) + bytes(6)) == (MAC, "2001:db8::10"), "padded"


@pytest.mark.parametrize("at", [12, 20, 21, 54, 55, 60])
def test_an_advertisement_that_is_damaged_or_came_from_afar_says_nothing(at: int) -> None:
    octets = bytearray(unsolicited_advertisement(MAC, "2001:db8::10"))
    octets[at] ^= 1
    assert advertiser(bytes(octets)) is None
    assert advertiser(bytes(octets)[:70]) is None
    assert advertiser(neighbour_probe(MAC, "2001:db8::10")) is None
