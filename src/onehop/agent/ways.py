"""Ways: which links get the short cut for established flows (`onehop.kernel.shortcut.cut`).

Taps on networks that a router is on, and the ports of provider bridges that lead to routers' external legs. In a
router's namespace, which no redirect from the host's reaches, its transit leg and its legs inside.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from onehop.agent.desire import Desire
from onehop.compiler.state import Claim, Partition
from onehop.kernel.base import Kernel
from onehop.model.locality import home_of
from onehop.model.placement import component_of
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import NetworkId, PortId, RouterId
from onehop.objects import Link, Tap, Veth, Vxlan
from onehop.objects.way import Side, Way

Place = tuple[str, str]
"""A link's namespace and name."""


class Ways:
    """Tells one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._said: dict[str, frozenset[Place]] = {}
        """The links that were told of, by partition."""

    def heed(self, names: Iterable[str], desire: Desire) -> None:
        """These partitions may have changed; also where a link was only made anew, under the same name."""
        wishes: dict[Place, Way | None] = {}
        realms = Realms(desire.view)
        for name in names:
            found = dict(ways(name, desire.partitions, desire.view, realms))
            gone = self._said.pop(name, frozenset()) - found.keys()
            wishes.update(dict.fromkeys(gone))
            wishes.update(found)
            if found:
                self._said[name] = frozenset(found)
        if wishes:
            self._kernel.shorten(wishes)


class Realms:
    """Numbers of what routers join, of one topology."""

    def __init__(self, view: Topology) -> None:
        self._view = view
        self._known: dict[NetworkId, int] = {}

    def of_network(self, network: NetworkId) -> int:
        """The realm of a network, or of what stands for one of a router without interfaces."""
        if network not in self._known:
            joined = component_of(self._view, network).networks or {network}
            number = int.from_bytes(sha256(min(joined).encode()).digest()[:4])
            self._known.update(dict.fromkeys(joined, number))
        return self._known[network]

    def of_router(self, router: RouterId) -> int:
        """The realm of a router; 0 where it leads nowhere."""
        home = home_of(self._view, router)
        return 0 if home is None else self.of_network(home)


def ways(
    name: str, partitions: Mapping[str, Partition], view: Topology, realms: Realms | None = None
) -> Iterator[tuple[Place, Way]]:
    """Links of a partition, by namespace and name, that should have the short cut."""
    if name not in partitions:
        return
    realms = realms or Realms(view)
    for claim in partitions[name].claims.values():
        link = claim.object
        if isinstance(link, Link) and link.up:
            way = (
                _in_router(link, name, partitions)
                or _tap(link, claim, view, realms)
                or _external(link, name, partitions, realms)
            )
            if way is not None:
                yield (link.namespace, link.name), way


def _tap(link: Link, claim: Claim, view: Topology, realms: Realms) -> Way | None:
    kind, identifier = claim.resource
    port = view.ports.get(PortId(identifier)) if kind == "port" and link.namespace == naming.HOST else None
    if port is None or link.name != naming.tap(port.id) or not isinstance(link.spec, Tap | Veth) or not link.master:
        return None
    if not view.legs_on(port.network_id):
        return None
    return Way(Side.TAP, port.mac_address, link.mtu, realm=realms.of_network(port.network_id))


def _external(link: Link, name: str, partitions: Mapping[str, Partition], realms: Realms) -> Way | None:
    if not isinstance(link.spec, Veth) or not name.startswith("gate/") or not link.master:
        return None
    identifier = RouterId(name.removeprefix("gate/"))
    router = partitions.get(naming.router_partition(identifier))
    far = router.claims.get(("link", link.spec.peer_namespace, link.spec.peer_name)) if router is not None else None
    if far is None or not isinstance(far.object, Link) or far.object.mac is None:
        return None
    return Way(Side.EXTERNAL, far.object.mac, link.mtu, realm=realms.of_router(identifier))


def _in_router(link: Link, name: str, partitions: Mapping[str, Partition]) -> Way | None:
    """Of a router that has a transit leg, that and its legs inside."""
    if link.namespace == naming.HOST or link.mac is None:
        return None
    if isinstance(link.spec, Vxlan):
        return Way(Side.TRANSIT, link.mac, link.mtu, link.mac)
    if not link.name.startswith(naming.LEG_PREFIX):
        return None
    others = (claim.object for claim in partitions[name].claims.values())
    transit = next((other for other in others if isinstance(other, Link) and isinstance(other.spec, Vxlan)), None)
    return Way(Side.LEG, link.mac, link.mtu, transit.mac) if transit is not None and transit.mac is not None else None
