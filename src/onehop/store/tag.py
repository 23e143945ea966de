"""Tags of resources, kept so that rows are found by them. The row itself repeats its tags."""

from collections.abc import Sequence

import sqlalchemy as sa

from onehop.store.prepared import Prepared
from onehop.store.session import Session
from onehop.store.table import TAG

_FORGET = Prepared(sa.delete(TAG).where(TAG.c.kind == sa.bindparam("of"), TAG.c.id == sa.bindparam("which")))
_PUT = Prepared(sa.insert(TAG))


def put(session: Session, kind: str, id: str, tags: Sequence[str]) -> None:
    """Make these the tags of a resource."""
    forget(session, kind, id)
    if tags:
        session.change_many(_PUT, [{"kind": kind, "tag": tag, "id": id} for tag in tags])


def forget(session: Session, kind: str, id: str) -> None:
    """Remove all tags of a resource."""
    session.change(_FORGET, {"of": kind, "which": id})


def has_all(kind: str, tags: Sequence[str], id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether the resource has all of these tags."""
    wanted = set(tags)
    if not wanted:
        return sa.true()
    # One statement however many tags are asked for: a condition for each would be deeper than SQLite parses.
    named = sa.select(TAG.c.id).where(TAG.c.kind == kind, TAG.c.tag.in_(wanted)).group_by(TAG.c.id)
    return id.in_(named.having(sa.func.count() == len(wanted)))


def has_any(kind: str, tags: Sequence[str], id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether the resource has one of these tags."""
    return id.in_(sa.select(TAG.c.id).where(TAG.c.kind == kind, TAG.c.tag.in_(tags)))
