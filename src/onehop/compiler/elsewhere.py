"""Elsewhere: what a network's routers lead to by other legs. Nobody on the network sends to a leg with such a source.

A router does not ask by which leg a source came in: a look-up for every packet, for what a protected port without pairs
cannot do anyway. So those that could are asked at their taps: ports without protection, and those whose pairs open such
an address. To a neighbour on the network they may say what they like; that is the network's own affair.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import groupby

from onehop.compiler.context import Context, Segment
from onehop.compiler.inside import leg_towards, outside_of, prefixes_of
from onehop.net import address
from onehop.net.identifier import RouterId

_Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


def elsewhere(context: Context, segment: Segment) -> tuple[str, ...]:
    """Prefixes from which nothing comes to this network's legs, IPv4 and IPv6.

    Subnets that its routers have on other networks, what lies behind instances there (extra routes), and the external
    networks; but for the network's own subnets, and for what lies behind its own instances.
    """
    found: set[str] = set()
    own = {subnet.cidr for subnet in segment.subnets.values()}
    for router_id in {leg.router_id for leg in segment.legs}:
        router = context.routers.get(router_id) if router_id is not None else None
        if router is None:
            continue
        found.update(outside_of(context, router))
        found.update(_led_to(context, router.id, segment))
        legs = list(context.interfaces(router.id))
        for route in router.routes:
            leg = leg_towards(route.nexthop, legs)
            if leg is not None and address.prefix_length(route.destination):
                (own if leg.network_id == segment.network.id else found).add(route.destination)
    return tuple(sorted(map(str, _without(map(ipaddress.ip_network, found), [ipaddress.ip_network(o) for o in own]))))


def _led_to(context: Context, router: RouterId, segment: Segment) -> Iterator[str]:
    for other, leg in context.interfaces(router):
        if other.network.id != segment.network.id:
            yield from prefixes_of(other, leg)


def _without(prefixes: Iterable[_Prefix], holes: list[_Prefix]) -> Iterator[_Prefix]:
    """What is left of prefixes."""
    for _, same in groupby(sorted(prefixes, key=lambda p: p.version), key=lambda p: p.version):
        left = list(same)
        for hole in holes:
            left = [part for prefix in left for part in _less(prefix, hole)]
        yield from left


def _less(prefix: _Prefix, hole: _Prefix) -> Iterable[_Prefix]:
    if prefix.version != hole.version or not prefix.overlaps(hole):
        return (prefix,)
    return () if hole.supernet_of(prefix) else prefix.address_exclude(hole)  # type: ignore[arg-type]  # one version


def touched(opened: Iterable[str], prefixes: Iterable[str]) -> bool:
    """Whether addresses or prefixes that pairs open lie in any of these."""
    listed = list(prefixes)
    return any(address.overlaps(one, prefix) for one in opened for prefix in listed)
