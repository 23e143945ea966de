"""Inside: a router's subnets, and destinations of extra routes whose next hop is on one of them.

The external network of its gateway is outside, whatever an extra route says: the API refuses such a route, but a subnet
may have come to the external network after it.
"""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.net import address


def inside_of(context: Context, router: Router) -> list[str]:
    """Inside prefixes of a router that is held here, IPv4 and IPv6."""
    legs = list(context.interfaces(router.id))
    prefixes = [cidr for segment, leg in legs for cidr in prefixes_of(segment, leg)]
    outside = outside_of(context, router)
    return prefixes + [
        r.destination
        for r in router.routes
        if leg_towards(r.nexthop, legs) is not None and clash(r.destination, outside) is None
    ]


def outside_of(context: Context, router: Router) -> list[str]:
    """Prefixes of the external network of a router's gateway."""
    gateway = router.gateway
    return [s.cidr for s in context.view.subnets_of(gateway.network_id)] if gateway is not None else []


def clash(destination: str, outside: list[str]) -> str | None:
    """The prefix outside that a route's destination shares addresses with, or None: the default is the gateway's."""
    return next((prefix for prefix in outside if address.overlaps(destination, prefix)), None)


def leg_towards(nexthop: str, legs: list[tuple[Segment, Port]]) -> Port | None:
    """The leg on whose subnet a next hop is, or None."""
    for segment, leg in legs:
        if any(address.contains(cidr, nexthop) for cidr in prefixes_of(segment, leg)):
            return leg
    return None


def prefixes_of(segment: Segment, leg: Port) -> Iterator[str]:
    """Prefixes of the subnets that a leg has an address on."""
    for ip in leg.fixed_ips:
        subnet = segment.subnets.get(ip.subnet_id)
        if subnet is not None:
            yield subnet.cidr
