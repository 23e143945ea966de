"""Ports: how far this host's blocks of source ports are used, router by router, and for whom none was left. Pure.

With several gateway addresses each counts by itself: an instance keeps its address and has the ports of that one.

A source port is shared by connections to different destinations, so what counts is the busiest destination (address,
protocol, port): when it has as many connections as the blocks have ports, the next one finds none. That is read from
connection tracking only where as many connections as that are tracked at all.

A protocol without ports (GRE, ESP) leaves each far address room for one connection by a gateway address: where one is
translated, what the kernel could not enter counts as well.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from onehop.metric.tally import Tally
from onehop.model.topology import Topology
from onehop.net.identifier import HostName, RouterId
from onehop.objects.conntrack import Load
from onehop.wire import PortUse

ENOUGH = 0.75
"""The part of its ports that a host may use before it asks for more."""

LOOK_SECONDS = 5.0
"""How long a router's connections are not looked at again only because some failed: it costs 10 to 30 ms."""

MORE_PORTS = "give it a larger port_block_size, or floating IPs to those who call most"
"""What helps when source ports run out."""
MORE_ADDRESSES = (
    "a protocol without ports is translated for one instance and far address at a time; give floating IPs to those who "
    "speak one"
)
"""What helps those who have none."""

_Place = tuple[RouterId, str]
"""A router, and one of its gateway addresses."""

REMEMBERED = 60.0
"""Seconds for which a router says that somebody found no port."""


class Blocks(msgspec.Struct, frozen=True):
    """A router's source ports on a host, of one gateway address.

    Attributes:
        gateway: the address that is translated to.
        room: how many ports of it there are.
    """

    gateway: str
    room: int

    @property
    def enough(self) -> int:
        """As many connections as are worth a closer look."""
        return int(self.room * ENOUGH)


def blocks_on(view: Topology, host: HostName, routers: Iterable[RouterId]) -> Iterator[tuple[RouterId, Blocks]]:
    """Routers that translate by port blocks on a host, with the blocks of each gateway address."""
    for router in routers:
        known = view.routers.get(router)
        gateway = known.gateway if known is not None else None
        if gateway is None or not (gateway.enable_snat and gateway.distributed):
            continue
        addresses = [ip.ip_address for ip in gateway.fixed_ips if "." in ip.ip_address]
        held = [block for place in gateway.hosts if place.host == host for block in place.blocks]
        for address in addresses:
            room = sum(block.size for block in held if (block.address or addresses[0]) == address)
            if room:
                yield router, Blocks(address, room)


class Ports:
    """Remembers what was measured.

    Attributes:
        exhausted: connections that found no port, by router.
    """

    def __init__(self) -> None:
        self._failed: dict[_Place, int] = {}
        self._short: dict[_Place, tuple[float, int, str]] = {}
        self._looked: dict[_Place, float] = {}
        self._asked: set[_Place] = set()
        self.exhausted = Tally()

    def before(self, router: RouterId, blocks: Blocks, now: float) -> int | None:
        """How many failed when they were looked at last: with more it is time to look again; None: it is not."""
        place = (router, blocks.gateway)
        if now - self._looked.get(place, -LOOK_SECONDS) < LOOK_SECONDS:
            return None
        return self._failed.get(place)

    def take(self, router: RouterId, blocks: Blocks, load: Load, now: float, looked: bool = True) -> PortUse | None:
        """Take a measurement; returns what the controller is to know of it.

        Args:
            router, blocks: whose.
            load: what the kernel said.
            now: by the clock.
            looked: by which protocol more than before failed is known; else they are left for the next time.
        """
        place = (router, blocks.gateway)
        before = self._failed.get(place)
        if before is not None and load.failed > before and load.used < blocks.enough:
            if not looked:
                self._asked.discard(place)
                return None
            self._looked[place] = now
        self._failed[place] = load.failed
        # Before the first look somebody else may have counted, and a new namespace counts from 0.
        failed = load.failed - before if before is not None and load.failed > before else 0
        # The kernel counts other clashes as well: only where the ports are nearly used up, or there are none, were they
        # what was missing.
        scarce = load.used >= blocks.enough
        short = failed if scarce or load.portless else 0
        if short:
            self.exhausted.add(router, number=short)
            help_ = MORE_PORTS if scarce else MORE_ADDRESSES
            self._short[place] = (now, self._short.get(place, (now, 0, ""))[1] + short, help_)
        if not scarce:
            self._asked.discard(place)
            return None
        if place in self._asked and not short:
            return None
        self._asked.add(place)
        return PortUse(router=router, address=blocks.gateway, used=load.used, failed=short)

    def again(self) -> None:
        """What was said may be forgotten: a session began, or more blocks may be had now."""
        self._asked.clear()

    def short(self, now: float) -> Mapping[RouterId, str]:
        """Routers for which lately somebody found no port, with how many did and what helps."""
        self._short = {place: found for place, found in self._short.items() if now - found[0] < REMEMBERED}
        lacking: dict[RouterId, tuple[int, str]] = {}
        for (router, _), (_, number, help_) in self._short.items():
            # The kernel counts for all addresses of a namespace together.
            lacking[router] = max((number, help_), lacking.get(router, (0, "")))
        return {
            router: f"{number} connections found no free source port: {help_}"
            for router, (number, help_) in lacking.items()
        }

    def keep(self, routers: set[RouterId]) -> None:
        """Forget all but these."""
        for known in (self._failed, self._short, self._looked):
            for gone in [place for place in known if place[0] not in routers]:
                known.pop(gone)
        self._asked = {place for place in self._asked if place[0] in routers}
        self.exhausted.keep(routers)
