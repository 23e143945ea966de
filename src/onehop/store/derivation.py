"""The API's ``status`` of resources, which follows from what hosts say of them; see `onehop.store.presence`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from onehop.model.port import INTERFACE_OWNERS
from onehop.model.topology import Ref
from onehop.store.record import Status
from onehop.store.session import Session
from onehop.store.table import GATEWAY, HOST_STATUS, TABLES

REASON_LENGTH = 1024
UNREACHED = (
    "no gateway host reaches the external network, physical network {}: set gateway_host and physical_networks in an "
    "agent's configuration, let the host be that (`onehop host set`), and see that bridge and cable there are up"
)
CHUNK = 500
"""Ids in one statement."""

_RANK = {"DOWN": 0, "ACTIVE": 1, "ERROR": 2}
_LEG_OWNERS = sorted(INTERFACE_OWNERS)
_PORT, _FLOATING = TABLES["port"].c, TABLES["floatingip"].c
_SAID = HOST_STATUS.c


def derive_ports(session: Session, host: str, news: Mapping[str, Status]) -> list[Ref]:
    """Work out the statuses of ports that are bound to a host, from what it says."""
    columns = sa.select(_PORT.id, _PORT.status, _PORT.status_reason)
    mine = session.read(columns.where(_PORT.id.in_(news), _PORT.binding_host_id == host))
    before = {id: (status, reason) for id, status, reason in mine}
    after = {id: (news[id].state or "DOWN", short(news[id])) for id in before}
    return _set(session, "port", before, after)


def derive_routers(session: Session, ids: Sequence[str]) -> list[Ref]:
    """Work out routers' statuses: an error of any host, or that nobody reaches the outside, is an error."""
    return [ref for start in range(0, len(ids), CHUNK) for ref in _derive_routers(session, ids[start : start + CHUNK])]


def _derive_routers(session: Session, ids: Sequence[str]) -> list[Ref]:
    router = TABLES["router"].c
    columns = sa.select(router.id, router.status, router.status_reason).where(router.id.in_(ids))
    before = {id: (status, reason) for id, status, reason in session.read(columns)}
    after = dict.fromkeys(before, ("ACTIVE", ""))
    network = TABLES["network"].c
    lost = (
        sa.select(GATEWAY.c.router_id, network.provider_physical_network)
        .join_from(GATEWAY, TABLES["network"], network.id == GATEWAY.c.network_id)
        .where(GATEWAY.c.router_id.in_(ids), GATEWAY.c.owner.is_(None))
    )
    after.update((id, ("ERROR", UNREACHED.format(physical))) for id, physical in session.read(lost))
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
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
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
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
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


DERIVED: Mapping[str, Callable[[Session, Sequence[str]], list[Ref]]] = MappingProxyType(
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


def short(status: Status) -> str:
    """Its reason, as far as it is kept."""
    return status.reason[:REASON_LENGTH]
