"""Networks: what the data plane needs to know of one."""

from typing import Literal

import msgspec

from onehop.model.attribute import (
    ADMIN_STATE,
    BOOL,
    ID,
    INT,
    NAME,
    NULLABLE_TEXT,
    QOS_POLICY,
    STANDARD,
    TEXT,
    Attribute,
    Column,
    status,
    stored,
)
from onehop.model.kind import BOOLEAN, integer, list_of, one_of, only, text
from onehop.model.resource import Extension, Resource, owner
from onehop.net.identifier import NetworkId, ProjectId


class Network(msgspec.Struct, frozen=True, tag_field="kind", tag="network", kw_only=True):
    """A layer-2 segment.

    Attributes:
        id: its UUID.
        project_id: whose it is.
        network_type: ``vxlan`` (an overlay between hosts) or ``flat`` (a physical network, untagged).
        vni: VXLAN network identifier, 1 to 16,777,215; None for ``flat``.
        physical_network: name of the physical network; None for ``vxlan``.
        mtu: in octets, of instances' links.
        external: whether routers may have gateways and floating IPs on it.
        admin_state_up: False takes its ports down.
    """

    id: NetworkId
    project_id: ProjectId
    network_type: Literal["vxlan", "flat"] = "vxlan"
    vni: int | None = None
    physical_network: str | None = None
    mtu: int = 1450
    external: bool = False
    admin_state_up: bool = True


MINIMUM_MTU = 68
MAXIMUM_MTU = 65535
MAXIMUM_VNI = 2**24 - 1

_NO_ZONES = only([], feature="availability zones")

NETWORK = Resource(
    name="network",
    collection="networks",
    attributes=(
        ID,
        NAME,
        *owner(),
        ADMIN_STATE,
        stored("mtu", integer(0, MAXIMUM_MTU), INT, post=True, put=True),
        *status("ACTIVE", "ERROR", first="ACTIVE", late=True),
        Attribute(name="subnets", kind=list_of(text(36), 10_000)),
        Attribute(
            name="shared",
            kind=BOOLEAN,
            column=BOOL,
            post=True,
            put=True,
            default=False,
            admin_set=True,
            filter=True,
            sort=True,
        ),
        stored("port_security_enabled", BOOLEAN, BOOL, post=True, put=True, default=True),
        Attribute(
            name="router:external",
            kind=BOOLEAN,
            column=BOOL,
            post=True,
            put=True,
            default=False,
            admin_set=True,
            filter=True,
            sort=True,
        ),
        stored("provider:network_type", one_of("vxlan", "flat"), TEXT, post=True, admin=True),
        stored("provider:physical_network", text(128, none=True), NULLABLE_TEXT, post=True, admin=True),
        stored(
            "provider:segmentation_id",
            integer(1, MAXIMUM_VNI, none=True),
            Column(type="int", nullable=True),
            post=True,
            admin=True,
        ),
        QOS_POLICY,
        Attribute(name="dns_domain", kind=only("", feature="DNS integration"), post=True, put=True),
        Attribute(
            name="is_default", kind=only(False, feature="a default external network"), post=True, put=True, filter=True
        ),
        Attribute(name="availability_zone_hints", kind=_NO_ZONES, post=True, put=True),
        Attribute(name="availability_zones", kind=list_of(text(), 0)),
        Attribute(name="ipv4_address_scope", kind=text(36, none=True)),
        Attribute(name="ipv6_address_scope", kind=text(36, none=True)),
        Attribute(name="l2_adjacency", kind=BOOLEAN),
        *STANDARD,
    ),
    unique=(("provider:segmentation_id",), ("provider:physical_network",)),
    extensions=(
        Extension(
            "provider",
            "Provider network",
            "Which segment carries a network, for administrators.",
            "2012-09-07T10:00:00-00:00",
        ),
        Extension("external-net", "External networks", "Networks that reach outside.", "2013-01-14T10:00:00-00:00"),
        Extension("net-mtu", "Network MTU", "The MTU of a network is shown.", "2015-03-25T10:00:00-00:00"),
        Extension("net-mtu-writable", "Writable network MTU", "The MTU can be set.", "2017-07-12T00:00:00-00:00"),
    ),
)
"""A VNI, and a flat physical network, carry one network each: `unique`, where NULL stands for "not of that type".

`status` and `status_reason` are written by the store: ``ERROR`` while a host says that it cannot carry the network.
"""
