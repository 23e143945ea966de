"""Router advertisements: what a leg tells instances of its subnets (RFC 4861, 4862). Declared here, sent by the agent.

A subnet's ``ipv6_ra_mode`` says that its router advertises it; ``ipv6_address_mode`` alone that somebody else does.

=================  ==========  =====  =====
ipv6_ra_mode       autonomous  M      O
=================  ==========  =====  =====
slaac              yes
dhcpv6-stateless   yes                yes
dhcpv6-stateful    no          yes
=================  ==========  =====  =====
"""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.model.port import Port
from onehop.model.subnet import Subnet
from onehop.net import address, naming
from onehop.net.advertisement import Advertisement, Prefix
from onehop.net.identifier import RouterId


def advertisements(context: Context) -> Iterator[tuple[str, Advertisement]]:
    """One for every leg here that is up and has a subnet to advertise."""
    for router in context.routers:
        for segment, leg in context.interfaces(router):
            if segment.network.network_type == "vxlan" and leg.admin_state_up and segment.network.admin_state_up:
                for found in _advertisement(router, segment, leg):
                    yield naming.router_partition(router), found


def advertises(segment: Segment) -> bool:
    """Whether a leg here has something to say to who asks for routers on a network."""
    return any(_subnets(segment, leg) for leg in segment.legs)


def _advertisement(router: RouterId, segment: Segment, leg: Port) -> Iterator[Advertisement]:
    subnets = _subnets(segment, leg)
    if not subnets:
        return
    own = {ip.ip_address for ip in leg.fixed_ips}
    modes = {subnet.ipv6_ra_mode for subnet in subnets}
    servers = dict.fromkeys(s for subnet in subnets for s in subnet.dns_nameservers if address.version(s) == 6)
    yield Advertisement(
        network_id=segment.network.id,
        namespace=naming.router_namespace(router),
        link=naming.leg(leg.id),
        mac=leg.mac_address,
        mtu=segment.network.mtu,
        default=any(subnet.gateway_ip in own for subnet in subnets),
        managed="dhcpv6-stateful" in modes,
        other="dhcpv6-stateless" in modes,
        prefixes=tuple(Prefix(s.cidr, s.ipv6_ra_mode != "dhcpv6-stateful") for s in subnets),
        servers=tuple(servers),
    )


def _subnets(segment: Segment, leg: Port) -> list[Subnet]:
    found = (segment.subnets.get(ip.subnet_id) for ip in leg.fixed_ips)
    advertised = {s.id: s for s in found if s is not None and s.ipv6_ra_mode is not None}
    return sorted(advertised.values(), key=lambda subnet: subnet.cidr)
