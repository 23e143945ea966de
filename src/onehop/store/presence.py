"""What hosts say of resources, and when it counts: from the binding on that it was said of.

Statuses are no part of the change log: they say what became of a wish, and are no wish.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from onehop.errors import NotFoundError, ReferencedError
from onehop.model.topology import Ref
from onehop.store.derivation import CHUNK, DERIVED, derive_floating_ips, derive_ports, short
from onehop.store.prepared import Prepared
from onehop.store.record import Status
from onehop.store.session import Session
from onehop.store.table import CERTIFICATE, HOST_STATUS, LIVENESS, OWN_COLUMNS, REVISION, TABLES

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
    for start in range(0, len(router_ids), CHUNK):
        theirs = _FLOATING.router_id.in_(router_ids[start : start + CHUNK])
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
        for start in range(0, len(ids), CHUNK):
            chunk = {id: said[id] for id in ids[start : start + CHUNK]}
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
    spoken_of = sa.select(_SAID.kind, _SAID.id).where(_SAID.host == host, _SAID.kind.in_(sorted(DERIVED)))
    said = session.read(spoken_of).all()
    session.write(sa.delete(HOST_STATUS).where(_SAID.host == host))
    for kind, derive in DERIVED.items():
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
        if before is not None and before[:2] == (status.state, short(status)) and before[2] >= bound_at[id]:
            continue
        news[id] = status
    if not news:
        return []
    _replace(session, host, kind, news, revision)
    changed = DERIVED[kind](session, list(news)) if kind in DERIVED else []
    if kind == "port":
        changed += derive_ports(session, host, {id: s for id, s in news.items() if revision >= bound_at[id]})
    return changed


def _existing(session: Session, kind: str, ids: Iterable[str]) -> dict[str, int]:
    """Id → revision from which on reports count, of those that exist."""
    table = TABLES[kind]
    since: sa.ColumnElement[int] = table.c.bound_at if kind in OWN_COLUMNS else sa.literal(0)
    return {found[0]: found[1] for found in session.read(sa.select(table.c.id, since).where(table.c.id.in_(ids)))}


def _replace(session: Session, host: str, kind: str, news: Mapping[str, Status], revision: int) -> None:
    session.write(sa.delete(HOST_STATUS).where(_SAID.kind == kind, _SAID.host == host, _SAID.id.in_(news)))
    rows = [
        {"kind": kind, "id": id, "host": host, "state": s.state, "reason": short(s), "revision": revision}
        for id, s in news.items()
        if s.state is not None
    ]
    if rows:
        session.write(sa.insert(HOST_STATUS), rows)
