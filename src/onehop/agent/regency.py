"""Regency: the view as it is carried out: with the owners that act, where hosts agreed on others than the view says."""

from collections.abc import Callable, Iterable

import msgspec

from onehop.agent.seat import Seat
from onehop.agent.succession import Succession
from onehop.compiler.state import Local
from onehop.log import logger
from onehop.model.gateway import Gateway
from onehop.model.reign import Reign
from onehop.model.topology import Ref, Topology
from onehop.net import address
from onehop.net.identifier import HostName, RouterId

LOG = logger("agent")


class Said(msgspec.Struct, frozen=True):
    """What hosts came to by themselves.

    Attributes:
        words: what is to be told to which other host, by its VTEP.
        reigns: what is to be told to a controller, and kept.
    """

    words: dict[str, tuple[Reign, ...]]
    reigns: tuple[Reign, ...]


class Regency:
    """Who acts as the owner of each router, and the view that follows.

    Args:
        host: this one.
        chance: gives a number from 0 to 1.

    Attributes:
        succession: who acts.
        told: the view, as a controller told it.
    """

    def __init__(self, host: HostName, chance: Callable[[], float]) -> None:
        self.succession = Succession(host, chance)
        self.told = Topology()
        self._host = host
        self._kept: tuple[Reign, ...] = ()
        self._overlaid: dict[RouterId, HostName | None] = {}
        self._said: Said | None = None
        self._unsaid = False

    def remember(self, reigns: Iterable[Reign]) -> None:
        """What an earlier life of this agent knew; to be said before the first view."""
        self._kept = tuple(reigns)

    def see(self, view: Topology, changed: Iterable[Ref], local: Local, now: float) -> tuple[Topology, set[Ref]]:
        """Take a newer view; returns it with the owners that act, and what changed since the last one."""
        changes = set(changed)
        old, self.told = self.told, view
        wide = any(kind in ("network", "subnet", "host") for kind, _ in changes)
        routers = {RouterId(id) for kind, id in changes if kind == "router"}
        if wide:
            routers |= view.routers.keys() | old.routers.keys()
        self._know(routers, local, now)
        kept, self._kept = self._kept, ()
        self.succession.restore(kept, now)
        return self._overlay(changes)

    def equip(self, local: Local, now: float) -> None:
        """This host reaches other physical networks."""
        self._know(self.told.routers.keys(), local, now)

    @property
    def pending(self) -> bool:
        """Somebody else acts than is carried out, or something is to be told."""
        return bool(self.succession.changed)

    def follow(self) -> tuple[Topology, set[Ref], set[RouterId]]:
        """The view with the owners that act, the routers where that is new, and those that this host took over."""
        taken, self.succession.taken = self.succession.taken, set()
        for router in sorted(taken):
            LOG.warning("the owner of a router is lost and no controller answers: this host takes over", router=router)
        view, changes = self._overlay(set())
        return view, changes, taken

    def said(self) -> Said | None:
        """What is to be told to others, if that is different from what was said last."""
        if not self._unsaid:
            return None
        self._unsaid = False
        hosts = self.told.hosts
        words = self.succession.words()
        said = Said(
            {hosts[name].vtep: tuple(reigns) for name, reigns in words.items() if name in hosts},
            tuple(sorted(self.succession.reigns(), key=lambda reign: reign.router)),
        )
        if said == self._said:
            return None
        self._said = said
        return said

    def hear(self, vtep: str, reigns: Iterable[Reign], now: float) -> None:
        """A host says who acts; only of routers that it holds too."""
        names = {name for name, host in self.told.hosts.items() if host.vtep == vtep}
        for reign in reigns:
            known = self.told.routers.get(reign.router)
            gateway = known.gateway if known is not None else None
            if gateway is not None and any(place.host in names for place in gateway.hosts):
                self.succession.told([reign], now)

    def _know(self, routers: Iterable[RouterId], local: Local, now: float) -> None:
        self.succession.know({router: self._seat(router, local) for router in routers}, now)

    def _seat(self, router: RouterId, local: Local) -> Seat | None:
        known = self.told.routers.get(router)
        gateway = known.gateway if known is not None else None
        own = next((h.mac_address for h in gateway.hosts if h.host == self._host), None) if gateway else None
        if gateway is None or own is None:
            return None
        external = self.told.networks.get(gateway.network_id)
        bridge = local.physical_networks.get(external.physical_network or "") if external is not None else None
        return Seat(
            router=router,
            generation=gateway.generation,
            owner=gateway.owner,
            candidates=gateway.candidates,
            hosts=frozenset(place.host for place in gateway.hosts if place.host != self._host),
            bridge=bridge or "",
            address=_asked(gateway),
            mac=own,
            peers=frozenset(place.mac_address for place in gateway.hosts if place.host != self._host),
        )

    def _overlay(self, changes: set[Ref]) -> tuple[Topology, set[Ref]]:
        """The view with the owners that act; `changes` and what differs besides."""
        succession = self.succession
        self._unsaid |= bool(succession.changed)
        succession.changed.clear()
        before = self._overlaid
        self._overlaid = {
            reign.router: succession.owner(reign.router)
            for reign in succession.all()
            if reign.router in self.told.routers
        }
        values = []
        for router, owner in self._overlaid.items():
            known = self.told.routers[router]
            if known.gateway is not None:
                gateway = msgspec.structs.replace(known.gateway, owner=owner)
                values.append(msgspec.structs.replace(known, gateway=gateway))
        different = {
            id for id in before.keys() | self._overlaid.keys() if before.get(id, "") != self._overlaid.get(id, "")
        }
        view = self.told.apply(self.told.revision, values, ()) if values else self.told
        return view, changes | {("router", str(id)) for id in different}


def _asked(gateway: Gateway) -> str:
    """The address by which is found out whether anybody acts: IPv4 before IPv6."""
    return min((ip.ip_address for ip in gateway.fixed_ips), key=lambda ip: (address.version(ip), ip), default="")
