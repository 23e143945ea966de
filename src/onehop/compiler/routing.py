"""Routing: extra routes, and that nothing is tracked.

East-west traffic is routed once, on the host where it starts, and its answer on the other host, so connection tracking
would see half of every connection. A router without a gateway has nothing but such traffic and translates nothing, so
nothing in its namespace is tracked, and no packet pays for finding out whether it is east-west: two lookups in interval
sets cost 7 % of a round trip. Only a router with a gateway will have to tell inside prefixes from the rest.
"""

from collections import defaultdict
from collections.abc import Iterator

from onehop.compiler import nft
from onehop.compiler.context import Context, Segment
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.net import address, naming
from onehop.objects import NextHop, Route, Ruleset

METRIC = 100

_PREROUTING = "type filter hook prerouting priority raw; policy accept;"
_OUTPUT = "type filter hook output priority raw; policy accept;"
_UNTRACKED = nft.body(
    # The destination first: it differs for nearly every packet, and then nothing else is looked at.
    nft.chain("prerouting", ['ip daddr 169.254.0.0/16 iifname "qr-*" counter drop', "notrack"], _PREROUTING),
    nft.chain("output", ["notrack"], _OUTPUT),
)


def routing(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Extra routes of every router held here."""
    for router in context.routers.values():
        partition = naming.router_partition(router.id)
        for wish in _routes(router, list(context.interfaces(router.id))):
            yield partition, wish


def untracked(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """The table that keeps a router out of connection tracking and link-local destinations off it."""
    for router in context.routers.values():
        table = Ruleset(
            namespace=naming.router_namespace(router.id),
            family="inet",
            table=naming.TABLE,
            body=_UNTRACKED,
        )
        yield naming.router_partition(router.id), Claim(table, "untracked", ("router", router.id))


def _routes(router: Router, legs: list[tuple[Segment, Port]]) -> Iterator[Claim | Refusal]:
    hops: dict[str, set[NextHop]] = defaultdict(set)
    for route in router.routes:
        leg = _leg_towards(route.nexthop, legs)
        if leg is None:
            reason = f"no interface of the router is on a subnet with the next hop {route.nexthop}"
            yield Refusal(("router", router.id), reason)
        else:
            hops[route.destination].add(NextHop(gateway=route.nexthop, link=naming.leg(leg.id)))
    for destination, ways in sorted(hops.items()):
        item = Route(
            namespace=naming.router_namespace(router.id),
            destination=destination,
            metric=METRIC,
            hops=tuple(sorted(ways, key=lambda hop: (hop.gateway or "", hop.link or ""))),
        )
        yield Claim(item, "routing", ("router", router.id))


def _leg_towards(nexthop: str, legs: list[tuple[Segment, Port]]) -> Port | None:
    for segment, leg in legs:
        for cidr in _prefixes(segment, leg):
            if address.contains(cidr, nexthop):
                return leg
    return None


def _prefixes(segment: Segment, leg: Port) -> Iterator[str]:
    for ip in leg.fixed_ips:
        subnet = segment.subnets.get(ip.subnet_id)
        if subnet is not None:
            yield subnet.cidr
