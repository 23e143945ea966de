"""Who carries a floating IP outside, by the API's values: its port's host, or the owner for whoever else has it."""

from collections.abc import Iterator

from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import Gateway
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net.identifier import HostName
from onehop.verify.proof.sample import ip_number


def own_port(view: Topology, floating: FloatingIp) -> Port | None:
    """The bound port whose fixed IP a floating IP leads to; None where that is a virtual address, or nobody's."""
    port = view.ports.get(floating.port_id) if floating.port_id is not None else None
    if port is None or port.host is None or all(ip.ip_address != floating.fixed_ip for ip in port.fixed_ips):
        return None
    return port


def has_leg(view: Topology, gateway: Gateway, host: HostName | None) -> bool:
    """Whether a host has an external leg of a router."""
    known = view.hosts.get(host) if host is not None else None
    network = view.networks.get(gateway.network_id)
    return known is not None and network is not None and network.physical_network in known.physical_networks


def roaming(view: Topology, router: Router) -> Iterator[int]:
    """Addresses with a floating IP that are no port's own: whoever has them may be anywhere."""
    for floating in view.floating_ips_of(router.id):
        if floating.port_id in view.ports and floating.fixed_ip is not None and own_port(view, floating) is None:
            yield ip_number(floating.fixed_ip)


def carried_elsewhere(view: Topology, router: Router, gateway: Gateway, host: HostName) -> Iterator[int]:
    """Floating IPs that other hosts than this one carry on external legs of their own."""
    for floating in view.floating_ips_of(router.id):
        port = own_port(view, floating)
        if port is not None and port.host != host and has_leg(view, gateway, port.host):
            yield ip_number(floating.address)
