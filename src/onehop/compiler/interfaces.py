"""Router interfaces: the namespace of a router, its legs, their addresses and everybody's MAC.

A leg has the same MAC and addresses on every host. Each address on its subnets whose MAC is known is a permanent
neighbour, so a router never asks on the wire for an instance; addresses of unbound ports and of address pairs are not
known, because whoever answers for them may change (a port's own address stays its own, whatever a pair says).
"""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.compiler.north import norths
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.model.topology import Ref
from onehop.net import address, naming
from onehop.net.identifier import RouterId
from onehop.objects import Address, BridgePort, KernelObject, Link, Namespace, Neighbour, Sysctl, Veth

SETTINGS: tuple[tuple[str, str], ...] = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/arp_ignore", "1"),
    ("net/ipv4/conf/all/arp_announce", "2"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/all/keep_addr_on_down", "1"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_redirects", "0"),
)
"""Settings of a router namespace. ``default`` comes before any leg, which inherits it; of ``rp_filter`` the kernel uses
the maximum of ``all`` and the leg's own (Documentation/networking/ip-sysctl.rst)."""

_ACCEPT_LOCAL = "net/ipv4/conf/all/accept_local"
"""Where there is a gateway: what is steered to the owner, and what it answers, has a source that is local there. With
policy rules the kernel would else look up every source besides; `onehop.compiler.arrival` refuses those of our own."""


def interfaces(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Namespace and legs of every router held here."""
    with_gateway = {north.router.id for north in norths(context)}
    for router in context.routers:
        partition = naming.router_partition(router)
        namespace = naming.router_namespace(router)
        resource: Ref = ("router", router)
        for item in _namespace(router, namespace, partition):
            yield partition, Claim(item, "interfaces", resource)
        accepts = Sysctl(namespace=namespace, path=_ACCEPT_LOCAL, value=str(int(router in with_gateway)))
        yield partition, Claim(accepts, "interfaces", resource)
        for segment, leg in context.interfaces(router):
            if segment.network.network_type != "vxlan":
                reason = "a router interface on a flat network would put one MAC on several hosts of a physical segment"
                yield partition, Refusal(("router", router), reason)
                continue
            resource = ("port", leg.id)
            for item in _leg(segment, leg, namespace, partition):
                yield partition, Claim(item, "interfaces", resource)
            yield naming.network_partition(leg.network_id), _far_end(segment, leg, namespace)


def _namespace(router: RouterId, namespace: str, partition: str) -> Iterator[KernelObject]:
    yield Namespace(namespace=namespace, mark=naming.mark(partition, "router", router))
    for path, value in SETTINGS:
        yield Sysctl(namespace=namespace, path=path, value=value)


def _leg(segment: Segment, leg: Port, namespace: str, partition: str) -> Iterator[KernelObject]:
    name = naming.leg(leg.id)
    yield Link(
        namespace=namespace,
        name=name,
        spec=Veth(peer_namespace=naming.HOST, peer_name=naming.leg_peer(leg.id)),
        alias=naming.mark(partition, "port", leg.id),
        mac=leg.mac_address,
        mtu=segment.network.mtu,
        up=leg.admin_state_up,
    )
    yield Sysctl(namespace=namespace, path=f"net/ipv4/conf/{name}/rp_filter", value="0", link=name)
    prefixes = set()
    for ip in leg.fixed_ips:
        subnet = segment.subnets.get(ip.subnet_id)
        if subnet is not None:
            prefixes.add(subnet.id)
            length = address.prefix_length(subnet.cidr)
            yield Address(namespace=namespace, link=name, address=f"{ip.ip_address}/{length}")
    if any(address.version(ip.ip_address) == 6 for ip in leg.fixed_ips):
        local = address.link_local(leg.mac_address)
        yield Address(namespace=namespace, link=name, address=f"{local}/64", scope="link")
    for known in segment.known:
        if known.port.id != leg.id and known.subnet_id in prefixes:
            yield Neighbour(namespace=namespace, link=name, address=known.address, mac=known.port.mac_address)


def _far_end(segment: Segment, leg: Port, namespace: str) -> Claim:
    partition = naming.network_partition(leg.network_id)
    link = Link(
        namespace=naming.HOST,
        name=naming.leg_peer(leg.id),
        spec=Veth(peer_namespace=namespace, peer_name=naming.leg(leg.id)),
        alias=naming.mark(partition, "port", leg.id),
        mtu=segment.network.mtu,
        up=leg.admin_state_up,
        master=naming.bridge(leg.network_id),
        port=BridgePort(flood=bool(segment.roaming)),
    )
    return Claim(link, "interfaces", ("port", leg.id))
