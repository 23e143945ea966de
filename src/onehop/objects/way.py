"""Ways by which packets of established flows pass by the rules: not kernel objects that are compared, only wishes."""

from enum import Enum
from typing import NamedTuple


class Side(Enum):
    """What a link is to the packets that may take the short cut; the numbers are what its programs know it by."""

    TAP = 1
    EXTERNAL = 2
    """A provider bridge's port that leads to a router's external leg."""
    TRANSIT = 3
    """A router's transit leg, in its namespace."""
    LEG = 4
    """A router's leg inside, in its namespace."""


class Way(NamedTuple):
    """A link by which packets of established flows may come and go.

    Attributes:
        side: which kind of link it is.
        mac: of the instance's port for a tap; of the router's external leg for its port of a provider bridge; its own
            for a link in a router's namespace.
        mtu: the largest IPv4 packet that may go out by it, in octets.
        transit: of a leg in a router's namespace the MAC of that router's transit leg on this host, else "".
        realm: a number of the networks that routers join to this link's: nothing is learnt from one realm for another,
            in which tenants may have the same addresses.
    """

    side: Side
    mac: str
    mtu: int
    transit: str = ""
    realm: int = 0


class Shortened(NamedTuple):
    """Packets since the start.

    Attributes:
        long: that could have gone the short way, and nothing was known of their flow.
        short: that went the short way.
        learnt: of those that went the long way, whose way was learnt.
    """

    long: int
    short: int
    learnt: int
