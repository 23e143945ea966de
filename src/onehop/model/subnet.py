"""Subnets: what the data plane needs to know of one."""

from typing import Literal

import msgspec

from onehop.model.attribute import (
    BOOL,
    ID,
    JSON,
    NAME,
    NULLABLE_TEXT,
    REQUIRED,
    STANDARD,
    TEXT,
    Attribute,
    Column,
    reference,
    stored,
)
from onehop.model.kind import BOOLEAN, integer, ip, list_of, one_of, only, prefix, record
from onehop.model.resource import Parent, Resource, owner
from onehop.net.identifier import NetworkId, SubnetId


class HostRoute(msgspec.Struct, frozen=True):
    """A route that instances should have: canonical prefix and next hop."""

    destination: str
    nexthop: str


class Subnet(msgspec.Struct, frozen=True, tag_field="kind", tag="subnet", kw_only=True):
    """A prefix of a network.

    Attributes:
        cidr: canonical prefix.
        gateway_ip: canonical address of instances' default gateway, or None.
        dns_nameservers, host_routes: what an instance is told.
        ipv6_ra_mode, ipv6_address_mode: as in the API.
    """

    id: SubnetId
    network_id: NetworkId
    cidr: str
    gateway_ip: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    ipv6_address_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None


_MODE = one_of("slaac", "dhcpv6-stateful", "dhcpv6-stateless", None)

SUBNET = Resource(
    name="subnet",
    collection="subnets",
    attributes=(
        ID,
        NAME,
        *owner(),
        reference("network_id", "network", post=True),
        stored("ip_version", integer(4, 6), Column(type="int"), post=True, default=REQUIRED),
        stored("cidr", prefix(), TEXT, post=True, default=REQUIRED),
        stored("gateway_ip", ip(none=True), NULLABLE_TEXT, post=True, put=True),
        Attribute(
            name="allocation_pools",
            kind=list_of(record({"start": ip(), "end": ip()}, ("start", "end")), 256, unique=False),
            column=JSON,
            post=True,
            put=True,
        ),
        Attribute(
            name="dns_nameservers",
            kind=list_of(ip(), 5, null_is_empty=True),
            column=JSON,
            post=True,
            put=True,
            default=[],
        ),
        Attribute(
            name="host_routes",
            kind=list_of(
                record({"destination": prefix(), "nexthop": ip()}, ("destination", "nexthop")), 20, null_is_empty=True
            ),
            column=JSON,
            post=True,
            put=True,
            default=[],
        ),
        stored("enable_dhcp", BOOLEAN, BOOL, post=True, put=True, default=True),
        stored("ipv6_ra_mode", _MODE, NULLABLE_TEXT, post=True, default=None),
        stored("ipv6_address_mode", _MODE, NULLABLE_TEXT, post=True, default=None),
        Attribute(name="subnetpool_id", kind=only(None, feature="a subnet pool"), post=True, filter=True),
        Attribute(name="prefixlen", kind=only(None, feature="a subnet pool"), post=True, view=False),
        Attribute(name="use_default_subnetpool", kind=only(False, feature="a subnet pool"), post=True, view=False),
        Attribute(name="segment_id", kind=only(None, feature="a routed network's segment"), post=True, put=True),
        Attribute(name="service_types", kind=only([], feature="service subnets"), post=True, put=True),
        Attribute(name="router:external", kind=BOOLEAN),
        Attribute(name="shared", kind=BOOLEAN, view=False, filter=True),
        *STANDARD,
    ),
    bumps=Parent("network", "network_id"),
)
