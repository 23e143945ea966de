"""Routing: extra routes, and what is not tracked.

East-west traffic is routed once, on the host where it starts, and its answer on the other host, so connection tracking
would see half of every connection. A router without a gateway has nothing but such traffic and translates nothing, so
nothing in its namespace is tracked, and no packet pays for finding out whether it is east-west: two lookups in interval
sets cost 7 % of a round trip. Only a router with a gateway has to tell inside prefixes from the rest. Inside are the
router's subnets, and destinations of extra routes whose next hop is inside.
"""

from collections import defaultdict
from collections.abc import Iterator

from onehop.compiler import nft
from onehop.compiler.context import Context, Segment
from onehop.compiler.inside import inside_of, leg_towards
from onehop.compiler.north import north_of
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.net import address, naming
from onehop.objects import NextHop, Route, Ruleset

METRIC = 100

_PREROUTING = "type filter hook prerouting priority raw; policy accept;"
_OUTPUT = "type filter hook output priority raw; policy accept;"
# The destination first: it differs for nearly every packet, and then nothing else is looked at.
_NOWHERE = 'ip daddr 169.254.0.0/16 iifname "qr-*" counter drop'
_UNTRACKED = nft.body(
    nft.chain("prerouting", [_NOWHERE, "notrack"], _PREROUTING),
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
        tracks = north_of(context, router, []) is not None
        table = Ruleset(
            namespace=naming.router_namespace(router.id),
            family="inet",
            table=naming.TABLE,
            body=_tracked(inside_of(context, router)) if tracks else _UNTRACKED,
        )
        yield naming.router_partition(router.id), Claim(table, "untracked", ("router", router.id))


def _routes(router: Router, legs: list[tuple[Segment, Port]]) -> Iterator[Claim | Refusal]:
    hops: dict[str, set[NextHop]] = defaultdict(set)
    for route in router.routes:
        leg = leg_towards(route.nexthop, legs)
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


def _tracked(prefixes: list[str]) -> str:
    """For a router that translates: only what goes from inside to inside is not tracked, and IPv6."""
    four = [p for p in prefixes if address.version(p) == 4]
    inside = ["ip daddr @inside4 ip saddr @inside4 notrack"] if four else []
    always = [*inside, "meta nfproto ipv6 notrack"]
    return nft.body(
        nft.prefix_set("inside4", 4, four) if four else "",
        nft.chain("prerouting", [_NOWHERE, *always], _PREROUTING),
        nft.chain("output", always, _OUTPUT),
    )
