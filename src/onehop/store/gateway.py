"""Routers' gateways: the transit network's VNI, candidates, owner and generation; who needs a place, and when.

Everything here follows from rows, inside the transaction that changes them: `bound` when a port is bound, `joined` when
a router gets a leg, `host_changed` when a host says what it reaches, `forget_host` when it goes.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b

import sqlalchemy as sa

from onehop.errors import NotFoundError
from onehop.store import allocation, component, place, presence
from onehop.store.derivation import derive_routers
from onehop.store.record import Row
from onehop.store.session import Session
from onehop.store.table import GATEWAY, PLACE, PORT_BLOCK, REVISION, TABLES

_CHUNK = 500
ENOUGH = 0.75
"""The part of a host's source ports of which the use asks for more."""

_G = GATEWAY.c
_AGENT = TABLES["agent"].c
_NETWORK = TABLES["network"].c
_THESE: sa.BindParameter[list[str]] = sa.bindparam("these", expanding=True)
_UNPLACED = sa.select(_G.router_id).where(
    _G.router_id.in_(_THESE),
    ~sa.select(PLACE.c.host).where(PLACE.c.router_id == _G.router_id, PLACE.c.host == sa.bindparam("host")).exists(),
)

_ASSIGN = (
    sa.update(GATEWAY)
    .where(_G.router_id == sa.bindparam("which"))
    .values(owner=sa.bindparam("heir"), generation=sa.bindparam("number"))
)
_CANDIDATES = sa.update(GATEWAY).where(_G.router_id == sa.bindparam("which")).values(candidates=sa.bindparam("found"))


def put(session: Session, router_id: str, port_id: str, network_id: str, vnis: tuple[int, int]) -> None:
    """Give a router a gateway; see `Transaction.put_gateway`."""
    vni = allocation.allocate_vni(session, *vnis)
    allocation.claim_vni(session, vni, "router", router_id)
    candidates = _ordered(router_id, [], _reaching(session, network_id) - drained(session), load(session))
    row = {
        "router_id": router_id,
        "port_id": port_id,
        "network_id": network_id,
        "vni": vni,
        "owner": candidates[0] if candidates else None,
        "generation": _generation(session) if candidates else 0,
        "candidates": candidates,
    }
    session.write(sa.insert(GATEWAY), row)
    networks, _ = component.component(session, component.networks_of(session, router_id))
    place.add(session, router_id, {*candidates, *component.hosts_on(session, networks)})
    changed(session, [router_id])


def clear(session: Session, router_id: str) -> None:
    """Take a router's gateway away; see `Transaction.clear_gateway`."""
    allocation.claim_vni(session, None, "router", router_id)
    session.write(sa.delete(GATEWAY).where(_G.router_id == router_id))
    changed(session, [router_id])


def get(session: Session, router_ids: Sequence[str]) -> dict[str, Row]:
    """What the store gave to routers with a gateway; see `Transaction.gateways`."""
    found: dict[str, Row] = {}
    for start in range(0, len(router_ids), _CHUNK):
        chunk = list(router_ids[start : start + _CHUNK])
        for row in session.read(sa.select(GATEWAY).where(_G.router_id.in_(chunk))):
            found[row.router_id] = {**row._mapping, "hosts": []}  # noqa: SLF001  # SQLAlchemy's public name for it
        if not found:
            continue
        blocks: dict[tuple[str, str], list[Row]] = {}
        for row in session.read(
            sa.select(PORT_BLOCK)
            .where(PORT_BLOCK.c.router_id.in_(chunk), PORT_BLOCK.c.freed_at.is_(None))
            .order_by(PORT_BLOCK.c.address, PORT_BLOCK.c.first)
        ):
            blocks.setdefault((row.router_id, row.host), []).append(
                {"address": row.address, "first": row.first, "size": row.size}
            )
        for row in session.read(sa.select(PLACE).where(PLACE.c.router_id.in_(chunk)).order_by(PLACE.c.host)):
            given = {n: getattr(row, n) for n in ("host", "number", "mac_address", "transit_ip", "transit_mac")}
            found[row.router_id]["hosts"].append({**given, "blocks": blocks.get((row.router_id, row.host), [])})
    return found


def assign_owner(session: Session, router_id: str, host: str | None) -> int:
    """Make a host the owner; see `Transaction.assign_owner`."""
    row = session.read(sa.select(_G.owner, _G.generation, _G.candidates).where(_G.router_id == router_id)).first()
    if row is None or (host is not None and host not in row.candidates):
        raise NotFoundError(f"host {host} is no candidate of router {router_id}, which can therefore not be its owner")
    return int(row.generation) if row.owner == host else assign(session, {router_id: host})


def adopt_owner(session: Session, router_id: str, generation: int, owner: str, host: str) -> str | None:
    """Take up the owner that hosts chose by themselves; see `Transaction.adopt_owner`."""
    row = session.read(sa.select(_G.generation, _G.candidates).where(_G.router_id == router_id)).first()
    if row is None or row.generation != generation or host not in row.candidates:
        return None
    leaving = drained(session)
    choice = sorted(row.candidates, key=lambda found: (found != owner, found in leaving))
    assign(session, {router_id: choice[0] if choice else None})
    return str(choice[0]) if choice else None


def hand_over(session: Session, lost: Collection[str]) -> int:
    """Give what lost hosts own to others; see `Transaction.hand_over`."""
    owned = sa.select(_G.router_id, _G.candidates).where(_G.owner.in_(sorted(lost))).order_by(_G.router_id)
    loads, leaving = load(session), drained(session)
    heirs: dict[str, str | None] = {}
    for row in session.read(owned).all():
        left = [host for host in row.candidates if host not in lost]
        if left:
            heir = heirs[row.router_id] = min(left, key=lambda host: (host in leaving, loads[host]))
            loads[heir] += 1
    assign(session, heirs)
    presence.lose_hosts(session, lost)
    return len(heirs)


def assign(session: Session, owners: Mapping[str, str | None]) -> int:
    """Give routers to owners that they did not have; the generation from then on."""
    if not owners:
        return 0
    generation = _generation(session)
    session.write(_ASSIGN, [{"which": id, "heir": host, "number": generation} for id, host in owners.items()])
    presence.reset_owned(session, list(owners))
    changed(session, owners)
    return generation


def add_block(session: Session, router_id: str, host: str) -> bool:
    """Give a host of a router one more block; see `Transaction.add_port_block`."""
    if not place.has(session, router_id, host):
        raise NotFoundError(f"host {host} has no place in router {router_id}")
    given = place.add_block(session, router_id, host) is not None
    if given:
        changed(session, [router_id])
    return given


def refill(session: Session) -> int:
    """Give blocks to hosts without one; see `Transaction.refill_port_blocks`."""
    refilled = place.refill(session)
    changed(session, refilled)
    return len(refilled)


def readdress(session: Session, router_id: str) -> None:
    """A gateway port's addresses are different now: so are port blocks."""
    place.readdress(session, router_id)
    changed(session, [router_id])


def use_ports(session: Session, uses: Iterable[tuple[str, str, int, int, str]]) -> None:
    """Give another block to whoever has used three quarters of what it has; see `Transaction.use_ports`."""
    for host, router_id, used, _, address in uses:
        had = place.room(session, router_id, host, address)
        if not had or used < had * ENOUGH or not place.may_grow(session, router_id, host):
            continue
        if place.add_block(session, router_id, host, address) is not None:
            changed(session, [router_id])


def observers(session: Session, hosts: Collection[str]) -> dict[str, set[str]]:
    """Who may say of hosts that they answer or not; see `Transaction.observers`."""
    placed = sa.select(PLACE.c.host, _G.candidates).join_from(PLACE, GATEWAY, PLACE.c.router_id == _G.router_id)
    found: dict[str, set[str]] = {host: set() for host in hosts}
    listed = sorted(hosts)
    for start in range(0, len(listed), _CHUNK):
        for host, candidates in session.read(placed.where(PLACE.c.host.in_(listed[start : start + _CHUNK]))):
            found[host].update(candidates)
    return found


def bound(session: Session, port_id: str, host: str) -> None:
    """A port was bound to a host: it needs a place in every router of the component."""
    port = TABLES["port"].c
    network_id = session.read(sa.select(port.network_id).where(port.id == port_id)).scalar_one()
    _, routers = component.component(session, [network_id])
    if not routers:
        return
    unplaced = session.read(_UNPLACED, {"these": sorted(routers), "host": host}).scalars().all()
    changed(session, [router_id for router_id in unplaced if place.add(session, router_id, [host])])


def joined(session: Session, network_id: str) -> None:
    """A router got a leg on a network: what it joined is one component now, and every host in it may hold all of it."""
    networks, routers = component.component(session, [network_id])
    with_gateway = session.read(sa.select(_G.router_id).where(_G.router_id.in_(sorted(routers)))).scalars().all()
    if not with_gateway:
        return
    hosts = component.hosts_on(session, networks)
    changed(session, [router_id for router_id in with_gateway if place.add(session, router_id, hosts)])


def host_changed(session: Session) -> None:
    """What gateway hosts reach is different now: candidates come and go, and a lost owner is replaced.

    A host that is drained becomes no candidate; of what it is one of already it is relieved by `onehop.store.drain`.
    """
    loads, leaving = load(session), drained(session)
    reaching: dict[str, set[str]] = {}
    candidates: dict[str, list[str]] = {}
    owners: dict[str, str | None] = {}
    fresh: set[str] = set()
    for row in session.read(sa.select(GATEWAY).order_by(_G.router_id)).all():
        if row.network_id not in reaching:
            reaching[row.network_id] = _reaching(session, row.network_id)
        eligible = reaching[row.network_id] - (leaving - set(row.candidates))
        if set(row.candidates) == eligible:
            continue
        found = candidates[row.router_id] = _ordered(row.router_id, row.candidates, eligible, loads)
        if not set(found) <= set(row.candidates):
            fresh.add(row.router_id)
        if row.owner not in found:
            heir = next((host for host in found if host not in leaving), found[0] if found else None)
            loads[heir or ""] += 1
            if heir != row.owner:
                owners[row.router_id] = heir
    put_candidates(session, candidates)
    assign(session, owners)
    for router_id in sorted(fresh):
        place.add(session, router_id, candidates[router_id])
    changed(session, candidates)


def put_candidates(session: Session, candidates: Mapping[str, Sequence[str]]) -> None:
    """Note who may own some routers; agents are told by `changed`."""
    if candidates:
        session.write(_CANDIDATES, [{"which": id, "found": list(found)} for id, found in candidates.items()])


def forget_host(session: Session, host: str) -> None:
    """A host is gone: its places too, and what it owned has another owner."""
    placed = session.read(sa.select(PLACE.c.router_id).where(PLACE.c.host == host)).scalars().all()
    place.remove(session, host, placed)
    changed(session, placed)
    host_changed(session)


def _ordered(router_id: str, before: Sequence[str], eligible: set[str], load: Counter[str]) -> list[str]:
    """Candidates: those there were stay in order, others follow; the first of all new ones is the least loaded."""
    kept = [host for host in before if host in eligible]
    fresh = sorted(eligible - set(kept), key=lambda host: _rank(router_id, host))
    if not kept:
        fresh.sort(key=lambda host: load[host])
        fresh[1:] = sorted(fresh[1:], key=lambda host: _rank(router_id, host))
    return [*kept, *fresh]


def _rank(router_id: str, host: str) -> bytes:
    """An order of hosts that differs from router to router, so that a lost owner's routers spread over the others."""
    return blake2b(f"{router_id} {host}".encode(), digest_size=8).digest()


def drained(session: Session) -> set[str]:
    """Hosts that are to own nothing."""
    return set(session.read(sa.select(_AGENT.host).where(~_AGENT.admin_state_up)).scalars())


def _reaching(session: Session, network_id: str) -> set[str]:
    """Gateway hosts that reach the network's physical network."""
    physical = session.read(
        sa.select(_NETWORK.provider_physical_network).where(_NETWORK.id == network_id)
    ).scalar_one_or_none()
    if physical is None:
        return set()
    said = session.read(sa.select(_AGENT.host, _AGENT.configurations))
    return {
        host
        for host, about in said
        if about.get("vtep") and about.get("gateway_host") and physical in about.get("physical_networks", ())
    }


def load(session: Session) -> Counter[str]:
    """How many routers each host owns."""
    owned = sa.select(_G.owner, sa.func.count().label("owned")).where(_G.owner.is_not(None)).group_by(_G.owner)
    return Counter({row.owner: row.owned for row in session.read(owned)})


def _generation(session: Session) -> int:
    """The revision of this transaction: there is one writer at a time, so it is the one after the newest."""
    return int(session.read(sa.select(REVISION.c.value)).scalar_one()) + 1


def changed(session: Session, router_ids: Iterable[str]) -> None:
    """Tell agents of these routers."""
    listed = list(router_ids)
    for router_id in listed:
        if not session.dirty.get(("router", router_id), False):
            session.mark("router", router_id)
    derive_routers(session, listed)
