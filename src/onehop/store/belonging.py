"""Which ports have which security groups, beside the ports' rows, so that a group that is used cannot go."""

from collections.abc import Sequence

import sqlalchemy as sa

from onehop.store.session import Session
from onehop.store.table import SECURITY_GROUP_PORT

_PUT = sa.insert(SECURITY_GROUP_PORT)
_CLEAR = sa.delete(SECURITY_GROUP_PORT).where(SECURITY_GROUP_PORT.c.port_id == sa.bindparam("port"))


def put(session: Session, port_id: str, groups: Sequence[str]) -> None:
    """Give groups to a port that has none."""
    if groups:
        session.write(_PUT, [{"security_group_id": group, "port_id": port_id} for group in groups])


def clear(session: Session, port_id: str) -> None:
    """Take all groups off a port."""
    session.write(_CLEAR, {"port": port_id})
