"""Networks: which segment carries one, how large its packets are, and when it may go."""

from collections import defaultdict
from collections.abc import Sequence

from onehop.controller import sharing
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.errors import PoolFullError
from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.network import MINIMUM_MTU
from onehop.net.naming import VXLAN_OVERHEAD
from onehop.settings import ControllerSettings
from onehop.store import Row

IPV6_MINIMUM_MTU = 1280
"""RFC 8200 section 5."""

_TYPE = "provider:network_type"
_PHYSICAL = "provider:physical_network"
_SEGMENT = "provider:segmentation_id"


def largest_mtu(settings: ControllerSettings, type: str) -> int:
    """The largest packet, in octets, that a network of a type can carry."""
    overhead = VXLAN_OVERHEAD[settings.underlay_version] if type == "vxlan" else 0
    return settings.underlay_mtu - overhead


class Networks(Logic):
    """The logic of networks."""

    shown_otherwise = frozenset({"shared"})

    def create(self, context: Context, values: Row) -> Row:
        """Choose or check the segment and the MTU."""
        self._choose_segment(context, values)
        values["mtu"] = _mtu(context.settings, values[_TYPE], values.get("mtu", 0))
        row = super().create(context, values)
        for attribute, action in sharing.ACTIONS.items():
            if row[attribute]:
                sharing.switch(context, row, action, on=True)
        return row

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Check a new MTU against what carries it and the network's IPv6 subnets; keep what others use shared."""
        if "mtu" in changes:
            changes["mtu"] = _mtu(context.settings, row[_TYPE], changes["mtu"])
            where = {"network_id": [row["id"]], "ip_version": [6]}
            if changes["mtu"] < IPV6_MINIMUM_MTU and context.tx.count("subnet", where):
                raise mtu_conflict(row["id"], changes["mtu"])
        if changes.get("router:external") is False and row["router:external"]:
            _require_internal(context, row)
        for attribute, action in sharing.ACTIONS.items():
            if changes.get(attribute, row[attribute]) != row[attribute]:
                sharing.switch(context, row, action, on=changes[attribute])
        return super().update(context, row, changes)

    def delete(self, context: Context, row: Row) -> None:
        """Refuse while it has ports; drop its subnets with it, and floating IPs that lead nowhere."""
        for idle in context.tx.select("floatingip", {"floating_network_id": [row["id"]], "router_id": [None]}):
            remove_floating_ip(context, idle)
        ports = context.tx.select("port", {"network_id": [row["id"]]}, limit=5)
        if ports:
            ids = ", ".join(port["id"] for port in ports)
            raise FaultError(
                "NetworkInUse",
                f"Unable to complete operation on network {row['id']}. "
                f"There are one or more ports still in use on the network, id for these ports is {ids}.",
            )
        for subnet in context.tx.select("subnet", {"network_id": [row["id"]]}):
            context.tx.delete("subnet", subnet["id"])
        for grant in context.tx.select("rbac_policy", {"object_id": [row["id"]]}):
            context.tx.delete("rbac_policy", grant["id"])
        super().delete(context, row)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add the ids of subnets, and whether it is shared with the caller."""
        found: dict[str, list[str]] = defaultdict(list)
        for subnet in select_in(context, "subnet", "network_id", [row["id"] for row in rows]):
            found[subnet["network_id"]].append(subnet["id"])
        shared = sharing.shared_with(context, rows)
        for row in rows:
            row["subnets"] = found[row["id"]]
            row["shared"] = row["id"] in shared
            row["availability_zones"] = []
            row["l2_adjacency"] = True

    def _choose_segment(self, context: Context, values: Row) -> None:
        physical, segment = values.get(_PHYSICAL), values.get(_SEGMENT)
        if _TYPE not in values:
            if physical is not None or segment is not None:
                raise _invalid(f"{_TYPE} required: give it with {_PHYSICAL} or {_SEGMENT}")
            values[_TYPE] = "vxlan"
        if values[_TYPE] == "flat":
            _require_flat(context, physical, segment)
            return
        if physical is not None:
            raise _invalid(f"{_PHYSICAL} must not be given for a vxlan network")
        if segment is None:
            values[_SEGMENT] = _allocate_vni(context)


def _allocate_vni(context: Context) -> int:
    try:
        return context.tx.allocate_vni(context.settings.vni_min, context.settings.vni_max)
    except PoolFullError:
        raise no_vni("create the network") from None


def no_vni(wish: str) -> FaultError:
    """Every VNI is in use."""
    return FaultError(
        "NoNetworkAvailable", f"Unable to {wish}. No VNI is free: delete networks or widen vni_min and vni_max."
    )


def _require_flat(context: Context, physical: str | None, segment: int | None) -> None:
    if segment is not None:
        raise _invalid(f"{_SEGMENT} must not be given for a flat network")
    if not physical:
        raise _invalid(f"{_PHYSICAL} required for a flat network")
    known = set(context.settings.physical_networks)
    if physical not in known:
        known.update(*(host.physical_networks for host in context.tx.hosts()))
    if physical not in known:
        raise _invalid(
            f"physical_network '{physical}' unknown for flat provider network; name it in the controller's "
            "physical_networks, or map it on a host"
        )


def _mtu(settings: ControllerSettings, type: str, wanted: int) -> int:
    largest = largest_mtu(settings, type)
    if wanted == 0:
        return largest
    if not MINIMUM_MTU <= wanted <= largest:
        raise _invalid(f"mtu must be {MINIMUM_MTU} to {largest} on a {type} network here, not {wanted}")
    return wanted


def remove_floating_ip(context: Context, row: Row) -> None:
    """Remove a floating IP and give its address back."""
    context.tx.delete("floatingip", row["id"])
    for port in context.tx.select("port", {"device_id": [row["id"]], "device_owner": [FLOATING_OWNER]}):
        context.tx.delete("port", port["id"])


def _require_internal(context: Context, network: Row) -> None:
    where = {"network_id": [network["id"]], "device_owner": [GATEWAY_OWNER, FLOATING_OWNER]}
    if context.tx.count("port", where):
        raise FaultError(
            "ExternalNetworkInUse",
            f"External network {network['id']} cannot be updated to be made non-external, since it has existing "
            "gateway ports or floating IPs.",
        )


def _invalid(message: str) -> FaultError:
    return FaultError("InvalidInput", f"Invalid input for operation: {message}.")


def mtu_conflict(network: str, mtu: int) -> FaultError:
    """IPv6 does not fit into the network's packets."""
    return FaultError(
        "NetworkMTUSubnetConflict",
        f"The MTU of network {network}, {mtu}, is below {IPV6_MINIMUM_MTU}, the least for an IPv6 subnet.",
    )


def select_in(context: Context, resource: str, attribute: str, values: Sequence[str]) -> list[Row]:
    """The rows of which an attribute has one of many values, in chunks that a database accepts."""
    rows: list[Row] = []
    for start in range(0, len(values), 500):
        rows += context.tx.select(resource, {attribute: list(values[start : start + 500])})
    return rows
