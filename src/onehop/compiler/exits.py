"""Exits: by which of a gateway's addresses an instance goes out. An instance keeps its address while it stays put.

A host has port blocks of one address or of several. An instance uses the address of the newest block that its host had
when the instance came to it; so what is given later (another address, when the first has no ports left) changes
nothing for those that are there. Where that address is no gateway address any more, or there was no block yet, it is
the host's oldest.
"""

from collections.abc import Iterator, Mapping, Sequence

from onehop.compiler.context import Context
from onehop.model.gateway import RouterHost
from onehop.model.port import Port
from onehop.model.router import Router
from onehop.net import address
from onehop.net.identifier import HostName


def first_exit(place: RouterHost, gateways: Sequence[str]) -> str | None:
    """The address for whoever is no port of the host (what lies behind an instance): the one it had first."""
    return exit_of(place, gateways, -1)


def exit_of(place: RouterHost, gateways: Sequence[str], since: int) -> str | None:
    """The address for an instance that came to a host at a revision; None where the host has no block."""
    begun: dict[str, int] = {}
    for block in place.blocks:
        ip = block.address or next(iter(gateways), "")
        if ip in gateways:
            begun[ip] = min(block.since, begun.get(ip, block.since))
    there = [ip for ip in gateways if begun.get(ip, since + 1) <= since]
    if there:
        return max(there, key=begun.__getitem__)
    return min((ip for ip in gateways if ip in begun), key=begun.__getitem__, default=None)


def exits(
    context: Context, router: Router, places: Mapping[HostName, RouterHost], gateways: Sequence[str]
) -> dict[str, str]:
    """Fixed IP → gateway address of every instance on a router's networks that is on one of these hosts.

    Nothing where there is only one address, or for instances whose host has no block.
    """
    found: dict[str, str] = {}
    for port in _instances(context, router) if len(gateways) > 1 else ():
        binding = next((b for b in port.bindings if b.active), None)
        place = places.get(binding.host) if binding is not None else None
        ip = exit_of(place, gateways, binding.since) if binding is not None and place is not None else None
        if ip is not None:
            found.update((fixed.ip_address, ip) for fixed in port.fixed_ips if address.version(fixed.ip_address) == 4)
    return found


def _instances(context: Context, router: Router) -> Iterator[Port]:
    for segment, leg in context.interfaces(router.id):
        own = {ip.subnet_id for ip in leg.fixed_ips}
        for port in segment.instances:
            if any(ip.subnet_id in own for ip in port.fixed_ips):
                yield port
