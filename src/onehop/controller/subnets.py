"""Subnets: what makes a prefix, its gateway and its pools sensible, and when one may go."""

from collections.abc import Sequence

from onehop.controller import ipam, policy, sharing
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.logic import Logic
from onehop.controller.networks import IPV6_MINIMUM_MTU, mtu_conflict, select_in
from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.network import NETWORK
from onehop.model.port import INTERFACE_OWNERS
from onehop.model.subnet import SUBNET
from onehop.net import address
from onehop.store import Row


class Subnets(Logic):
    """The logic of subnets."""

    def create(self, context: Context, values: Row) -> Row:
        """Check the prefix and derive gateway and pools; give ports their addresses where these are automatic."""
        network = policy.find(context.tx, context.caller, NETWORK, values["network_id"])
        policy.require_on_network(context.tx, context.caller, SUBNET, network, values)
        _check_prefix(values)
        _check_modes(values)
        if values["ip_version"] == 6 and network["mtu"] < IPV6_MINIMUM_MTU:
            raise mtu_conflict(network["id"], network["mtu"])
        _refuse_overlap(context, values)
        if "gateway_ip" not in values:
            values["gateway_ip"] = ipam.default_gateway(values["cidr"])
        else:
            _check_gateway(values["cidr"], values["gateway_ip"])
        if "allocation_pools" in values:
            values["allocation_pools"] = ipam.checked_pools(values["cidr"], values["allocation_pools"])
        else:
            values["allocation_pools"] = ipam.default_pools(values["cidr"], values["gateway_ip"])
        ipam.require_gateway_outside(values["gateway_ip"], values["allocation_pools"])
        _check_told(values["ip_version"], values)
        row = super().create(context, values)
        if ipam.is_automatic(row):
            _add_automatic(context, row)
        return row

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Check the new gateway and pools against each other and against who has these addresses."""
        wanted = {**row, **changes}
        if "allocation_pools" in changes:
            changes["allocation_pools"] = ipam.checked_pools(row["cidr"], changes["allocation_pools"])
            wanted["allocation_pools"] = changes["allocation_pools"]
        if wanted["gateway_ip"] != row["gateway_ip"]:
            _check_gateway(row["cidr"], wanted["gateway_ip"])
            _refuse_used_gateway(context, row, wanted["gateway_ip"])
        ipam.require_gateway_outside(wanted["gateway_ip"], wanted["allocation_pools"])
        _check_told(row["ip_version"], changes)
        _check_modes(wanted)
        return super().update(context, row, changes)

    def delete(self, context: Context, row: Row) -> None:
        """Refuse while a port has an address of it, unless that came by itself; such an address goes with it."""
        for port in context.tx.select("port", {"fixed_ips.subnet_id": [row["id"]]}):
            if not ipam.is_automatic(row) or port["device_owner"] in (*INTERFACE_OWNERS, GATEWAY_OWNER):
                raise FaultError(
                    "SubnetInUse",
                    f"Unable to complete operation on subnet {row['id']}: One or more ports have an IP allocation "
                    f"from this subnet, port {port['id']} for one.",
                )
            kept = [ip for ip in port["fixed_ips"] if ip["subnet_id"] != row["id"]]
            context.tx.update("port", port["id"], {"fixed_ips": kept})
        super().delete(context, row)

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add whether the network is external, and whether it is shared with the caller."""
        ids = sorted({row["network_id"] for row in rows})
        networks = select_in(context, "network", "id", ids)
        external = {n["id"]: n["router:external"] for n in networks}
        shared = sharing.shared_with(context, networks)
        for row in rows:
            row["router:external"] = external[row["network_id"]]
            row["shared"] = row["network_id"] in shared


def _check_prefix(values: Row) -> None:
    network = address.network_of(values["cidr"])
    if values["ip_version"] not in (4, 6):
        raise _invalid(f"ip_version must be 4 or 6, not {values['ip_version']}")
    if network.version != values["ip_version"]:
        raise _invalid(f"cidr '{values['cidr']}' is not of ip_version {values['ip_version']}")
    for special in ipam.SPECIAL:
        if address.overlaps(values["cidr"], special):
            raise _invalid(f"'{values['cidr']}' contains addresses of {special}, which no port can have")


def _check_modes(values: Row) -> None:
    advertised, mode = values["ipv6_ra_mode"], values["ipv6_address_mode"]
    if advertised is None and mode is None:
        return
    if values["ip_version"] == 4:
        raise _invalid("ipv6_ra_mode and ipv6_address_mode are for IPv6 subnets only")
    if not values["enable_dhcp"]:
        raise _invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if advertised is not None and mode is not None and advertised != mode:
        raise _invalid(f"ipv6_ra_mode set to '{advertised}' with ipv6_address_mode set to '{mode}' is not valid")
    if (mode in ipam.AUTOMATIC or advertised in ipam.AUTOMATIC) and address.prefix_length(values["cidr"]) != 64:
        raise _invalid(f"Invalid CIDR {values['cidr']} for IPv6 address mode: automatic addresses need a /64")


def _refuse_overlap(context: Context, values: Row) -> None:
    key = network_id, version = values["network_id"], values["ip_version"]
    if key not in context.prefixes:
        others = context.tx.select("subnet", {"network_id": [network_id], "ip_version": [version]})
        context.prefixes[key] = ipam.Prefixes(other["cidr"] for other in others)
    other = context.prefixes[key].clash(values["cidr"])
    if other is not None:
        raise _invalid(
            f"Requested subnet with cidr: {values['cidr']} for network: {network_id} overlaps with another subnet: "
            f"{other}"
        )
    context.prefixes[key].add(values["cidr"])


def _check_gateway(cidr: str, gateway: str | None) -> None:
    if gateway is None or ipam.is_usable(cidr, gateway):
        return
    if address.version(cidr) == 6 and address.contains("fe80::/64", gateway):
        return
    raise _invalid(f"Gateway {gateway} is not valid on subnet {cidr}")


def _refuse_used_gateway(context: Context, row: Row, new: str | None) -> None:
    for ip in (row["gateway_ip"], new):
        holder = context.tx.holder_of_ip(row["id"], ip) if ip is not None else None
        port = context.tx.get("port", holder) if holder is not None else None
        if port is None:
            continue
        if ip == new and port["device_owner"] in INTERFACE_OWNERS:
            continue
        if ip == new or port["device_owner"] in INTERFACE_OWNERS:
            raise FaultError(
                "GatewayIpInUse", f"Current gateway ip {ip} already in use by port {port['id']}. Unable to update."
            )


def _check_told(version: int, values: Row) -> None:
    for route in values.get("host_routes", ()):
        if address.version(route["destination"]) != version or address.version(route["nexthop"]) != version:
            raise _invalid(f"the host route to {route['destination']} is not of the subnet's ip_version {version}")


def _add_automatic(context: Context, subnet: Row) -> None:
    for port in context.tx.select("port", {"network_id": [subnet["network_id"]]}):
        if port["device_owner"] in (*INTERFACE_OWNERS, FLOATING_OWNER):
            continue
        ip = {"subnet_id": subnet["id"], "ip_address": address.eui64(subnet["cidr"], port["mac_address"])}
        context.tx.update("port", port["id"], {"fixed_ips": [*port["fixed_ips"], ip]})


def _invalid(message: str) -> FaultError:
    return FaultError("InvalidInput", f"Invalid input for operation: {message}.")
