"""Announcements are read by others as what they are."""

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement

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
