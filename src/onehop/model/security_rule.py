"""Rules of security groups: the resource, and protocols by name and number.

The numbers are IANA's (Protocol Numbers); the names those that the API knows.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from onehop.model.attribute import DESCRIPTION, ID, NULLABLE_TEXT, REQUIRED, STANDARD, TEXT, Attribute, Column
from onehop.model.kind import BOOLEAN, integer, only, text, text_or_number, to_integer, uuid
from onehop.model.resource import Parent, Resource, owner

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58

PROTOCOLS: Mapping[str, int] = MappingProxyType(
    {
        "hopopt": 0,
        "icmp": ICMP,
        "igmp": 2,
        "ipip": 4,
        "tcp": TCP,
        "egp": 8,
        "udp": UDP,
        "dccp": 33,
        "ipv6-encap": 41,
        "ipv6-route": 43,
        "ipv6-frag": 44,
        "rsvp": 46,
        "gre": 47,
        "esp": 50,
        "ah": 51,
        "ipv6-icmp": ICMPV6,
        "icmpv6": ICMPV6,
        "ipv6-nonxt": 59,
        "ipv6-opts": 60,
        "ospf": 89,
        "vrrp": 112,
        "pgm": 113,
        "sctp": 132,
        "udplite": 136,
    }
)
"""Name → number."""

PORTED = frozenset({TCP, UDP, 33, 132, 136})
"""Protocols with ports, which lie where TCP's do."""

VERSIONS: Mapping[str, int] = MappingProxyType({"IPv4": 4, "IPv6": 6})
"""`ethertype` → version of IP."""


def number_of(protocol: str | None) -> int:
    """Number of a protocol as it is stored, -1 for any."""
    if protocol is None:
        return -1
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else to_integer(protocol)


def _number(name: str) -> Attribute:
    """A port, or a type or code of ICMP; the protocol says which."""
    return Attribute(
        name=name,
        kind=integer(-(2**31), 2**31 - 1, none=True),
        column=Column(type="int", nullable=True),
        post=True,
        default=None,
        filter=True,
        sort=True,
    )


SECURITY_GROUP_RULE = Resource(
    name="security_group_rule",
    collection="security_group_rules",
    path="security-group-rules",
    attributes=(
        ID,
        *owner(),
        Attribute(
            name="security_group_id",
            kind=uuid(),
            column=Column(type="text", references="security_group", index=True),
            post=True,
            default=REQUIRED,
            filter=True,
            sort=True,
        ),
        Attribute(
            name="ethertype", kind=text(none=True), column=TEXT, post=True, default="IPv4", filter=True, sort=True
        ),
        Attribute(name="direction", kind=text(), column=TEXT, post=True, default=REQUIRED, filter=True, sort=True),
        Attribute(
            name="protocol",
            kind=text_or_number(),
            column=NULLABLE_TEXT,
            post=True,
            default=None,
            filter=True,
            sort=True,
        ),
        *map(_number, ("port_range_min", "port_range_max")),
        Attribute(
            name="remote_ip_prefix",
            kind=text(none=True),
            column=NULLABLE_TEXT,
            post=True,
            default=None,
            filter=True,
            sort=True,
        ),
        Attribute(
            name="remote_group_id",
            kind=uuid(none=True),
            column=Column(type="text", nullable=True, references="security_group", index=True),
            post=True,
            default=None,
            filter=True,
            sort=True,
        ),
        Attribute(name="remote_address_group_id", kind=only(None, feature="an address group"), post=True),
        Attribute(name="normalized_cidr", kind=text(none=True)),
        Attribute(name="belongs_to_default_sg", kind=BOOLEAN),
        *(replace(a, put=False) if a is DESCRIPTION else a for a in STANDARD),
    ),
    tags=False,
    bumps=Parent("security_group", "security_group_id"),
    logged="bumps",
    operations=("list", "show", "create", "delete"),
)
"""Protocol, ranges and prefix are checked together, by `onehop.controller.security_rules`."""
