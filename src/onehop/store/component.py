"""Components in rows: the networks and routers that router interfaces join, and the hosts where their ports are bound.

The same question as `onehop.model.placement` answers on values, asked inside a transaction that has just changed them.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from onehop.model.port import INTERFACE_OWNERS
from onehop.store.session import Session
from onehop.store.table import TABLES

_CHUNK = 500
_PORT, _BINDING = TABLES["port"].c, TABLES["binding"].c
_IS_LEG = _PORT.device_owner.in_(sorted(INTERFACE_OWNERS))
_THESE: sa.BindParameter[list[str]] = sa.bindparam("these", expanding=True)
_ROUTERS_ON = sa.select(_PORT.device_id).where(_PORT.network_id.in_(_THESE), _IS_LEG).distinct()
_NETWORKS_OF = sa.select(_PORT.network_id).where(_PORT.device_id.in_(_THESE), _IS_LEG).distinct()
_HOSTS_ON = (
    sa.select(_BINDING.host)
    .join_from(TABLES["binding"], TABLES["port"], _PORT.id == _BINDING.port_id)
    .where(_PORT.network_id.in_(_THESE))
    .distinct()
)


def networks_of(session: Session, router_id: str) -> set[str]:
    """The networks that a router has legs on."""
    return _distinct(session, _NETWORKS_OF, {router_id})


def component(session: Session, networks: Iterable[str]) -> tuple[set[str], set[str]]:
    """Networks and routers of the components of some networks."""
    joined, routers = set(networks), set[str]()
    fresh = set(joined)
    while fresh:
        found = _distinct(session, _ROUTERS_ON, fresh) - routers
        routers |= found
        fresh = _distinct(session, _NETWORKS_OF, found) - joined
        joined |= fresh
    return joined, routers


def hosts_on(session: Session, networks: Iterable[str]) -> set[str]:
    """The hosts where a port of one of the networks is bound, actively or not."""
    return _distinct(session, _HOSTS_ON, networks)


def _distinct(session: Session, statement: sa.Select[tuple[str]], these: Iterable[str]) -> set[str]:
    listed = sorted(these)
    found: set[str] = set()
    for start in range(0, len(listed), _CHUNK):
        found.update(session.read(statement, {"these": listed[start : start + _CHUNK]}).scalars())
    return found
