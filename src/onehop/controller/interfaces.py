"""Router interfaces: the ports that are a router's legs on networks."""

from collections.abc import Iterable
from uuid import uuid4

from onehop.controller import policy, reach
from onehop.controller.addressing import Addressing, allocate_mac
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, forbidden
from onehop.model.kind import Json, shown
from onehop.model.port import INTERFACE_OWNERS, PORT
from onehop.model.subnet import SUBNET
from onehop.net import address
from onehop.net.identifier import is_uuid
from onehop.store import Row

OWNER = "network:router_interface_distributed"


def of(context: Context, router_id: str) -> list[Row]:
    """The ports that are a router's interfaces, oldest first."""
    where = {"device_id": [router_id], "device_owner": sorted(INTERFACE_OWNERS)}
    return context.tx.select("port", where, sort=[("created_at", "asc")])


def add(context: Context, router: Row, body: dict[str, Json]) -> Row:
    """Attach a router to a subnet (at its gateway's address) or by a port that exists.

    Raises:
        FaultError: 400, 403, 404 or 409; nothing is changed.
    """
    port_id, subnet_id = _named(body)
    if (port_id is None) == (subnet_id is None):
        raise _bad_router("Either subnet_id or port_id must be specified, and not both")
    port = _add_port(context, router, port_id) if port_id is not None else _add_subnet(context, router, subnet_id or "")
    context.tx.touch("router", router["id"])
    return _answer(router, port, [ip["subnet_id"] for ip in port["fixed_ips"]])


def remove(context: Context, router: Row, body: dict[str, Json]) -> Row:
    """Detach a router from a subnet, or by port; the port goes when no address of it is left.

    Raises:
        FaultError: 400, 404, or 409 while a route of the router goes that way.
    """
    port_id, subnet_id = _named(body)
    if port_id is None and subnet_id is None:
        raise _bad_router("Either subnet_id or port_id must be specified")
    port = _leg(context, router, port_id, subnet_id)
    leaving = [ip for ip in port["fixed_ips"] if port_id is not None or ip["subnet_id"] == subnet_id]
    staying = [ip for ip in port["fixed_ips"] if ip not in leaving]
    refuse_used_by_routes(context, router, leaving)
    reach.refuse_led_to(context, router, {ip["subnet_id"] for ip in leaving})
    if staying:
        context.tx.update("port", port["id"], {"fixed_ips": staying})
    else:
        context.tx.delete("port", port["id"])
    context.tx.touch("router", router["id"])
    return _answer(router, port, [ip["subnet_id"] for ip in leaving])


def check_interface_subnets(
    context: Context, router_id: str, subnet_ids: Iterable[str], leaving: Row | None = None
) -> None:
    """Whether a router can have a leg on these subnets beside its other legs (`leaving` does not count).

    Raises:
        FaultError: 400 when one is there already or overlaps; when there is none; or several of IPv4 on one port.
    """
    wanted = [s for s in (context.tx.get("subnet", id) for id in subnet_ids) if s is not None]
    if not wanted:
        raise _bad_router("Router port must have at least one fixed IP")
    if sum(subnet["ip_version"] == 4 for subnet in wanted) > 1:
        raise _bad_router("Cannot have multiple IPv4 subnets on router port")
    for gateway in context.tx.gateways([router_id]).values():
        for outside in context.tx.select("subnet", {"network_id": [gateway["network_id"]]}):
            _check_beside(context, outside["id"], wanted)
    for leg in of(context, router_id):
        if leaving is not None and leg["id"] == leaving["id"]:
            continue
        for ip in leg["fixed_ips"]:
            _check_beside(context, ip["subnet_id"], wanted)


def _check_beside(context: Context, present_id: str, wanted: list[Row]) -> None:
    present = context.tx.get("subnet", present_id)
    for subnet in wanted:
        if subnet["id"] == present_id:
            raise _bad_router(f"Router already has a port on subnet {present_id}")
        if present is not None and address.overlaps(subnet["cidr"], present["cidr"]):
            raise _bad_router(
                f"Cidr {subnet['cidr']} of subnet {subnet['id']} overlaps with cidr {present['cidr']} of subnet "
                f"{present_id}"
            )


def _named(body: dict[str, Json]) -> tuple[str | None, str | None]:
    for name in body:
        if name not in ("port_id", "subnet_id"):
            raise _bad_router(f"Unexpected {shown(name)}: send subnet_id or port_id")
    found: list[str | None] = []
    for name in ("port_id", "subnet_id"):
        value = body.get(name)
        if value is not None and not (isinstance(value, str) and is_uuid(value.lower())):
            raise FaultError("HTTPBadRequest", f"Invalid input for {name}. Reason: {shown(value)} is not a valid UUID.")
        found.append(value.lower() if value is not None else None)
    return found[0], found[1]


def _add_subnet(context: Context, router: Row, subnet_id: str) -> Row:
    subnet = policy.find(context.tx, context.caller, SUBNET, subnet_id)
    network = context.tx.get("network", subnet["network_id"]) or {}
    if not (policy.owns(context.caller, subnet) or policy.owns(context.caller, network)):
        raise forbidden("add_router_interface")
    _refuse_flat(network)
    gateway = subnet["gateway_ip"]
    if gateway is None:
        raise _bad_router("Subnet for router interface must have a gateway IP")
    if not address.contains(subnet["cidr"], gateway):
        raise _bad_router(
            f"The gateway {gateway} of subnet {subnet_id} is link-local and cannot be a router interface's address"
        )
    check_interface_subnets(context, router["id"], [subnet_id])
    id = str(uuid4())
    # Instances remember the gateway's MAC for a minute. It comes back with the interface, also on another router.
    mac = allocate_mac(context, network["id"], lasting=subnet_id)
    addressing = Addressing(context, id, mac, network["id"], automatic=False)
    return context.tx.insert(
        "port",
        {
            "id": id,
            "project_id": router["project_id"],
            "network_id": network["id"],
            "mac_address": mac,
            "fixed_ips": addressing.wanted([{"subnet_id": subnet_id, "ip_address": gateway}]),
            "device_id": router["id"],
            "device_owner": OWNER,
            "port_security_enabled": False,
        },
    )


def _add_port(context: Context, router: Row, port_id: str) -> Row:
    port = policy.find(context.tx, context.caller, PORT, port_id)
    if not policy.owns(context.caller, port):
        raise forbidden("add_router_interface")
    if port["device_id"] or port["device_owner"] or context.tx.count("binding", {"port_id": [port_id]}):
        raise FaultError(
            "PortInUse",
            f"Unable to complete operation on port {port_id} for network {port['network_id']}. Port already has an "
            f"attached device {port['device_id'] or port['device_owner'] or port['binding:host_id']}.",
        )
    _refuse_flat(context.tx.get("network", port["network_id"]) or {})
    reach.refuse_target(context, port)
    check_interface_subnets(context, router["id"], [ip["subnet_id"] for ip in port["fixed_ips"]])
    changes = {
        "device_id": router["id"],
        "device_owner": OWNER,
        "port_security_enabled": False,
        "allowed_address_pairs": [],
        "status": "DOWN",
        "status_reason": "",
    }
    return context.tx.update("port", port_id, changes)


def _refuse_flat(network: Row) -> None:
    if network["provider:network_type"] == "flat":
        raise FaultError(
            "RouterInterfaceOnFlatNetwork",
            "A router interface on a flat network would put one MAC on several hosts of a physical segment; "
            "attach the router to a vxlan network instead.",
        )


def _leg(context: Context, router: Row, port_id: str | None, subnet_id: str | None) -> Row:
    legs = of(context, router["id"])
    if port_id is not None:
        leg = next((leg for leg in legs if leg["id"] == port_id), None)
        if leg is None:
            raise FaultError(
                "RouterInterfaceNotFound", f"Router {router['id']} does not have an interface with id {port_id}"
            )
        if subnet_id is not None and all(ip["subnet_id"] != subnet_id for ip in leg["fixed_ips"]):
            raise FaultError(
                "SubnetMismatchForPort", f"Subnet on port {port_id} does not match the requested subnet {subnet_id}."
            )
        return leg
    for leg in legs:
        if any(ip["subnet_id"] == subnet_id for ip in leg["fixed_ips"]):
            return leg
    policy.find(context.tx, context.caller, SUBNET, subnet_id or "")
    raise FaultError(
        "RouterInterfaceNotFoundForSubnet", f"Router {router['id']} has no interface on subnet {subnet_id}"
    )


def refuse_used_by_routes(context: Context, router: Row, leaving: list[Row]) -> None:
    """Keep addresses of a router's leg on subnets where next hops of its routes are.

    Raises:
        FaultError: 409.
    """
    for ip in leaving:
        subnet = context.tx.get("subnet", ip["subnet_id"])
        for route in router["routes"]:
            if subnet is not None and address.contains(subnet["cidr"], route["nexthop"]):
                raise FaultError(
                    "RouterInterfaceInUseByRoute",
                    f"Router interface for subnet {subnet['id']} on router {router['id']} cannot be deleted, as it is "
                    "required by one or more routes.",
                )


def refuse_next_hops(router: Row, addresses: list[Row]) -> None:
    """Keep a router from having an address that is the next hop of one of its routes.

    Raises:
        FaultError: 409.
    """
    own = {ip["ip_address"] for ip in addresses}
    for route in router["routes"]:
        if route["nexthop"] in own:
            raise FaultError(
                "RouterInterfaceInUseByRoute",
                f"Router {router['id']} cannot have the address {route['nexthop']}: it is the nexthop of its route to "
                f"{route['destination']}.",
            )


def _answer(router: Row, port: Row, subnet_ids: list[str]) -> Row:
    return {
        "id": router["id"],
        "project_id": router["project_id"],
        "tenant_id": router["project_id"],
        "port_id": port["id"],
        "network_id": port["network_id"],
        "subnet_id": subnet_ids[0],
        "subnet_ids": subnet_ids,
    }


def _bad_router(message: str) -> FaultError:
    return FaultError("BadRequest", f"Bad router request: {message}.")
