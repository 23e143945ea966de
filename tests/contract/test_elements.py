"""Elements of sets and maps change in place: the table, its rules and its counters stay."""

import msgspec
import pytest

from onehop.kernel.base import Kernel
from onehop.objects import NamedSet, Ruleset
from onehop.reconciler.diff import diff
from onehop.reconciler.plan import Create, Replace, Scope
from tests.contract import things
from tests.contract.hosts import LinuxHost
from tests.contract.things import ROUTER, assert_there, carry_out, put, seen

change = msgspec.structs.replace

SETS = (
    NamedSet("prefixes", ("ipv4_addr",), interval=True, elements=("10.0.1.0/24", "10.0.2.0/24", "10.9.0.1")),
    NamedSet("prefixes6", ("ipv6_addr",), interval=True, elements=("fd00:1::/64",)),
    NamedSet("addresses", ("ipv4_addr",), elements=("10.0.0.1", "10.0.0.2")),
    NamedSet("macs", ("ether_addr",), elements=("fa:16:3e:00:00:01",)),
    NamedSet("pairs", ("ipv4_addr", "ipv4_addr"), elements=("10.0.0.1 . 203.0.113.1",)),
    NamedSet("whole", ("ipv4_addr",), ("mark",), elements=("203.0.113.1 : 0x01000000", "203.0.113.2 : 0x02000000")),
    NamedSet("there", ("ipv4_addr",), ("ipv4_addr",), elements=("203.0.113.1 : 10.0.0.1",)),
    NamedSet(
        "services",
        ("ipv4_addr", "inet_proto", "inet_service"),
        ("mark",),
        interval=True,
        elements=("203.0.113.1 . tcp . 80 : 0x01000000", "203.0.113.1 . udp . 1024-2047 : 0x02000000"),
    ),
    NamedSet(
        "ports",
        ("ipv4_addr", "inet_proto", "inet_service"),
        ("ipv4_addr", "inet_service"),
        elements=("203.0.113.1 . tcp . 80 : 10.0.0.1 . 8080",),
    ),
    NamedSet(
        "echoes",
        ("ip daddr", "icmp id"),
        ("meta mark",),
        typeof=True,
        interval=True,
        elements=("203.0.113.1 . 1024-2047 : 0x01000000",),
    ),
    NamedSet(
        "quoted",
        ("@th,160,32", "@th,136,8", "@th,224,16"),
        ("meta mark",),
        typeof=True,
        interval=True,
        elements=("0xcb007101 . 0x6 . 0x400-0x7ff : 0x01000000",),
    ),
    NamedSet("links", ("ifname",), ("ipv4_addr",), elements=('"qg-1" : 203.0.113.1',)),
)
OTHER = {
    "prefixes": ("10.0.0.0/30", "10.0.1.0/24", "10.0.4.0/22", "192.0.2.255", "255.255.255.0/24"),
    "prefixes6": ("fd00:2::/64", "fd00:3::1", "fd00:3::2"),
    "addresses": ("10.0.0.2", "10.0.0.3"),
    "macs": ("fa:16:3e:00:00:02", "fa:16:3e:00:00:03"),
    "pairs": ("10.0.0.1 . 203.0.113.1", "10.0.0.2 . 203.0.113.2"),
    "whole": ("203.0.113.1 : 0x03000000", "203.0.113.9 : 0x02000000"),
    "there": (),
    "services": ("203.0.113.1 . tcp . 80-90 : 0x01000000", "203.0.113.1 . udp . 1024-2047 : 0x05000000"),
    "ports": ("203.0.113.1 . tcp . 80 : 10.0.0.1 . 8081", "203.0.113.2 . udp . 53 : 10.0.0.2 . 53"),
    "echoes": ("203.0.113.1 . 1024-2047 : 0x02000000", "203.0.113.1 . 2048-4095 : 0x01000000"),
    "quoted": ("0xcb007101 . 0x11 . 0x50 : 0x01000000", "0xcb007109 . 0x6 . 0x400-0x7ff : 0x01000000"),
    "links": ('"qg-1" : 203.0.113.2',),
}
CHAIN = "\tchain pre {\n\t\ttype filter hook prerouting priority raw; policy accept;\n\t\tcounter accept\n\t}\n"
OLD = Ruleset(namespace=ROUTER, family="ip", table="onehop-elements", sets=SETS, body=CHAIN)
NEW = change(OLD, sets=tuple(change(one, elements=OTHER[one.name]) for one in SETS))
ARP = Ruleset(
    namespace=ROUTER,
    family="arp",
    table="onehop-elements",
    sets=(NamedSet("addresses", ("ipv4_addr",), elements=("10.0.0.1",)),),
    body="",
)


def test_every_type_of_key_changes_in_place(kernel: Kernel) -> None:
    put(kernel, things.namespace, OLD)
    assert not carry_out(kernel, Replace(OLD, NEW)).failed
    assert_there(kernel, NEW)


def test_a_plan_between_two_tables_of_one_structure_is_one_op(kernel: Kernel) -> None:
    put(kernel, things.namespace, OLD)
    plan = diff({OLD.key: OLD}, {NEW.key: NEW})
    assert plan.ops == (Replace(OLD, NEW),)
    assert not kernel.execute(plan).failed
    assert_there(kernel, NEW)


def test_elements_that_are_not_what_was_believed_become_what_is_wanted(kernel: Kernel) -> None:
    put(kernel, things.namespace, OLD)
    believed = things.with_elements(OLD, "there", "203.0.113.8 : 10.0.0.8")
    assert not carry_out(kernel, Replace(believed, NEW)).failed
    assert_there(kernel, NEW)


def test_a_table_that_is_not_there_is_made_whole(kernel: Kernel) -> None:
    put(kernel, things.namespace)
    assert not carry_out(kernel, Replace(OLD, NEW)).failed
    assert_there(kernel, NEW)


def test_several_tables_change_together(kernel: Kernel) -> None:
    put(kernel, things.namespace, OLD, ARP)
    more = things.with_elements(ARP, "addresses", "10.0.0.7")
    fresh = change(things.table, table="onehop-fresh")
    report = carry_out(kernel, Replace(ARP, more), Create(fresh), Replace(OLD, NEW))
    assert not report.failed
    assert_there(kernel, NEW, more, fresh)


def test_a_thousand_elements_come_and_go(kernel: Kernel) -> None:
    put(kernel, things.namespace, ARP)
    many = things.with_elements(ARP, "addresses", *(f"10.1.{n >> 8}.{n & 255}" for n in range(1000)))
    assert not carry_out(kernel, Replace(ARP, many)).failed
    assert_there(kernel, many)
    assert not carry_out(kernel, Replace(many, ARP)).failed
    assert_there(kernel, ARP)


@pytest.mark.root
def test_what_was_packed_is_what_nft_lists(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    assert not carry_out(linux.kernel, Replace(OLD, NEW)).failed
    # Somebody else's change makes everything be read again.
    linux.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    assert seen(linux.kernel)[NEW.key] == NEW
    assert not carry_out(linux.kernel, Replace(NEW, OLD)).failed
    linux.run(ROUTER, "nft", "delete", "table", "inet", "somebody")
    assert seen(linux.kernel)[OLD.key] == OLD


@pytest.mark.root
def test_the_rules_and_their_counters_stay(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    handles = linux.run(ROUTER, "nft", "-a", "list", "chain", "ip", "onehop-elements", "pre")
    assert not carry_out(linux.kernel, Replace(OLD, NEW)).failed
    assert linux.run(ROUTER, "nft", "-a", "list", "chain", "ip", "onehop-elements", "pre") == handles


DRIFT = (
    ("delete", "addresses", "{ 10.0.0.1 }"),
    ("add", "addresses", "{ 10.0.0.9 }"),
    ("delete", "prefixes", "{ 10.0.2.0/24 }"),
    ("add", "prefixes", "{ 10.0.7.0/24 }"),
    ("delete", "services", "{ 203.0.113.1 . tcp . 80 }"),
    ("add", "quoted", "{ 0xcb007107 . 0x6 . 0x50 : 0x07000000 }"),
    ("add", "links", '{ "qg-2" comment "mine" : 203.0.113.9 }'),
    ("delete", "there", "{ 203.0.113.1 }"),
)


@pytest.mark.root
@pytest.mark.parametrize("words", DRIFT, ids=lambda words: f"{words[0]}-{words[1]}")
def test_an_element_that_somebody_changed_is_seen_and_mended(linux: LinuxHost, words: tuple[str, str, str]) -> None:
    put(linux.kernel, things.namespace, OLD)
    verb, name, elements = words
    linux.run(ROUTER, "nft", f"{verb} element ip onehop-elements {name} {elements}")
    found = linux.kernel.observe(Scope(namespace=ROUTER)).objects
    assert found[OLD.key] != OLD
    plan = diff(found, {**found, OLD.key: OLD})
    assert len(plan.ops) == 1
    assert not linux.kernel.execute(plan).failed
    assert_there(linux.kernel, OLD)
    linux.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    assert seen(linux.kernel)[OLD.key] == OLD


@pytest.mark.root
def test_a_change_behind_our_back_is_not_covered_by_our_own_next_one(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    linux.run(ROUTER, "nft", "add element ip onehop-elements addresses { 10.0.0.9 }")
    more = things.with_elements(OLD, "macs", "fa:16:3e:00:00:01", "fa:16:3e:00:00:02")
    assert not carry_out(linux.kernel, Replace(OLD, more)).failed
    found = seen(linux.kernel)[OLD.key]
    assert isinstance(found, Ruleset)
    assert "10.0.0.9" in next(one for one in found.sets if one.name == "addresses").elements
