"""An instance's ``eth0``: what the API says it should be, and how it is set up inside."""

from onehop.client import Client, Document
from onehop.lab.ip import batch, sysctl
from onehop.lab.state import Nic
from onehop.net.address import parse_ip, parse_mac, parse_prefix, prefix_length

DEVICE = "eth0"


def describe(client: Client, port: Document) -> Nic:
    """Ask the API what the instance of a port should know: addresses, MTU, default routes and host routes."""
    network = client.get(f"/v2.0/networks/{port['network_id']}")["network"]
    subnets: dict[str, Document] = {}
    addresses = []
    for fixed in port["fixed_ips"]:
        subnet_id = str(fixed["subnet_id"])
        if subnet_id not in subnets:
            subnets[subnet_id] = client.get(f"/v2.0/subnets/{subnet_id}")["subnet"]
        prefix = parse_prefix(subnets[subnet_id]["cidr"])
        addresses.append(f"{parse_ip(fixed['ip_address'])}/{prefix_length(prefix)}")
    return Nic(
        mac=parse_mac(port["mac_address"]),
        mtu=int(network["mtu"]),
        addresses=tuple(addresses),
        routes=tuple(_routes(list(subnets.values()), set(addresses))),
    )


def _routes(subnets: list[Document], own: set[str]) -> list[tuple[str, str]]:
    """One default route for each IP version, by the first gateway that is not the instance itself; host routes."""
    found: dict[str, str] = {}
    hosts = {address.partition("/")[0] for address in own}
    for subnet in subnets:
        gateway = subnet.get("gateway_ip")
        if gateway and gateway not in hosts:
            found.setdefault("::/0" if ":" in gateway else "0.0.0.0/0", parse_ip(gateway))
        for route in subnet.get("host_routes") or ():
            found.setdefault(parse_prefix(route["destination"]), parse_ip(route["nexthop"]))
    return list(found.items())


def prepare() -> None:
    """Set a new namespace up before ``eth0`` comes: addresses are usable at once, without DAD."""
    for name in ("all", "default"):
        sysctl(f"net/ipv6/conf/{name}/accept_dad", "0")
    batch("link set lo up")


def set_up(nic: Nic) -> None:
    """Set ``eth0`` up in the calling thread's namespace; may be done again."""
    batch(
        ("link", "set", DEVICE, "address", nic.mac, "mtu", str(nic.mtu)),
        *(("addr", "replace", address, "dev", DEVICE, *_nodad(address)) for address in nic.addresses),
        ("link", "set", DEVICE, "up"),
        *(("route", "replace", destination, "via", hop, "dev", DEVICE) for destination, hop in nic.routes),
    )


def _nodad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()
