"""An advertisement for tests, and worlds whose subnets are advertised."""

from typing import Any

from msgspec.structs import replace

from onehop.model.subnet import Subnet
from onehop.net.advertisement import Advertisement, Prefix
from onehop.net.identifier import NetworkId
from tests.worlds import World

MAC = "fa:16:3e:00:01:01"
NETWORK = NetworkId("00000001-0000-4000-8000-000000000001")


def said(**changes: Any) -> Advertisement:
    """What router 1 says on network 1, but for some fields."""
    fields: dict[str, Any] = {
        "network_id": NETWORK,
        "namespace": "qrouter-1",
        "link": "qr-1",
        "mac": MAC,
        "mtu": 1430,
        "default": True,
        "managed": False,
        "other": False,
        "prefixes": (Prefix("fd00:1::/64", True),),
    }
    return Advertisement(**{**fields, **changes})


def advertise(world: World, n: int, mode: str | None, **changes: Any) -> None:
    """Make network n's IPv6 subnet one that its router advertises in a mode."""
    wanted = world.subnet_id(n, 6)
    at = next(i for i, value in enumerate(world.values) if isinstance(value, Subnet) and value.id == wanted)
    fields: dict[str, Any] = {"ipv6_ra_mode": mode, "ipv6_address_mode": mode, **changes}
    world.values[at] = replace(world.values[at], **fields)
