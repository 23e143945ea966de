"""Elements of nftables sets and maps as nf_tables messages (linux/netfilter/nf_tables.h): added and deleted in place.

Only the types of `onehop.objects.ruleset.NamedSet` keys that the compiler writes are known. nftables keeps a set of
single intervals as its borders, in a tree, where one element's end may stand for the next one's start: such a set is
emptied and filled anew within the transaction. Keys of several parts keep their ranges, and change one by one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from struct import pack

from onehop.errors import IdentifierError
from onehop.net.address import pack as pack_address
from onehop.objects import netlink
from onehop.objects.netlink import Request
from onehop.objects.nftables import FAMILIES
from onehop.objects.ruleset import NamedSet, Ruleset, parts_of

_NEWSETELEM, _DELSETELEM = 0x0A0C, 0x0A0E
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_ELEMENT = 1
_KEY, _DATA, _FLAGS, _KEY_END = 1, 2, 3, 10
_VALUE, _VERDICT = 1, 2
_VERDICT_CODE, _VERDICT_CHAIN = 1, 2
_GOTO = -4
_INTERVAL_END = 1
_AT_ONCE = 256
"""Elements in one message: an attribute holds 64 KiB."""

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}


def to_change(old: Ruleset, new: Ruleset) -> list[Request]:
    """The messages that make one table into another with the same structure, to be sent as one transaction.

    Deletions come first: a key may come again with another value.

    Raises:
        IdentifierError: a set has a type, or an element a form, that is not known here.
    """
    deletions: list[Request] = []
    additions: list[Request] = []
    for before, after in old.differing(new):
        there, wanted = set(before.elements), set(after.elements)
        if after.interval and len(after.key) == 1:
            deletions += _messages(new, after, _DELSETELEM, [b""])
            additions += _messages(new, after, _NEWSETELEM, list(_borders(after)))
        else:
            deletions += _messages(new, after, _DELSETELEM, [_element(after, e) for e in sorted(there - wanted)])
            additions += _messages(new, after, _NEWSETELEM, [_element(after, e) for e in sorted(wanted - there)])
    return deletions + additions


def _messages(table: Ruleset, one: NamedSet, kind: int, elements: Sequence[bytes]) -> Iterator[Request]:
    head = pack("!BBH", FAMILIES[table.family], 0, 0)
    head += netlink.text(_LIST_TABLE, table.table) + netlink.text(_LIST_SET, one.name)
    flags = netlink.CREATE if kind == _NEWSETELEM else 0
    for start in range(0, len(elements), _AT_ONCE):
        some = b"".join(elements[start : start + _AT_ONCE])
        # Without a list it is all of them.
        yield Request(kind, flags, head + (netlink.nested(_LIST_ELEMENTS, some) if some else b""))


def _element(one: NamedSet, element: str) -> bytes:
    key, value = parts_of(element)
    if len(key) != len(one.key) or len(value) != len(one.value):
        raise IdentifierError(f"{element[:64]!r} is no element of {one.name}")
    ends = [_ends(word, part, one.interval) for word, part in zip(one.key, key, strict=True)]
    attributes = [_data(_KEY, _joined(first for first, _ in ends))]
    if one.interval:
        attributes.append(_data(_KEY_END, _joined(last for _, last in ends)))
    if value and one.value == ("verdict",):
        attributes.append(_verdict(value[0]))
    elif value:
        words = zip(one.value, value, strict=True)
        attributes.append(_data(_DATA, _joined(_octets(word, part) for word, part in words)))
    return netlink.nested(_ELEMENT, *attributes)


def _verdict(text: str) -> bytes:
    """Of the verdicts only the one that the compiler writes into maps: ``goto <chain>``."""
    word, _, chain = text.partition(" ")
    if word != "goto" or not chain:
        raise IdentifierError(f"{text[:64]!r} cannot be packed as a verdict")
    code = netlink.attribute(_VERDICT_CODE, pack("!i", _GOTO))
    return netlink.nested(_DATA, netlink.nested(_VERDICT, code, netlink.text(_VERDICT_CHAIN, chain)))


def _borders(one: NamedSet) -> Iterator[bytes]:
    """A set of single intervals as the kernel keeps it: where each starts, and where the next does not, the end."""
    (word,) = one.key
    spans = []
    for element in one.elements:
        key, value = parts_of(element)
        if len(key) != 1 or len(value) != len(one.value):
            raise IdentifierError(f"{element[:64]!r} is no element of {one.name}")
        first, last = _ends(word, key[0], interval=True)
        spans.append((first, last, value))
    spans.sort()
    starts = {first for first, _, _ in spans}
    for first, last, value in spans:
        words = zip(one.value, value, strict=True)
        data = (_data(_DATA, _joined(_octets(word, part) for word, part in words)),) if value else ()
        yield netlink.nested(_ELEMENT, _data(_KEY, first), *data)
        after = int.from_bytes(last, "big") + 1
        if after >> 8 * len(last):
            continue
        behind = after.to_bytes(len(last), "big")
        if behind not in starts:
            flags = netlink.attribute(_FLAGS, pack("!I", _INTERVAL_END))
            yield netlink.nested(_ELEMENT, flags, _data(_KEY, behind))


def _data(kind: int, value: bytes) -> bytes:
    return netlink.nested(kind, netlink.attribute(_VALUE, value))


def _joined(parts: Iterable[bytes]) -> bytes:
    """Parts of a key as they lie in the kernel's registers: each of several takes whole words."""
    found = list(parts)
    return found[0] if len(found) == 1 else b"".join(part + b"\0" * (-len(part) & 3) for part in found)


def _ends(word: str, text: str, interval: bool) -> tuple[bytes, bytes]:
    """First and last of what a part of a key stands for."""
    if interval and "/" in text:
        base, _, length = text.partition("/")
        first = _octets(word, base)
        last = int.from_bytes(first, "big") | ((1 << (8 * len(first) - int(length))) - 1)
        return first, last.to_bytes(len(first), "big")
    if interval and "-" in text:
        low, _, high = text.partition("-")
        return _octets(word, low), _octets(word, high)
    only = _octets(word, text)
    return only, only


def _octets(word: str, text: str) -> bytes:
    """One value of a type, or of the type of an expression."""
    try:
        if word.startswith("@"):
            return int(text, 0).to_bytes(int(word.rpartition(",")[2]) // 8, "big")
        return _TYPES[word](text)
    except (KeyError, ValueError, OverflowError) as error:
        raise IdentifierError(f"{text[:64]!r} cannot be packed as {word[:64]!r}: {error}") from error


def _number(size: int) -> Callable[[str], bytes]:
    return lambda text: int(text, 0).to_bytes(size, "big")


def _mark(text: str) -> bytes:
    return pack("=I", int(text, 0))


def _link_name(text: str) -> bytes:
    return text.strip('"').encode().ljust(16, b"\0")


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _protocol(text: str) -> bytes:
    return bytes([_PROTOCOLS[text]])


_TYPES: Mapping[str, Callable[[str], bytes]] = {
    "ipv4_addr": pack_address,
    "ip daddr": pack_address,
    "ipv6_addr": pack_address,
    "inet_proto": _protocol,
    "inet_service": _number(2),
    "icmp id": _number(2),
    "ct zone": lambda text: pack("=H", int(text, 0)),
    "ether_addr": _mac,
    "ether daddr": _mac,
    "iifname": _link_name,
    "ifname": _link_name,
    "mark": _mark,
    "meta mark": _mark,
}
