"""Addresses of subnets: which are usable, how pools are checked, which address a port gets. No I/O."""

import ipaddress
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from onehop.controller.faults import FaultError
from onehop.net import address
from onehop.store import Row

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AUTOMATIC = frozenset(("slaac", "dhcpv6-stateless"))
"""IPv6 address modes in which a port's address follows from its MAC (RFC 4862)."""

SPECIAL = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    address.LINK_LOCAL,
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/127",
    "::ffff:0:0/96",
    "fe80::/10",
    "ff00::/8",
)
"""What a kernel takes on no instance's interface or never routes (RFC 6890; RFC 4291 sections 2.5.2 to 2.5.6, 2.7)."""


@lru_cache(maxsize=4096)
def usable(cidr: str) -> tuple[IpAddress, IpAddress]:
    """The first and last address that a port can have.

    IPv4: neither network nor broadcast address, but both of a /31 (RFC 3021) and the one of a /32. IPv6: not the
    subnet-router anycast address (RFC 4291 section 2.6.1), but both of a /127 (RFC 6164) and the one of a /128.
    """
    network = address.network_of(cidr)
    if network.prefixlen >= network.max_prefixlen - 1:
        return network[0], network[-1]
    return network[1], network[-2] if network.version == 4 else network[-1]


def is_usable(cidr: str, ip: str) -> bool:
    """Whether a port of the subnet can have the address."""
    if not address.contains(cidr, ip):
        return False
    first, last = usable(cidr)
    return int(first) <= int(ipaddress.ip_address(ip)) <= int(last)


def is_automatic(subnet: Row) -> bool:
    """Whether ports' addresses on the subnet follow from their MACs."""
    return subnet["ipv6_address_mode"] in AUTOMATIC or subnet["ipv6_ra_mode"] in AUTOMATIC


def default_gateway(cidr: str) -> str | None:
    """The first usable address; None where it would be the only one."""
    first, last = usable(cidr)
    return str(first) if first != last else None


def default_pools(cidr: str, gateway: str | None) -> list[dict[str, str]]:
    """Every usable address but the gateway, as one or two ranges."""
    first, last = (int(a) for a in usable(cidr))
    make = ipaddress.IPv4Address if address.version(cidr) == 4 else ipaddress.IPv6Address
    ranges = [(first, last)]
    if gateway is not None and address.contains(cidr, gateway):
        hole = int(ipaddress.ip_address(gateway))
        ranges = [(first, min(last, hole - 1)), (max(first, hole + 1), last)]
    return [{"start": str(make(low)), "end": str(make(high))} for low, high in ranges if low <= high]


def checked_pools(cidr: str, pools: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Pools in ascending order.

    Raises:
        FaultError: 400 when one is no range of the subnet's usable addresses, 409 when two overlap.
    """
    first, last = (int(a) for a in usable(cidr))
    ranges = []
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        if start.version != end.version or start.version != address.version(cidr) or int(start) > int(end):
            raise FaultError("InvalidAllocationPool", f"The allocation pool {start}-{end} is not valid.")
        if int(start) < first or int(end) > last:
            raise FaultError(
                "OutOfBoundsAllocationPool", f"The allocation pool {start}-{end} spans beyond the subnet cidr {cidr}."
            )
        ranges.append((int(start), int(end), pool))
    ranges.sort(key=lambda r: r[:2])
    for (_, end_before, one), (start_after, _, other) in pairwise(ranges):
        if start_after <= end_before:
            raise FaultError(
                "OverlappingAllocationPools",
                f"Found overlapping allocation pools: {_range(one)} and {_range(other)} for subnet {cidr}.",
            )
    return [{"start": pool["start"], "end": pool["end"]} for _, _, pool in ranges]


def require_gateway_outside(gateway: str | None, pools: Sequence[dict[str, str]]) -> None:
    """Refuse pools that could give the gateway's address to a port.

    Raises:
        FaultError: 409.
    """
    if gateway is None:
        return
    ip = ipaddress.ip_address(gateway)
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        if start.version == ip.version and int(start) <= int(ip) <= int(end):
            raise FaultError(
                "GatewayConflictWithAllocationPools",
                f"Gateway ip {gateway} conflicts with allocation pool {_range(pool)}.",
            )


class Prefixes:
    """Prefixes of one IP version of which no two overlap.

    Args:
        cidrs: canonical.
    """

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._ranges = sorted(map(_bounds, cidrs))

    def clash(self, cidr: str) -> str | None:
        """The first one that shares an address with a canonical prefix, or None."""
        first, last, _ = _bounds(cidr)
        place = bisect_left(self._ranges, (first,))
        for low, high, other in self._ranges[max(0, place - 1) : place + 1]:
            if low <= last and first <= high:
                return other
        return None

    def add(self, cidr: str) -> None:
        """One more."""
        insort(self._ranges, _bounds(cidr))


def _bounds(cidr: str) -> tuple[int, int, str]:
    network = address.network_of(cidr)
    return int(network[0]), int(network[-1]), cidr


def _range(pool: dict[str, str]) -> str:
    return f"{pool['start']}-{pool['end']}"
