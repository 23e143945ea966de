"""What hosts say of resources, and the API's ``status`` that follows from it and from ports' bindings.

Statuses are no part of the change log: they say what became of a wish, and are no wish.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from onehop.errors import NotFoundError, ReferencedError
from onehop.model.port import INTERFACE_OWNERS
from onehop.model.topology import Ref
from onehop.store.prepared import Prepared
from onehop.store.record import Status
from onehop.store.session import Session
from onehop.store.table import CERTIFICATE, GATEWAY, HOST_STATUS, LIVENESS, OWN_COLUMNS, REVISION, TABLES

REASON_LENGTH = 1024
UNREACHED = (
    "no gateway host reaches the external network: set gateway_host and physical_networks in an agent's configuration"
)
_CHUNK = 500
_RANK = {"DOWN": 0, "ACTIVE": 1, "ERROR": 2}
_LEG_OWNERS = sorted(INTERFACE_OWNERS)
_PORT = TABLES["port"].c
_SAID = HOST_STATUS.c
_BINDING = TABLES["binding"].c
_ACTIVE = sa.select(_BINDING.host).where(_BINDING.port_id == _PORT.id, _BINDING.status == "ACTIVE").scalar_subquery()
_THERE = sa.func.coalesce(_ACTIVE, sa.literal(""))
# The revision of this transaction is the one after the newest: there is one writer at a time.
_SINCE = sa.select(REVISION.c.value + 1).scalar_subquery()
_REBOUND = Prepared(
    sa.update(TABLES["port"])
    .where(_PORT.id == sa.bindparam("which"), _PORT.binding_host_id != _THERE)
    .values(binding_host_id=_THERE, status="DOWN", status_reason="", bound_at=_SINCE)
)
_FORGET = Prepared(sa.delete(HOST_STATUS).where(_SAID.kind == sa.bindparam("of"), _SAID.id == sa.bindparam("which")))

_FLOATING, _FORWARDING = TABLES["floatingip"].c, TABLES["port_forwarding"].c
_AGAIN = {"status": "DOWN", "status_reason": "", "bound_at": _SINCE}
_FORWARDS_TO = sa.select(_FORWARDING.floatingip_id).where(_FORWARDING.internal_port_id == sa.bindparam("which"))
_LED_THERE = Prepared(
    sa.update(TABLES["floatingip"])
    .where(sa.or_(_FLOATING.port_id == sa.bindparam("which"), _FLOATING.id.in_(_FORWARDS_TO)))
    .values(_AGAIN)
)


def follow_binding(session: Session, port_id: str) -> None:
    """A binding of the port changed: if the active one did, its host has to say anew how the port is.

    The same holds for the floating IPs that lead to it.
    """
    if session.change(_REBOUND, {"which": port_id}).rowcount:
        session.change(_LED_THERE, {"which": port_id})


def reset_floating_ip(session: Session, id: str) -> None:
    """A floating IP leads elsewhere: hosts have to say anew how it is."""
    session.write(sa.update(TABLES["floatingip"]).where(_FLOATING.id == id).values(_AGAIN))


def follow_host(session: Session, host: str) -> None:
    """A host reaches other networks than before: another may have to publish the floating IPs of its instances."""
    there = sa.select(_FLOATING.id).join(TABLES["port"], _PORT.id == _FLOATING.port_id)
    derive_floating_ips(session, list(session.read(there.where(_PORT.binding_host_id == host)).scalars()))


def reset_owned(session: Session, router_ids: Sequence[str]) -> None:
    """Routers' owners changed: how the floating IPs are that the owner publishes has to be said anew."""
    port = TABLES["port"].c
    bound = sa.select(port.id).where(port.id == _FLOATING.port_id, port.binding_host_id != "")
    for start in range(0, len(router_ids), _CHUNK):
        theirs = _FLOATING.router_id.in_(router_ids[start : start + _CHUNK])
        session.write(sa.update(TABLES["floatingip"]).where(theirs, ~bound.exists()).values(_AGAIN))
        there = sa.select(_FLOATING.id).where(theirs, _FLOATING.status != "DOWN")
        derive_floating_ips(session, list(session.read(there).scalars()))


def put(
    session: Session, host: str, statuses: Iterable[Status], number: int, revision: int, *, full: bool
) -> list[Ref]:
    """Write down what a host says; see `Transaction.put_statuses`."""
    current = session.read(sa.select(LIVENESS.c.session).where(LIVENESS.c.host == host)).scalar_one_or_none()
    if current is None:
        raise NotFoundError(f"there is no host {host}: add it with `onehop host add {host}`")
    if number < current:
        return []
    by_kind: dict[str, dict[str, Status]] = {}
    if full:
        for kind, id in session.read(sa.select(_SAID.kind, _SAID.id).where(_SAID.host == host)):
            by_kind.setdefault(kind, {})[id] = Status(kind, id, None)
    for status in statuses:
        by_kind.setdefault(status.kind, {})[status.id] = status
    changed: list[Ref] = []
    for kind, said in by_kind.items():
        if kind not in TABLES:
            continue
        ids = sorted(said)
        for start in range(0, len(ids), _CHUNK):
            chunk = {id: said[id] for id in ids[start : start + _CHUNK]}
            changed += _put_kind(session, host, kind, chunk, revision)
    return changed


def of(session: Session, kind: str, id: str) -> dict[str, Status]:
    """What each host says of a resource, by host."""
    columns = sa.select(_SAID.host, _SAID.state, _SAID.reason).where(_SAID.kind == kind, _SAID.id == id)
    return {host: Status(kind, id, state, reason) for host, state, reason in session.read(columns)}


def forget(session: Session, kind: str, id: str) -> None:
    """A resource is gone, and what was said of it."""
    session.change(_FORGET, {"of": kind, "which": id})


def forget_host(session: Session, host: str) -> None:
    """A host is about to go: what it said, and the right to come back with its certificates.

    Raises:
        ReferencedError: ports are bound to it.
    """
    bindings = TABLES["binding"]
    bound = session.read(sa.select(sa.func.count()).select_from(bindings).where(bindings.c.host == host)).scalar_one()
    if bound:
        raise ReferencedError(f"{bound} ports are bound to host {host}: move or unbind them first")
    spoken_of = sa.select(_SAID.kind, _SAID.id).where(_SAID.host == host, _SAID.kind.in_(sorted(_DERIVED)))
    said = session.read(spoken_of).all()
    session.write(sa.delete(HOST_STATUS).where(_SAID.host == host))
    for kind, derive in _DERIVED.items():
        derive(session, [id for of_kind, id in said if of_kind == kind])
    certificates = sa.update(CERTIFICATE).where(CERTIFICATE.c.host == host, CERTIFICATE.c.revoked_at.is_(None))
    session.write(certificates.values(revoked_at=session.time))


def lose_hosts(session: Session, hosts: Collection[str]) -> None:
    """Hosts are lost: no floating IP answers there, until they say so again."""
    there = (_SAID.kind == "floatingip", _SAID.host.in_(sorted(hosts)))
    ids = session.read(sa.select(_SAID.id).where(*there)).scalars().all()
    session.write(sa.delete(HOST_STATUS).where(*there))
    derive_floating_ips(session, list(ids))


def _put_kind(session: Session, host: str, kind: str, said: Mapping[str, Status], revision: int) -> list[Ref]:
    bound_at = _existing(session, kind, said)
    mine = sa.select(_SAID.id, _SAID.state, _SAID.reason, _SAID.revision).where(
        _SAID.kind == kind, _SAID.host == host, _SAID.id.in_(said)
    )
    known = {id: (state, reason, at) for id, state, reason, at in session.read(mine)}
    news: dict[str, Status] = {}
    for id, status in said.items():
        before = known.get(id)
        if id not in bound_at or (before is not None and before[2] > revision):
            continue
        if before is None and status.state is None:
            continue
        if before is not None and before[:2] == (status.state, _short(status)) and before[2] >= bound_at[id]:
            continue
        news[id] = status
    if not news:
        return []
    _replace(session, host, kind, news, revision)
    changed = _DERIVED[kind](session, list(news)) if kind in _DERIVED else []
    if kind == "port":
        changed += _derive_ports(session, host, {id: s for id, s in news.items() if revision >= bound_at[id]})
    return changed


def _existing(session: Session, kind: str, ids: Iterable[str]) -> dict[str, int]:
    """Id → revision from which on reports count, of those that exist."""
    table = TABLES[kind]
    since: sa.ColumnElement[int] = table.c.bound_at if kind in OWN_COLUMNS else sa.literal(0)
    return {found[0]: found[1] for found in session.read(sa.select(table.c.id, since).where(table.c.id.in_(ids)))}


def _replace(session: Session, host: str, kind: str, news: Mapping[str, Status], revision: int) -> None:
    session.write(sa.delete(HOST_STATUS).where(_SAID.kind == kind, _SAID.host == host, _SAID.id.in_(news)))
    rows = [
        {"kind": kind, "id": id, "host": host, "state": s.state, "reason": _short(s), "revision": revision}
        for id, s in news.items()
        if s.state is not None
    ]
    if rows:
        session.write(sa.insert(HOST_STATUS), rows)


def _derive_ports(session: Session, host: str, news: Mapping[str, Status]) -> list[Ref]:
    columns = sa.select(_PORT.id, _PORT.status, _PORT.status_reason)
    mine = session.read(columns.where(_PORT.id.in_(news), _PORT.binding_host_id == host))
    before = {id: (status, reason) for id, status, reason in mine}
    after = {id: (news[id].state or "DOWN", _short(news[id])) for id in before}
    return _set(session, "port", before, after)


def derive_routers(session: Session, ids: Sequence[str]) -> list[Ref]:
    """Work out routers' statuses: an error of any host, or that nobody reaches the outside, is an error."""
    return [
        ref for start in range(0, len(ids), _CHUNK) for ref in _derive_routers(session, ids[start : start + _CHUNK])
    ]


def _derive_routers(session: Session, ids: Sequence[str]) -> list[Ref]:
    router = TABLES["router"].c
    columns = sa.select(router.id, router.status, router.status_reason).where(router.id.in_(ids))
    before = {id: (status, reason) for id, status, reason in session.read(columns)}
    after = dict.fromkeys(before, ("ACTIVE", ""))
    lost = sa.select(GATEWAY.c.router_id).where(GATEWAY.c.router_id.in_(ids), GATEWAY.c.owner.is_(None))
    after.update(dict.fromkeys(session.read(lost).scalars(), ("ERROR", UNREACHED)))
    bad = sa.select(_SAID.id, _SAID.host, _SAID.state, _SAID.reason).where(
        _SAID.kind == "router", _SAID.id.in_(ids), _SAID.reason != ""
    )
    # What goes on, though not as well as it should, comes last: an error of any host outweighs it.
    for id, host, state, reason in session.read(bad.order_by(_SAID.state != "ACTIVE", _SAID.host.desc())):
        if state == "ERROR" or (state == "ACTIVE" and after[id][0] == "ACTIVE"):
            after[id] = (state, f"{host}: {reason}"[:REASON_LENGTH])
    return _set(session, "router", before, {id: after[id] for id in before})


def _derive_networks(session: Session, ids: Sequence[str]) -> list[Ref]:
    """Work out networks' statuses: an error of any host is an error."""
    network = TABLES["network"].c
    return _derive_by_any(session, "network", sa.select(network.id, network.status, network.status_reason), ids)


def _derive_legs(session: Session, ids: Sequence[str]) -> list[Ref]:
    """Work out the statuses of those of some ports that are router interfaces: an error of any host is an error, and
    while no host holds one it is down.
    """
    columns = sa.select(_PORT.id, _PORT.status, _PORT.status_reason)
    return _derive_by_any(session, "port", columns.where(_PORT.device_owner.in_(_LEG_OWNERS)), ids, "DOWN")


def _derive_by_any(
    session: Session, kind: str, columns: sa.Select[Any], ids: Sequence[str], silent: str = "ACTIVE"
) -> list[Ref]:
    """An error of any host, else that any host has it, else what one says; `silent` where none says anything."""
    changed: list[Ref] = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        found = session.read(columns.where(TABLES[kind].c.id.in_(chunk)))
        before = {id: (status, reason) for id, status, reason in found}
        after = dict.fromkeys(before, (silent, ""))
        said = sa.select(_SAID.id, _SAID.host, _SAID.state, _SAID.reason).where(
            _SAID.kind == kind, _SAID.id.in_(before)
        )
        for id, host, state, reason in session.read(said.order_by(_SAID.host.desc())):
            if _RANK[state] >= _RANK[after[id][0]]:
                after[id] = (state, f"{host}: {reason}"[:REASON_LENGTH] if reason else "")
        changed += _set(session, kind, before, after)
    return changed


def derive_floating_ips(session: Session, ids: Sequence[str]) -> list[Ref]:
    """Work out floating IPs' statuses from what hosts said since each leads where it does.

    An error of any host is one. ``ACTIVE`` takes all that the answer takes: the host of the instance, and, where that
    has no leg outside, or there is none, the owner who publishes the address.
    """
    changed: list[Ref] = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        columns = sa.select(_FLOATING.id, _FLOATING.status, _FLOATING.status_reason).where(_FLOATING.id.in_(chunk))
        before = {id: (status, reason) for id, status, reason in session.read(columns)}
        said = (
            sa.select(_SAID.id, _SAID.host, _SAID.state, _SAID.reason)
            .join_from(HOST_STATUS, TABLES["floatingip"], _FLOATING.id == _SAID.id)
            .where(_SAID.kind == "floatingip", _SAID.id.in_(chunk), _SAID.revision >= _FLOATING.bound_at)
            .order_by(_SAID.host.desc())
        )
        heard: dict[str, dict[str, tuple[str, str]]] = {}
        for id, host, state, reason in session.read(said):
            heard.setdefault(id, {})[host] = (state, f"{host}: {reason}"[:REASON_LENGTH] if reason else "")
        needed = _needed(session, list(heard))
        after = {id: _together(heard.get(id, {}), needed.get(id, frozenset())) for id in before}
        changed += _set(session, "floatingip", before, after)
    return changed


def _together(heard: Mapping[str, tuple[str, str]], needed: Collection[str]) -> tuple[str, str]:
    """What some hosts said, put together."""
    found = list(heard.values())
    bad = [said for said in found if said[0] == "ERROR"]
    if bad:
        return bad[-1]
    if needed and all(heard.get(host, ("", ""))[0] == "ACTIVE" for host in needed):
        return ("ACTIVE", "")
    return next((said for said in reversed(found) if said[0] == "DOWN"), ("DOWN", ""))


def _needed(session: Session, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """The hosts without which each floating IP does not answer; none where nobody publishes it."""
    network, agent = TABLES["network"].c, TABLES["agent"].c
    rows = session.read(
        sa.select(_FLOATING.id, _PORT.binding_host_id, GATEWAY.c.owner, network.provider_physical_network)
        .select_from(
            TABLES["floatingip"]
            .outerjoin(TABLES["port"], _PORT.id == _FLOATING.port_id)
            .outerjoin(GATEWAY, GATEWAY.c.router_id == _FLOATING.router_id)
            .outerjoin(TABLES["network"], network.id == _FLOATING.floating_network_id)
        )
        .where(_FLOATING.id.in_(ids))
    ).all()
    hosts = sorted({host for _, host, _, _ in rows if host})
    said = session.read(sa.select(agent.host, agent.configurations).where(agent.host.in_(hosts))) if hosts else ()
    reached = {host: frozenset(about.get("physical_networks", ())) for host, about in said}
    needed: dict[str, frozenset[str]] = {}
    for id, host, owner, physical in rows:
        if host and physical in reached.get(host, ()):
            needed[id] = frozenset({host})
        elif owner is not None:
            needed[id] = frozenset({owner, host} if host else {owner})
    return needed


_DERIVED: Mapping[str, Callable[[Session, Sequence[str]], list[Ref]]] = MappingProxyType(
    {"router": derive_routers, "floatingip": derive_floating_ips, "network": _derive_networks, "port": _derive_legs}
)
"""Kinds whose status follows from what several hosts say."""


def _set(
    session: Session, kind: str, before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]
) -> list[Ref]:
    """Write the statuses that differ."""
    different = [id for id in after if after[id] != before[id]]
    if different:
        table = TABLES[kind]
        statement = sa.update(table).where(table.c.id == sa.bindparam("which"))
        parameters: list[dict[str, Any]] = [
            {"which": id, "status": after[id][0], "status_reason": after[id][1]} for id in different
        ]
        session.write(statement, parameters)
    return [(kind, id) for id in different]


def _short(status: Status) -> str:
    return status.reason[:REASON_LENGTH]
