"""Ports: their MAC, addresses, device and binding, and what keeps a router's interface from being taken away."""

from collections.abc import Sequence
from uuid import uuid4

from onehop.controller import bindings, pairs, policy, reach
from onehop.controller.addressing import Addressing, allocate_mac
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request, forbidden
from onehop.controller.interfaces import check_interface_subnets, refuse_next_hops, refuse_used_by_routes
from onehop.controller.logic import Logic
from onehop.controller.security_groups import wanted_groups
from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.network import NETWORK
from onehop.model.port import INTERFACE_OWNERS, PORT
from onehop.store import Row

_FIXED_ON_INTERFACES = (
    "device_id",
    "device_owner",
    "mac_address",
    "allowed_address_pairs",
    "port_security_enabled",
    "security_groups",
)


_OUTSIDE = (GATEWAY_OWNER, FLOATING_OWNER)
"""Ports that only hold addresses on external networks; they follow routers and floating IPs."""

_MADE = INTERFACE_OWNERS.union(_OUTSIDE)
"""Ports that are made and removed with something else."""


class Ports(Logic):
    """The logic of ports."""

    def create(self, context: Context, values: Row) -> Row:
        """Give the port its MAC, its addresses and, if asked for, its host."""
        network = policy.find(context.tx, context.caller, NETWORK, values["network_id"])
        policy.require_on_network(context.tx, context.caller, PORT, network, values)
        _check_device(context, "create", values)
        values["id"] = str(uuid4())
        if "mac_address" not in values:
            values["mac_address"] = allocate_mac(context, network["id"])
        else:
            _refuse_leg_mac(context, network["id"], values["mac_address"])
        values.setdefault("port_security_enabled", network["port_security_enabled"])
        values["allowed_address_pairs"] = pairs.checked(values)
        values["security_groups"] = wanted_groups(context, values)
        addressing = Addressing(context, values["id"], values["mac_address"], network["id"])
        requested = values.get("fixed_ips")
        values["fixed_ips"] = addressing.default() if requested is None else addressing.wanted(requested)
        host = values.pop("binding:host_id")
        row = super().create(context, values)
        if not host:
            return row
        bindings.bind(context, row["id"], host, values["binding:profile"])
        return context.tx.get("port", row["id"]) or row

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Change it; addresses that follow from the MAC follow it."""
        changed = {name: value for name, value in changes.items() if row.get(name) != value}
        network = context.tx.get("network", row["network_id"]) or {}
        policy.require_network_attributes(context.caller, PORT, "update", network, changed)
        interface = row["device_owner"] in INTERFACE_OWNERS
        if row["device_owner"] in _MADE:
            _check_made(row, changed)
        else:
            _check_device(context, "update", changed, row)
        if "mac_address" in changed and row["binding:host_id"]:
            raise FaultError("PortBound", f"Unable to complete operation on port {row['id']}, port is already bound.")
        if "mac_address" in changed:
            _refuse_leg_mac(context, row["network_id"], changed["mac_address"])
        wanted = {**row, **changes}
        if interface and "fixed_ips" in changed:
            changes["fixed_ips"] = self._interface_addresses(context, row, changed["fixed_ips"])
        elif "fixed_ips" in changed or "mac_address" in changed:
            changes["fixed_ips"] = _addresses(context, row, wanted, moved="mac_address" in changed)
        if "fixed_ips" in changes:
            reach.leave(context, row, kept=changes["fixed_ips"])
        if not {"allowed_address_pairs", "port_security_enabled"}.isdisjoint(changed):
            changes["allowed_address_pairs"] = pairs.checked(wanted)
        if not {"security_groups", "port_security_enabled"}.isdisjoint(changed):
            changes["security_groups"] = wanted_groups(context, wanted)
        host, profile = changes.pop("binding:host_id", None), changes.get("binding:profile")
        updated = super().update(context, row, changes)
        if interface and "fixed_ips" in changed:
            context.tx.touch("router", row["device_id"])
        if host is None and profile is None:
            return updated
        where = row["binding:host_id"] if host is None else host
        if where or row["binding:host_id"]:
            bindings.bind(context, row["id"], where, profile)
        return context.tx.get("port", row["id"]) or updated

    def delete(self, context: Context, row: Row) -> None:
        """Refuse to take away what belongs to a router or floating IP; those that lead here lead nowhere then."""
        if row["device_owner"] in _MADE:
            raise FaultError(
                "ServicePortInUse",
                f"Port {row['id']} cannot be deleted directly via the port API: it has device owner "
                f"{row['device_owner']} and belongs to {row['device_id']}; change that instead.",
            )
        reach.leave(context, row)
        super().delete(context, row)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add how each port is attached, and the attributes that are the same for all."""
        if context.caller.is_admin:
            bound = [row["network_id"] for row in rows if row["binding:host_id"]]
            reach = bindings.Reach(context, bound)
            for row in rows:
                if row["device_owner"] in _MADE:
                    vif: tuple[str, Row] = "distributed", {}
                else:
                    vif = reach.vif(row["network_id"], row["binding:host_id"])
                row["binding:vif_type"], row["binding:vif_details"] = vif
        for row in rows:
            row["dns_assignment"] = []
            row["ip_allocation"] = "immediate"

    def _interface_addresses(self, context: Context, row: Row, requested: Sequence[Row]) -> list[Row]:
        addressing = Addressing(
            context, row["id"], row["mac_address"], row["network_id"], row["fixed_ips"], automatic=False
        )
        addresses = addressing.wanted(requested)
        subnets = sorted({ip["subnet_id"] for ip in addresses})
        leaving = {ip["subnet_id"] for ip in row["fixed_ips"]} - set(subnets)
        reach.refuse_led_to(context, {"id": row["device_id"]}, leaving)
        check_interface_subnets(context, row["device_id"], subnets, leaving=row)
        router = context.tx.get("router", row["device_id"])
        if router is not None:
            refuse_used_by_routes(context, router, [ip for ip in row["fixed_ips"] if ip["subnet_id"] not in subnets])
            refuse_next_hops(router, addresses)
        return addresses


def _addresses(context: Context, row: Row, wanted: Row, *, moved: bool) -> list[Row]:
    """The new addresses of an ordinary port; when its MAC `moved`, automatic ones are made anew."""
    mac, held = wanted["mac_address"], row["fixed_ips"]
    requested = wanted["fixed_ips"]
    if moved:
        automatic = Addressing(context, row["id"], row["mac_address"], row["network_id"]).wanted([])
        held = [ip for ip in held if ip not in automatic]
        requested = [ip for ip in requested if ip not in automatic]
    return Addressing(context, row["id"], mac, row["network_id"], held).wanted(requested)


def _check_device(context: Context, action: str, values: Row, row: Row | None = None) -> None:
    """Nobody makes a router's interface here; projects do not pose as services or name others' routers."""
    owner, device = values.get("device_owner"), values.get("device_id")
    if owner in _MADE:
        raise bad_request(
            f"Invalid input for device_owner. Reason: {owner} is given by 'add_router_interface', a router's gateway "
            "or a floating IP only."
        )
    if context.caller.is_admin:
        return
    if owner is not None and owner.lower().startswith(("network:", "neutron:")):
        raise forbidden(f"{action}_port:device_owner")
    if device:
        router = context.tx.get("router", device.lower())
        project = (row or values)["project_id"]
        if router is not None and router["project_id"] != project:
            raise FaultError(
                "DeviceIDNotOwnedByTenant",
                f"The following device_id {device} is not owned by your tenant or matches another tenants router.",
            )


def _refuse_leg_mac(context: Context, network_id: str, mac: str) -> None:
    if context.tx.is_leg_mac(network_id, mac):
        raise FaultError("MacAddressInUse", f"A router's external leg on network {network_id} has MAC {mac}.")


def _check_made(row: Row, changed: Row) -> None:
    """What a port that belongs to a router or floating IP cannot have changed."""
    fixed = _FIXED_ON_INTERFACES if row["device_owner"] in INTERFACE_OWNERS else (*_FIXED_ON_INTERFACES, "fixed_ips")
    for name in fixed:
        if name in changed:
            raise FaultError(
                "PortInUse",
                f"Unable to change {name} of port {row['id']}: it has device owner {row['device_owner']} and belongs "
                f"to {row['device_id']}.",
            )
    if changed.get("binding:host_id"):
        raise bad_request(
            f"Port {row['id']} belongs to a router or floating IP: it is on every host that needs it and cannot be "
            "bound."
        )
