"""Routing: extra routes, and what leads nowhere.

A next hop may be inside, or on the external network: a host without a leg there sends by the owner.

East-west traffic is routed once, on the host where it starts, and its answer on the other host, so connection tracking
would see half of every connection. A router without a gateway has nothing but such traffic and translates nothing: no
rule in its namespace asks for tracking, so nothing is tracked, and no packet pays for a ruleset (one that says just
`notrack` costs about 1 % of a round trip, two lookups in interval sets 7 %). Only a router with a gateway has to tell
inside prefixes from the rest (`onehop.compiler.arrival`). Inside are the router's subnets, and destinations of extra
routes whose next hop is inside. Link-local destinations (RFC 3927 section 7) die in every router, by a route.
"""

from collections import defaultdict
from collections.abc import Iterator

from onehop.compiler.context import Context
from onehop.compiler.inside import clash, leg_towards, outside_of
from onehop.compiler.north import norths
from onehop.compiler.state import Claim, Refusal
from onehop.model.router import ExtraRoute, Router
from onehop.net import address, naming
from onehop.objects import NextHop, Route

METRIC = 100


def routing(context: Context) -> Iterator[tuple[str, Claim | Refusal]]:
    """Extra routes of every router held here, and the one that leads nowhere."""
    for router in context.routers.values():
        partition = naming.router_partition(router.id)
        nowhere = Route(
            namespace=naming.router_namespace(router.id),
            destination=address.LINK_LOCAL,
            metric=METRIC,
            type="blackhole",
        )
        yield partition, Claim(nowhere, "routing", ("router", router.id))
        for wish in _routes(context, router):
            yield partition, wish


def _routes(context: Context, router: Router) -> Iterator[Claim | Refusal]:
    resource = ("router", router.id)
    hops: dict[str, set[NextHop]] = defaultdict(set)
    for route in router.routes:
        flaw = _flaw(context, router, route)
        if flaw is not None:
            yield Refusal(resource, flaw, alone=True)
            continue
        way = _way(context, router, route.nexthop)
        if way is None:
            yield Refusal(resource, f"no interface of the router is on a subnet with the next hop {route.nexthop}")
            continue
        hops[route.destination].update(way)
        if not _is_there(context, router, route.nexthop):
            reason = f"nobody has the next hop {route.nexthop} of the route to {route.destination}"
            yield Refusal(resource, f"{reason}: no bound port has that address", alone=True)
    for destination, ways in sorted(hops.items()):
        if ways:
            item = Route(
                namespace=naming.router_namespace(router.id),
                destination=destination,
                metric=METRIC,
                hops=tuple(sorted(ways, key=lambda hop: (hop.gateway or "", hop.link or ""))),
            )
            yield Claim(item, "routing", resource)


def _flaw(context: Context, router: Router, route: ExtraRoute) -> str | None:
    """Why a route is not made, however good its next hop; None if it is. The API refuses such routes where it can."""
    if route.destination == address.LINK_LOCAL:
        return f"the route to {route.destination} is not made: link-local addresses are never routed"
    outside = clash(route.destination, outside_of(context, router))
    if outside is None:
        return None
    return (
        f"the route to {route.destination} is not made: it overlaps with {outside} of the gateway's external network; "
        "remove it"
    )


def _way(context: Context, router: Router, nexthop: str) -> tuple[NextHop, ...] | None:
    """How this host reaches a next hop; empty where it cannot, None where no host can."""
    leg = leg_towards(nexthop, list(context.interfaces(router.id)))
    if leg is not None:
        return (NextHop(gateway=nexthop, link=naming.leg(leg.id)),)
    if clash(nexthop, outside_of(context, router)) is None:
        return None
    north = next((north for north in norths(context) if north.router.id == router.id), None)
    six = address.version(nexthop) == 6
    if north is None or not (north.gateways6 if six else north.gateways):
        return ()
    if north.leg is not None:
        return (NextHop(gateway=nexthop, link=north.leg),)
    owner = north.owner_host
    if owner is None:
        return ()
    if six:
        return (NextHop(gateway=address.link_local(owner.transit_mac), link=north.transit),)
    return (NextHop(gateway=owner.transit_ip, link=north.transit, onlink=True),)


def _is_there(context: Context, router: Router, nexthop: str) -> bool:
    """Whether somebody may answer for a next hop: a bound port by an address of its own or a pair, or the outside."""
    legs = list(context.interfaces(router.id))
    leg = leg_towards(nexthop, legs)
    segment = next((segment for segment, other in legs if other is leg), None)
    if segment is None or any(known.address == nexthop for known in segment.known):
        return True
    pairs = (pair.ip_address for port in segment.instances for pair in port.allowed_address_pairs)
    return any(address.version(pair) == address.version(nexthop) and address.contains(pair, nexthop) for pair in pairs)
