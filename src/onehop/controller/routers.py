"""Routers: their interfaces (see `interfaces`), extra routes, and when one may go."""

from collections.abc import Sequence

from onehop.controller import body as bodies
from onehop.controller import interfaces, ipam
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.model.kind import Json
from onehop.model.router import MAXIMUM_ROUTES
from onehop.net import address
from onehop.store import Row


class Routers(Logic):
    """The logic of routers."""

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Check new routes."""
        if "routes" in changes:
            changes["routes"] = _checked_routes(context, row, changes["routes"])
        return super().update(context, row, changes)

    def delete(self, context: Context, row: Row) -> None:
        """Refuse while it has interfaces."""
        if interfaces.of(context, row["id"]):
            raise FaultError("RouterInUse", f"Router {row['id']} still has ports; remove its interfaces first.")
        super().delete(context, row)

    def act(self, context: Context, row: Row, action: str, body: dict[str, Json]) -> Json:
        """Interfaces come and go; routes are added and taken away one by one."""
        if action == "add_router_interface":
            return interfaces.add(context, row, body)
        if action == "remove_router_interface":
            return interfaces.remove(context, row, body)
        given = bodies.attributes(self.resource, bodies.one("router", body), "PUT")
        if set(given) != {"routes"}:
            raise FaultError("HTTPBadRequest", f"{action} takes 'routes' and nothing else.")
        present = row["routes"]
        if action == "add_extraroutes":
            routes = present + [route for route in given["routes"] if route not in present]
        else:
            routes = [route for route in present if route not in given["routes"]]
        updated = self.update(context, row, {"routes": routes})
        self.complete(context, [updated])
        return {"router": updated}

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add what is the same for all routers."""
        del context
        for row in rows:
            row["ha"] = True
            row["availability_zones"] = []


def _checked_routes(context: Context, router: Row, routes: Sequence[Row]) -> list[Row]:
    if len(routes) > MAXIMUM_ROUTES:
        raise FaultError(
            "RoutesExhausted", f"Unable to complete operation for {router['id']}. At most {MAXIMUM_ROUTES} routes."
        )
    if not routes:
        return []
    legs = [ip for leg in interfaces.of(context, router["id"]) for ip in leg["fixed_ips"]]
    own = {ip["ip_address"] for ip in legs}
    subnets = [context.tx.get("subnet", id) for id in {ip["subnet_id"] for ip in legs}]
    prefixes = [subnet["cidr"] for subnet in subnets if subnet is not None]
    for route in routes:
        hop = route["nexthop"]
        if address.version(hop) != address.version(route["destination"]):
            raise _invalid(route, "destination and nexthop are not of one IP version")
        if hop in own:
            raise _invalid(route, "the nexthop is used by router")
        if not any(ipam.is_usable(prefix, hop) for prefix in prefixes):
            raise _invalid(route, "the nexthop is not connected with router")
    return sorted(routes, key=lambda route: (route["destination"], route["nexthop"]))


def _invalid(route: Row, reason: str) -> FaultError:
    return FaultError(
        "InvalidRoutes", f"Invalid format for routes: {route['destination']} via {route['nexthop']}, {reason}."
    )
