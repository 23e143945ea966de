"""Gateway: the external leg and the transit leg of a router, their addresses, routes and policy rules.

The external leg carries the addresses that this host publishes, each as /32, and no other; so whoever asks outside is
answered by exactly one host. Steered packets go by the transit leg, a VXLAN device of the router's own, whose next hops
and neighbours are all declared.
"""

from collections.abc import Iterator

from onehop.compiler import discovery, nft
from onehop.compiler.context import Context
from onehop.compiler.north import North, norths, transit_mtu
from onehop.compiler.state import Claim, Refusal
from onehop.model.gateway import RouterHost
from onehop.model.topology import Ref
from onehop.net import naming
from onehop.net.address import link_local
from onehop.objects import (
    Address,
    BridgeFdb,
    BridgePort,
    KernelObject,
    Link,
    Neighbour,
    NextHop,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Veth,
    Vxlan,
    VxlanFdb,
)

METRIC = 100
_SETTINGS = (
    ("net/netfilter/nf_conntrack_tcp_be_liberal", "1"),
    ("net/netfilter/nf_conntrack_tcp_loose", "1"),
    # Nobody listens in a router: no need to look for a socket before each packet is routed.
    ("net/ipv4/ip_early_demux", "0"),
)
_ALERT = "0x3a00050200000100"
"""A hop-by-hop header before ICMPv6 with the router alert of MLD and nothing else (RFC 2710, 3; RFC 2711)."""
_EVERYWHERE = "0.0.0.0/0"


def gateway(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Legs, addresses, routes and rules of every router here that has a gateway."""
    for north in norths(context):
        resource: Ref = ("router", north.router.id)
        floating: dict[str, Ref] = {
            f"{f.address}/32": ("floatingip", f.id) for f in context.view.floating_ips_of(north.router.id)
        }
        for item in (*_external(north), *_transit(context, north)):
            mine = floating.get(item.address, resource) if isinstance(item, Address) else resource
            yield naming.router_partition(north.router.id), Claim(item, "gateway", mine)
        for item in _gate(north):
            yield naming.gate_partition(north.router.id), Claim(item, "gateway", resource)


def _setting(namespace: str, link: str) -> Iterator[Sysctl]:
    yield Sysctl(namespace=namespace, path=f"net/ipv4/conf/{link}/rp_filter", value="0", link=link)


def _external(north: North) -> Iterator[KernelObject]:
    for path, value in _SETTINGS:
        yield Sysctl(namespace=north.namespace, path=path, value=value)
    if north.leg is None:
        return
    yield Link(
        namespace=north.namespace,
        name=north.leg,
        spec=Veth(peer_namespace=naming.HOST, peer_name=naming.external_peer(north.gateway.port_id)),
        alias=naming.mark(naming.router_partition(north.router.id), "port", north.gateway.port_id),
        mac=north.me.mac_address,
        mtu=north.external.mtu,
    )
    yield from _setting(north.namespace, north.leg)
    yield Address(namespace=north.namespace, link=north.leg, address=naming.ANCHOR, scope="link")
    if not north.gateways:
        # Without an IPv4 address nothing is translated: then no IPv4 leaves, rather than with its private source.
        return
    for published in north.published:
        yield Address(namespace=north.namespace, link=north.leg, address=f"{published}/32")
    for subnet in north.subnets:
        yield Route(namespace=north.namespace, destination=subnet.cidr, metric=METRIC, hops=(NextHop(link=north.leg),))
    upstream = next((s.gateway_ip for s in north.subnets if s.gateway_ip is not None), None)
    if upstream is not None:
        yield _default(north, NextHop(gateway=upstream, link=north.leg))


def _gate(north: North) -> Iterator[KernelObject]:
    if north.bridge is None or north.leg is None:
        return
    partition, peer = naming.gate_partition(north.router.id), naming.external_peer(north.gateway.port_id)
    yield Link(
        namespace=naming.HOST,
        name=peer,
        spec=Veth(peer_namespace=north.namespace, peer_name=north.leg),
        alias=naming.mark(partition, "port", north.gateway.port_id),
        mtu=north.external.mtu,
        master=north.bridge,
        port=BridgePort(),
    )
    yield BridgeFdb(namespace=naming.HOST, bridge=north.bridge, mac=north.me.mac_address, port=peer)
    yield Ruleset(
        namespace=naming.HOST,
        family="netdev",
        table=naming.gate_table(north.router.id),
        sets=(nft.address_set("asked", 4, {*north.published, *_heir(north), *_upstream(north)}),),
        body=nft.body(
            nft.chain("groups", _groups()), nft.chain("outwards", _questions(north), nft.netdev_hook("egress", peer))
        ),
        devices=(peer,),
    )


def _questions(north: North) -> Iterator[str]:
    """Of the questions outside only those for what this leg publishes reach it, and what upstream says of itself.

    A provider bridge floods broadcast to every router; one that asks for an address of another need not wake them all.
    Who may become the owner is asked already, and answers with the address: taking over is no more than that.
    """
    yield "arp operation request arp daddr ip != @asked counter drop"
    yield "ip6 daddr ff00::/8 jump groups"
    # RFC 4861, 4.3: the target stands behind type, code, checksum and four reserved octets.
    own = [link_local(north.me.mac_address), *(s.gateway_ip for s in north.subnets6 if s.gateway_ip is not None)]
    own += north.gateways6 if north.me.host in north.gateway.candidates else ()
    yield f"icmpv6 type nd-neighbor-solicit @th,64,128 != {nft.any_of(nft.raw_address(own))} counter drop"


def _groups() -> Iterator[str]:
    """Of what is for everybody outside a leg hears what neighbours and switches ask it to keep up with.

    Linux answers whatever else it is sent so, echo requests and options that it does not know, and the hop-by-hop ones
    before any hook of the router's: each leg would be one more that answers whom the question claims to be from.
    """
    yield f"ip6 nexthdr ip @nh,320,64 != {_ALERT} counter drop"
    yield "ip6 nexthdr != { ip, ipv6-icmp } counter drop"
    yield f"icmpv6 type != {{ mld-listener-query, {', '.join(discovery.NEIGHBOUR)} }} counter drop"


def _heir(north: North) -> Iterator[str]:
    return iter(north.answered if north.me.host in north.gateway.candidates else ())


def _upstream(north: North) -> Iterator[str]:
    return (s.gateway_ip for s in north.subnets if s.gateway_ip is not None)


def _transit(context: Context, north: North) -> Iterator[KernelObject]:
    assert context.me is not None  # noqa: S101  # a host without a value of its own holds no router
    yield Link(
        namespace=north.namespace,
        name=north.transit,
        spec=Vxlan(vni=north.gateway.vni, local=context.me.vtep, port=context.local.vxlan_port),
        alias=naming.mark(naming.router_partition(north.router.id), "router", north.router.id),
        mac=north.me.transit_mac,
        mtu=transit_mtu(context, north),
    )
    yield from _setting(north.namespace, north.transit)
    yield Address(namespace=north.namespace, link=north.transit, address=f"{north.me.transit_ip}/32", scope="link")
    for other in north.others:
        yield from _other(context, north, other)
    if north.gateways and north.leg is None and north.owner_host is not None:
        yield _default(north, NextHop(gateway=north.owner_host.transit_ip, link=north.transit, onlink=True))


def _other(context: Context, north: North, other: RouterHost) -> Iterator[KernelObject]:
    namespace, mac = north.namespace, other.transit_mac
    vtep = context.view.hosts[other.host].vtep
    yield Neighbour(namespace=namespace, link=north.transit, address=other.transit_ip, mac=mac)
    yield VxlanFdb(namespace=namespace, link=north.transit, mac=mac, vtep=vtep)
    yield Route(
        namespace=namespace,
        destination=_EVERYWHERE,
        table=naming.steering_table(other.number),
        metric=METRIC,
        hops=(NextHop(gateway=other.transit_ip, link=north.transit, onlink=True),),
    )
    yield Rule(
        namespace=namespace,
        family=4,
        priority=naming.STEERING_PRIORITY,
        table=naming.steering_table(other.number),
        mark=naming.steering_mark(other.number),
        mask=naming.STEERING_MASK,
    )


def _default(north: North, hop: NextHop) -> Route:
    return Route(namespace=north.namespace, destination=_EVERYWHERE, metric=METRIC, hops=(hop,))
