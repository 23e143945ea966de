"""External gateways: the port with a router's external addresses, who may change it, and when it may go."""

from collections.abc import Sequence
from uuid import uuid4

from onehop.controller import extra_routes, policy
from onehop.controller.addressing import Addressing, allocate_mac
from onehop.controller.context import Context
from onehop.controller.faults import FaultError, bad_request, forbidden
from onehop.controller.interfaces import of as interfaces_of
from onehop.controller.interfaces import refuse_next_hops
from onehop.controller.networks import no_vni, select_in
from onehop.errors import PoolFullError
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.network import NETWORK
from onehop.model.router import ROUTER
from onehop.net import address
from onehop.store import Row


def port_of(context: Context, router_id: str) -> Row | None:
    """A router's gateway port, or None."""
    found = context.tx.select("port", {"device_id": [router_id], "device_owner": [GATEWAY_OWNER]})
    return found[0] if found else None


def change(context: Context, router: Row, info: Row | None) -> None:
    """Make a router's gateway what ``external_gateway_info`` says; None or an empty object takes it away.

    An empty ``external_fixed_ips`` is none named, as in the reference.

    Raises:
        FaultError: 400, 403, 404 or 409; nothing is changed.
    """
    port = port_of(context, router["id"])
    if not info:
        clear(context, router, port)
        return
    network_id = info.get("network_id", port["network_id"] if port is not None else None)
    if network_id is None:
        raise bad_request("Invalid input for external_gateway_info. Reason: it must name a network_id.")
    network = policy.find(context.tx, context.caller, NETWORK, network_id)
    if not network["router:external"]:
        raise _bad_router(f"Network {network_id} is not an external network")
    stays = port is not None and port["network_id"] == network_id
    translates = router["enable_snat"] if stays else True
    _check_rights(context, network, port if stays else None, info, translates)
    if port is None or port["network_id"] != network_id:
        clear(context, router, port)
        _refuse_overlap(context, router, network_id)
        extra_routes.refuse_outside(context, router, network_id)
        _add(context, router, network_id, info.get("external_fixed_ips"))
    elif info.get("external_fixed_ips"):
        _readdress(context, router, port, info["external_fixed_ips"])
    context.tx.update("router", router["id"], {"enable_snat": info.get("enable_snat", translates)})
    context.tx.touch("router", router["id"])


def clear(context: Context, router: Row, port: Row | None) -> None:
    """Take a router's gateway away, if it has one.

    Raises:
        FaultError: 409 while a floating IP or a route needs it.
    """
    if port is None:
        return
    _refuse_floating_ips(context, router, port["network_id"])
    for subnet in context.tx.select("subnet", {"network_id": [port["network_id"]]}):
        for route in router["routes"]:
            if address.contains(subnet["cidr"], route["nexthop"]):
                raise FaultError(
                    "RouterInterfaceInUseByRoute",
                    f"The gateway of router {router['id']} cannot be taken away, as the route to "
                    f"{route['destination']} goes by it.",
                )
    context.tx.clear_gateway(router["id"])
    context.tx.delete("port", port["id"])
    context.tx.update("router", router["id"], {"enable_snat": True})
    context.tx.touch("router", router["id"])


def complete(context: Context, rows: Sequence[Row]) -> None:
    """Add ``external_gateway_info`` and, for administrators, ``gateway_hosts`` to routers."""
    given = context.tx.gateways([row["id"] for row in rows])
    ports = {p["id"]: p for p in select_in(context, "port", "id", sorted(g["port_id"] for g in given.values()))}
    for row in rows:
        gateway = given.get(row["id"])
        if gateway is None:
            row["external_gateway_info"], row["gateway_hosts"] = None, []
            continue
        row["external_gateway_info"] = {
            "network_id": gateway["network_id"],
            "external_fixed_ips": ports[gateway["port_id"]]["fixed_ips"],
            "enable_snat": row["enable_snat"],
        }
        row["gateway_hosts"] = [
            {
                "host": place["host"],
                "owner": place["host"] == gateway["owner"],
                "candidate": place["host"] in gateway["candidates"],
                "mac_address": place["mac_address"],
                "port_blocks": [
                    {"address": block["address"], "first": block["first"], "last": block["first"] + block["size"] - 1}
                    for block in place["blocks"]
                ],
            }
            for place in gateway["hosts"]
        ]


def _add(context: Context, router: Row, network_id: str, requested: Sequence[Row] | None) -> None:
    id, mac = str(uuid4()), allocate_mac(context, network_id)
    addressing = Addressing(context, id, mac, network_id, outward=True)
    context.tx.insert(
        "port",
        {
            "id": id,
            "project_id": "",
            "network_id": network_id,
            "mac_address": mac,
            "fixed_ips": addressing.wanted(requested) if requested else addressing.default(),
            "device_id": router["id"],
            "device_owner": GATEWAY_OWNER,
            "port_security_enabled": False,
            "status": "ACTIVE",
        },
    )
    vnis = (context.settings.vni_min, context.settings.vni_max)
    try:
        context.tx.put_gateway(router["id"], id, network_id, vnis)
    except PoolFullError:
        raise no_vni("give the router a gateway") from None


def _readdress(context: Context, router: Row, port: Row, requested: Sequence[Row]) -> None:
    held = port["fixed_ips"]
    addressing = Addressing(context, port["id"], port["mac_address"], port["network_id"], held, outward=True)
    addresses = addressing.wanted(requested)
    refuse_next_hops(router, addresses)
    if not any(address.version(ip["ip_address"]) == 4 for ip in addresses):
        _refuse_floating_ips(context, router, port["network_id"])
    context.tx.update("port", port["id"], {"fixed_ips": addresses})


def _refuse_floating_ips(context: Context, router: Row, network_id: str) -> None:
    used = context.tx.select("floatingip", {"router_id": [router["id"]]}, limit=1)
    if used:
        raise FaultError(
            "RouterExternalGatewayInUseByFloatingIp",
            f"Gateway cannot be updated for router {router['id']}, since a gateway with an IPv4 address on external "
            f"network {network_id} is required by one or more floating IPs, {used[0]['floating_ip_address']} for one.",
        )


def _check_rights(context: Context, network: Row, port: Row | None, info: Row, translates: bool) -> None:
    """Others than administrators neither turn translation on or off, nor choose addresses of others' networks."""
    caller = context.caller
    switched = info.get("enable_snat", translates) != translates
    if switched and not policy.may_set(caller, ROUTER, "external_gateway_info.enable_snat", network):
        raise forbidden("update_router:external_gateway_info:enable_snat")
    known = {ip["ip_address"] for ip in port["fixed_ips"]} if port is not None else set()
    chosen = [ip for ip in info.get("external_fixed_ips", ()) if "ip_address" in ip]
    if policy.may_set(caller, ROUTER, "external_gateway_info.external_fixed_ips", network):
        return
    if any(ip["ip_address"] not in known for ip in chosen):
        raise forbidden("update_router:external_gateway_info:external_fixed_ips")


def _refuse_overlap(context: Context, router: Row, network_id: str) -> None:
    outside = context.tx.select("subnet", {"network_id": [network_id]})
    inside = {ip["subnet_id"] for leg in interfaces_of(context, router["id"]) for ip in leg["fixed_ips"]}
    for subnet in select_in(context, "subnet", "id", sorted(inside)):
        for external in outside:
            if address.overlaps(subnet["cidr"], external["cidr"]):
                raise _bad_router(
                    f"Cidr {external['cidr']} of subnet {external['id']} overlaps with cidr {subnet['cidr']} of subnet "
                    f"{subnet['id']}"
                )


def _bad_router(message: str) -> FaultError:
    return FaultError("BadRequest", f"Bad router request: {message}.")
