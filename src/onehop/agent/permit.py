"""Permits: which external addresses this host may have on its legs now. Pure; times and chance are given.

While a controller confirms the view, all that is wanted. Without one the view may be of yesterday, and another host may
have been chosen meanwhile; then

- what is on a leg stays, but is asked for on the external network again and again, as nobody would tell us otherwise;
- what is not yet there is asked for first (RFC 5227 section 2.1.1 in spirit), and is published only if nobody answers;
- an address for which a peer's leg is heard is given up, with everything else that the owner of that router publishes;
  after a while it is asked for again.

Two who ask each other without a controller do so at times of chance, so that one of them gives up first.
"""

from collections.abc import Callable, Mapping

import msgspec

from onehop.agent.desire import router_of
from onehop.agent.herald import Published
from onehop.compiler.state import Local, Partition
from onehop.model.gateway import Gateway
from onehop.model.topology import Ref, Topology
from onehop.net import naming
from onehop.net.address import version
from onehop.net.identifier import HostName, RouterId
from onehop.objects import Address, Key

ASKED = 3
"""Questions without an answer that make an address free."""

PAUSE = 0.3
"""Seconds between those."""

AGAIN = 1.0
"""Seconds, and up to twice as many, until an address that another has is asked for again."""

GUARD, GUARD_MORE = 0.5, 0.4
"""Seconds, and up to so many more, until one of ours is asked for again: two who can hear each other do not both have
it for a second.
"""


class Wanted(msgspec.Struct, frozen=True):
    """An external address that the view lets this host publish.

    Attributes:
        published: as it is announced.
        bridge: the provider bridge on which it can be asked for.
        shared: it is published as the router's owner.
        gateway: it is the router's own address.
        peers: MACs of the same router's legs on other hosts.
        follows: nobody asks for it: it is published with the router's IPv4 address.
    """

    published: Published
    bridge: str
    shared: bool
    gateway: bool
    peers: frozenset[str]
    follows: bool = False


class Question(msgspec.Struct):
    """Of an address that is not on its leg: when to ask for it next, and how often nobody answered."""

    due: float
    asked: int = 0


def wanted_of(partition: Partition, view: Topology, host: HostName, local: Local) -> dict[Key, Wanted]:
    """The external addresses that a router's partition wants on its leg; those of other partitions are none."""
    router = router_of(partition.name)
    known = view.routers.get(RouterId(router)) if router is not None else None
    gateway = known.gateway if known is not None else None
    if gateway is None:
        return {}
    external = view.networks.get(gateway.network_id)
    bridge = local.physical_networks.get(external.physical_network or "") if external is not None else None
    own = next((place.mac_address for place in gateway.hosts if place.host == host), None)
    if bridge is None or own is None:
        return {}
    peers = frozenset(place.mac_address for place in gateway.hosts if place.host != host)
    leg = naming.external_leg(gateway.port_id)
    has_four = any(version(ip.ip_address) == 4 for ip in gateway.fixed_ips)
    found: dict[Key, Wanted] = {}
    for key, claim in partition.claims.items():
        item = claim.object
        if isinstance(item, Address) and item.link == leg and item.scope == "global":
            published = Published(item.namespace, leg, own, item.address.partition("/")[0])
            is_gateway = _is_gateway(gateway, published.address)
            shared = is_gateway or _is_shared(claim.resource, view, host)
            follows = has_four and version(published.address) == 6
            found[key] = Wanted(published, bridge, shared, is_gateway, peers, follows)
    return found


def _is_gateway(gateway: Gateway, address: str) -> bool:
    return any(ip.ip_address == address for ip in gateway.fixed_ips)


def _is_shared(resource: Ref, view: Topology, host: HostName) -> bool:
    floating = view.floating_ips.get(resource[1]) if resource[0] == "floatingip" else None  # type: ignore[call-overload]  # a floating IP's id by its kind
    port = view.ports.get(floating.port_id) if floating is not None and floating.port_id is not None else None
    return port is None or port.host != host


class Permits:
    """What may be published, by partition.

    Args:
        chance: gives a number from 0 to 1.

    Attributes:
        confirmed: a controller says that the view is the newest.
        version: raised when `ears` answers something else.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self.confirmed = False
        self.version = 0
        self._chance = chance
        self._wanted: dict[str, dict[Key, Wanted]] = {}
        self._open: set[Key] = set()
        self._asking: dict[Key, Question] = {}
        self._guarded: dict[Key, float] = {}

    def take(self, partition: str, wanted: Mapping[Key, Wanted], held: Mapping[Key, object], now: float) -> set[Key]:
        """Take what a partition wants on its leg, and what its leg has; returns what has to wait."""
        before = self._wanted.pop(partition, {})
        for gone in before.keys() - wanted.keys():
            self._forget(gone)
        if wanted:
            self._wanted[partition] = dict(wanted)
        if before != wanted:
            self.version += 1
        for key, item in wanted.items():
            if item.follows:
                continue
            if self.confirmed or (key in held and key not in before):
                self._free(key)
            elif key not in self._open and key not in self._asking:
                self._asking[key] = Question(now)
            if item.gateway and item.peers and key in self._open:
                self._guarded.setdefault(key, now + GUARD * self._chance())
        return self._withheld(wanted)

    def _withheld(self, wanted: Mapping[Key, Wanted]) -> set[Key]:
        """What has to wait, with what follows it."""
        waiting = {key for key, item in wanted.items() if not item.follows and key not in self._open}
        if any(wanted[key].gateway for key in waiting):
            waiting |= {key for key, item in wanted.items() if item.follows}
        return waiting

    def grant(self, partition: str, wanted: Mapping[Key, Wanted]) -> None:
        """Nobody answered for a router's address, so its next owner may publish all that its owner publishes."""
        shared = {key: item for key, item in wanted.items() if item.shared}
        self._wanted[partition] = {**self._wanted.get(partition, {}), **shared}
        for key in shared:
            self._free(key)

    def confirm(self, confirmed: bool, now: float) -> set[str]:
        """A controller confirms the view, or does not any more; returns the partitions that may publish more now."""
        if confirmed == self.confirmed:
            return set()
        self.confirmed = confirmed
        if not confirmed:
            self._guarded = {key: now + GUARD * self._chance() for key in self._guarded}
            return set()
        return self._release(set(self._asking))

    def ears(self) -> dict[tuple[str, str], str]:
        """Whom to listen for: bridge and address of all that is wanted → our own MAC for it."""
        return {
            (item.bridge, item.published.address): item.published.mac
            for wanted in self._wanted.values()
            for item in wanted.values()
            if not item.follows
        }

    def due(self, now: float) -> tuple[list[Wanted], set[str]]:
        """What to ask for now, and the partitions with an address that turned out to be free."""
        ask: list[Wanted] = []
        free: set[Key] = set()
        for key, question in self._asking.items():
            if question.due > now:
                continue
            if question.asked >= ASKED:
                free.add(key)
            else:
                question.asked += 1
                question.due = now + PAUSE
                ask.extend(self._of(key))
        if not self.confirmed:
            for key, when in self._guarded.items():
                if when <= now:
                    self._guarded[key] = now + GUARD + GUARD_MORE * self._chance()
                    ask.extend(self._of(key))
        return ask, self._release(free)

    def soonest(self) -> float | None:
        """When something is to be asked for next."""
        times = [question.due for question in self._asking.values()]
        if not self.confirmed:
            times += self._guarded.values()
        return min(times, default=None)

    def heard(self, bridge: str, address: str, mac: str, now: float) -> Wanted | None:
        """Somebody else says to have an address; what is on our leg and a peer says to have is returned."""
        for wanted in self._wanted.values():
            for key, item in wanted.items():
                if (item.bridge, item.published.address) != (bridge, address) or mac == item.published.mac:
                    continue
                if key in self._asking:
                    self._asking[key] = Question(self._later(now))
                elif mac in item.peers:
                    return item
        return None

    def give_up(self, lost: Wanted, now: float) -> tuple[str, set[Key]]:
        """A peer has an address of ours: it goes, with what else its owner publishes; the partition, and what goes."""
        for partition, wanted in self._wanted.items():
            if lost not in wanted.values():
                continue
            gone = {
                key
                for key, item in wanted.items()
                if key in self._open and (item == lost or (lost.shared and item.shared))
            }
            for key in gone:
                self._open.discard(key)
                self._guarded.pop(key, None)
                self._asking[key] = Question(self._later(now))
            return partition, gone
        return "", set()

    def _later(self, now: float) -> float:
        return now + AGAIN * (1 + self._chance())

    def _of(self, key: Key) -> list[Wanted]:
        return [wanted[key] for wanted in self._wanted.values() if key in wanted]

    def _free(self, key: Key) -> None:
        self._open.add(key)
        self._asking.pop(key, None)

    def _forget(self, key: Key) -> None:
        self._open.discard(key)
        self._asking.pop(key, None)
        self._guarded.pop(key, None)

    def _release(self, keys: set[Key]) -> set[str]:
        for key in keys:
            self._free(key)
        return (
            {partition for partition, wanted in self._wanted.items() if not keys.isdisjoint(wanted)} if keys else set()
        )
