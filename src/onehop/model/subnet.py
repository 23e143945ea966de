"""Subnets: what the data plane needs to know of one."""

from typing import Literal

import msgspec

from onehop.net.identifier import NetworkId, SubnetId


class HostRoute(msgspec.Struct, frozen=True):
    """A route that instances should have: canonical prefix and next hop."""

    destination: str
    nexthop: str


class Subnet(msgspec.Struct, frozen=True, tag="subnet", kw_only=True):
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
