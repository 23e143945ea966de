"""Gateway, IPv6: routed and never translated (walk 11).

Out goes by the external leg of the instance's own host, in comes by the owner's, to whose address upstream routes the
projects' prefixes; from there it takes the owner's own leg on the inside. A host without an external leg sends to the
owner by the transit leg. Link-locals are explicit, so that every leg has exactly the one that its MAC says.
"""

from collections.abc import Iterator

from onehop.compiler import discovery, nft
from onehop.compiler.context import Context
from onehop.compiler.north import North, norths
from onehop.compiler.state import Claim, Refusal
from onehop.net import naming
from onehop.net.address import link_local
from onehop.objects import Address, KernelObject, Neighbour, NextHop, Route, Ruleset

METRIC = 100
_EVERYWHERE = "::/0"


def gateway6(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Addresses, routes and the guard of every router here that has an IPv6 address outside."""
    for north in norths(context):
        if not north.gateways6:
            continue
        resource = ("router", north.router.id)
        for item in (*_external(north), *_transit(north), _guard(north)):
            yield naming.router_partition(north.router.id), Claim(item, "gateway6", resource)


def _external(north: North) -> Iterator[KernelObject]:
    if north.leg is None:
        return
    namespace, leg = north.namespace, north.leg
    yield Address(namespace=namespace, link=leg, address=f"{link_local(north.me.mac_address)}/64", scope="link")
    for own in north.gateways6 if north.owner else ():
        yield Address(namespace=namespace, link=leg, address=f"{own}/128")
    for subnet in north.subnets6:
        yield Route(namespace=namespace, destination=subnet.cidr, metric=METRIC, hops=(NextHop(link=leg),))
    upstream = next((s.gateway_ip for s in north.subnets6 if s.gateway_ip is not None), None)
    if upstream is not None:
        yield _default(north, NextHop(gateway=upstream, link=leg))


def _transit(north: North) -> Iterator[KernelObject]:
    namespace, transit = north.namespace, north.transit
    yield Address(namespace=namespace, link=transit, address=f"{link_local(north.me.transit_mac)}/64", scope="link")
    for other in north.others:
        there = link_local(other.transit_mac)
        yield Neighbour(namespace=namespace, link=transit, address=there, mac=other.transit_mac)
    if north.leg is None and north.owner_host is not None:
        yield _default(north, NextHop(gateway=link_local(north.owner_host.transit_mac), link=transit))


def _default(north: North, hop: NextHop) -> Route:
    return Route(namespace=north.namespace, destination=_EVERYWHERE, metric=METRIC, hops=(hop,))


def _guard(north: North) -> Ruleset:
    """What may come in and leave: inside prefixes and the router's own addresses, each on the right side."""
    transit = f'iifname "{north.transit}"'
    # An instance may not speak as the router; and discovery is of one link (RFC 4861, 7.1), but Linux would forward it.
    come = [
        f"{transit} ip6 saddr != @inside counter drop",
        'iifname "qr-*" ip6 saddr @gateways counter drop',
    ]
    leave = [f'{transit} oifname "{north.transit}" counter drop']
    if north.leg is not None:
        come.insert(0, f'iifname "{north.leg}" jump from_outside')
        out = f'oifname "{north.leg}"'
        leave.append(f"{out} ip6 saddr != @inside ip6 saddr != @gateways ip6 saddr != fe80::/10 counter drop")
    # Programs take an IPv4-mapped source for the IPv4 address in it (RFC 4942, 2.2), and not every kernel refuses it.
    outside = [
        "ip6 saddr ::ffff:0.0.0.0/96 counter drop",
        "ip6 saddr @inside counter drop",
        "ip6 saddr @gateways counter drop",
        "ip6 daddr @inside accept",
        "ip6 daddr @gateways accept",
        "ip6 daddr { fe80::/10, ff02::/16 } accept",
        "counter drop",
    ]
    sets = (nft.prefix_set("inside", 6, north.inside6), nft.address_set("gateways", 6, north.gateways6))
    chains = (
        nft.chain("from_outside", outside) if north.leg is not None else "",
        nft.chain("raw", come, "type filter hook prerouting priority raw; policy accept;"),
        nft.chain(
            "forward",
            [f"{discovery.match(discovery.OF_ONE_LINK)} counter drop"],
            "type filter hook forward priority filter; policy accept;",
        ),
        # A router sends nothing that is too large, but would believe it (ping), and tell instances to send less.
        nft.chain(
            "told",
            ["icmpv6 type packet-too-big counter drop"],
            "type filter hook input priority filter; policy accept;",
        ),
        nft.chain("leave", leave, "type filter hook postrouting priority srcnat; policy accept;"),
    )
    return Ruleset(namespace=north.namespace, family="ip6", table=naming.NORTH_TABLE, sets=sets, body=nft.body(*chains))
