"""nftables' named counters as nf_tables messages (linux/netfilter/nf_tables.h): what was counted is read, never set."""

from struct import pack, unpack

import msgspec

from onehop.objects import netlink
from onehop.objects.netlink import Found
from onehop.objects.nftables import FAMILIES

GETOBJ = 0x0A13
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_OF_COUNTER = 1
_OCTETS, _PACKETS = 1, 2


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
