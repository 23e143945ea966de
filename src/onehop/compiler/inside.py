"""Inside: a router's subnets, and destinations of extra routes whose next hop is on one of them."""

from collections.abc import Iterator

from onehop.compiler.context import Context, Segment
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.net import address


def inside_of(context: Context, router: Router) -> list[str]:
    """Inside prefixes of a router that is held here, IPv4 and IPv6."""
    legs = list(context.interfaces(router.id))
    prefixes = [cidr for segment, leg in legs for cidr in prefixes_of(segment, leg)]
    return prefixes + [r.destination for r in router.routes if leg_towards(r.nexthop, legs) is not None]


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
