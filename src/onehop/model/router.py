"""Routers: what the data plane needs to know of one."""

import msgspec

from onehop.model.attribute import (
    ADMIN_STATE,
    BOOL,
    ID,
    INT,
    JSON,
    NAME,
    STANDARD,
    TEXT,
    Attribute,
    status,
)
from onehop.model.gateway import LARGEST_BLOCK, SMALLEST_BLOCK, Gateway
from onehop.model.kind import BOOLEAN, ip, list_of, mapping, one_of, only, power_of_two, prefix, record, text, uuid
from onehop.model.resource import Extension, Resource, owner
from onehop.net.identifier import ProjectId, RouterId


class ExtraRoute(msgspec.Struct, frozen=True):
    """A route of a router: canonical prefix and next hop."""

    destination: str
    nexthop: str


class Router(msgspec.Struct, frozen=True, tag_field="kind", tag="router", kw_only=True):
    """A virtual router. Its interfaces are the ports that name it (`onehop.model.port.Port.router_id`).

    Attributes:
        admin_state_up: False takes it off every host.
        routes: extra routes, in canonical order; several with one destination are equal-cost.
        gateway: its external side, or None.
    """

    id: RouterId
    project_id: ProjectId
    admin_state_up: bool = True
    routes: tuple[ExtraRoute, ...] = ()
    gateway: Gateway | None = None


MAXIMUM_ROUTES = 30

ROUTES = list_of(
    record({"destination": prefix(), "nexthop": ip()}, ("destination", "nexthop")), 1000, null_is_empty=True
)

GATEWAY_INFO = record(
    {
        "network_id": uuid(),
        "enable_snat": BOOLEAN,
        "external_fixed_ips": list_of(record({"subnet_id": uuid(), "ip_address": ip()}), 64, unique=False),
        "qos_policy_id": only(None, feature="quality of service"),
    },
    none=True,
)

ROUTER = Resource(
    name="router",
    collection="routers",
    attributes=(
        ID,
        NAME,
        *owner(),
        ADMIN_STATE,
        *status("ACTIVE", "DOWN", "ERROR", first="ACTIVE"),
        Attribute(name="external_gateway_info", kind=GATEWAY_INFO, post=True, put=True),
        Attribute(name="enable_snat", kind=BOOLEAN, column=BOOL, default=True, view=False),
        Attribute(
            name="snat", kind=one_of("distributed", "centralized"), column=TEXT, post=True, put=True, admin_set=True
        ),
        Attribute(
            name="port_block_size",
            kind=power_of_two(SMALLEST_BLOCK, LARGEST_BLOCK),
            column=INT,
            post=True,
            put=True,
            admin_set=True,
        ),
        Attribute(name="gateway_hosts", kind=list_of(mapping(), 255), admin_see=True),
        Attribute(name="routes", kind=ROUTES, column=JSON, put=True, default=[]),
        Attribute(
            name="distributed",
            kind=BOOLEAN,
            post=True,
            put=True,
            admin_see=True,
            admin_set=True,
        ),
        Attribute(name="ha", kind=BOOLEAN, post=True, put=True, admin_see=True, admin_set=True),
        Attribute(name="flavor_id", kind=only(None, feature="a router flavor"), post=True),
        Attribute(name="conntrack_helpers", kind=only([], feature="a conntrack helper")),
        Attribute(name="enable_ndp_proxy", kind=only(False, feature="NDP proxy"), post=True, put=True),
        Attribute(name="availability_zone_hints", kind=only([], feature="availability zones"), post=True, put=True),
        Attribute(name="availability_zones", kind=list_of(text(), 0)),
        *STANDARD,
    ),
    actions=("add_router_interface", "remove_router_interface", "add_extraroutes", "remove_extraroutes"),
    extensions=(
        Extension("router", "Routers", "Routers between subnets.", "2012-07-20T10:00:00-00:00"),
        Extension("extraroute", "Extra routes", "Static routes of routers.", "2013-02-01T10:00:00-00:00"),
        Extension(
            "extraroute-atomic",
            "Atomic extra routes",
            "Routes are added and removed one by one.",
            "2019-07-10T00:00:00+00:00",
        ),
        Extension(
            "ext-gw-mode", "Gateway mode", "Whether a gateway translates addresses.", "2013-03-28T10:00:00-00:00"
        ),
        Extension(
            "onehop-gateway",
            "How gateways translate",
            "snat, port_block_size and gateway_hosts of routers.",
            "2026-11-23T00:00:00-00:00",
        ),
        Extension("dvr", "Distributed routers", "Every host routes for its own ports.", "2014-06-01T10:00:00-00:00"),
    ),
)
"""`status` and `status_reason` are written by the store from what hosts reported. A router is highly available and
distributed whatever is sent as `ha`; ``distributed=False`` is another way to ask for ``snat=centralized``.

`external_gateway_info` is the gateway port (its network and addresses) and `enable_snat`, which outlives the gateway
nowhere: without a gateway it is True. `gateway_hosts` shows what the store gave each host of the router.
"""
