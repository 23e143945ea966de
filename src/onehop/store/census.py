"""How many rows there are, and how they are: for whoever watches over everything. A few grouped counts, no rows."""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from onehop.model.resources import RESOURCES
from onehop.store.session import Session
from onehop.store.table import GATEWAY, PORT_BLOCK, TABLES

NO_STATUS = "none"
_HELD = PORT_BLOCK.c.freed_at.is_(None)


class Census(msgspec.Struct, frozen=True):
    """What was counted, all of one moment.

    Attributes:
        resources: resource and status (`NO_STATUS` where it has none) → number.
        ownerless: routers with a gateway that no host owns.
        blocks: port blocks that hosts hold.
        most_ports: source ports of the gateway address of which most are held, those in quarantine too.
    """

    resources: dict[tuple[str, str], int]
    ownerless: int
    blocks: int
    most_ports: int


def census(session: Session) -> Census:
    """Count."""
    most = sa.select(sa.func.sum(PORT_BLOCK.c.size).label("ports"))
    most = most.group_by(PORT_BLOCK.c.router_id, PORT_BLOCK.c.address).order_by(sa.desc("ports")).limit(1)
    return Census(
        resources={(kind, status): number for kind, status, number in _resources(session)},
        ownerless=_number(session, sa.select(sa.func.count()).select_from(GATEWAY).where(GATEWAY.c.owner.is_(None))),
        blocks=_number(session, sa.select(sa.func.count()).select_from(PORT_BLOCK).where(_HELD)),
        most_ports=_number(session, most),
    )


def _number(session: Session, select: sa.Select[Any]) -> int:
    return int(session.read(select).scalar() or 0)


def _resources(session: Session) -> Iterator[tuple[str, str, int]]:
    for resource in RESOURCES:
        table = TABLES[resource.name]
        if "status" not in table.c:
            yield resource.name, NO_STATUS, _number(session, sa.select(sa.func.count()).select_from(table))
            continue
        for status, number in session.read(sa.select(table.c.status, sa.func.count()).group_by(table.c.status)):
            yield resource.name, str(status or NO_STATUS), int(number)
