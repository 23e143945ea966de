"""Draining: a host that is to own nothing is relieved of its routers, a few at a time, so no stream pauses for long.

In two steps. First others own what it owned, while it stays a candidate and so keeps all but the addresses: what
still reaches it is steered on. When nobody sends to it any more it is no candidate, and takes down what it does not
need.
Many at once would make its agent and the new owners' busy for seconds, at the cost of the packets that pass there.
"""

import sqlalchemy as sa

from onehop.store import gateway
from onehop.store.session import Session
from onehop.store.table import GATEWAY

_G = GATEWAY.c


def relieve(session: Session, limit: int) -> int:
    """Give some of what drained hosts own to others; see `Transaction.relieve`."""
    leaving = gateway.drained(session)
    if not leaving:
        return 0
    owned = sa.select(_G.router_id, _G.candidates).where(_G.owner.in_(sorted(leaving))).order_by(_G.router_id)
    loads = gateway.load(session)
    heirs: dict[str, str | None] = {}
    for row in session.read(owned).all():
        others = [host for host in row.candidates if host not in leaving]
        if others:
            heir = heirs[row.router_id] = min(others, key=lambda host: loads[host])
            loads[heir] += 1
        if len(heirs) == limit:
            break
    gateway.assign(session, heirs)
    return len(heirs)


def dismiss(session: Session, limit: int) -> int:
    """Let drained hosts be candidates of some routers no more; see `Transaction.dismiss`."""
    leaving = gateway.drained(session)
    if not leaving:
        return 0
    left: dict[str, list[str]] = {}
    without: dict[str, str | None] = {}
    for row in session.read(sa.select(_G.router_id, _G.owner, _G.candidates).order_by(_G.router_id)).all():
        if leaving.isdisjoint(row.candidates):
            continue
        found = left[row.router_id] = [host for host in row.candidates if host not in leaving]
        if row.owner in leaving:
            without[row.router_id] = found[0] if found else None
        if len(left) == limit:
            break
    gateway.put_candidates(session, left)
    gateway.assign(session, without)
    gateway.changed(session, left)
    return len(left)


def burden(session: Session, host: str) -> tuple[int, int]:
    """Of how many routers a host is the owner, and of how many a candidate; see `Transaction.burden`."""
    rows = session.read(sa.select(_G.owner, _G.candidates)).all()
    return sum(row.owner == host for row in rows), sum(host in row.candidates for row in rows)
