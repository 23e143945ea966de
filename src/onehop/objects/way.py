"""Ways by which packets of established flows pass by the rules: not kernel objects that are compared, only wishes."""

from typing import NamedTuple


class Way(NamedTuple):
    """A link of the host's namespace by which packets of established flows may come and go.

    Attributes:
        mac: of the instance's port for a tap; of the router's external leg for its port of a provider bridge.
        mtu: the largest IPv4 packet that may go out by it, in octets.
        outside: it is the port of a provider bridge.
    """

    mac: str
    mtu: int
    outside: bool


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
