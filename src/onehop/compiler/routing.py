"""Routing: extra routes, what leads nowhere, and what is not tracked.

East-west traffic is routed once, on the host where it starts, and its answer on the other host, so connection tracking
would see half of every connection. A router without a gateway has nothing but such traffic and translates nothing: no
rule in its namespace asks for tracking, so nothing is tracked, and no packet pays for a ruleset (one that says just
`notrack` costs about 1 % of a round trip, two lookups in interval sets 7 %). Only a router with a gateway has to tell
inside prefixes from the rest. Inside are the router's subnets, and destinations of extra routes whose next hop is
inside. Link-local destinations (RFC 3927 section 7) die in every router, by a route.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from onehop.compiler import nft
from onehop.compiler.context import Context, Segment
from onehop.compiler.inside import leg_towards
from onehop.compiler.north import norths
from onehop.compiler.state import Claim, Refusal
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.net import address, naming
from onehop.objects import NextHop, Route, Ruleset

METRIC = 100

_PREROUTING = "type filter hook prerouting priority raw; policy accept;"
_OUTPUT = "type filter hook output priority raw; policy accept;"
_LINK_LOCAL = "169.254.0.0/16"
# With a gateway some link-local addresses are the router's own, on its transit leg, and no instance's business.
_NOWHERE = f'ip daddr {_LINK_LOCAL} iifname "qr-*" counter drop'


def routing(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Extra routes of every router held here, and the one that leads nowhere."""
    for router in context.routers.values():
        partition = naming.router_partition(router.id)
        nowhere = Route(
            namespace=naming.router_namespace(router.id), destination=_LINK_LOCAL, metric=METRIC, type="blackhole"
        )
        yield partition, Claim(nowhere, "routing", ("router", router.id))
        for wish in _routes(router, list(context.interfaces(router.id))):
            yield partition, wish


def untracked(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """The table that keeps east-west traffic of a router with a gateway out of connection tracking."""
    for north in norths(context):
        table = _tracked(north.namespace, north.inside)
        yield naming.router_partition(north.router.id), Claim(table, "untracked", ("router", north.router.id))


def _routes(router: Router, legs: list[tuple[Segment, Port]]) -> Iterator[Claim | Refusal]:
    hops: dict[str, set[NextHop]] = defaultdict(set)
    for route in router.routes:
        leg = leg_towards(route.nexthop, legs)
        if leg is None:
            reason = f"no interface of the router is on a subnet with the next hop {route.nexthop}"
            yield Refusal(("router", router.id), reason)
        else:
            if not _is_there(route.nexthop, next(segment for segment, other in legs if other is leg)):
                reason = f"nobody has the next hop {route.nexthop} of the route to {route.destination}"
                yield Refusal(("router", router.id), f"{reason}: no bound port has that address", alone=True)
            hops[route.destination].add(NextHop(gateway=route.nexthop, link=naming.leg(leg.id)))
    for destination, ways in sorted(hops.items()):
        item = Route(
            namespace=naming.router_namespace(router.id),
            destination=destination,
            metric=METRIC,
            hops=tuple(sorted(ways, key=lambda hop: (hop.gateway or "", hop.link or ""))),
        )
        yield Claim(item, "routing", ("router", router.id))


def _is_there(nexthop: str, segment: Segment) -> bool:
    """Whether a bound port may answer for an address: as its own, or by an address pair."""
    if any(known.address == nexthop for known in segment.known):
        return True
    pairs = (pair.ip_address for port in segment.instances for pair in port.allowed_address_pairs)
    return any(address.version(pair) == address.version(nexthop) and address.contains(pair, nexthop) for pair in pairs)


def _tracked(namespace: str, prefixes: Iterable[str]) -> Ruleset:
    """For a router that translates: only what goes from inside to inside is not tracked, and IPv6."""
    always = ["ip daddr @inside4 ip saddr @inside4 notrack", "meta nfproto ipv6 notrack"]
    return Ruleset(
        namespace=namespace,
        family="inet",
        table=naming.TABLE,
        sets=(nft.prefix_set("inside4", 4, prefixes),),
        body=nft.body(nft.chain("prerouting", [_NOWHERE, *always], _PREROUTING), nft.chain("output", always, _OUTPUT)),
    )
