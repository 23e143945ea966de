"""The network-config, version 2, for the guest of a port (cloud-init's "Networking Config Version 2"). Pure.

There is no DHCP: a guest is told its addresses by its image, by hand, or by this. What a router advertises the guest
finds out by itself; the address that it makes must be the one that follows from its MAC (EUI-64), which is the port's.
"""

import json
from collections.abc import Iterator
from typing import Any

from onehop.errors import NotFoundError
from onehop.model.port import Port
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology
from onehop.net import address

_AUTONOMOUS = ("slaac", "dhcpv6-stateless")


def network_config(view: Topology, port: Port, name: str = "eth0") -> dict[str, Any]:
    """What the guest needs to know, as the document's structure.

    Args:
        view: with the port's network and subnets.
        port: the guest's.
        name: what the guest is to call its interface.

    Raises:
        NotFoundError: its network or a subnet is not in the view.
    """
    network = view.networks.get(port.network_id)
    if network is None:
        raise NotFoundError(f"the network {port.network_id} of port {port.id} is not known on this host yet")
    addresses: list[str] = []
    routes: list[dict[str, Any]] = []
    servers: list[str] = []
    advertised = False
    for fixed in port.fixed_ips:
        subnet = view.subnets.get(fixed.subnet_id)
        if subnet is None:
            raise NotFoundError(f"the subnet {fixed.subnet_id} of port {port.id} is not known on this host yet")
        if subnet.ipv6_ra_mode in _AUTONOMOUS:
            advertised = True
            continue
        addresses.append(f"{fixed.ip_address}/{address.prefix_length(subnet.cidr)}")
        routes.extend(route for route in _routes(subnet) if route not in routes)
        servers.extend(server for server in subnet.dns_nameservers if server not in servers)
    interface: dict[str, Any] = {
        "match": {"macaddress": port.mac_address},
        "set-name": name,
        "mtu": network.mtu,
        "dhcp4": False,
        "dhcp6": False,
        "accept-ra": advertised,
        "addresses": addresses,
    }
    if routes:
        interface["routes"] = routes
    if servers:
        interface["nameservers"] = {"addresses": servers}
    return {"version": 2, "ethernets": {name: interface}}


def _routes(subnet: Subnet) -> Iterator[dict[str, Any]]:
    for route in subnet.host_routes:
        yield {"to": route.destination, "via": route.nexthop}
    if subnet.gateway_ip is not None:
        default = "::/0" if address.version(subnet.cidr) == 6 else "0.0.0.0/0"
        if all(route.destination != default for route in subnet.host_routes):
            yield {"to": default, "via": subnet.gateway_ip}


def text(document: object, depth: int = 0) -> str:
    """The document as YAML. Every text in it is written in JSON's quotes, which YAML 1.2 reads alike."""
    return "".join(f"{'  ' * depth}{line}\n" for line in _lines(document))


def _lines(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, dict | list) and value:
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(value))
            else:
                yield f"{key}: {_scalar(value)}"
    elif isinstance(document, list):
        for item in document:
            first, *rest = list(_lines(item)) if isinstance(item, dict | list) else [_scalar(item)]
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)


def _scalar(value: object) -> str:
    return json.dumps(value)
