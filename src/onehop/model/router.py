"""Routers: what the data plane needs to know of one."""

import msgspec

from onehop.net.identifier import ProjectId, RouterId


class ExtraRoute(msgspec.Struct, frozen=True):
    """A route of a router: canonical prefix and next hop."""

    destination: str
    nexthop: str


class Router(msgspec.Struct, frozen=True, tag="router", kw_only=True):
    """A virtual router. Its interfaces are the ports that name it (`onehop.model.port.Port.router_id`).

    Attributes:
        admin_state_up: False takes it off every host.
        routes: extra routes, in canonical order; several with one destination are equal-cost.
    """

    id: RouterId
    project_id: ProjectId
    admin_state_up: bool = True
    routes: tuple[ExtraRoute, ...] = ()
