"""Floating IPs: what the data plane needs to know of one."""

import msgspec

from onehop.model.attribute import (
    DESCRIPTION,
    ID,
    INT,
    NULLABLE_TEXT,
    QOS_POLICY,
    REQUIRED,
    STANDARD,
    TEXT,
    Attribute,
    Column,
    reference,
    status,
    stored,
)
from onehop.model.kind import integer, ip, list_of, mapping, one_of, only, text, uuid
from onehop.model.resource import Extension, Parent, Resource, owner
from onehop.net.identifier import FloatingIpId, NetworkId, PortId, RouterId


class Forwarding(msgspec.Struct, frozen=True, kw_only=True):
    """A range of external ports that leads to an instance.

    Attributes:
        protocol: ``tcp`` or ``udp``.
        external_first, external_last: on the floating IP.
        port_id: the instance's port.
        internal_ip: canonical IPv4 address of that port.
        internal_first: the instance's port for `external_first`; the others follow one by one.
    """

    protocol: str
    external_first: int
    external_last: int
    port_id: PortId
    internal_ip: str
    internal_first: int


class FloatingIp(msgspec.Struct, frozen=True, tag_field="kind", tag="floatingip", kw_only=True):
    """An external address that leads to one inside.

    Attributes:
        address: canonical IPv4 address on the external network.
        network_id: the external network.
        router_id: the router that translates it; one without a router is not sent to any host.
        port_id: the port it leads to, or None where only forwardings use it.
        fixed_ip: canonical IPv4 address of that port (or a virtual address that its owner moves), or None.
        forwardings: port forwardings; never together with `port_id`.
    """

    id: FloatingIpId
    address: str
    network_id: NetworkId
    router_id: RouterId
    port_id: PortId | None = None
    fixed_ip: str | None = None
    forwardings: tuple[Forwarding, ...] = ()


FLOATING_OWNER = "network:floatingip"
"""`device_owner` of the port that holds a floating IP's address on the external network."""

MAXIMUM_FORWARDINGS = 1000

FLOATING_IP = Resource(
    name="floatingip",
    collection="floatingips",
    attributes=(
        ID,
        *owner(),
        Attribute(
            name="floating_ip_address", kind=ip(), column=TEXT, post=True, admin_set=True, filter=True, sort=True
        ),
        reference("floating_network_id", "network", post=True),
        Attribute(name="subnet_id", kind=uuid(none=True), post=True, default=None, view=False),
        reference("router_id", "router", none=True),
        reference("port_id", "port", none=True, post=True, put=True),
        stored("fixed_ip_address", ip(none=True), NULLABLE_TEXT, post=True, put=True, default=None),
        *status("ACTIVE", "DOWN", "ERROR", first="DOWN"),
        Attribute(name="port_details", kind=mapping()),
        Attribute(name="port_forwardings", kind=list_of(mapping(), MAXIMUM_FORWARDINGS)),
        QOS_POLICY,
        Attribute(name="dns_name", kind=only("", feature="DNS integration"), post=True),
        Attribute(name="dns_domain", kind=only("", feature="DNS integration"), post=True),
        *STANDARD,
    ),
    unique=(("floating_network_id", "floating_ip_address"), ("floating_network_id", "port_id", "fixed_ip_address")),
    extensions=(
        Extension("fip-port-details", "Port details", "Floating IPs show their port.", "2018-04-09T10:00:00-00:00"),
        Extension(
            "floatingip-pools", "Floating IP pools", "From where floating IPs come.", "2018-03-21T10:00:00-00:00"
        ),
        Extension(
            "expose-port-forwarding-in-fip",
            "Port forwardings in floating IPs",
            "Floating IPs show their port forwardings.",
            "2018-05-01T10:00:00-00:00",
        ),
    ),
)
"""`status` and `status_reason` are written by the store from what hosts reported since it was associated as it is.

The address itself is held by a port of its own (`FLOATING_OWNER`), so that addresses have one truth.
"""

PORT_FORWARDING = Resource(
    name="port_forwarding",
    collection="port_forwardings",
    attributes=(
        ID,
        Attribute(
            name="floatingip_id",
            kind=uuid(),
            column=Column(type="text", references="floatingip", index=True),
            view=False,
        ),
        reference("internal_port_id", "port", post=True, put=True),
        stored("internal_ip_address", ip(), TEXT, post=True, put=True),
        Attribute(name="internal_port", kind=integer(1, 65_535), post=True, put=True, filter=True),
        Attribute(name="internal_port_range", kind=text(11), post=True, put=True, filter=True),
        Attribute(name="external_port", kind=integer(1, 65_535), post=True, put=True, filter=True),
        Attribute(name="external_port_range", kind=text(11), post=True, put=True, filter=True),
        stored("protocol", one_of("tcp", "udp"), TEXT, post=True, put=True, default=REQUIRED),
        Attribute(name="internal_first", kind=integer(1, 65_535), column=INT, view=False),
        Attribute(name="external_first", kind=integer(1, 65_535), column=INT, view=False),
        Attribute(name="external_last", kind=integer(1, 65_535), column=INT, view=False),
        DESCRIPTION,
    ),
    parent=Parent("floatingip", "floatingip_id"),
    tags=False,
    owned=False,
    unique=(("floatingip_id", "protocol", "external_first"),),
    bumps=Parent("floatingip", "floatingip_id"),
    logged="bumps",
    extensions=(
        Extension(
            "floating-ip-port-forwarding",
            "Port forwarding",
            "Ports of a floating IP lead to instances.",
            "2018-04-04T10:00:00-00:00",
        ),
        Extension(
            "floating-ip-port-forwarding-description",
            "Descriptions of port forwardings",
            "Port forwardings have a description.",
            "2019-02-22T10:00:00-00:00",
        ),
        Extension(
            "floating-ip-port-forwarding-port-ranges",
            "Ranges of ports",
            "A port forwarding may be a range of ports.",
            "2020-04-15T10:00:00-00:00",
        ),
    ),
)
"""Stored as ranges: as many external ports as internal ones, which follow one by one."""
