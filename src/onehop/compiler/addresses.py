"""Addresses of a router with a gateway that the rules ask for, as sets; where they are few, rules compare instead."""

from collections.abc import Iterator

from onehop.compiler import nft
from onehop.compiler.north import North
from onehop.objects import NamedSet


def sets(north: North) -> Iterator[NamedSet]:
    """All of them, IPv4."""
    yield inside(north)
    yield external(north)
    yield legs(north)
    yield gateways(north)
    # Not what the owner steers although it is still translated here, during a move.
    yield nft.address_set("here", 4, (a for a in north.translated if a not in north.steered))
    yield nft.address_set("floating", 4, north.floating)
    yield nft.address_set("external", 4, {*north.gateways, *north.floating})
    yield nft.address_set("answered", 4, north.answered)
    yield nft.address_set("virtual", 4, north.virtual.values())
    yield nft.any_set("peers", "ether_addr", (other.mac_address for other in north.others))


def inside(north: North) -> NamedSet:
    """Inside prefixes: the router's subnets, and what its extra routes reach there."""
    return nft.prefix_set("inside", 4, north.inside)


def external(north: North) -> NamedSet:
    """Prefixes of the external network: every external address of a router is in one of them."""
    return nft.prefix_set("outside", 4, (subnet.cidr for subnet in north.subnets))


def legs(north: North) -> NamedSet:
    """The router's addresses inside."""
    return nft.address_set("legs", 4, north.legs)


def gateways(north: North) -> NamedSet:
    """The router's addresses outside."""
    return nft.address_set("gateways", 4, north.gateways)
