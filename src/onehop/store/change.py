"""The change log: what changed at which revision. Revisions are in commit order, as there is one writer at a time."""

import sqlalchemy as sa

from onehop.errors import StaleError
from onehop.store.prepared import Prepared
from onehop.store.record import Change
from onehop.store.session import Session
from onehop.store.table import CHANGE_LOG, REVISION

_PRUNE_EVERY = 1000

_NEWEST = Prepared(sa.select(REVISION.c.value))
_ADVANCE = Prepared(sa.update(REVISION).values(value=REVISION.c.value + 1).returning(REVISION.c.value))
_LOG = Prepared(sa.insert(CHANGE_LOG))


def revision(session: Session) -> int:
    """The newest revision."""
    return int(session.ask(_NEWEST, {}).one()[0])


def touch(connection: sa.Connection) -> None:
    """Write what changes nothing: whoever can do that can write."""
    connection.execute(sa.update(REVISION).values(value=REVISION.c.value))


def changes(session: Session, since: int, limit: int) -> list[Change]:
    """Changes after `since`; see `Transaction.changes`."""
    newest, pruned = session.read(sa.select(REVISION.c.value, REVISION.c.pruned)).one()
    if not pruned <= since <= newest:
        raise StaleError(f"the change log reaches from revision {pruned} to {newest}, not to {since}: take a snapshot")
    log = CHANGE_LOG.c
    columns = sa.select(log.revision, log.kind, log.id, log.deleted).order_by(log.revision, log.kind, log.id)
    found = [Change(*row) for row in session.read(columns.where(log.revision > since).limit(limit))]
    if found and len(found) == limit:
        last = found[-1].revision
        found = [c for c in found if c.revision < last]
        found += [Change(*row) for row in session.read(columns.where(log.revision == last))]
    return found


def record(session: Session, keep: int) -> int | None:
    """Give the transaction its revision and write down what changed; None if nothing did.

    Now and then it forgets all but the last `keep` revisions.
    """
    if not session.dirty:
        return None
    number = int(session.change(_ADVANCE, {}).one()[0])
    rows = [
        {"revision": number, "kind": kind, "id": id, "deleted": deleted}
        for (kind, id), deleted in session.dirty.items()
    ]
    session.change_many(_LOG, rows)
    if number % _PRUNE_EVERY == 0:
        prune(session, keep)
    return number


def prune(session: Session, keep: int) -> int:
    """Forget all but the last `keep` revisions; how many rows went."""
    newest, pruned = session.read(sa.select(REVISION.c.value, REVISION.c.pruned)).one()
    until = newest - keep
    if until <= pruned:
        return 0
    session.write(sa.update(REVISION).values(pruned=until))
    return session.write(sa.delete(CHANGE_LOG).where(CHANGE_LOG.c.revision <= until)).rowcount
