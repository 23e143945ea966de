"""Routers: their interfaces (see `interfaces`), gateways (see `gateways`), extra routes, and when one may go."""

from collections.abc import Sequence

from onehop.controller import body as bodies
from onehop.controller import gateways, interfaces, ipam
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.model.kind import Json
from onehop.model.router import MAXIMUM_ROUTES
from onehop.net import address
from onehop.store import Row


class Routers(Logic):
    """The logic of routers."""

    def create(self, context: Context, values: Row) -> Row:
        """Make it, with a gateway if one is asked for; ``distributed=False`` asks for centralized translation."""
        default = context.settings.snat if values.get("distributed", True) else "centralized"
        values.setdefault("snat", default)
        values.setdefault("port_block_size", context.settings.port_block_size)
        row = super().create(context, values)
        if values.get("external_gateway_info"):
            gateways.change(context, row, values["external_gateway_info"])
        return context.tx.get("router", row["id"]) or row

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Check new routes, change the gateway."""
        if changes.get("distributed") is False and row["snat"] != "centralized":
            if changes.get("admin_state_up", row["admin_state_up"]):
                raise FaultError(
                    "BadRequest",
                    "Cannot migrate an active router between distributed and centralized. Set admin_state_up to False "
                    "first, or set snat, which needs no pause.",
                )
            changes.setdefault("snat", "centralized")
        if "external_gateway_info" in changes:
            gateways.change(context, row, changes["external_gateway_info"])
            row = context.tx.get("router", row["id"]) or row
        if "routes" in changes:
            changes["routes"] = _checked_routes(context, row, changes["routes"])
        return super().update(context, row, changes)

    def delete(self, context: Context, row: Row) -> None:
        """Refuse while it has interfaces; its gateway goes with it."""
        if interfaces.of(context, row["id"]):
            raise FaultError("RouterInUse", f"Router {row['id']} still has ports; remove its interfaces first.")
        context.tx.update("router", row["id"], {"routes": []})
        gateways.clear(context, {**row, "routes": []}, gateways.port_of(context, row["id"]))
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
        """Add the gateway, and what is the same for all routers."""
        gateways.complete(context, rows)
        for row in rows:
            row["distributed"] = row["ha"] = True
            row["availability_zones"] = []


def _checked_routes(context: Context, router: Row, routes: Sequence[Row]) -> list[Row]:
    if len(routes) > MAXIMUM_ROUTES:
        raise FaultError(
            "RoutesExhausted", f"Unable to complete operation for {router['id']}. At most {MAXIMUM_ROUTES} routes."
        )
    if not routes:
        return []
    legs = [ip for leg in interfaces.of(context, router["id"]) for ip in leg["fixed_ips"]]
    subnets = [context.tx.get("subnet", id) for id in {ip["subnet_id"] for ip in legs}]
    gateway = gateways.port_of(context, router["id"])
    if gateway is not None:
        legs += gateway["fixed_ips"]
        subnets += context.tx.select("subnet", {"network_id": [gateway["network_id"]]})
    own = {ip["ip_address"] for ip in legs}
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
