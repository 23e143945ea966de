"""What is on the wire, read by scapy, which knows nothing of us."""

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)

from onehop.net.address import link_local
from onehop.net.advertisement import Prefix, Solicitation, advertised, solicitation, withdrawn
from tests.advertising import MAC, NETWORK, said

GUEST = "fa:16:3e:01:00:01"


def read(octets: bytes) -> IPv6:
    """A packet that came in; its checksum is that which one computes anew."""
    packet = IPv6(octets)
    fresh = packet.copy()
    del fresh[ICMPv6ND_RA].cksum
    assert IPv6(bytes(fresh))[ICMPv6ND_RA].cksum == packet[ICMPv6ND_RA].cksum
    return packet


def test_an_advertisement_to_all_says_who_mtu_and_prefixes() -> None:
    packet = read(advertised(said()))
    assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == (link_local(MAC), "ff02::1", 255)
    advertisement = packet[ICMPv6ND_RA]
    assert 1800 <= advertisement.routerlifetime <= 9000
    assert (advertisement.M, advertisement.O) == (0, 0)
    assert packet[ICMPv6NDOptSrcLLAddr].lladdr == MAC
    assert packet[ICMPv6NDOptMTU].mtu == 1430
    prefix = packet[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("fd00:1::", 64, 1, 1)
    assert 0 < prefix.preferredlifetime <= prefix.validlifetime
    assert ICMPv6NDOptRDNSS not in packet


@pytest.mark.parametrize(("managed", "other"), [(True, False), (False, True), (True, True)])
def test_flags_say_where_addresses_and_other_settings_come_from(managed: bool, other: bool) -> None:
    packet = read(advertised(said(managed=managed, other=other)))
    assert (managed, other) == (packet[ICMPv6ND_RA].M, packet[ICMPv6ND_RA].O)


def test_a_prefix_that_is_not_autonomous_is_on_link_all_the_same() -> None:
    packet = read(advertised(said(prefixes=(Prefix("fd00:1::/64", False),))))
    assert (packet[ICMPv6NDOptPrefixInfo].L, packet[ICMPv6NDOptPrefixInfo].A) == (1, 0)


def test_name_servers_are_told_in_their_order() -> None:
    packet = read(advertised(said(servers=("fd00::53", "fd00::35"))))
    assert packet[ICMPv6NDOptRDNSS].dns == ["fd00::53", "fd00::35"]
    assert packet[ICMPv6NDOptRDNSS].lifetime >= 1800


def test_who_is_no_way_out_is_no_default_router() -> None:
    assert read(advertised(said(default=False)))[ICMPv6ND_RA].routerlifetime == 0


def test_the_last_word_takes_the_default_router_back_and_no_prefix() -> None:
    packet = read(withdrawn(MAC))
    assert packet[IPv6].src == link_local(MAC)
    assert packet[ICMPv6ND_RA].routerlifetime == 0
    assert ICMPv6NDOptPrefixInfo not in packet


def test_an_answer_goes_to_who_asked() -> None:
    assert read(advertised(said(), link_local(GUEST))).dst == link_local(GUEST)


def asked(source: str = link_local(GUEST), hops: int = 255, code: int = 0, option: bool = True) -> IPv6:
    packet = IPv6(src=source, dst="ff02::2", hlim=hops) / ICMPv6ND_RS(code=code)
    return packet / ICMPv6NDOptSrcLLAddr(lladdr=GUEST) if option else packet


@pytest.mark.parametrize("source", [link_local(GUEST), "::"])
def test_a_solicitation_says_who_asks(source: str) -> None:
    packet = asked(source, option=source != "::")
    assert solicitation(NETWORK, bytes(packet)) == Solicitation(NETWORK, source)


@pytest.mark.parametrize(
    "octets",
    [
        bytes(asked(hops=64)),
        bytes(asked(code=1)),
        bytes(asked(source="::")),
        bytes(asked())[:-1],
        bytes(asked())[:44],
        bytes(asked())[:-6] + bytes(6),
        bytes(IPv6(src=link_local(GUEST), dst="ff02::2", hlim=255) / ICMPv6ND_RA()),
        b"",
    ],
    ids=["routed", "code", "option-without-source", "cut", "short", "checksum", "other-type", "nothing"],
)
def test_a_solicitation_that_rfc_4861_calls_invalid_is_none(octets: bytes) -> None:
    assert solicitation(NETWORK, octets) is None


def test_an_option_of_no_length_ends_it() -> None:
    packet = asked(option=False) / b"\x01\x00\x00\x00\x00\x00\x00\x00"
    assert solicitation(NETWORK, bytes(packet)) is None
