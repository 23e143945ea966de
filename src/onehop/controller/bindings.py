"""Bindings: on which hosts a port is, or is about to be."""

from collections.abc import Mapping, Sequence

from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request
from onehop.controller.logic import Logic
from onehop.controller.networks import select_in
from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.kind import Json
from onehop.model.port import INTERFACE_OWNERS
from onehop.store import Row

ACTIVE = "ACTIVE"
INACTIVE = "INACTIVE"
_DETAILS = {"connectivity": "l2", "port_filter": True}


def require_host(context: Context, host: str) -> None:
    """Refuse a host that was never added.

    Raises:
        FaultError: 400.
    """
    if context.tx.host(host) is None:
        raise bad_request(
            f"Invalid input for binding:host_id. Reason: there is no host {host!r}; add it with "
            f"'onehop host add' first, or see 'openstack network agent list'."
        )


def bind(context: Context, port_id: str, host: str, profile: Mapping[str, Json] | None) -> None:
    """Make the binding to `host` the only one, and active; "" releases the port.

    Args:
        context: the request.
        port_id: the port.
        host: name of a known host, or "".
        profile: of the binding; None keeps what it has.

    Raises:
        FaultError: 400 for an unknown host.
    """
    if host:
        require_host(context, host)
    present = {b["host"]: b for b in context.tx.select("binding", {"port_id": [port_id]})}
    for other in present:
        if other != host:
            context.tx.delete("binding", (port_id, other))
    if not host:
        return
    wanted: Row = {"status": ACTIVE}
    if profile is not None:
        wanted["profile"] = profile
    if host in present:
        context.tx.update("binding", (port_id, host), wanted)
    else:
        context.tx.insert("binding", {"port_id": port_id, "host": host, **wanted})


class Bindings(Logic):
    """The logic of a port's bindings as a sub-collection."""

    def create(self, context: Context, values: Row) -> Row:
        """Prepare the port on one more host; on its first host it is active at once."""
        port_id, host = values["port_id"], values["host"]
        require_host(context, host)
        present = context.tx.select("binding", {"port_id": [port_id]})
        _refuse_interface(context, port_id)
        if any(b["host"] == host for b in present):
            raise FaultError("PortBindingAlreadyExists", f"Binding for port {port_id} on host {host} already exists.")
        values["status"] = INACTIVE if any(b["status"] == ACTIVE for b in present) else ACTIVE
        return super().create(context, values)

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Change the profile."""
        return context.tx.update("binding", (row["port_id"], row["host"]), self.stored(changes))

    def delete(self, context: Context, row: Row) -> None:
        """Release the port from the host."""
        context.tx.delete("binding", (row["port_id"], row["host"]))

    def act(self, context: Context, row: Row, action: str, body: dict[str, Json]) -> Json:
        """``activate``: traffic goes there from now on, and the binding that was active prepares."""
        del action, body
        port_id, host = row["port_id"], row["host"]
        if row["status"] == ACTIVE:
            raise FaultError(
                "PortBindingAlreadyActive", f"Binding for port {port_id} on host {host} is already active."
            )
        for other in context.tx.select("binding", {"port_id": [port_id], "status": [ACTIVE]}):
            context.tx.update("binding", (port_id, other["host"]), {"status": INACTIVE})
        updated = context.tx.update("binding", (port_id, host), {"status": ACTIVE})
        self.complete(context, [updated])
        return {"binding": updated}

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add how the port is attached there."""
        ports = select_in(context, "port", "id", sorted({row["port_id"] for row in rows}))
        networks = {p["id"]: p["network_id"] for p in ports}
        reach = Reach(context, list(networks.values()))
        for row in rows:
            row["vif_type"], row["vif_details"] = reach.vif(networks[row["port_id"]], row["host"])


def _refuse_interface(context: Context, port_id: str) -> None:
    port = context.tx.get("port", port_id)
    if port is not None and port["device_owner"] in (*INTERFACE_OWNERS, GATEWAY_OWNER, FLOATING_OWNER):
        raise bad_request(
            f"Port {port_id} belongs to a router or floating IP: it is on every host that needs it and cannot be bound."
        )


class Reach:
    """Whether hosts reach the physical networks that some networks need."""

    def __init__(self, context: Context, network_ids: Sequence[str]) -> None:
        networks = select_in(context, "network", "id", sorted(set(network_ids)))
        self._needs = {n["id"]: n["provider:physical_network"] for n in networks}
        hosts = context.tx.hosts() if any(self._needs.values()) else []
        self._reached = {host.name: host.physical_networks for host in hosts}

    def vif(self, network_id: str, host: str) -> tuple[str, Row]:
        """``binding:vif_type`` and ``binding:vif_details`` of a port of the network on a host ("": unbound)."""
        if not host:
            return "unbound", {}
        physical = self._needs[network_id]
        if physical is not None and physical not in self._reached.get(host, ()):
            return "binding_failed", {}
        return "tap", dict(_DETAILS)
