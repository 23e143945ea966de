"""What is measured on: views of a host that holds a number of routers, as in the issue of the day and not prettier.

Every router has two networks with an IPv4 subnet each, and twenty instances on each of them. One instance a network is
bound to the measured host (not plugged), the other nineteen to two other hosts.
"""

import uuid
from collections.abc import Iterator

from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import Binding, FixedIp, Port
from onehop.model.router import Router
from onehop.model.security_group import SecurityGroup, SecurityRule
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology, Value
from onehop.net.identifier import HostName, NetworkId, PortId, ProjectId, RouterId, SecurityGroupId, SubnetId

HERE, *OTHERS = HOSTS = tuple(HostName(f"host-{number}") for number in (1, 2, 3))
NEIGHBOURS = 20
_SPACE = uuid.UUID("5f0c5c3e-2f0b-4c6e-9e57-6d0d6f0a7b11")
_PROJECT = ProjectId("9d2f0d5b0c9d4a0e8a0c4a4a7e5f1c22")


def identifier(*words: object) -> str:
    """The same UUID for the same words, in every run."""
    return str(uuid.uuid5(_SPACE, " ".join(map(str, words))))


OPEN = SecurityGroup(
    id=SecurityGroupId(identifier("security group that lets everything pass")),
    project_id=_PROJECT,
    rules=tuple(
        sorted(SecurityRule(direction=way, version=version) for way in ("ingress", "egress") for version in (4, 6))
    ),
)
"""The group of every instance: what security groups cost is measured by itself."""


def view(routers: int) -> Topology:
    """All of it, at revision 1."""
    return Topology(1, [OPEN, *hosts(), *(value for number in range(routers) for value in router(number))])


def view_of(number: int) -> Topology:
    """One router of it alone."""
    return Topology(1, [OPEN, *hosts(), *router(number)])


def hosts() -> Iterator[Host]:
    """Three hosts with a VTEP each."""
    for number, name in enumerate(HOSTS, 1):
        yield Host(name=name, vtep=f"192.0.2.{number}")


def router(number: int) -> Iterator[Value]:
    """One router with everything on it."""
    yield Router(id=router_id(number), project_id=_PROJECT)
    for side in range(2):
        network = network_id(number, side)
        subnet = SubnetId(identifier("subnet", number, side))
        yield Network(id=network, project_id=_PROJECT, vni=1000 + 2 * number + side)
        yield Subnet(id=subnet, network_id=network, cidr=f"10.{side}.0.0/24", gateway_ip=f"10.{side}.0.1")
        yield Port(
            id=PortId(identifier("leg", number, side)),
            network_id=network,
            project_id=_PROJECT,
            mac_address=mac(number, side, 1),
            fixed_ips=(FixedIp(subnet, f"10.{side}.0.1"),),
            device_owner="network:router_interface_distributed",
            device_id=router_id(number),
        )
        for place in range(NEIGHBOURS):
            yield instance(number, side, place, HERE if place == 0 else OTHERS[place % len(OTHERS)])


def instance(number: int, side: int, place: int, host: HostName) -> Port:
    """A port of an instance on one of a router's two networks."""
    return Port(
        id=PortId(identifier("port", number, side, place)),
        network_id=network_id(number, side),
        project_id=_PROJECT,
        mac_address=mac(number, side, 10 + place),
        fixed_ips=(FixedIp(SubnetId(identifier("subnet", number, side)), f"10.{side}.0.{10 + place}"),),
        device_owner="compute:nova",
        device_id=identifier("instance", number, side, place),
        bindings=(Binding(host),),
        security_groups=(OPEN.id,),
    )


def router_id(number: int) -> RouterId:
    """Id of a router."""
    return RouterId(identifier("router", number))


def network_id(number: int, side: int) -> NetworkId:
    """Id of one of a router's two networks."""
    return NetworkId(identifier("network", number, side))


def mac(number: int, side: int, place: int) -> str:
    """A MAC: router, side and place in it."""
    return f"fa:16:{side:02x}:{number >> 8:02x}:{number & 255:02x}:{place:02x}"
