"""Floating IPs: their address, and what they lead to."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import uuid4

from onehop.controller import policy, reach
from onehop.controller.addressing import Addressing, allocate_mac
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.controller.networks import remove_floating_ip, select_in
from onehop.controller.port_forwardings import shown
from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.network import NETWORK
from onehop.net import address
from onehop.store import Row

_DETAILS = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")


class FloatingIps(Logic):
    """The logic of floating IPs."""

    def create(self, context: Context, values: Row) -> Row:
        """Give it an address of the external network, and lead it to a port if one is named."""
        network = policy.find(context.tx, context.caller, NETWORK, values["floating_network_id"])
        if not network["router:external"]:
            raise _bad(f"network {network['id']} is not a valid external network")
        values["id"] = str(uuid4())
        values["floating_ip_address"] = _take_address(context, values)
        if values["port_id"] is None and values["fixed_ip_address"] is not None:
            raise _bad("fixed_ip_address cannot be specified without a port_id")
        if values["port_id"] is not None:
            values.update(_leading(context, values, values["port_id"], values["fixed_ip_address"]))
        return super().create(context, values)

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Lead it elsewhere, or nowhere."""
        if "port_id" in changes or "fixed_ip_address" in changes:
            port_id = changes.get("port_id", row["port_id"])
            same = port_id == row["port_id"]
            fixed_ip = changes.get("fixed_ip_address", row["fixed_ip_address"] if same else None)
            if port_id is None and changes.get("fixed_ip_address") is not None:
                raise _bad("fixed_ip_address cannot be specified without a port_id")
            if port_id is not None:
                changes.update(_leading(context, row, port_id, fixed_ip))
            elif row["port_id"] is not None:
                changes.update(reach.NOWHERE)
        return super().update(context, row, changes)

    def delete(self, context: Context, row: Row) -> None:
        """Remove it with its port forwardings, and give the address back."""
        remove_floating_ip(context, row)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add what is known of the port, and the port forwardings."""
        ids = sorted({row["port_id"] for row in rows if row["port_id"] is not None})
        ports = {port["id"]: port for port in select_in(context, "port", "id", ids)}
        forwardings: dict[str, list[Row]] = defaultdict(list)
        for rule in select_in(context, "port_forwarding", "floatingip_id", [row["id"] for row in rows]):
            forwardings[rule["floatingip_id"]].append(shown(rule))
        for row in rows:
            port = ports.get(row["port_id"])
            row["port_details"] = {name: port[name] for name in _DETAILS} if port is not None else None
            row["port_forwardings"] = forwardings[row["id"]]


def _take_address(context: Context, values: Row) -> str:
    network_id, wanted = values["floating_network_id"], values.get("floating_ip_address")
    if wanted is not None and address.version(wanted) != 4:
        raise _bad(f"{wanted} is not an IPv4 address, and floating IPs are")
    subnets = context.tx.select("subnet", {"network_id": [network_id], "ip_version": [4]})
    subnet_id = values.get("subnet_id")
    if not subnets:
        raise _bad(f"network {network_id} does not contain any IPv4 subnet")
    if subnet_id is not None and subnet_id not in {subnet["id"] for subnet in subnets}:
        raise _bad(f"subnet {subnet_id} is no IPv4 subnet of network {network_id}")
    id, mac = str(uuid4()), allocate_mac(context, network_id)
    addressing = Addressing(context, id, mac, network_id, automatic=False, outward=True)
    request = {name: value for name, value in (("subnet_id", subnet_id), ("ip_address", wanted)) if value is not None}
    taken = addressing.wanted([request]) if request else [addressing.one_ipv4()]
    context.tx.insert(
        "port",
        {
            "id": id,
            "project_id": "",
            "network_id": network_id,
            "mac_address": mac,
            "fixed_ips": taken,
            "device_id": values["id"],
            "device_owner": FLOATING_OWNER,
            "port_security_enabled": False,
        },
    )
    return str(taken[0]["ip_address"])


def _leading(context: Context, row: Row, port_id: str, fixed_ip: str | None) -> Row:
    """The attributes of a floating IP that leads to a port's address.

    Raises:
        FaultError: 400, 404, or 409 while something else leads there.
    """
    port, ip = reach.target(context, port_id, fixed_ip, "floatingip")
    where = {"port_id": [port["id"]], "fixed_ip_address": [ip], "floating_network_id": [row["floating_network_id"]]}
    for other in context.tx.select("floatingip", where):
        if other["id"] != row["id"]:
            raise FaultError(
                "FloatingIPPortAlreadyAssociated",
                f"Cannot associate floating IP {row['floating_ip_address']} ({row['id']}) with port {port['id']} using "
                f"fixed IP {ip}, as that fixed IP already has floating IP {other['floating_ip_address']} on external "
                f"network {row['floating_network_id']}.",
            )
    if context.tx.count("port_forwarding", {"floatingip_id": [row["id"]]}):
        raise FaultError(
            "FipInUseByPortForwarding", f"Floating IP {row['id']} in use by Port Forwarding resources; delete those."
        )
    if context.tx.count("port_forwarding", {"internal_port_id": [port["id"]], "internal_ip_address": [ip]}):
        raise FaultError(
            "PortHasPortForwarding",
            f"Cannot associate floating IP {row['id']} with port {port['id']} using fixed IP {ip}, as it already has "
            "a Port Forwarding binding.",
        )
    router_id = reach.router_for(context, row["floating_network_id"], port, ip)
    return {"port_id": port["id"], "fixed_ip_address": ip, "router_id": router_id}


def pools(context: Context) -> list[Row]:
    """The IPv4 subnets that floating IPs of the caller may come from."""
    networks = context.tx.select(
        "network", {"router:external": [True]}, any_of=policy.visible(context.caller, NETWORK) or ()
    )
    subnets = select_in(context, "subnet", "network_id", [network["id"] for network in networks])
    return [
        {
            "subnet_id": subnet["id"],
            "subnet_name": subnet["name"],
            "project_id": subnet["project_id"],
            "tenant_id": subnet["project_id"],
            "network_id": subnet["network_id"],
            "cidr": subnet["cidr"],
        }
        for subnet in subnets
        if subnet["ip_version"] == 4
    ]


def _bad(message: str) -> FaultError:
    return FaultError("BadRequest", f"Bad floatingip request: {message}.")
