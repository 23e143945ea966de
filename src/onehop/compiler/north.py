"""North-south of one router on one host: who translates, publishes and steers what. Facts only; features read them.

NAT state lives where the instance lives; the owner of an external address only steers, without state.
"""

from collections.abc import Iterator

import msgspec

from onehop.compiler.context import Context
from onehop.compiler.exits import exits, first_exit
from onehop.compiler.inside import inside_of
from onehop.compiler.shares import Forward, Sorter, Span, blocks_of
from onehop.model.gateway import FIRST_PORT, LAST_PORT, Gateway, RouterHost
from onehop.model.network import Network
from onehop.model.router import Router
from onehop.model.subnet import Subnet
from onehop.net import address, naming


class North(msgspec.Struct, frozen=True, kw_only=True):
    """A router with a gateway, on a host.

    Attributes:
        router, gateway, me: as the controller says; `me` is this host's place among the router's hosts.
        external: the external network, `subnets` its IPv4 subnets.
        bridge: the provider bridge here, or None where this host has no external leg.
        owner: this host answers for the gateway addresses; `owner_host` is who does, None while
            that is to be this host and it has no external leg.
        others: the router's other hosts.
        gateways: the router's IPv4 addresses outside.
        exits: fixed IP → gateway address that it is translated to, where that is not `exit`: of this host's instances,
            on the owner of all.
        inside: inside prefixes, IPv4.
        legs: the router's addresses inside, IPv4.
        subnets6, gateways6, inside6: the same of IPv6, which is routed and never translated.
        translated: floating IP → fixed IP, of those translated here; during a move also where the port leaves.
        virtual: floating IP → fixed IP, of those that the owner translates for whoever has them.
        published: addresses that this host's external leg carries: whoever asks outside is answered by one host only.
        steered: external address → number of the host that translates all of it.
        called_inside: fixed IP with a floating IP → number of the host that translates it, where the router does not
            translate otherwise: whoever calls such an address from outside is known there only.
        forwards: port forwardings translated here.
        steered_forwards: (forward, number of the host that translates it).
        floating: every external address of the router but its gateways'.
        answered: addresses that this host translates or steers when a packet reaches it by its external leg. Wider than
            `published`, so that what is still sent to an owner of yesterday is steered as well.
    """

    router: Router
    gateway: Gateway
    me: RouterHost
    external: Network
    subnets: tuple[Subnet, ...]
    bridge: str | None
    owner: bool
    owner_host: RouterHost | None
    others: tuple[RouterHost, ...]
    gateways: tuple[str, ...]
    exits: dict[str, str]
    inside: tuple[str, ...]
    legs: tuple[str, ...]
    subnets6: tuple[Subnet, ...]
    gateways6: tuple[str, ...]
    inside6: tuple[str, ...]
    translated: dict[str, str]
    virtual: dict[str, str]
    published: tuple[str, ...]
    steered: dict[str, int]
    called_inside: dict[str, int]
    forwards: tuple[Forward, ...]
    steered_forwards: tuple[tuple[Forward, int], ...]
    floating: tuple[str, ...]
    answered: tuple[str, ...]

    @property
    def namespace(self) -> str:
        """The router's namespace."""
        return naming.router_namespace(self.router.id)

    @property
    def leg(self) -> str | None:
        """Name of the external leg, or None where this host has none."""
        return naming.external_leg(self.gateway.port_id) if self.bridge is not None else None

    @property
    def transit(self) -> str:
        """Name of the transit leg."""
        return naming.transit_leg(self.gateway.port_id)

    @property
    def blocks(self) -> tuple[Span, ...]:
        """This host's ranges of ports for translation, by gateway address, in ascending order.

        An owner that was given none takes the widest range that nobody has: with ports of another host's block the
        answers would be steered there. The owner that translates for all has every port of every address.
        """
        if self.owner and not self.gateway.distributed:
            used = {self.gateways[0], *self.exits.values()}
            return tuple(Span(ip, (FIRST_PORT, LAST_PORT)) for ip in self.gateways if ip in used)
        spans = tuple(blocks_of(self.me, self.gateways)) if self.gateway.distributed else ()
        return spans or ((self._widest_gap(),) if self.owner else ())

    @property
    def bound(self) -> dict[str, str]:
        """Floating IP → fixed IP, of those whose connections may be under way here.

        Every host has those of the owner: a packet that came before the owner changed finds the rules of after.
        """
        return {**self.virtual, **self.translated}

    @property
    def exit(self) -> str:
        """The gateway address that this host translates to for those who have no other."""
        first = first_exit(self.me, self.gateways) if self.gateway.distributed else None
        return first or next((span.address for span in self.blocks), self.gateways[0])

    def _widest_gap(self) -> Span:
        return max(
            (gap for ip in self.gateways for gap in self._gaps(ip)),
            key=lambda gap: (gap.ports[1] - gap.ports[0], -gap.ports[0]),
        )

    def _gaps(self, ip: str) -> Iterator[Span]:
        taken = sorted(s.ports for other in self.others for s in blocks_of(other, self.gateways) if s.address == ip)
        edges = [FIRST_PORT - 1, *(port for ports in taken for port in ports), LAST_PORT + 1]
        return (Span(ip, (edges[i] + 1, edges[i + 1] - 1)) for i in range(0, len(edges), 2))


def norths(context: Context) -> tuple[North, ...]:
    """North-south of every router held here that has a gateway and a place for this host in it."""
    return context.once(_norths)


def _norths(context: Context) -> tuple[North, ...]:
    found = (_north_of(context, router, inside_of(context, router)) for router in context.routers.values())
    return tuple(north for north in found if north is not None)


def _legs(context: Context, router: Router) -> Iterator[str]:
    addresses = (ip.ip_address for _, leg in context.interfaces(router.id) for ip in leg.fixed_ips)
    return (ip for ip in addresses if address.version(ip) == 4)


def _north_of(context: Context, router: Router, inside: list[str]) -> North | None:
    """The facts, or None where the router has no gateway or has given this host no place in it yet."""
    gateway = router.gateway
    places = {h.host: h for h in gateway.hosts if h.host in context.view.hosts} if gateway is not None else {}
    me = places.get(context.host)
    external = context.view.networks.get(gateway.network_id) if gateway is not None else None
    if gateway is None or me is None or external is None:
        return None
    bridge = context.local.physical_networks.get(external.physical_network or "")
    owner = gateway.owner == context.host and bridge is not None
    # Who is to own them and has no leg (any more) answers for nothing, and cannot send anything to itself.
    answerer = gateway.owner if owner or gateway.owner != context.host else None
    owner_host = places.get(answerer) if answerer is not None else None
    sorter = Sorter(context, external, places, me, owner_host)
    for floating_ip in context.view.floating_ips_of(router.id):
        sorter.add(floating_ip)
    gateways = tuple(ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == 4)
    shared = {*gateways, *sorter.steered, *sorter.forwarded, *(sorter.virtual if owner else ())}
    published = sorter.here | (shared if owner else set()) if bridge is not None else set()
    return North(
        router=router,
        gateway=gateway,
        me=me,
        external=external,
        subnets=tuple(s for s in context.view.subnets_of(external.id) if address.version(s.cidr) == 4),
        subnets6=tuple(s for s in context.view.subnets_of(external.id) if address.version(s.cidr) == 6),
        bridge=bridge,
        owner=owner,
        owner_host=owner_host,
        others=tuple(h for name, h in sorted(places.items()) if name != context.host),
        gateways=gateways,
        exits=exits(context, router, places if owner else {me.host: me}, gateways),
        inside=tuple(p for p in inside if address.version(p) == 4),
        legs=tuple(_legs(context, router)),
        gateways6=tuple(ip.ip_address for ip in gateway.fixed_ips if address.version(ip.ip_address) == 6),
        inside6=tuple(p for p in inside if address.version(p) == 6),
        translated=sorter.translated,
        virtual=sorter.virtual,
        published=tuple(sorted(published)),
        steered=sorter.steered,
        called_inside={} if gateway.enable_snat else sorter.elsewhere,
        forwards=tuple(sorter.forwards),
        steered_forwards=tuple(sorter.steered_forwards),
        floating=tuple(sorted(sorter.all)),
        answered=tuple(sorted(shared | sorter.translated.keys())) if bridge is not None else (),
    )


def transit_mtu(context: Context, north: North) -> int:
    """Octets that a packet on the transit leg may have: whatever fits there fits wherever it goes."""
    return min([north.external.mtu, *(s.network.mtu for s, _ in context.interfaces(north.router.id))])
