"""What IPv6 hosts and routers of one link say to each other, and nobody beyond it (RFC 2710, RFC 3810, RFC 4861)."""

from onehop.compiler import nft

NEIGHBOUR = ("nd-neighbor-solicit", "nd-neighbor-advert")
"""Who has an address."""

SPOKEN = (
    "mld-listener-query",
    "mld-listener-report",
    "mld-listener-done",
    "nd-router-solicit",
    "nd-router-advert",
    *NEIGHBOUR,
    "mld2-listener-report",
)
"""What instances may say; not redirects."""

OF_ONE_LINK = (*SPOKEN[:-1], "nd-redirect", SPOKEN[-1])
"""All of it, in the order of the numbers, as nft lists them."""


def match(types: tuple[str, ...]) -> str:
    """The match on some of these types."""
    return f"icmpv6 type {nft.any_of(types)}"
