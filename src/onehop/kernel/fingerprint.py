"""Tables of nftables as the kernel dumps them, as digests: whether one is as it was, without reading it as text.

libnftables reads the chains of the whole namespace for each table that it lists: for n tables that is n² (25 s for
1,000 taps). These dumps are linear. All that a table holds is in its digest, handles too, so that a table made anew is
another; only what counters say is left out. It tells nothing of what the table means.
"""

from collections.abc import Collection, Iterator
from hashlib import blake2b
from struct import pack, unpack_from

from onehop.kernel.space import Space
from onehop.objects import netlink
from onehop.objects.netlink import Found, Request
from onehop.objects.nftables import FAMILIES

_GETTABLE, _GETCHAIN, _GETRULE = 0x0A01, 0x0A04, 0x0A07
_GETSET, _GETSETELEM, _GETOBJ, _GETFLOWTABLE = 0x0A0A, 0x0A0D, 0x0A13, 0x0A17
_TABLE, _NAME, _TYPE = 1, 2, 3
"""NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE, NFTA_OBJ_TABLE, NFTA_FLOWTABLE_TABLE are
all 1; NFTA_SET_NAME, NFTA_SET_ELEM_LIST_SET and NFTA_OBJ_NAME are 2, NFTA_OBJ_TYPE is 3."""

MANY = 32
"""So many tables are read by dumps of all."""

Table = tuple[str, str]


def fingerprints(space: Space, tables: Collection[Table]) -> dict[Table, bytes]:
    """The digest of each table that is there. Whoever wants them of one moment compares generations around it.

    Raises:
        KernelError: they could not be read, one that went meanwhile (ENOENT) among them.
    """
    found = space.netfilter.ask(Request(_GETTABLE, 0, _of(family, table)) for family, table in tables)
    parts = {table: [_content(answer)] for table, answer in zip(tables, found, strict=True) if answer is not None}
    # Chains and flowtables cannot be asked for by table.
    for kind in (_GETCHAIN, _GETFLOWTABLE):
        for table, message in _dump(space, kind, parts.keys(), whole=True):
            parts[table].append(_content(message))
    for table, message in _dump(space, _GETRULE, parts.keys()):
        parts[table].append(_content(message))
    for table, message in _dump(space, _GETSET, parts.keys()):
        name = netlink.attributes(message.data, message.start + 4, message.end)[_NAME]
        elements = space.netfilter.dump(_GETSETELEM, _of(*table) + netlink.attribute(_NAME, name))
        parts[table] += [_content(message), *map(_content, elements)]
    for table, message in _dump(space, _GETOBJ, parts.keys()):
        values = netlink.attributes(message.data, message.start + 4, message.end)
        parts[table].append(values[_NAME] + values[_TYPE])
    return {table: _digest(content) for table, content in parts.items()}


def _dump(space: Space, kind: int, tables: Collection[Table], whole: bool = False) -> Iterator[tuple[Table, Found]]:
    """What tables hold of a kind: of many in one dump, since the kernel goes through all of them for each."""
    if whole or len(tables) >= MANY:
        families = {family for family, _ in tables}
        bodies = [pack("=BBH", FAMILIES[family], 0, 0) for family in sorted(families)]
    else:
        bodies = [_of(*table) for table in tables]
    known = {_of(*table): table for table in tables}
    for body in bodies:
        for message in space.netfilter.dump(kind, body):
            # The table's name is the first attribute of all of them. There are 60 rules for each tap.
            size = unpack_from("=H", message.data, message.start + 4)[0]
            start = message.data[message.start : message.start + 1] + b"\0\0\0"
            table = known.get(start + message.data[message.start + 4 : message.start + 4 + (size + 3 & ~3)])
            if table is not None:
                yield table, message


def _of(family: str, table: str) -> bytes:
    return pack("=BBH", FAMILIES[family], 0, 0) + netlink.text(_TABLE, table)


def _content(message: Found) -> bytes:
    """Without nfgenmsg, which bears the generation."""
    return message.data[message.start + 4 : message.end]


def _digest(content: list[bytes]) -> bytes:
    digest = blake2b(digest_size=16)
    for part in content:
        digest.update(pack("=I", len(part)))
        digest.update(part)
    return digest.digest()
