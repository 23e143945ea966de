"""Everything that the API promises of a topology: who can reach whom, as whom, over all addresses, ports and ids.

By the API's values alone; how it is done is not looked at. Not promised: what is not answered by its nature (groups,
broadcast), what goes by way of an instance that passes it on, and what starts or ends at a port that is down.
"""

from collections.abc import Iterator

from onehop.model.port import Port
from onehop.model.router import Router
from onehop.model.topology import Topology
from onehop.net import address
from onehop.verify.packet import RST, SYN
from onehop.verify.proof.allowed import Allowed
from onehop.verify.proof.echoes import Echoes
from onehop.verify.proof.external import External, Published, answers, nobodys, public, translating, virtual
from onehop.verify.proof.groups import Groups
from onehop.verify.proof.promise import KINDS, PORTED, Form, Promise, all_of, by_rules, let_in, whole
from onehop.verify.proof.reach import Source
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import GROUPS, ip_number, mac_number
from onehop.verify.proof.spans import Box, both, holds, meet, points, remainder

_NO_BEGIN = points(flags for flags in range(256) if not flags & (SYN | RST))


class Promises:
    """The promises of a topology."""

    def __init__(self, view: Topology) -> None:
        self.view = view
        self.groups = Groups(view)
        self.allowed = Allowed(view)
        self.external = External(view)
        self._echoes = Echoes(view, self.groups, self.external)
        self.published = list(self.external.published())
        self._virtual = virtual(view)
        self._ports = [p for p in view.ports.values() if p.router_id is None and self._lives(p)]

    def _lives(self, port: Port) -> bool:
        return port.host in self.view.hosts and self.view.is_up(port)

    def all(self) -> Iterator[Promise]:
        """Every promise."""
        for port in self._ports:
            for ip in port.fixed_ips:
                sent = {
                    "source_mac": points([mac_number(port.mac_address)]),
                    "source": points([ip_number(ip.ip_address)]),
                }
                yield from self._near(port, ip.ip_address, sent)
                yield from self._group(port, ip.ip_address, sent)
                for leg in self.view.legs_on(port.network_id):
                    router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
                    mine = any(one.subnet_id == ip.subnet_id for one in leg.fixed_ips)
                    if router is not None and router.admin_state_up and leg.admin_state_up and mine:
                        by = {**sent, "destination_mac": points([mac_number(leg.mac_address)])}
                        yield from self._routed(port, ip.ip_address, router, by)
            yield from self._held(port)
        yield from self._inwards()

    def _held(self, port: Port) -> Iterator[Promise]:
        """A virtual address speaks to the outside as a port's own does."""
        for held in self._virtual.get(port.id, ()):
            ip = held.partition("/")[0]
            macs = [p.mac_address for p in port.allowed_address_pairs if p.ip_address == ip] or [port.mac_address]
            for leg in self.view.legs_on(port.network_id):
                router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
                if router is not None and self.external.floating_at(router, ip) and address.version(ip) == 4:
                    by: Box = {
                        "source_mac": points(map(mac_number, macs)),
                        "destination_mac": points([mac_number(leg.mac_address)]),
                        "source": points([ip_number(ip)]),
                    }
                    yield from self._outwards(port, ip, router, by)

    def _near(self, port: Port, ip: str, sent: Box) -> Iterator[Promise]:
        """Whoever is on the same network."""
        version = address.version(ip)
        for other in self._ports:
            if other.id == port.id or other.network_id != port.network_id:
                continue
            by: Box = {**sent, "destination_mac": points([mac_number(other.mac_address)])}
            for its in other.fixed_ips:
                if address.version(its.ip_address) == version:
                    to: Box = {**by, "destination": points([ip_number(its.ip_address)])}
                    back = self.groups.know(port, other)
                    yield from self._to(port, other, version, to, Form(), answered=back, told=back, untracked=True)

    def _group(self, port: Port, ip: str, sent: Box) -> Iterator[Promise]:
        """Everybody on a network hears what is sent to all: broadcast, and who listens to which group."""
        version = address.version(ip)
        if self.view.networks[port.network_id].network_type == "flat":
            return
        four: Box = {"destination": points([(1 << 32) - 1]), "protocol": points([17]), "dport": points([9999])}
        six: Box = {"destination": points([ip_number("ff02::16")]), "protocol": points([58]), "type": points([143])}
        kind = four if version == 4 else six
        for box in all_of(
            [{**sent, "destination_mac": GROUPS}], [kind], self.groups.outwards(port, version, near=True)
        ):
            box = whole(box, version)  # the same, with all dimensions
            others = [p for p in self._ports if p.network_id == port.network_id and p.id != port.id]
            hear = [
                other.id
                for other in others
                if any(not remainder(box, [lets]) for lets in self.groups.inwards(other, version, near=True))
            ]
            if hear:
                yield Promise(
                    source=_source(port),
                    version=version,
                    box=box,
                    to="",
                    answered=False,
                    all=frozenset(hear),
                )

    def _to(
        self, port: Port | None, other: Port, version: int, box: Box, form: Form, **more: bool
    ) -> Iterator[Promise]:
        """To another port, of what the groups of both let pass."""
        near = port is not None and port.network_id == other.network_id
        out = [{}] if port is None else self.groups.outwards(port, version, near=near)
        for kind in KINDS[version]:
            for found in all_of([box], [kind], out, let_in(self.groups, other, version, form, near=near)):
                plain = Promise(
                    source=_source(port),
                    version=version,
                    box=whole(found, version),
                    to=other.id,
                    form=form,
                    answered=more["answered"],
                    told=more["told"],
                    untracked=more.get("untracked", False),
                )
                yield by_rules(self.groups, port, other, found, plain)

    def _routed(self, port: Port, ip: str, router: Router, by: Box) -> Iterator[Promise]:
        version = address.version(ip)
        yield from self._echoes.all(port, ip, router, by)
        for other in self._ports:
            for its in other.fixed_ips:
                if address.version(its.ip_address) != version or other.network_id == port.network_id:
                    continue
                if holds(self.allowed.by_router(router, its.ip_address, other), ip_number(its.ip_address)):
                    to = {**by, "destination": points([ip_number(its.ip_address)])}
                    back = self._returns(other, its.ip_address, port, ip) and self.groups.know(port, other)
                    yield from self._to(port, other, version, to, Form(), answered=back, told=back, untracked=True)
        yield from self._outwards(port, ip, router, by)
        yield from self._behind(port, version, router, by)
        for published in self.published if version == 4 else ():
            yield from self._called(port, ip, router, by, published)

    def _behind(self, port: Port, version: int, router: Router, by: Box) -> Iterator[Promise]:
        """What lies behind an instance, by an extra route: the instance gets it, and is trusted with it."""
        for route in router.routes:
            if address.version(route.destination) != version:
                continue
            led = both(nobodys(self.view, version), span_of(route.destination))
            for other in self._ports:
                if led and any(ip.ip_address == route.nexthop for ip in other.fixed_ips) and other.id != port.id:
                    yield from self._to(
                        port, other, version, {**by, "destination": led}, Form(), answered=False, told=False
                    )

    def _returns(self, other: Port, its: str, port: Port, ip: str) -> bool:
        """Whether the other's own gateway leads back."""
        for fixed in other.fixed_ips:
            subnet = self.view.subnets.get(fixed.subnet_id)
            if fixed.ip_address != its or subnet is None or subnet.host_routes:
                continue
            for leg in self.view.legs_on(other.network_id):
                router = self.view.routers.get(leg.router_id) if leg.router_id is not None else None
                if router is not None and any(own.ip_address == subnet.gateway_ip for own in leg.fixed_ips):
                    return holds(self.allowed.by_router(router, ip, port), ip_number(ip))
        return False

    def _outwards(self, port: Port, ip: str, router: Router, by: Box) -> Iterator[Promise]:
        version = address.version(ip)
        gateway = router.gateway
        if gateway is None or not answers(router):
            return
        if version == 6 and not any(address.version(one.ip_address) == 6 for one in gateway.fixed_ips):
            return
        to: Box = {**by, "destination": self.external.beyond(router, version)}
        back = self.external.is_default(port, ip, router)
        alone = version == 4 and gateway.enable_snat and self.external.floating_of(router, port, ip) is None
        forwarded = self.external.answering(router, ip)
        for number, kind in enumerate(KINDS[version]):
            # Without ports of its own, or of a protocol without ports, only the owner translates it.
            passes = alone and gateway.owner != port.host
            passes = passes and (number >= PORTED or not self.external.has_block(router, port))
            form = self.external.seen_as(router, port, ip, ported=number < PORTED)
            known = back and self.groups.knows(port)
            answering = forwarded if form.is_plain else []
            for found in all_of([to], [kind], self.groups.outwards(port, version)):
                # What might be the answer of a forwarded port is looked up among connections.
                mixed = any(meet(found, one) is not None for one in answering)
                yield Promise(
                    source=_source(port),
                    version=version,
                    box=whole(found, version),
                    to="",
                    form=form,
                    answered=known,
                    told=known and number < PORTED,
                    untracked=form.is_plain and not mixed,
                    passed=passes and all(meet(found, one) is None for one in forwarded),
                )
        late: Box = {"protocol": points([6]), "flags": _NO_BEGIN}
        own = gateway.owner == port.host or (gateway.distributed and self.external.has_block(router, port))
        alone = self.external.floating_of(router, port, ip) is None
        free = self.groups.outwards(port, version) == [{}]
        if version == 4 and gateway.enable_snat and own and alone and free:
            box = whole(meet(to, late) or {}, version)
            yield Promise(source=_source(port), version=version, box=box, to="", answered=False, reset=True)

    def _called(self, port: Port, ip: str, router: Router, by: Box, published: Published) -> Iterator[Promise]:
        """An external address, from inside: the caller is seen as the outside would see it, by its own router."""
        gateway = router.gateway
        if gateway is None or not answers(router):
            return
        kinds = KINDS[4][:PORTED] if self.external.floating_of(router, port, ip) is None else KINDS[4]
        seen = self.external.seen_as(router, port, ip, ported=True)
        if published.router.id == router.id and seen.is_plain:
            # Its answer would find another way: so it is translated, too.
            seen = self.external.seen_as(translating(router), port, ip, ported=True)
        if seen.is_plain and self.external.is_inside(published.router, ip):
            return  # By that router's extra routes the caller is inside, and so never comes from outside.
        form = Form(seen.source, seen.sport, published.destination, published.port)
        back = (
            self.external.is_default(port, ip, router)
            and not seen.is_plain
            and self.groups.know(port, published.target)
        )
        back = back and self.external.is_default(published.target, published.inner_ip, published.router)
        for kind in kinds:
            lets = let_in(self.groups, published.target, 4, form)
            to: Box = {**by, **published.box}
            if published.target.id == port.id:
                # Which of two ports is the larger is no box: of who calls himself, one port and id.
                to = {**to, "sport": points([40_000])}
            for found in all_of([to], [kind], self.groups.outwards(port, 4), lets):
                box = whole(found, 4)
                to_ = published.target.id
                yield Promise(
                    source=_source(port),
                    version=4,
                    box=box,
                    to=to_,
                    form=form,
                    answered=back,
                    told=back and self.external.tells(published),
                )

    def _inwards(self) -> Iterator[Promise]:
        for published in self.published:
            form = Form(destination=published.destination, dport=published.port)
            target = published.target
            back = self.groups.know(None, target) and self.external.is_default(
                target, published.inner_ip, published.router
            )
            box: Box = {**published.box, "source": self.external.beyond(published.router, 4)}
            yield from self._to(None, target, 4, box, form, answered=back, told=back and self.external.tells(published))
        for router in self.view.routers.values():
            gateway = router.gateway
            if gateway is None or not answers(router):
                continue
            for version in (4, 6):
                mine = [one.ip_address for one in gateway.fixed_ips if address.version(one.ip_address) == version]
                for ip in mine:
                    to: Box = {"destination": points([ip_number(ip)]), "source": self.external.beyond(router, version)}
                    echo = whole(meet(to, KINDS[version][2]) or {}, version)
                    yield Promise(source=Source(None), version=version, box=echo, to="router", told=False)
                if mine and not (version == 4 and gateway.enable_snat):
                    yield from self._plain(router, version)

    def _plain(self, router: Router, version: int) -> Iterator[Promise]:
        """Prefixes that a router leads to untranslated: upstream routes them to its address."""
        for target in self._ports:
            for its in target.fixed_ips:
                direct = self.allowed.is_connected(router, target, its.ip_address)
                if address.version(its.ip_address) == version and direct:
                    to: Box = {"destination": points([ip_number(its.ip_address)]), "source": public(self.view, version)}
                    back = self.groups.know(None, target) and self.external.is_default(target, its.ip_address, router)
                    floating = version == 4 and self.external.floating_of(router, target, its.ip_address) is not None
                    yield from self._to(
                        None, target, version, to, Form(), answered=back, told=back, untracked=not floating
                    )


def _source(port: Port | None) -> Source:
    return Source(None if port is None else port.id)
