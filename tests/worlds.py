"""Small topologies for tests: terse to write, with ids that are UUIDs and easy to read."""

from collections.abc import Iterable

from msgspec.structs import replace

from onehop.model.floating_ip import FloatingIp
from onehop.model.gateway import Gateway, PortBlock, RouterHost
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import AddressPair, Binding, FixedIp, Port
from onehop.model.router import ExtraRoute, Router
from onehop.model.security_group import SecurityGroup, SecurityRule
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology, Value, member_of
from onehop.net.identifier import (
    FloatingIpId,
    HostName,
    NetworkId,
    PortId,
    ProjectId,
    RouterId,
    SecurityGroupId,
    SubnetId,
)

PROJECT = ProjectId("00000000000000000000000000000001")


def uid(number: int) -> str:
    """A UUID whose first eight digits are the number."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


OPEN = SecurityGroup(
    id=SecurityGroupId(uid(0x9000)),
    project_id=PROJECT,
    rules=tuple(
        sorted(SecurityRule(direction=way, version=version) for way in ("ingress", "egress") for version in (4, 6))
    ),
)
"""The group of ports of which a test says nothing else: everything passes, and nobody has to look."""


class World:
    """Collects values. Networks are numbered n = 1, 2 …: VNI 1000+n, 10.0.n.0/24 and fd00:n::/64."""

    def __init__(self, hosts: int = 3) -> None:
        self.values: list[Value] = [Host(name=self.host(h), vtep=f"192.0.2.{h}") for h in range(1, hosts + 1)]
        self._ports = 0

    @staticmethod
    def host(number: int) -> HostName:
        return HostName(f"host-{number}")

    @staticmethod
    def network_id(n: int) -> NetworkId:
        return NetworkId(uid(n))

    @staticmethod
    def router_id(r: int) -> RouterId:
        return RouterId(uid(0x1000 + r))

    @staticmethod
    def subnet_id(n: int, version: int = 4) -> SubnetId:
        return SubnetId(uid(0x2000 + 16 * n + version))

    def network(self, n: int, *, mtu: int = 1450, six: bool = True, project: ProjectId = PROJECT) -> None:
        self.values.append(Network(id=self.network_id(n), project_id=project, vni=1000 + n, mtu=mtu))
        four = Subnet(
            id=self.subnet_id(n), network_id=self.network_id(n), cidr=f"10.0.{n}.0/24", gateway_ip=f"10.0.{n}.1"
        )
        self.values.append(four)
        if six:
            self.values.append(
                Subnet(
                    id=self.subnet_id(n, 6),
                    network_id=self.network_id(n),
                    cidr=f"fd00:{n}::/64",
                    gateway_ip=f"fd00:{n}::1",
                )
            )

    def router(
        self, r: int, networks: Iterable[int], *, up: bool = True, routes: Iterable[tuple[str, str]] = ()
    ) -> None:
        extra = tuple(ExtraRoute(destination, nexthop) for destination, nexthop in routes)
        self.values.append(Router(id=self.router_id(r), project_id=PROJECT, admin_state_up=up, routes=extra))
        for n in networks:
            self.leg(r, n)

    def leg(self, r: int, n: int, *, suffix: int | None = None) -> PortId:
        """An interface of router r on network n, at .1 unless `suffix` says otherwise."""
        last = suffix or 1
        port = Port(
            id=PortId(uid(0x3000 + 256 * r + n)),
            network_id=self.network_id(n),
            project_id=PROJECT,
            mac_address=f"fa:16:3e:00:{r:02x}:{n:02x}",
            fixed_ips=self._addresses(n, last),
            device_owner="network:router_interface_distributed",
            device_id=self.router_id(r),
        )
        self.values.append(port)
        return port.id

    def external(self, n: int, physical: str = "external") -> None:
        """An external network: flat, 172.29.n.0/24."""
        self.values.append(
            Network(
                id=self.network_id(n),
                project_id=PROJECT,
                network_type="flat",
                physical_network=physical,
                mtu=1500,
                external=True,
            )
        )
        self.values.append(
            Subnet(
                id=self.subnet_id(n),
                network_id=self.network_id(n),
                cidr=f"172.29.{n}.0/24",
                gateway_ip=f"172.29.{n}.1",
            )
        )

    def gateway(self, r: int, n: int, *candidates: int) -> Router:
        """Router r, put in before, with a gateway on external network n; every host has a place in it."""
        names = [v.name for v in self.values if isinstance(v, Host)]
        places = tuple(
            RouterHost(
                host=name,
                number=k,
                mac_address=f"fa:16:3e:02:{r:02x}:{k:02x}",
                transit_ip=f"169.254.1.{k}",
                transit_mac=f"fa:16:3e:03:{r:02x}:{k:02x}",
                blocks=(PortBlock(1024 * k, 1024),),
            )
            for k, name in enumerate(sorted(names), 1)
        )
        index = next(i for i, v in enumerate(self.values) if isinstance(v, Router) and v.id == self.router_id(r))
        gateway = Gateway(
            port_id=PortId(uid(0x5000 + r)),
            network_id=self.network_id(n),
            fixed_ips=(FixedIp(self.subnet_id(n), f"172.29.{n}.{r + 9}"),),
            vni=2000 + r,
            owner=self.host(candidates[0]) if candidates else None,
            generation=1,
            candidates=tuple(self.host(c) for c in candidates),
            hosts=places,
        )
        router = replace(self.values[index], gateway=gateway)
        self.values[index] = router
        return router

    def floating(self, r: int, n: int, port: Port | None, last: int = 100) -> FloatingIp:
        """A floating IP 172.29.n.<last> of router r that leads to a port."""
        value = FloatingIp(
            id=FloatingIpId(uid(0x6000 + 256 * n + last)),
            address=f"172.29.{n}.{last}",
            network_id=self.network_id(n),
            router_id=self.router_id(r),
            port_id=port.id if port is not None else None,
            fixed_ip=port.fixed_ips[0].ip_address if port is not None else None,
        )
        self.values.append(value)
        return value

    def port(
        self,
        n: int,
        host: int | None,
        *,
        pairs: Iterable[tuple[str, str]] = (),
        prepared: int | None = None,
        groups: Iterable[SecurityGroupId] = (OPEN.id,),
    ) -> Port:
        """An instance's port on network n, bound to a host; the k-th port made has addresses ending in 9+k."""
        self._ports += 1
        k = self._ports
        bindings = [Binding(self.host(host))] if host is not None else []
        bindings += [Binding(self.host(prepared), active=False)] if prepared is not None else []
        port = Port(
            id=PortId(uid(0x4000 + k)),
            network_id=self.network_id(n),
            project_id=PROJECT,
            mac_address=f"fa:16:3e:01:00:{k:02x}",
            fixed_ips=self._addresses(n, 9 + k),
            device_owner="compute:onehop",
            device_id=f"vm-{k}",
            allowed_address_pairs=tuple(AddressPair(mac, ip) for mac, ip in pairs),
            bindings=tuple(bindings),
            security_groups=tuple(sorted(groups)),
        )
        self.values.append(port)
        if OPEN.id in port.security_groups and OPEN not in self.values:
            self.values.append(OPEN)
        return port

    def group(self, number: int, *rules: SecurityRule, stateful: bool = True) -> SecurityGroupId:
        """A security group, made or changed."""
        id = SecurityGroupId(uid(0x9000 + number))
        self.values = [value for value in self.values if value.id != id]
        self.values.append(SecurityGroup(id=id, project_id=PROJECT, stateful=stateful, rules=tuple(sorted(set(rules)))))
        return id

    def _addresses(self, n: int, last: int) -> tuple[FixedIp, ...]:
        known = {v.id for v in self.values if isinstance(v, Subnet)}
        both = (
            FixedIp(self.subnet_id(n), f"10.0.{n}.{last}"),
            FixedIp(self.subnet_id(n, 6), f"fd00:{n}::{last:x}"),
        )
        return tuple(ip for ip in both if ip.subnet_id in known)

    def topology(self, revision: int = 1) -> Topology:
        remotes = {id for value in self.values if isinstance(value, SecurityGroup) for id in value.remotes}
        members = [
            member_of(group, port)
            for port in self.values
            if isinstance(port, Port)
            for group in port.security_groups
            if group in remotes
        ]
        return Topology(revision, [*self.values, *members])
