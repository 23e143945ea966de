"""An instance's ``eth0``: what the API says it should be, and how it is set up inside."""

from pathlib import Path

from onehop.client import Client, Document
from onehop.lab.ip import batch, sysctl
from onehop.lab.state import Nic
from onehop.model.port import INTERFACE_OWNERS
from onehop.net.address import parse_ip, parse_mac, parse_prefix, prefix_length, unpack

DEVICE = "eth0"
_AUTONOMOUS = ("slaac", "dhcpv6-stateless")

_LISTENING = (("accept_ra", "1"), ("autoconf", "1"), ("addr_gen_mode", "0"), ("use_tempaddr", "0"))
"""An address made of the MAC, and none that changes: no other may be used on the port."""

_DEAF = (("accept_ra", "0"),)


def describe(client: Client, port: Document) -> Nic:
    """Ask the API what the instance of a port should know: addresses, MTU, default routes and host routes.

    What a router advertises the instance is not told: it finds out by itself.
    """
    network = client.get(f"/v2.0/networks/{port['network_id']}")["network"]
    subnets: dict[str, Document] = {}
    addresses, automatic = [], {}
    for fixed in port["fixed_ips"]:
        subnet_id = str(fixed["subnet_id"])
        if subnet_id not in subnets:
            subnets[subnet_id] = client.get(f"/v2.0/subnets/{subnet_id}")["subnet"]
        prefix = parse_prefix(subnets[subnet_id]["cidr"])
        own = f"{parse_ip(fixed['ip_address'])}/{prefix_length(prefix)}"
        if subnets[subnet_id]["ipv6_ra_mode"] in _AUTONOMOUS:
            automatic[own] = subnet_id
        else:
            addresses.append(own)
    routed = _routed(client, port["network_id"]) if automatic else set()
    told = [subnet for id, subnet in subnets.items() if id not in automatic.values()]
    return Nic(
        mac=parse_mac(port["mac_address"]),
        mtu=int(network["mtu"]),
        addresses=tuple(addresses),
        routes=tuple(_routes(told, set(addresses))),
        automatic=tuple(automatic),
        advertised=tuple(own for own, subnet_id in automatic.items() if subnet_id in routed),
    )


def _routed(client: Client, network_id: str) -> set[str]:
    """Subnets of a network on which a router has a leg."""
    query = f"network_id={network_id}&" + "&".join(f"device_owner={owner}" for owner in sorted(INTERFACE_OWNERS))
    ports: list[Document] = client.get(f"/v2.0/ports?{query}")["ports"]
    return {str(ip["subnet_id"]) for leg in ports for ip in leg["fixed_ips"]}


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
    for name, value in _LISTENING if nic.automatic else _DEAF:
        sysctl(f"net/ipv6/conf/{DEVICE}/{name}", value)
    batch(
        ("link", "set", DEVICE, "address", nic.mac, "mtu", str(nic.mtu)),
        *(("addr", "replace", address, "dev", DEVICE, *_nodad(address)) for address in nic.addresses),
        ("link", "set", DEVICE, "up"),
        *(("route", "replace", destination, "via", hop, "dev", DEVICE) for destination, hop in nic.routes),
    )


def _nodad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


def missing(nic: Nic) -> set[str]:
    """Addresses of those advertised that ``eth0`` in the calling thread's namespace does not have yet."""
    with Path("/proc/thread-self/net/if_inet6").open(encoding="ascii") as listing:
        lines = [line.split() for line in listing]
    held = {unpack(bytes.fromhex(words[0])) for words in lines if words[5] == DEVICE}
    return {own for own in nic.advertised if own.partition("/")[0] not in held}
