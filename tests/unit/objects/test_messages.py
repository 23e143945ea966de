"""Objects as netlink messages: golden octets, and decoding what was encoded."""

import pytest

from onehop.objects import (
    ALL_ZERO,
    Address,
    BridgeFdb,
    KernelObject,
    Neighbour,
    NextHop,
    Route,
    Rule,
    VxlanFdb,
    netlink,
)
from onehop.objects.base import Carried
from onehop.objects.netlink import Found

INDEXES = {"qr-1": 7, "brq1": 8, "vxlan-5": 9, "tap1": 10}
NAMES = {index: name for name, index in INDEXES.items()}

ONLINK = NextHop("192.0.2.1", "qr-1", onlink=True)
HEAVY = NextHop("10.0.0.3", "qr-1", weight=5)

OBJECTS: tuple[Carried, ...] = (
    Address(namespace="r", link="qr-1", address="10.0.0.1/24"),
    Address(namespace="r", link="qr-1", address="169.254.0.1/32", scope="link"),
    Address(namespace="r", link="qr-1", address="fd00::1/64"),
    Neighbour(namespace="r", link="qr-1", address="10.0.0.7", mac="fa:16:3e:00:00:07"),
    Neighbour(namespace="r", link="qr-1", address="fd00::7", mac="fa:16:3e:00:00:07"),
    Route(namespace="r", destination="0.0.0.0/0", hops=(NextHop("10.0.0.254", "qr-1"),)),
    Route(namespace="r", destination="::/0", metric=1024, hops=(NextHop("fe80::1", "qr-1"),)),
    Route(namespace="r", destination="10.9.0.0/16", table=1000, hops=(NextHop(link="qr-1"),)),
    Route(namespace="r", destination="10.9.0.0/16", hops=(ONLINK,), source="10.0.0.1"),
    Route(namespace="r", destination="10.9.0.0/16", hops=(NextHop("10.0.0.2", "qr-1"), HEAVY)),
    Route(namespace="r", destination="10.9.0.0/16", hops=(NextHop("fd00::9", "qr-1"),)),
    Route(namespace="r", destination="10.8.0.0/16", type="blackhole"),
    Route(namespace="r", destination="fd09::/64", type="unreachable"),
    Route(namespace="r", destination="10.8.0.0/16", type="prohibit"),
    Rule(namespace="r", family=4, priority=100, table=255),
    Rule(namespace="r", family=4, priority=90, table=1000, mark=0x100, mask=0xFF00),
    Rule(namespace="r", family=6, priority=91, table=254, source="fd00::/64", destination="fd01::/64", incoming="qr-1"),
)


def index(name: str) -> int:
    return INDEXES[name]


def found(body: bytes) -> Found:
    return Found(b"\0" * 16 + body, 16, 16 + len(body))


def as_dumped(item: Carried) -> bytes:
    """The body that creates an address, as the kernel dumps it: IFA_F_PERMANENT is its own to set."""
    body = bytearray(item.to_create(index).body)
    if isinstance(item, Address):
        body[2] |= 0x80
    return bytes(body)


@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: f"{item.kind}-{item.key[2:]}")
def test_decoding_what_was_encoded_gives_the_object_back(item: Carried) -> None:
    assert type(item).decode(found(as_dumped(item)), "r", NAMES) == item


def test_an_fdb_entry_of_a_bridge_is_dumped_with_its_bridge() -> None:
    entry = BridgeFdb(namespace="", bridge="brq1", mac="fa:16:3e:00:00:07", port="tap1")
    body = entry.to_create(index).body + netlink.u32(9, INDEXES["brq1"])
    assert BridgeFdb.decode(found(body), "", NAMES) == entry


@pytest.mark.parametrize("mac", ["fa:16:3e:00:00:07", ALL_ZERO])
def test_an_fdb_entry_of_a_vxlan_device_is_decoded(mac: str) -> None:
    entry = VxlanFdb(namespace="", link="vxlan-5", mac=mac, vtep="192.0.2.2")
    assert VxlanFdb.decode(found(entry.to_create(index).body), "", NAMES) == entry


def test_the_octets_of_an_address() -> None:
    request = Address(namespace="", link="qr-1", address="10.0.0.1/24").to_create(index)
    assert (request.kind, request.flags) == (netlink.NEWADDR, netlink.CREATE | netlink.EXCL)
    assert request.body.hex() == "02180000" + "07000000" + "08000200" + "0a000001" + "08000100" + "0a000001"


def test_the_octets_of_a_neighbour() -> None:
    request = Neighbour(namespace="", link="qr-1", address="10.0.0.7", mac="fa:16:3e:00:00:07").to_create(index)
    assert (request.kind, request.flags) == (netlink.NEWNEIGH, netlink.CREATE | netlink.REPLACE)
    assert request.body.hex() == "02000000" + "07000000" + "80000000" + "080001000a000007" + "0a000200fa163e0000070000"


def test_the_octets_of_a_blackhole_route() -> None:
    request = Route(namespace="", destination="10.8.0.0/16", type="blackhole").to_create(index)
    assert request.body.hex() == (
        "02100000" + "006f0006" + "00000000" + "080001000a080000" + "08000f00fe000000" + "0800060064000000"
    )


def test_broadcast_entries_are_appended_and_unicast_entries_replaced() -> None:
    flags = {
        mac: VxlanFdb(namespace="", link="vxlan-5", mac=mac, vtep="192.0.2.2").to_create(index).flags
        for mac in (ALL_ZERO, "fa:16:3e:00:00:07")
    }
    assert flags == {
        ALL_ZERO: netlink.CREATE | netlink.APPEND,
        "fa:16:3e:00:00:07": netlink.CREATE | netlink.REPLACE,
    }


def test_a_deleted_route_or_rule_names_our_protocol_so_that_no_other_is_hit() -> None:
    route = OBJECTS[5].to_delete(index).body
    assert route[5] == 111
    rule = OBJECTS[14].to_delete(index).body
    assert netlink.attributes(rule, 12, len(rule))[21] == bytes([111])


def decoded(kind: type[Carried], body: bytes) -> KernelObject | None:
    return kind.decode(found(body), "r", NAMES)


def test_what_is_not_ours_is_not_decoded() -> None:
    address, neighbour, route, rule = OBJECTS[0], OBJECTS[3], OBJECTS[5], OBJECTS[14]
    temporary = address.to_create(index).body
    assert decoded(Address, temporary) is None, "an address with a lifetime"
    assert decoded(Address, as_dumped(address) + netlink.u8(11, 3)) is None, "the kernel's own link-local"
    learned = neighbour.to_create(index).body
    assert decoded(Neighbour, learned[:8] + b"\x02" + learned[9:]) is None, "a reachable neighbour"
    static = route.to_create(index).body
    assert decoded(Route, static[:5] + b"\x04" + static[6:]) is None, "a static route of somebody else"
    assert decoded(Rule, rule.to_create(index).body.replace(bytes.fromhex("050015006f000000"), b"")) is None
    elsewhere = Neighbour(namespace="r", link="qr-1", address="10.0.0.7", mac="fa:16:3e:00:00:07")
    assert Neighbour.decode(found(elsewhere.to_create(index).body), "r", {}) is None, "a link that is not ours"


def test_attributes_of_a_truncated_message_end_where_it_ends() -> None:
    whole = netlink.u32(1, 7) + netlink.u32(2, 8)
    assert netlink.attributes(whole, 0, 8) == {1: b"\7\0\0\0"}
    assert netlink.attributes(whole + b"\0\0\0\0", 0, 20) == {1: b"\7\0\0\0", 2: b"\x08\0\0\0"}
