"""The scenario's routers with a way outside: a gateway owned here, translation, and two floating IPs of instances here.

The instances of the measured host are plugged, as taps, because a floating IP is published only where its port is.
"""

from collections.abc import Iterator

import msgspec

from benchmarks import scenario
from onehop.compiler.state import Local, Plug
from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import Gateway, PortBlock, RouterHost
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import FixedIp
from onehop.model.router import Router
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology, Value
from onehop.net.identifier import FloatingIpId, NetworkId, PortId, ProjectId, SubnetId

PHYSICAL, BRIDGE = "external", "br-ex"
_NETWORK = NetworkId(scenario.identifier("external"))
_SUBNET = SubnetId(scenario.identifier("external subnet"))
_PROJECT = ProjectId("9d2f0d5b0c9d4a0e8a0c4a4a7e5f1c22")
_BLOCK = 1024


def view(routers: int) -> Topology:
    """All of it, at revision 1."""
    return Topology(1, [*outside(), *(value for number in range(routers) for value in router(number))])


def view_of(number: int) -> Topology:
    """One router of it alone."""
    return Topology(1, [*outside(), *router(number)])


def local(*numbers: int) -> Local:
    """What the measured host knows of itself when it holds these routers."""
    ports = [_port(number, side) for number in numbers for side in range(2)]
    return Local(plugs={port: Plug(port) for port in ports}, physical_networks={PHYSICAL: BRIDGE})


def outside() -> Iterator[Value]:
    """Three hosts that reach the external network, that, and the group of every instance."""
    yield scenario.OPEN
    for host in scenario.hosts():
        assert isinstance(host, Host)  # they are
        yield msgspec.structs.replace(host, physical_networks=(PHYSICAL,))
    yield Network(
        id=_NETWORK,
        project_id=_PROJECT,
        network_type="flat",
        physical_network=PHYSICAL,
        mtu=1500,
        external=True,
    )
    yield Subnet(id=_SUBNET, network_id=_NETWORK, cidr="198.18.0.0/15", gateway_ip="198.19.255.254")


def router(number: int) -> Iterator[Value]:
    """One router with everything on it."""
    for value in scenario.router(number):
        yield msgspec.structs.replace(value, gateway=_gateway(number)) if isinstance(value, Router) else value
    for side in range(2):
        yield FloatingIp(
            id=FloatingIpId(scenario.identifier("floating IP", number, side)),
            address=f"198.18.{number}.{2 + side}",
            network_id=_NETWORK,
            router_id=scenario.router_id(number),
            port_id=_port(number, side),
            fixed_ip=f"10.{side}.0.10",
        )


def _port(number: int, side: int) -> PortId:
    return scenario.instance(number, side, 0, scenario.HERE).id


def _gateway(number: int) -> Gateway:
    hosts = tuple(
        RouterHost(
            host=host,
            number=place,
            mac_address=scenario.mac(number, 8, place),
            transit_ip=f"169.254.{number}.{place}",
            transit_mac=scenario.mac(number, 9, place),
            blocks=(PortBlock(_BLOCK * place, _BLOCK),),
        )
        for place, host in enumerate(scenario.HOSTS, 1)
    )
    return Gateway(
        port_id=PortId(scenario.identifier("gateway", number)),
        network_id=_NETWORK,
        fixed_ips=(FixedIp(_SUBNET, f"198.18.{number}.1"),),
        vni=100_000 + number,
        owner=scenario.HERE,
        generation=1,
        candidates=scenario.HOSTS,
        hosts=hosts,
    )
