"""What each construct of a rule makes of a packet."""

import pytest

from onehop.errors import UnknownRuleError
from onehop.net.address import pack
from onehop.objects import NamedSet, Ruleset
from onehop.verify.conntrack import DNAT, NEW, Connection, Tracked, flow_of
from onehop.verify.nft.evaluate import evaluate
from onehop.verify.nft.parse import parse
from onehop.verify.nft.ruling import Ruling
from onehop.verify.nft.value import Span
from onehop.verify.packet import ACK, BROADCAST, SYN, Arp, Frame, Packet, solicitation
from onehop.verify.subject import Passing

HERE, THERE = "02:00:00:00:00:01", "02:00:00:00:00:02"
TCP = Packet(
    source="10.0.1.10", destination="203.0.113.5", protocol=6, source_port=40000, destination_port=80, flags=SYN
)
ECHO = Packet(source="198.51.100.2", destination="203.0.113.10", protocol=1, type=0, identifier=2050)
SETS = (
    NamedSet("inside", ("ipv4_addr",), interval=True, elements=("10.0.0.0/16",)),
    NamedSet("known", ("ipv4_addr",), elements=("10.0.1.10", "203.0.113.5")),
    NamedSet("pairs", ("ipv4_addr", "ipv4_addr"), elements=("203.0.113.5 . 10.0.1.10",)),
    NamedSet("to_mark", ("ipv4_addr",), ("mark",), elements=("203.0.113.5 : 0x02000000",)),
    NamedSet("to_address", ("ipv4_addr",), ("ipv4_addr",), elements=("203.0.113.5 : 10.0.1.10",)),
    NamedSet(
        "to_port",
        ("ipv4_addr", "inet_proto", "inet_service"),
        ("ipv4_addr", "inet_service"),
        elements=("203.0.113.5 . tcp . 80 : 10.0.1.10 . 8080",),
    ),
    NamedSet("echoes", ("ip daddr", "icmp id"), ("meta mark",), True, True, ("203.0.113.10 . 2048-3071 : 0x02000000",)),
    NamedSet("quoted", ("@th,224,16",), ("meta mark",), True, True, ("0x800-0xbff : 0x03000000",)),
)


def passing(payload: Packet | Arp = TCP, incoming: str = "qr-1", outgoing: str = "") -> Passing:
    return Passing(Frame(HERE, THERE, payload), incoming, outgoing)


def ruled(subject: Passing, *rules: str, policy: str = "accept", more: str = "") -> Ruling:
    hook = f"type filter hook prerouting priority raw; policy {policy};"
    lines = "\n".join(f"\t\t{line}" for line in (hook, *rules))
    body = f"\tchain first {{\n{lines}\n\t}}\n{more}"
    table = parse(Ruleset(namespace="n", family="ip", table="onehop", sets=SETS, body=body))
    return evaluate(table, table.chains["first"], subject)


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ("ip saddr 10.0.1.10", True),
        ("ip saddr 10.0.1.11", False),
        ("ip saddr != 10.0.1.11", True),
        ("ip saddr 10.0.1.0/24", True),
        ("ip saddr 10.0.2.0/24", False),
        ("ip saddr @inside", True),
        ("ip daddr @inside", False),
        ("ip daddr != @inside", True),
        ("ip saddr @known", True),
        ("ip saddr { 10.0.1.9, 10.0.1.10 }", True),
        ("ip daddr . ip saddr @pairs", True),
        ("ip saddr . ip daddr @pairs", False),
        ("ip protocol { tcp, udp }", True),
        ("ip protocol udp", False),
        ("tcp dport 80-90", True),
        ("tcp sport 80", False),
        ("udp dport 80", False),
        ("udp dport != 80", False),
        ("th dport 80", True),
        ("tcp flags syn", True),
        ("tcp flags ! syn", False),
        ("tcp flags ! rst,ack", True),
        ("icmp type echo-reply", False),
        ("ip6 saddr fe80::/10", False),
        ("meta mark 0x00000000/8", True),
        ("meta mark != 0x00000000/8", False),
        ("meta nfproto ipv6", False),
        ("meta l4proto tcp", True),
        ('iifname "qr-*"', True),
        ('iifname != "qr-*"', False),
        ('oifname "qg-1"', False),
        ('oifname != "qr-*"', True),
        ("ether saddr 02:00:00:00:00:01", True),
        ("ether saddr != { 02:00:00:00:00:01, 02:00:00:00:00:03 }", False),
        ("arp operation request", False),
        ("ct state invalid", True),
        ("ct status dnat", False),
        ("ct status ! dnat", False),
    ],
)
def test_a_match_holds_or_ends_the_rule(match: str, holds: bool) -> None:
    assert ruled(passing(), f"{match} drop").verdict == ("drop" if holds else "accept")


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ("icmp type echo-reply icmp id 2048-3071", True),
        ("icmp type echo-reply icmp id 3072-4095", False),
        ("icmp type { destination-unreachable, time-exceeded }", False),
    ],
)
def test_echoes_are_told_apart_by_type_and_id(match: str, holds: bool) -> None:
    assert ruled(passing(ECHO), f"{match} drop").verdict == ("drop" if holds else "accept")


def test_raw_fields_are_read_from_the_transport_header_on() -> None:
    quoted = b"\x45" + bytes(8) + b"\x06" + bytes(2) + pack("203.0.113.10") + pack("198.51.100.2") + b"\x08\x02\x00\x50"
    error = Packet(source="192.0.2.1", destination="203.0.113.10", protocol=1, type=3, rest=quoted)
    words = "icmp type destination-unreachable @th,64,8 0x45 @th,160,32 0xcb00710a @th,136,8 0x6"
    subject = passing(error)
    assert ruled(subject, f"{words} meta mark set @th,224,16 map @quoted").verdict == "accept"
    assert subject.mark == 0x03000000
    other = passing(error)
    ruled(other, f"{words.replace('0x45', '0x46')} meta mark set @th,224,16 map @quoted")
    assert other.mark == 0
    target = passing(solicitation("fe80::1", HERE, "fd00::1"))
    assert ruled(target, "icmpv6 type nd-neighbor-solicit @th,64,128 0xfd000000000000000000000000000001 drop").rule
    assert not ruled(target, "icmpv6 type nd-neighbor-solicit @th,64,128 0xfd000000000000000000000000000002 drop").rule


def test_raw_fields_of_a_solicitation_are_written() -> None:
    subject = passing(solicitation("fe80::1", HERE, "fd00::1"))
    ruled(subject, "icmpv6 type nd-neighbor-solicit @th,208,48 set 0xe0102030405 ip6 saddr set fe80::2")
    assert subject.packet == solicitation("fe80::2", "0e:01:02:03:04:05", "fd00::1")
    with pytest.raises(UnknownRuleError):
        ruled(passing(), "@th,16,16 set 0x50")


def test_marks_are_set_from_maps_and_cleared_by_masks() -> None:
    subject = passing()
    assert ruled(subject, "meta mark set ip saddr map @to_mark drop").verdict == "accept"
    assert subject.mark == 0
    assert ruled(subject, "meta mark set ip daddr map @to_mark drop").verdict == "drop"
    assert subject.mark == 0x02000000
    subject.mark |= 5
    ruled(subject, "meta mark set meta mark & 0x00ffffff")
    assert subject.mark == 5
    echo = passing(ECHO)
    ruled(echo, "icmp type echo-reply meta mark set ip daddr . icmp id map @echoes")
    assert echo.mark == 0x02000000


def test_translations_say_address_and_ports() -> None:
    whole = ruled(passing(), "dnat to ip daddr map @to_address")
    assert (whole.verdict, whole.address, whole.ports) == ("translate", 0x0A00010A, None)
    one = ruled(passing(), "dnat ip to ip daddr . ip protocol . th dport map @to_port")
    assert (one.address, one.ports) == (0x0A00010A, Span(8080, 8080))
    block = ruled(passing(), "snat to 203.0.113.10:1024-2047")
    assert (block.address, block.ports) == (0xCB00710A, Span(1024, 2047))
    assert ruled(passing(ECHO), "dnat to ip daddr map @to_address", "drop").verdict == "drop"


def test_notrack_counts_only_before_connection_tracking() -> None:
    subject = passing()
    ruled(subject, "notrack")
    assert subject.untracked
    late = passing()
    late.looked = True
    ruled(late, "notrack")
    assert not late.untracked


def test_connections_are_asked_for_state_direction_and_both_ends() -> None:
    subject = passing()
    connection = Connection(flow_of(TCP))
    connection.status = DNAT
    subject.tracked = Tracked(connection, False, NEW)
    for words in ("ct state new", "ct status dnat", "ct direction original", "ct original ip daddr 203.0.113.5"):
        assert ruled(subject, f"{words} drop").verdict == "drop", words
    for words in ("ct state invalid", "ct status snat", "ct direction reply", "ct reply ip saddr 10.0.1.10"):
        assert ruled(subject, f"{words} drop").verdict == "accept", words
    assert ruled(subject, "ct reply ip saddr . ct original ip saddr @pairs drop").verdict == "drop"


def test_jumps_return_and_accept_ends_the_chain() -> None:
    more = "\n\tchain other {\n\t\tip saddr 10.0.1.10 return\n\t\tdrop\n\t}\n"
    jumped = ruled(passing(), "jump other", "ip daddr 203.0.113.5 reject with tcp reset", more=more)
    assert (jumped.verdict, jumped.how) == ("reject", "tcp reset")
    gone = ruled(passing(), "goto other", "reject with tcp reset", more=more)
    assert gone.verdict == "accept"
    assert ruled(passing(ECHO), "jump other", "accept", more=more).chain == "other"
    assert ruled(passing(), "accept", "drop").verdict == "accept"
    with pytest.raises(UnknownRuleError):
        ruled(passing(), "jump nowhere")
    circle = "\n\tchain other {\n\t\tjump other\n\t}\n"
    with pytest.raises(UnknownRuleError):
        ruled(passing(), "jump other", more=circle)


def test_one_packet_is_within_every_limit_and_a_log_changes_nothing() -> None:
    ruling = ruled(passing(), 'limit rate 10/second burst 20 packets log prefix "x" group 5 drop')
    assert (ruling.verdict, ruling.said) == ("drop", ())


def test_the_policy_decides_what_no_rule_does() -> None:
    ruling = ruled(passing(), "ip saddr 10.0.1.11 accept", policy="drop")
    assert (ruling.verdict, ruling.rule) == ("drop", "")


def test_verdict_maps_decide_by_key() -> None:
    assert ruled(passing(), "ip protocol vmap { udp : accept, tcp : drop }").verdict == "drop"
    assert ruled(passing(ECHO), "ip protocol vmap { udp : accept, tcp : drop }").verdict == "accept"


def test_copies_go_to_a_device_and_forwards_take_the_packet_away() -> None:
    copied = ruled(passing(), 'dup to "vxlan-1"', "drop")
    assert (copied.verdict, copied.copies) == ("drop", ("vxlan-1",))
    sent = ruled(passing(), 'fwd to "vxlan-1"')
    assert (sent.verdict, sent.copies) == ("forward", ("vxlan-1",))


def test_a_packet_is_handed_on_to_the_neighbour_that_a_rule_or_its_map_names() -> None:
    sent = ruled(passing(), 'fwd ip to 169.254.1.2 device "qt-1"')
    assert (sent.verdict, sent.copies, sent.address) == ("forward", ("qt-1",), 0xA9FE0102)
    sent = ruled(passing(), 'fwd ip to ip daddr map @to_address device "qt-1"')
    assert (sent.verdict, sent.address) == ("forward", 0x0A00010A)
    # Whom the map does not know goes on.
    assert ruled(passing(ECHO), 'fwd ip to ip daddr map @to_address device "qt-1"', "drop").verdict == "drop"
    with pytest.raises(UnknownRuleError):
        ruled(passing(), 'fwd ip to ip daddr device "qt-1"')
    with pytest.raises(UnknownRuleError):
        ruled(passing(), "fwd ip to 169.254.1.2")


def test_arp_is_read_and_rewritten_in_arp_and_ethernet() -> None:
    question = Arp(operation=1, sender_mac=HERE, sender="10.0.1.1", target_mac=BROADCAST, target="10.0.1.9")
    subject = passing(question)
    match = "arp operation request arp saddr ip 10.0.1.1 arp daddr ip @inside"
    assert ruled(
        subject, f"{match} ether saddr set {THERE} arp saddr ether set {THERE} arp saddr ip set 10.0.9.9 accept"
    )
    assert subject.frame.source == THERE
    assert subject.frame.payload == Arp(
        operation=1, sender_mac=THERE, sender="10.0.9.9", target_mac=BROADCAST, target="10.0.1.9"
    )


def test_what_a_rule_changed_is_told_with_before_and_after() -> None:
    said = ruled(passing(), "meta mark set 0x01000000").said
    assert len(said) == 1
    assert "mark" not in said[0].before
    assert "mark 0x01000000" in said[0].after
    assert TCP.flags != ACK
