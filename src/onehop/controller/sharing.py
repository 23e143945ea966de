"""What grants mean for a network: its two flags, who uses it by which grant, and when one may go."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from onehop.controller.caller import ADMIN_PROJECT
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.policy import EVERYBODY
from onehop.model.gateway import GATEWAY_OWNER
from onehop.store import Row

SHARED, EXTERNAL = "access_as_shared", "access_as_external"
ACTIONS: Mapping[str, str] = MappingProxyType({"shared": SHARED, "router:external": EXTERNAL})
"""A network's attribute → the action of the grants that it stands for."""


def shared_with(context: Context, networks: Sequence[Row]) -> set[str]:
    """Ids of those of some networks that are shared with all, or with the caller's project."""
    found = {network["id"] for network in networks if network["shared"]}
    if context.caller.project_id and networks:
        where = {"action": [SHARED], "target_tenant": [context.caller.project_id]}
        found |= {grant["object_id"] for grant in context.tx.select("rbac_policy", where)}
    return found


def grants(context: Context, network_id: str, action: str) -> list[Row]:
    """The grants of an action on a network."""
    return context.tx.select("rbac_policy", {"object_id": [network_id], "action": [action]})


def switch(context: Context, network: Row, action: str, *, on: bool) -> None:
    """Set a flag of a network: a grant for all comes, or the flag's grants go (of ``shared`` the one for all).

    Raises:
        FaultError: 409 while somebody needs a grant that would go.
    """
    present = grants(context, network["id"], action)
    if on:
        if all(grant["target_tenant"] != EVERYBODY for grant in present):
            values = {"object_type": "network", "object_id": network["id"], "action": action}
            project = network["project_id"] or ADMIN_PROJECT
            context.tx.insert("rbac_policy", {**values, "target_tenant": EVERYBODY, "project_id": project})
        return
    going = [grant for grant in present if action == EXTERNAL or grant["target_tenant"] == EVERYBODY]
    if action == SHARED and _stranded(context, network, action, _targets(present) - _targets(going)):
        raise FaultError(
            "InvalidSharedSetting",
            f"Unable to reconfigure sharing settings for network {network['id']}. Other projects use it.",
        )
    for grant in going:
        context.tx.delete("rbac_policy", grant["id"])


def require_unused(context: Context, network: Row, action: str, kept: set[str]) -> None:
    """Refuse to leave the grants of an action to these targets alone while others need more.

    Raises:
        FaultError: 409.
    """
    stranded = _stranded(context, network, action, kept)
    if stranded:
        raise FaultError(
            "RbacPolicyInUse",
            f"RBAC policy on object {network['id']} cannot be removed because other objects depend on it: project "
            f"{stranded[0]} has ports, subnets, gateways or floating IPs there.",
        )


def settle(context: Context, network_id: str) -> None:
    """Let a network's flags say what its grants are now."""
    shared, external = (_targets(grants(context, network_id, action)) for action in (SHARED, EXTERNAL))
    changes = {"shared": EVERYBODY in shared, "router:external": bool(external)}
    network = context.tx.get("network", network_id) or {}
    if any(network[name] != value for name, value in changes.items()):
        context.tx.update("network", network_id, changes)
    else:
        context.tx.touch("network", network_id)


def _targets(some: Sequence[Row]) -> set[str]:
    return {grant["target_tenant"] for grant in some}


def _stranded(context: Context, network: Row, action: str, kept: set[str]) -> list[str]:
    """Projects that use a network by the grants of an action and would be without one."""
    if EVERYBODY in kept:
        return []
    users = _sharers(context, network) if action == SHARED else _leavers(context, network)
    if action == SHARED or kept:  # while a network is external its owner needs no grant
        users.discard(network["project_id"])
    return sorted(users - kept)


def _sharers(context: Context, network: Row) -> set[str]:
    """Projects with ports (routers' interfaces too) or subnets on a network; "" are the gateways' and floating IPs'."""
    where = {"network_id": [network["id"]]}
    return {row["project_id"] for kind in ("port", "subnet") for row in context.tx.select(kind, where)} - {""}


def _leavers(context: Context, network: Row) -> set[str]:
    """Projects with routers' gateways or floating IPs on a network."""
    legs = context.tx.select("port", {"network_id": [network["id"]], "device_owner": [GATEWAY_OWNER]})
    routers = [context.tx.get("router", leg["device_id"]) for leg in legs]
    floating = context.tx.select("floatingip", {"floating_network_id": [network["id"]]})
    return {row["project_id"] for row in (*routers, *floating) if row is not None}
