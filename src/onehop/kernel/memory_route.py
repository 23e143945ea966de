"""Routes of MemoryKernel: which Linux refuses, and which it drops by itself."""

import errno
from typing import NoReturn

import msgspec

from onehop.errors import KernelError
from onehop.kernel.memory_device import Device, Space, subnet
from onehop.net.address import contains, version
from onehop.objects import MAIN, Route


def check_route(space: Space, wanted: Route) -> None:
    """Refuse what Linux refuses.

    Raises:
        KernelError: a link is missing (ENODEV) or down (ENETDOWN), a gateway is not on a link (ENETUNREACH, IPv6
            EHOSTUNREACH), the source is not an address of the namespace (EINVAL).
    """
    unreachable = errno.ENETUNREACH if version(wanted.destination) == 4 else errno.EHOSTUNREACH
    for hop in wanted.hops:
        if hop.link is not None:
            device = space.devices.get(hop.link)
            if device is None:
                _refuse(errno.ENODEV, f"there is no link {hop.link}")
            if not device.link.up:
                _refuse(errno.ENETDOWN, f"link {hop.link} is down")
        if hop.gateway is not None and not hop.onlink and not _reaches(space, hop.gateway, hop.link):
            _refuse(unreachable, f"gateway {hop.gateway} is not on a link")
    if wanted.source is not None and not space.is_local(wanted.source):
        _refuse(errno.EINVAL, f"{wanted.source} is not an address of this namespace")


def set_down(space: Space, device: Device) -> None:
    """A link went down: its routes, neighbours and IPv6 addresses go.

    With ``keep_addr_on_down`` IPv6 addresses stay, but for link-locals (addrconf_ifdown in net/ipv6/addrconf.c).
    """
    name = device.link.name
    keep = any(space.setting(f"net/ipv6/conf/{place}/keep_addr_on_down") for place in ("all", name))
    device.neighbours.clear()
    device.addresses = [
        a
        for a in device.addresses
        if version(a.address) == 4 or (keep and not contains("fe80::/10", a.address.partition("/")[0]))
    ]
    drop_routes(space, name)
    space.drop_sources()


def drop_routes(space: Space, link: str, family: int | None = None) -> None:
    """Drop the routes that have no living hop once `link` carries none; a dead hop among living ones stays."""
    for key, route in list(space.routes.items()):
        if family is not None and version(route.destination) != family:
            continue
        if any(hop.link == link for hop in route.hops) and not any(
            hop.link != link and _is_alive(space, hop.link, version(route.destination)) for hop in route.hops
        ):
            del space.routes[key]


def drop_link(space: Space, link: str) -> None:
    """A link is gone: IPv4 drops a route that has any hop there, IPv6 that hop."""
    for key, route in list(space.routes.items()):
        rest = tuple(hop for hop in route.hops if hop.link != link)
        if len(rest) == len(route.hops):
            continue
        if version(route.destination) == 4 or not rest:
            del space.routes[key]
        else:
            space.routes[key] = msgspec.structs.replace(route, hops=rest)


def _is_alive(space: Space, link: str | None, family: int) -> bool:
    device = space.devices.get(link or "")
    return device is not None and device.link.up and (family == 6 or device.has_ipv4())


def _reaches(space: Space, gateway: str, link: str | None) -> bool:
    if contains("fe80::/10", gateway):
        return link is not None
    for name, device in space.devices.items():
        if link is not None and name != link:
            continue
        if device.link.up and any(contains(subnet(a.address), gateway) for a in device.addresses):
            return True
    return any(
        route.table == MAIN
        and any(hop.gateway is None and hop.link is not None and link in (None, hop.link) for hop in route.hops)
        and contains(route.destination, gateway)
        for route in space.routes.values()
    )


def _refuse(number: int, reason: str) -> NoReturn:
    raise KernelError(reason, number)
