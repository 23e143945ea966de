"""Worlds with an outside: an external network, gateways, floating IPs and port forwardings."""

from collections.abc import Iterable, Mapping

import msgspec

from onehop.model.floating_ip import FloatingIp, Forwarding
from onehop.model.gateway import Gateway, PortBlock, RouterHost
from onehop.model.host import Host
from onehop.model.network import Network
from onehop.model.port import FixedIp, Port
from onehop.model.router import Router
from onehop.model.subnet import Subnet
from onehop.net.identifier import FloatingIpId, NetworkId, PortId, RouterId, SubnetId
from tests.worlds import PROJECT, World, uid

EXTERNAL = NetworkId(uid(0x5000))
EXTERNAL_SUBNET, EXTERNAL_SUBNET_V6 = SubnetId(uid(0x5001)), SubnetId(uid(0x5002))
PHYSICAL = "external"
UPSTREAM, UPSTREAM_V6 = "203.0.113.1", "2001:db8:113::1"
BLOCK = 1024


def gateway_ip(r: int) -> str:
    """Router r's address outside."""
    return f"203.0.113.{10 * r}"


def gateway_ip6(r: int) -> str:
    """Router r's IPv6 address outside."""
    return f"2001:db8:113::{10 * r:x}"


class Northern(World):
    """Hosts 1 and 2 reach the external network 203.0.113.0/24, the others do not."""

    def __init__(self, hosts: int = 3, *, reaching: Iterable[int] = (1, 2), six: bool = False) -> None:
        super().__init__(hosts)
        self._floating = 0
        self._hosts = hosts
        legged = {self.host(h) for h in reaching}
        self.values = [
            msgspec.structs.replace(v, physical_networks=(PHYSICAL,)) if isinstance(v, Host) and v.id in legged else v
            for v in self.values
        ]
        self.values += [
            Network(
                id=EXTERNAL,
                project_id=PROJECT,
                network_type="flat",
                physical_network=PHYSICAL,
                mtu=1500,
                external=True,
            ),
            Subnet(id=EXTERNAL_SUBNET, network_id=EXTERNAL, cidr="203.0.113.0/24", gateway_ip=UPSTREAM),
        ]
        if six:
            cidr = "2001:db8:113::/64"
            self.values.append(Subnet(id=EXTERNAL_SUBNET_V6, network_id=EXTERNAL, cidr=cidr, gateway_ip=UPSTREAM_V6))

    def gateway(
        self,
        r: int,
        owner: int | None,
        *,
        candidates: Iterable[int] = (1, 2),
        blockless: Iterable[int] = (),
        further: Iterable[str] = (),
        blocks: Mapping[int, Iterable[PortBlock]] | None = None,
        six: bool = False,
        generation: int = 1,
        **settings: bool,
    ) -> None:
        """Give router r a gateway, or change it: with `further` addresses, and other `blocks` for some hosts."""
        without = set(blockless)
        hosts = tuple(
            RouterHost(
                host=self.host(h),
                number=h,
                mac_address=f"fa:16:3e:02:{r:02x}:{h:02x}",
                transit_ip=f"169.254.{r}.{h}",
                transit_mac=f"fa:16:3e:03:{r:02x}:{h:02x}",
                blocks=() if h in without else tuple((blocks or {}).get(h, (PortBlock(BLOCK * h, BLOCK),))),
            )
            for h in range(1, self._hosts + 1)
        )
        fixed = tuple(FixedIp(EXTERNAL_SUBNET, ip) for ip in (gateway_ip(r), *further))
        gateway = Gateway(
            port_id=PortId(uid(0x6000 + r)),
            network_id=EXTERNAL,
            fixed_ips=fixed + ((FixedIp(EXTERNAL_SUBNET_V6, gateway_ip6(r)),) if six else ()),
            vni=5000 + r,
            owner=None if owner is None else self.host(owner),
            generation=generation,
            candidates=tuple(self.host(h) for h in candidates),
            hosts=hosts,
            **settings,
        )
        self.change(self.router_id(r), gateway=gateway)

    def floating_ip(
        self, last: int, port: Port | None, *, r: int = 1, fixed: str | None = None, forwards: Iterable[Forwarding] = ()
    ) -> FloatingIp:
        """203.0.113.`last` for a port's first address (or `fixed`), or with forwardings."""
        self._floating += 1
        value = FloatingIp(
            id=FloatingIpId(uid(0x7000 + self._floating)),
            address=f"203.0.113.{last}",
            network_id=EXTERNAL,
            router_id=self.router_id(r),
            port_id=None if port is None else port.id,
            fixed_ip=fixed or (None if port is None else port.fixed_ips[0].ip_address),
            forwardings=tuple(forwards),
        )
        self.values.append(value)
        return value

    def change(self, identifier: str, **fields: object) -> None:
        """Change a value in place."""
        at = next(i for i, value in enumerate(self.values) if value.id == identifier)
        self.values[at] = msgspec.structs.replace(self.values[at], **fields)

    def remove(self, identifier: str) -> None:
        """Forget a value."""
        self.values = [value for value in self.values if value.id != identifier]


def forward(protocol: str, outer: int, port: Port, inner: int, count: int = 1) -> Forwarding:
    """A forwarding to a port's first address."""
    return Forwarding(
        protocol=protocol,
        external_first=outer,
        external_last=outer + count - 1,
        port_id=port.id,
        internal_ip=port.fixed_ips[0].ip_address,
        internal_first=inner,
    )


def router_of(world: World, r: int) -> Router:
    """Router r as it is now."""
    identifier = RouterId(world.router_id(r))
    return next(value for value in world.values if isinstance(value, Router) and value.id == identifier)
