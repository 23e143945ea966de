"""Routers: interfaces (see `interfaces`), gateways (see `gateways`), routes (see `extra_routes`); when one may go."""

from collections.abc import Sequence

from onehop.controller import body as bodies
from onehop.controller import extra_routes, gateways, interfaces
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.model.kind import Json
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
            gateway = gateways.port_of(context, row["id"])
            changes["routes"] = extra_routes.checked(context, row, gateway, changes["routes"])
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
