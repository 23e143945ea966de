"""When what was found is what was wanted, although the value found says more.

A kernel gives every link a MAC and every next hop a link, and does not tell how an instance's end of a pair was made.
"""

import msgspec

from onehop.objects import nftables
from onehop.objects.base import KernelObject
from onehop.objects.link import Link, Veth
from onehop.objects.route import NextHop, Route
from onehop.objects.ruleset import Ruleset


def settled(found: KernelObject, wanted: KernelObject) -> KernelObject:
    """`wanted` with what it leaves open filled in from `found`, so that ``found == settled(found, wanted)`` means
    that there is nothing to do.

    Open are: the MAC of a link (None), the MAC an instance's end got at creation (never read back), the link of a
    next hop with a gateway (None), the devices of a ruleset (they are written in its body), and the order in which its
    sets and chains were made.
    """
    if found == wanted:
        return found
    if isinstance(wanted, Link) and isinstance(found, Link):
        return _settled_link(found, wanted)
    if isinstance(wanted, Route) and isinstance(found, Route) and len(found.hops) == len(wanted.hops):
        hops = tuple(_settled_hop(have, want) for have, want in zip(found.hops, wanted.hops, strict=True))
        return msgspec.structs.replace(wanted, hops=hops)
    if isinstance(wanted, Ruleset) and isinstance(found, Ruleset):
        if nftables.is_same(found, wanted):
            return found
        return msgspec.structs.replace(wanted, devices=found.devices)
    return wanted


def agrees(found: KernelObject, wanted: KernelObject) -> bool:
    """Whether nothing has to be done to make `found` into `wanted`."""
    return found == wanted or found == settled(found, wanted)


def _settled_link(found: Link, wanted: Link) -> Link:
    if wanted.mac is None:
        wanted = msgspec.structs.replace(wanted, mac=found.mac)
    if isinstance(wanted.spec, Veth) and isinstance(found.spec, Veth):
        spec = msgspec.structs.replace(wanted.spec, peer_mac=found.spec.peer_mac)
        wanted = msgspec.structs.replace(wanted, spec=spec)
    return wanted


def _settled_hop(found: NextHop, wanted: NextHop) -> NextHop:
    if wanted.link is None and wanted.gateway is not None:
        return msgspec.structs.replace(wanted, link=found.link)
    return wanted
