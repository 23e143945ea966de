"""Hosts: the rows of resource ``agent``, what an operator approved of them, what changes with every sign of life.

An agent says what its host is; an operator says what it may be. What both say is in the row's ``configurations``, from
where everybody reads it; what only the agent says is beside it, under ``refused``, and counts for nothing.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import json

from onehop.errors import NotFoundError, TakenError
from onehop.net.identifier import parse_host
from onehop.store import gateway, presence, row
from onehop.store.prepared import Prepared
from onehop.store.record import Approval, Heartbeat, HostRow, Row
from onehop.store.session import Session
from onehop.store.table import APPROVAL, LIVENESS, TABLES

_AGENT = TABLES["agent"].c
_APPROVED = APPROVAL.c
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
    _APPROVED.gateway_host.label("may_own"),
    _APPROVED.physical_networks.label("may_reach"),
).select_from(
    TABLES["agent"].join(LIVENESS, _AGENT.host == LIVENESS.c.host).join(APPROVAL, _AGENT.host == _APPROVED.host)
)
_BY_NAME = _SELECT.where(_AGENT.host == sa.bindparam("name"))
_TEXT = sa.type_coerce(_AGENT.configurations, sa.Text())
_SAYING = sa.select(_AGENT.host, _AGENT.configurations)
_BEAT = Prepared(
    sa.update(LIVENESS)
    .where(LIVENESS.c.host == sa.bindparam("which"), LIVENESS.c.session == sa.bindparam("number"))
    .values(connected=sa.bindparam("there"), applied=sa.bindparam("revision"), heartbeat_at=sa.bindparam("at"))
)
_START = Prepared(
    sa.update(TABLES["agent"])
    .where(_AGENT.host == sa.bindparam("which"))
    .values(started_at=sa.bindparam("now"), heartbeat_timestamp=sa.bindparam("now"))
)
_BEGIN = Prepared(
    sa.update(LIVENESS)
    .where(LIVENESS.c.host == sa.bindparam("which"))
    .values(session=sa.bindparam("number"), connected=True, heartbeat_at=sa.bindparam("at"))
)
_CHUNK = 500


def add(session: Session, name: str, approved: Approval) -> HostRow:
    """Add a host; see `Transaction.add_host`."""
    row.insert(session, "agent", {"host": parse_host(name)})
    session.write(sa.insert(LIVENESS).values(host=name, session=0, connected=False, applied=0, heartbeat_at=None))
    session.write(
        sa.insert(APPROVAL).values(
            host=name, gateway_host=approved.gateway_host, physical_networks=sorted(approved.physical_networks)
        )
    )
    return _existing(session, name)


def approve(session: Session, name: str, gateway_host: bool | None, physical_networks: Sequence[str] | None) -> HostRow:
    """Change what a host may be; see `Transaction.approve_host`."""
    host = _existing(session, name)
    may_own = host.approved.gateway_host if gateway_host is None else gateway_host
    may_reach = host.approved.physical_networks if physical_networks is None else sorted(set(physical_networks))
    session.write(
        sa.update(APPROVAL)
        .where(_APPROVED.host == name)
        .values(gateway_host=may_own, physical_networks=list(may_reach))
    )
    if host.vtep is not None:
        _say(session, host, Approval(may_own, tuple(may_reach)), _claims(host), {})
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
    # Of a thousand hosts only those are decoded that have the word somewhere.
    word = json.encode(vtep).decode()
    for other, said in session.read(_SAYING.where(_TEXT.contains(word, autoescape=True))):
        if said.get("vtep") == vtep and other != name:
            raise TakenError(f"host {other} has VTEP {vtep}: give {name} an address of its own", "agent", ("vtep",))
    claimed = Approval(bool(details.get("gateway_host")), tuple(sorted(physical_networks)))
    _say(session, host, host.approved, claimed, {**details, "vtep": vtep, "underlay_mtu": underlay_mtu})
    session.change(_START, {"which": name, "now": session.now})
    session.change(_BEGIN, {"which": name, "number": host.session + 1, "at": session.time})
    return host.session + 1


def reach(session: Session, name: str, physical_networks: Sequence[str]) -> HostRow:
    """A host reaches other physical networks now; see `Transaction.reach`."""
    host = _existing(session, name)
    if host.vtep is not None:
        claimed = Approval(_claims(host).gateway_host, tuple(sorted(physical_networks)))
        _say(session, host, host.approved, claimed, {})
    return _existing(session, name)


def beat(session: Session, beats: Sequence[Heartbeat]) -> None:
    """Write down signs of life; those of older sessions are dropped."""
    if not beats:
        return
    at = session.time
    said = [
        {"which": b.host, "number": b.session, "there": b.connected, "revision": b.applied, "at": at} for b in beats
    ]
    session.change_many(_BEAT, said)
    names = sorted(b.host for b in beats)
    for start in range(0, len(names), _CHUNK):
        these = LIVENESS.c.host.in_(names[start : start + _CHUNK])
        heard = sa.select(LIVENESS.c.host).where(these, LIVENESS.c.heartbeat_at == at)
        older = _AGENT.heartbeat_timestamp.is_distinct_from(session.now)
        agents = sa.update(TABLES["agent"]).where(_AGENT.host.in_(heard), older)
        session.write(agents.values(heartbeat_timestamp=session.now))


def _say(session: Session, before: HostRow, approved: Approval, claimed: Approval, details: Row) -> None:
    """Write down what an agent says of its host, as far as it may be, and draw the conclusions.

    Args:
        session: of the transaction.
        before: the host as it was, with a `vtep` or with one among `details`.
        approved: what an operator lets it be, in this transaction.
        claimed: what the agent says that its host is.
        details: everything else that it said; empty keeps what there is.
    """
    known = details or session.read(sa.select(_AGENT.configurations).where(_AGENT.host == before.name)).scalar_one()
    counts, refused = claimed & approved, claimed - approved
    said = {name: value for name, value in known.items() if name != "refused"}
    said.update(_words(counts))
    if refused != Approval():
        said["refused"] = _words(refused)
    row.update(session, "agent", before.id, {"configurations": said})
    if (counts.gateway_host, counts.physical_networks) != _reach(before):
        gateway.host_changed(session)
        presence.follow_host(session, before.name)


def _words(claim: Approval) -> Row:
    return {"gateway_host": claim.gateway_host, "physical_networks": list(claim.physical_networks)}


def _claims(host: HostRow) -> Approval:
    """All that a host's agent said last."""
    return Approval(
        host.gateway_host or host.refused.gateway_host,
        tuple(sorted({*host.physical_networks, *host.refused.physical_networks})),
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
    refused = said.get("refused", {})
    return HostRow(
        id=found.id,
        name=found.host,
        vtep=said.get("vtep"),
        underlay_mtu=said.get("underlay_mtu"),
        physical_networks=tuple(said.get("physical_networks", ())),
        gateway_host=bool(said.get("gateway_host")),
        approved=Approval(found.may_own, tuple(found.may_reach)),
        refused=Approval(bool(refused.get("gateway_host")), tuple(refused.get("physical_networks", ()))),
        admin_state_up=found.admin_state_up,
        description=found.description or "",
        created_at=found.created_at,
        started_at=found.started_at,
        session=found.session,
        heartbeat_at=found.heartbeat_at,
        connected=found.connected,
        applied=found.applied,
    )
