"""Extra routes: which ones a router can have, beside its interfaces and its gateway."""

from collections.abc import Sequence

from onehop.controller import interfaces, ipam
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.model.router import MAXIMUM_ROUTES
from onehop.net import address
from onehop.store import Row


def checked(context: Context, router: Row, gateway: Row | None, routes: Sequence[Row]) -> list[Row]:
    """Routes in canonical order; `gateway` is the router's gateway port.

    Raises:
        FaultError: 400 when one can lead nowhere, or would lead elsewhere what the gateway leads out.
    """
    if len(routes) > MAXIMUM_ROUTES:
        raise FaultError(
            "RoutesExhausted", f"Unable to complete operation for {router['id']}. At most {MAXIMUM_ROUTES} routes."
        )
    if not routes:
        return []
    legs = [ip for leg in interfaces.of(context, router["id"]) for ip in leg["fixed_ips"]]
    inside = [context.tx.get("subnet", id) for id in {ip["subnet_id"] for ip in legs}]
    outside = []
    if gateway is not None:
        legs += gateway["fixed_ips"]
        outside = context.tx.select("subnet", {"network_id": [gateway["network_id"]]})
    own = {ip["ip_address"] for ip in legs}
    prefixes = [subnet["cidr"] for subnet in (*inside, *outside) if subnet is not None]
    for route in routes:
        hop = route["nexthop"]
        if address.version(hop) != address.version(route["destination"]):
            raise _invalid(route, "destination and nexthop are not of one IP version")
        if hop in own:
            raise _invalid(route, "the nexthop is used by router")
        if not any(ipam.is_usable(prefix, hop) for prefix in prefixes):
            raise _invalid(route, "the nexthop is not connected with router")
        special = next((one for one in ipam.SPECIAL if _is_within(route["destination"], one)), None)
        if special is not None:
            raise _invalid(route, f"addresses of {special} are never routed")
        clash = _clash(route, outside)
        if clash is not None:
            raise _invalid(route, f"{clash}. Name destinations beside it, or clear the gateway first")
    return sorted(routes, key=lambda route: (route["destination"], route["nexthop"]))


def refuse_outside(context: Context, router: Row, network_id: str) -> None:
    """Refuse a gateway on an external network that one of a router's routes would lead elsewhere.

    Raises:
        FaultError: 400.
    """
    outside = context.tx.select("subnet", {"network_id": [network_id]})
    for route in router["routes"]:
        clash = _clash(route, outside)
        if clash is not None:
            raise FaultError(
                "BadRequest",
                f"Bad router request: the router's route to {route['destination']} cannot stay, as {clash}. Remove it "
                "first.",
            )


def _clash(route: Row, outside: Sequence[Row]) -> str | None:
    """Why a route cannot be beside a gateway on these subnets, which is a router's default route; None if it can."""
    for subnet in outside:
        if address.overlaps(route["destination"], subnet["cidr"]):
            return f"it overlaps with {subnet['cidr']} of the gateway's external network, by which all the rest leaves"
    return None


def _is_within(prefix: str, other: str) -> bool:
    return address.overlaps(prefix, other) and address.prefix_length(prefix) >= address.prefix_length(other)


def _invalid(route: Row, reason: str) -> FaultError:
    return FaultError(
        "InvalidRoutes", f"Invalid format for routes: {route['destination']} via {route['nexthop']}, {reason}."
    )
