"""nftables' counters as nf_tables messages (linux/netfilter/nf_tables.h): what was counted is read, never set."""

from struct import pack, unpack, unpack_from

import msgspec

from onehop.objects import netlink
from onehop.objects.netlink import Found
from onehop.objects.nftables import FAMILIES

GETOBJ, GETRULE = 0x0A13, 0x0A07
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_OF_COUNTER = 1
_OCTETS, _PACKETS = 1, 2
_RULE_CHAIN, _RULE_EXPRESSIONS = 2, 4
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_IMMEDIATE_DATA, _VERDICT, _VERDICT_CODE = 2, 2, 1
_DROP = pack("!I", 0)
"""NF_DROP (linux/netfilter.h)."""


class Count(msgspec.Struct, frozen=True, gc=False):
    """What a counter says: since its table was made, packets and octets."""

    packets: int = 0
    octets: int = 0


Counts = dict[str, dict[str, Count]]
"""Table → counter → count."""


def dump(family: str, table: str | None) -> tuple[int, bytes]:
    """Kind and body of a message that asks for the counters of a table, or of all of a family."""
    head = pack("!BBH", FAMILIES[family], 0, 0) + netlink.attribute(_TYPE, pack("!I", _OF_COUNTER))
    return GETOBJ, head + (netlink.text(_TABLE, table) if table is not None else b"")


def decode(found: Found) -> tuple[str, str, Count] | None:
    """Table, name and count of one answer; None for another kind of object."""
    values = netlink.attributes(found.data, found.start + 4, found.end)
    if _DATA not in values or values.get(_TYPE) != pack("!I", _OF_COUNTER):
        return None
    counted = netlink.attributes(values[_DATA], 0, len(values[_DATA]))
    (octets,), (packets,) = unpack("!Q", counted[_OCTETS]), unpack("!Q", counted[_PACKETS])
    return netlink.string(values[_TABLE]), netlink.string(values[_NAME]), Count(packets, octets)


def rules(family: str | None, table: str | None) -> tuple[int, bytes]:
    """Kind and body of a message that asks for the rules of a table, of a family, or of all (NFPROTO_UNSPEC)."""
    head = pack("!BBH", FAMILIES[family] if family is not None else 0, 0, 0)
    return GETRULE, head + (netlink.text(_TABLE, table) if table is not None else b"")


def dropped(found: Found) -> tuple[str, str, Count] | None:
    """Table and chain of a rule that counts what it drops or rejects, and its count; None for any other rule."""
    values = netlink.attributes(found.data, found.start + 4, found.end)
    counted: Count | None = None
    expressions = values.get(_RULE_EXPRESSIONS, b"")
    at = 0
    while at + 4 <= len(expressions):
        (size,) = unpack_from("=H", expressions, at)
        inner = netlink.attributes(expressions, at + 4, at + size)
        name = inner[_EXPRESSION_NAME].rstrip(b"\0")
        data = inner.get(_EXPRESSION_DATA, b"")
        if name == b"counter":
            numbers = netlink.attributes(data, 0, len(data))
            (octets,), (packets,) = unpack("!Q", numbers[_OCTETS]), unpack("!Q", numbers[_PACKETS])
            counted = Count(packets, octets)
        elif counted is not None and (name == b"reject" or (name == b"immediate" and _is_drop(data))):
            return netlink.string(values[_TABLE]), netlink.string(values[_RULE_CHAIN]), counted
        at += size + 3 & ~3
    return None


def _is_drop(immediate: bytes) -> bool:
    value = netlink.attributes(immediate, 0, len(immediate)).get(_IMMEDIATE_DATA, b"")
    verdict = netlink.attributes(value, 0, len(value)).get(_VERDICT, b"")
    return netlink.attributes(verdict, 0, len(verdict)).get(_VERDICT_CODE) == _DROP
