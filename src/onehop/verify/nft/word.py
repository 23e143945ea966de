"""The words of nftables that are known here: fields, their data types, and the values of those types.

Closed lists: a word that is not in them is an UnknownRuleError, so that no rule is read as if it were not there.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from onehop.errors import AddressError, UnknownRuleError
from onehop.net.address import pack, pack_mac, parse_ip, parse_mac
from onehop.verify.nft.value import Atom, Field, Glob, Item, Span

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "ether saddr": "ether_addr",
        "ether daddr": "ether_addr",
        "ether type": "ether_type",
        "arp operation": "arp_op",
        "arp saddr ip": "ipv4_addr",
        "arp daddr ip": "ipv4_addr",
        "arp saddr ether": "ether_addr",
        "arp daddr ether": "ether_addr",
        "ip saddr": "ipv4_addr",
        "ip daddr": "ipv4_addr",
        "ip protocol": "inet_proto",
        "ip6 saddr": "ipv6_addr",
        "ip6 daddr": "ipv6_addr",
        "ip frag-off": "integer16",
        "ip ttl": "integer8",
        "ip length": "integer16",
        "ip6 nexthdr": "inet_proto",
        "ip6 hoplimit": "integer8",
        "ip6 length": "integer16",
        "frag nexthdr": "inet_proto",
        "frag frag-off": "integer16",
        "icmp type": "icmp_type",
        "icmp code": "integer8",
        "icmp id": "integer16",
        "icmpv6 type": "icmpv6_type",
        "icmpv6 code": "integer8",
        "icmpv6 id": "integer16",
        "tcp sport": "inet_service",
        "tcp dport": "inet_service",
        "tcp flags": "tcp_flag",
        "udp sport": "inet_service",
        "udp dport": "inet_service",
        "sctp dport": "inet_service",
        "dccp dport": "inet_service",
        "udplite dport": "inet_service",
        "th sport": "inet_service",
        "th dport": "inet_service",
        "meta mark": "mark",
        "meta nfproto": "nf_proto",
        "meta l4proto": "inet_proto",
        "meta protocol": "ether_type",
        "iifname": "ifname",
        "oifname": "ifname",
        "meta iifname": "ifname",
        "meta oifname": "ifname",
        "ct state": "ct_state",
        "ct status": "ct_status",
        "ct direction": "ct_dir",
        "ct mark": "mark",
        "ct zone": "integer16",
        "ct original ip saddr": "ipv4_addr",
        "ct original ip daddr": "ipv4_addr",
        "ct reply ip saddr": "ipv4_addr",
        "ct reply ip daddr": "ipv4_addr",
    }
)
"""Every field but ``@th,OFFSET,LENGTH``, ``@nh,…`` and ``@ll,…`` → its data type."""

FLAGS = frozenset({"tcp_flag", "ct_state", "ct_status"})
"""Data types that are bits, of which a rule asks whether one is set."""

_WRITABLE = frozenset(
    {
        "ether saddr",
        "ether daddr",
        "arp saddr ip",
        "arp daddr ip",
        "arp saddr ether",
        "arp daddr ether",
        "ip saddr",
        "ip daddr",
        "ip6 saddr",
        "ip6 daddr",
        "meta mark",
        "ct zone",
    }
)

_BITS = {"ipv4_addr": 32, "ipv6_addr": 128, "mark": 32}
_NAMES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "inet_proto": {
            "ip": 0,
            "icmp": 1,
            "igmp": 2,
            "tcp": 6,
            "udp": 17,
            "dccp": 33,
            "ipv6-route": 43,
            "ipv6-frag": 44,
            "gre": 47,
            "esp": 50,
            "ah": 51,
            "ipv6-opts": 60,
            "vrrp": 112,
            "udplite": 136,
            "ipv6-icmp": 58,
            "icmpv6": 58,
            "sctp": 132,
        },
        "arp_op": {"request": 1, "reply": 2},
        "icmp_type": {
            "echo-reply": 0,
            "destination-unreachable": 3,
            "echo-request": 8,
            "router-advertisement": 9,
            "router-solicitation": 10,
            "time-exceeded": 11,
            "parameter-problem": 12,
        },
        "icmpv6_type": {
            "destination-unreachable": 1,
            "packet-too-big": 2,
            "time-exceeded": 3,
            "parameter-problem": 4,
            "echo-request": 128,
            "echo-reply": 129,
            "mld-listener-query": 130,
            "mld-listener-report": 131,
            "mld-listener-done": 132,
            "nd-router-solicit": 133,
            "nd-router-advert": 134,
            "nd-neighbor-solicit": 135,
            "nd-neighbor-advert": 136,
            "nd-redirect": 137,
            "mld2-listener-report": 143,
        },
        "tcp_flag": {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32},
        "ct_state": {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64},
        "ct_status": {"confirmed": 8, "snat": 16, "dnat": 32},
        "ct_dir": {"original": 0, "reply": 1},
        "nf_proto": {"ipv4": 2, "ipv6": 10},
        "ether_type": {"ip": 0x0800, "arp": 0x0806, "8021q": 0x8100, "ip6": 0x86DD, "8021ad": 0x88A8},
    }
)
_RAW = re.compile(r"@(?:th|nh|ll),[0-9]{1,4},[0-9]{1,3}")


def field(words: str) -> Field | None:
    """The field of that name, or None."""
    if _RAW.fullmatch(words):
        return Field(words, "integer")
    kind = FIELDS.get(words)
    return Field(words, kind) if kind is not None else None


def is_writable(one: Field) -> bool:
    """Whether a rule may change it."""
    return one.name in _WRITABLE or one.name.startswith("@th,")


def flag(kind: str, text: str) -> int:
    """The bit of a name.

    Raises:
        UnknownRuleError: no such name.
    """
    try:
        return _NAMES[kind][text]
    except KeyError:
        raise UnknownRuleError(f"{text!r} is no {kind} that is known here") from None


def item(kind: str, text: str) -> Item:
    """A value, a range or a prefix of a data type.

    Raises:
        UnknownRuleError: no value of that type.
    """
    if kind == "ifname":
        name = text.removeprefix('"').removesuffix('"')
        return Glob(name[:-1]) if name.endswith("*") else name
    atom = _atom(kind, text)
    if atom is not None:
        return atom
    base, slash, length = text.partition("/")
    first = _atom(kind, base)
    if slash and isinstance(first, int) and length.isdecimal() and int(length) <= _BITS.get(kind, 0):
        return Span(first, first | ((1 << (_BITS[kind] - int(length))) - 1))
    low, _, high = text.partition("-")
    first, last = _atom(kind, low), _atom(kind, high)
    if isinstance(first, int) and isinstance(last, int):
        return Span(first, last)
    raise UnknownRuleError(f"{text!r} is no {kind} that is known here")


def _atom(kind: str, text: str) -> Atom | None:
    named = _NAMES.get(kind, {}).get(text)
    if named is not None:
        return named
    try:
        return _PARSERS.get(kind, _number)(text)
    except (ValueError, AddressError):
        return None


def _number(text: str) -> int:
    return int(text, 0)


def _address(text: str, version: int) -> int:
    packed = pack(parse_ip(text))
    if len(packed) != (4 if version == 4 else 16):
        raise AddressError(f"{text} is not an IPv{version} address")
    return int.from_bytes(packed)


_PARSERS: Mapping[str, Callable[[str], int]] = MappingProxyType(
    {
        "ipv4_addr": lambda text: _address(text, 4),
        "ipv6_addr": lambda text: _address(text, 6),
        "ether_addr": lambda text: int.from_bytes(pack_mac(parse_mac(text))),
    }
)
