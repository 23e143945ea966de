"""A seat: what a view says of who owns a router, and what this host has to do with it."""

import msgspec

from onehop.net.identifier import HostName, RouterId


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """What a view says of a router's owner.

    Attributes:
        router: its id.
        generation, owner, candidates: as in its `Gateway`.
        hosts: all that hold it.
        bridge: the provider bridge of this host that leads to its external network; empty while there is none.
        address: the router's address, that is asked for.
        mac: of this host's leg.
        peers: MACs of the others' legs.
    """

    router: RouterId
    generation: int
    owner: HostName | None
    candidates: tuple[HostName, ...]
    hosts: frozenset[HostName] = frozenset()
    bridge: str = ""
    address: str = ""
    mac: str = ""
    peers: frozenset[str] = frozenset()
