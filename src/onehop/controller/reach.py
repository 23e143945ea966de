"""How the outside reaches a port: by which router, and what leads to it from there."""

from collections.abc import Collection, Sequence

from onehop.controller import policy
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.controller.networks import select_in
from onehop.model.floating_ip import FLOATING_OWNER
from onehop.model.gateway import GATEWAY_OWNER
from onehop.model.port import INTERFACE_OWNERS, PORT
from onehop.net import address
from onehop.store import Row

NOWHERE: Row = {"port_id": None, "fixed_ip_address": None, "router_id": None}


def target(context: Context, port_id: str, fixed_ip: str | None, request: str) -> tuple[Row, str]:
    """The port that something outside is to lead to, and the IPv4 address of it.

    Args:
        context: the request.
        port_id: as the caller named it.
        fixed_ip: the address; None takes the port's only one.
        request: ``floatingip`` or ``port_forwarding``, for the sentence.

    Raises:
        FaultError: 404, or 400 when the port cannot be led to.
    """
    port = policy.find(context.tx, context.caller, PORT, port_id)
    if not policy.owns(context.caller, port):
        raise _bad(request, f"port {port_id} belongs to another project")
    if port["device_owner"] in (*INTERFACE_OWNERS, GATEWAY_OWNER, FLOATING_OWNER):
        raise _bad(request, f"port {port_id} is {port['device_owner']}, which nothing outside can lead to")
    if fixed_ip is not None and address.version(fixed_ip) != 4:
        raise _bad(request, f"{fixed_ip} is not an IPv4 address, and only those are translated")
    held = [ip["ip_address"] for ip in port["fixed_ips"] if address.version(ip["ip_address"]) == 4]
    if fixed_ip is not None:
        if fixed_ip not in held:
            raise _bad(request, f"port {port_id} does not have fixed ip {fixed_ip}")
        return port, fixed_ip
    if not held:
        raise _bad(request, f"port {port_id} does not have an IPv4 address")
    if len(held) > 1:
        raise _bad(request, f"port {port_id} has multiple IPv4 addresses; say which one")
    return port, held[0]


def router_for(context: Context, external_id: str, port: Row, fixed_ip: str) -> str:
    """Id of the router between an external network and a port's address; of several the subnet's default gateway.

    Raises:
        FaultError: 404 when there is none.
    """
    subnet_id = next(ip["subnet_id"] for ip in port["fixed_ips"] if ip["ip_address"] == fixed_ip)
    legs = context.tx.select(
        "port", {"fixed_ips.subnet_id": [subnet_id], "device_owner": sorted(INTERFACE_OWNERS)}, sort=[("id", "asc")]
    )
    gateways = context.tx.gateways(sorted({leg["device_id"] for leg in legs}))
    through = [leg for leg in legs if _leads_out(context, gateways.get(leg["device_id"]), external_id)]
    if not through:
        raise FaultError(
            "ExternalGatewayForFloatingIPNotFound",
            f"External network {external_id} is not reachable from subnet {subnet_id}. Therefore, cannot associate "
            f"Port {port['id']} with a Floating IP.",
        )
    subnet = context.tx.get("subnet", subnet_id) or {}
    through.sort(key=lambda leg: all(ip["ip_address"] != subnet["gateway_ip"] for ip in leg["fixed_ips"]))
    return str(through[0]["device_id"])


def _leads_out(context: Context, gateway: Row | None, external_id: str) -> bool:
    """Whether a gateway is on an external network and has an IPv4 address there: without one it translates nothing."""
    if gateway is None or gateway["network_id"] != external_id:
        return False
    port = context.tx.get("port", gateway["port_id"]) or {}
    return any(address.version(ip["ip_address"]) == 4 for ip in port.get("fixed_ips", ()))


def leave(context: Context, port: Row, kept: Sequence[Row] = ()) -> None:
    """A port loses its addresses but those `kept`: nothing outside leads to the others any more."""
    gone = {ip["ip_address"] for ip in port["fixed_ips"]} - {ip["ip_address"] for ip in kept}
    for floating_ip in context.tx.select("floatingip", {"port_id": [port["id"]]}):
        if floating_ip["fixed_ip_address"] in gone:
            context.tx.update("floatingip", floating_ip["id"], dict(NOWHERE))
    for forwarding in context.tx.select("port_forwarding", {"internal_port_id": [port["id"]]}):
        if forwarding["internal_ip_address"] in gone:
            drop_forwarding(context, forwarding)


def refuse_target(context: Context, port: Row) -> None:
    """Refuse a port that something outside leads to.

    Raises:
        FaultError: 409.
    """
    led = context.tx.count("floatingip", {"port_id": [port["id"]]})
    if led or context.tx.count("port_forwarding", {"internal_port_id": [port["id"]]}):
        raise FaultError(
            "PortInUse",
            f"Unable to complete operation on port {port['id']} for network {port['network_id']}. A floating IP leads "
            "to it; disassociate that first.",
        )


def drop_forwarding(context: Context, forwarding: Row) -> None:
    """Remove a port forwarding; the floating IP's last one takes its router with it."""
    context.tx.delete("port_forwarding", forwarding["id"])
    if not context.tx.count("port_forwarding", {"floatingip_id": [forwarding["floatingip_id"]]}):
        context.tx.update("floatingip", forwarding["floatingip_id"], {"router_id": None})


def refuse_led_to(context: Context, router: Row, subnet_ids: Collection[str]) -> None:
    """Refuse to take a router off subnets where something outside leads to by it.

    Raises:
        FaultError: 409.
    """
    floating = context.tx.select("floatingip", {"router_id": [router["id"]]})
    forwardings = select_in(context, "port_forwarding", "floatingip_id", [row["id"] for row in floating])
    led = {(row["port_id"], row["fixed_ip_address"]) for row in floating if row["port_id"] is not None}
    led |= {(row["internal_port_id"], row["internal_ip_address"]) for row in forwardings}
    for port in select_in(context, "port", "id", sorted({port_id for port_id, _ in led})):
        for ip in port["fixed_ips"]:
            if ip["subnet_id"] in subnet_ids and (port["id"], ip["ip_address"]) in led:
                raise FaultError(
                    "RouterInterfaceInUseByFloatingIP",
                    f"Router interface for subnet {ip['subnet_id']} on router {router['id']} cannot be deleted, as it "
                    "is required by one or more floating IPs.",
                )


def _bad(request: str, message: str) -> FaultError:
    return FaultError("BadRequest", f"Bad {request} request: {message}.")
