"""Addresses of a lab: the underlay, the external network, the far internet. Documentation and private prefixes only."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

MAX_HOSTS = 250

_UNDERLAY = IPv4Network("172.30.0.0/16")
UNDERLAY_LENGTH = _UNDERLAY.prefixlen
STREAM = str(_UNDERLAY[1])
"""The controller's address on the underlay."""
STREAM_MAC = "02:6f:68:00:00:01"
"""Of the link that has it."""
STREAM_PORT = 9797

PHYSICAL_NETWORK = "external"
EXTERNAL = IPv4Network("203.0.113.0/24")
EXTERNAL_V6 = IPv6Network("2001:db8:113::/64")
GATEWAY = str(EXTERNAL[1])
GATEWAY_V6 = str(EXTERNAL_V6[1])

_FAR = IPv4Network("198.51.100.0/24")
_FAR_V6 = IPv6Network("2001:db8:51::/64")
FAR_LENGTH, FAR_LENGTH_V6 = _FAR.prefixlen, _FAR_V6.prefixlen
FAR_ROUTER, OUTSIDE = str(_FAR[1]), str(_FAR[10])
FAR_ROUTER_V6, OUTSIDE_V6 = str(_FAR_V6[1]), str(_FAR_V6[10])

UNDERLAY_LINK = "underlay0"
"""A host's link to the other hosts."""
EXTERNAL_LINK = "external0"
"""A host's link to the external network."""
EXTERNAL_BRIDGE = "br-ex"
"""The provider bridge of the external network in each host that reaches it."""

RUN = Path("/run/onehop/lab")


def vtep(number: int) -> str:
    """VTEP address of host `number`, counted from 1."""
    return str(_UNDERLAY[256 + number])
