"""Hosts: the rows of resource ``agent``, and what changes with every sign of life."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from onehop.errors import NotFoundError, TakenError
from onehop.net.identifier import parse_host
from onehop.store import gateway, presence, row
from onehop.store.record import Heartbeat, HostRow, Row
from onehop.store.session import Session
from onehop.store.table import LIVENESS, TABLES

_AGENT = TABLES["agent"].c
_SELECT = sa.select(
    _AGENT.id,
    _AGENT.host,
    _AGENT.configurations,
    _AGENT.admin_state_up,
    _AGENT.description,
    _AGENT.created_at,
    _AGENT.started_at,
    LIVENESS.c.session,
    LIVENESS.c.heartbeat_at,
    LIVENESS.c.connected,
    LIVENESS.c.applied,
).join_from(TABLES["agent"], LIVENESS, _AGENT.host == LIVENESS.c.host)
_BY_NAME = _SELECT.where(_AGENT.host == sa.bindparam("name"))


def add(session: Session, name: str) -> HostRow:
    """Add a host; see `Transaction.add_host`."""
    row.insert(session, "agent", {"host": parse_host(name)})
    session.write(sa.insert(LIVENESS).values(host=name, session=0, connected=False, applied=0, heartbeat_at=None))
    return _existing(session, name)


def remove(session: Session, name: str) -> None:
    """Remove a host; see `Transaction.remove_host`."""
    row.delete(session, "agent", _existing(session, name).id)


def hosts(session: Session) -> list[HostRow]:
    """All hosts, by name."""
    return [_of(found) for found in session.read(_SELECT.order_by(_AGENT.host))]


def get(session: Session, name: str) -> HostRow | None:
    """One host, or None."""
    found = session.read(_BY_NAME, {"name": name}).one_or_none()
    return None if found is None else _of(found)


def open_session(
    session: Session, name: str, vtep: str, underlay_mtu: int, physical_networks: Sequence[str], details: Row
) -> int:
    """An agent said hello; see `Transaction.open_session`."""
    host = _existing(session, name)
    for other in hosts(session):
        if other.vtep == vtep and other.name != name:
            raise TakenError(
                f"host {other.name} has VTEP {vtep}: give {name} an address of its own", "agent", ("vtep",)
            )
    said = {"vtep": vtep, "underlay_mtu": underlay_mtu, "physical_networks": sorted(physical_networks)}
    row.update(session, "agent", host.id, {"configurations": {**details, **said}})
    if _reach(_existing(session, name)) != _reach(host):
        gateway.host_changed(session)
        presence.follow_host(session, name)
    session.write(
        sa.update(TABLES["agent"])
        .where(_AGENT.host == name)
        .values(started_at=session.now, heartbeat_timestamp=session.now)
    )
    session.write(
        sa.update(LIVENESS)
        .where(LIVENESS.c.host == name)
        .values(session=host.session + 1, connected=True, heartbeat_at=session.time)
    )
    return host.session + 1


def reach(session: Session, name: str, physical_networks: Sequence[str]) -> None:
    """A host reaches other physical networks now; see `Transaction.reach`."""
    host = _existing(session, name)
    if host.vtep is None or tuple(sorted(physical_networks)) == host.physical_networks:
        return
    said = session.read(sa.select(_AGENT.configurations).where(_AGENT.host == name)).scalar_one()
    row.update(session, "agent", host.id, {"configurations": {**said, "physical_networks": sorted(physical_networks)}})
    gateway.host_changed(session)
    presence.follow_host(session, name)


def beat(session: Session, beats: Sequence[Heartbeat]) -> None:
    """Write down signs of life; those of older sessions are dropped."""
    if not beats:
        return
    live: list[dict[str, Any]] = [
        {"which": b.host, "number": b.session, "connected": b.connected, "applied": b.applied} for b in beats
    ]
    which: sa.BindParameter[str] = sa.bindparam("which")
    session.write(
        sa.update(LIVENESS)
        .where(LIVENESS.c.host == which, LIVENESS.c.session == sa.bindparam("number"))
        .values(heartbeat_at=session.time),
        live,
    )
    seen = sa.select(LIVENESS.c.host).where(LIVENESS.c.heartbeat_at == session.time)
    agents = sa.update(TABLES["agent"]).where(_AGENT.host == which, _AGENT.host.in_(seen))
    session.write(
        agents.values(heartbeat_timestamp=sa.bindparam("at")), [{"which": b["which"], "at": session.now} for b in live]
    )


def _reach(host: HostRow) -> tuple[bool, tuple[str, ...]]:
    """What decides whether a host may own external addresses."""
    return host.gateway_host and host.vtep is not None, host.physical_networks


def _existing(session: Session, name: str) -> HostRow:
    found = get(session, name)
    if found is None:
        raise NotFoundError(f"there is no host {name}: add it with `onehop host add {name}`")
    return found


def _of(found: sa.Row[*tuple[Any, ...]]) -> HostRow:
    said: dict[str, Any] = found.configurations
    return HostRow(
        id=found.id,
        name=found.host,
        vtep=said.get("vtep"),
        underlay_mtu=said.get("underlay_mtu"),
        physical_networks=tuple(said.get("physical_networks", ())),
        gateway_host=bool(said.get("gateway_host")),
        admin_state_up=found.admin_state_up,
        description=found.description or "",
        created_at=found.created_at,
        started_at=found.started_at,
        session=found.session,
        heartbeat_at=found.heartbeat_at,
        connected=found.connected,
        applied=found.applied,
    )
