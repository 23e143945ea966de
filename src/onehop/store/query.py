"""Resources are read here: by id, by filters, in order, page by page."""

import itertools
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa

from onehop.errors import InputError, NotFoundError
from onehop.model.resources import BY_NAME
from onehop.store import condition
from onehop.store.prepared import Prepared
from onehop.store.record import Row
from onehop.store.session import Session
from onehop.store.table import TABLES, key_columns

Id = str | tuple[str, str]
Where = Mapping[str, Sequence[Any]]


@cache
def shape(resource: str) -> tuple[tuple[str, ...], tuple[sa.Column[Any], ...]]:
    """Names of a row's attributes, and the columns that hold them."""
    if resource not in BY_NAME:
        raise InputError(f"there is no resource {resource!r}")
    spec, table = BY_NAME[resource], TABLES[resource]
    names = [a.name for a in spec.columns]
    columns = [table.c[a.column_name] for a in spec.columns]
    if spec.tags:
        names.append("tags")
        columns.append(table.c.tags)
    return tuple(names), tuple(columns)


def is_key(resource: str) -> sa.ColumnElement[bool]:
    """Whether a row is the one that the parameters of `key` name."""
    table = TABLES[resource]
    return sa.and_(*(table.c[key] == sa.bindparam(f"key_{key}") for key in key_columns(BY_NAME[resource])))


def key(resource: str, id: Id) -> dict[str, str]:
    """The parameters of `is_key` for an id."""
    values = (id,) if isinstance(id, str) else id
    keys = key_columns(BY_NAME[resource])
    if len(keys) != len(values):
        raise InputError(f"a {resource} is named by {' and '.join(keys)}")
    return {f"key_{key}": value for key, value in zip(keys, values, strict=True)}


@cache
def _by_id(resource: str) -> tuple[tuple[str, ...], Prepared]:
    """Names of a row's attributes, and the statement that reads one row."""
    names, columns = shape(resource)
    return names, Prepared(sa.select(*columns).where(is_key(resource)))


def get(session: Session, resource: str, id: Id) -> Row | None:
    """The resource of that id, or None."""
    names, statement = _by_id(resource)
    found = session.ask(statement, key(resource, id)).first()
    return None if found is None else dict(zip(names, found, strict=True))


def count(session: Session, resource: str, where: Where) -> int:
    """How many match."""
    shape(resource)
    table = TABLES[resource]
    statement = sa.select(sa.func.count()).select_from(table).where(condition.all_of(resource, where))
    return int(session.read(statement).scalar_one())


def select(
    session: Session,
    resource: str,
    where: Where,
    *,
    any_of: Sequence[Where],
    sort: Sequence[tuple[str, str]],
    limit: int | None,
    marker: str | None,
    reverse: bool,
) -> list[Row]:
    """The resources that match; see `Transaction.select`."""
    names, columns = shape(resource)
    if marker is None and not reverse and condition.is_plain(resource, where, *any_of):
        plain = _plain(resource, tuple(where), tuple(map(tuple, any_of)), tuple(sort), limit is not None)
        asked = session.ask(plain, {"most": limit, **_plain_values(where, *any_of)}).all()
        return [dict(zip(names, found, strict=True)) for found in asked]
    statement = sa.select(*columns).where(condition.all_of(resource, where))
    if any_of:
        statement = statement.where(sa.or_(*(condition.all_of(resource, one) for one in any_of)))
    order = _order(resource, sort, reverse=reverse)
    if marker is not None:
        statement = statement.where(_after(session, resource, order, marker, where))
    statement = statement.order_by(*(c.asc() if up else c.desc() for c, up in order))
    if limit is not None:
        statement = statement.limit(limit)
    rows = [dict(zip(names, found, strict=True)) for found in session.read(statement)]
    return rows[::-1] if reverse else rows


@lru_cache(maxsize=256)
def _plain(
    resource: str,
    where: tuple[str, ...],
    any_of: tuple[tuple[str, ...], ...],
    sort: tuple[tuple[str, str], ...],
    limited: bool,
) -> Prepared:
    """The statement for attributes that equal one value each: what domain logic asks most, so it is made once."""
    _, columns = shape(resource)
    place = itertools.count()

    def equal(names: tuple[str, ...]) -> sa.ColumnElement[bool]:
        return condition.all_of(resource, {name: [sa.bindparam(f"is_{next(place)}")] for name in names})

    statement = sa.select(*columns).where(equal(where))
    if any_of:
        statement = statement.where(sa.or_(*map(equal, any_of)))
    order = _order(resource, sort, reverse=False)
    statement = statement.order_by(*(c.asc() if up else c.desc() for c, up in order))
    return Prepared(statement.limit(sa.bindparam("most", type_=sa.Integer())) if limited else statement)


def _plain_values(*wheres: Where) -> dict[str, Any]:
    values = (some[0] for where in wheres for some in where.values())
    return {f"is_{place}": value for place, value in enumerate(values)}


Order = list[tuple[sa.ColumnElement[Any], bool]]


def _order(resource: str, sort: Sequence[tuple[str, str]], *, reverse: bool) -> Order:
    order: Order = []
    keys = key_columns(BY_NAME[resource])
    for name, direction in (*sort, *((key, "asc") for key in keys)):
        attribute = BY_NAME[resource].attribute(name)
        if attribute is None or attribute.column is None or attribute.column.type == "json":
            raise InputError(f"{resource} cannot be sorted by {name!r}")
        if direction not in ("asc", "desc"):
            raise InputError(f"the direction of a sort is asc or desc, not {direction!r}")
        column: sa.ColumnElement[Any] = TABLES[resource].c[attribute.column_name]
        if attribute.column.type == "bool":
            column = sa.cast(column, sa.Integer())
        if attribute.column.nullable:
            column = sa.func.coalesce(column, sa.literal("" if attribute.column.type == "text" else 0))
        order.append((column, (direction == "asc") is not reverse))
    return order


def _after(session: Session, resource: str, order: Order, marker: str, where: Where) -> sa.ColumnElement[bool]:
    """What comes after the marker's row in an order, as a condition on columns.

    The key of a child is unique below its parent only, so the marker is looked for there.
    """
    *above, key = key_columns(BY_NAME[resource])
    within = condition.all_of(resource, {name: where[name] for name in above if name in where})
    is_marker = sa.and_(TABLES[resource].c[key] == marker, within)
    found = session.read(sa.select(*(column for column, _ in order)).where(is_marker)).first()
    if found is None:
        raise NotFoundError(f"the marker {marker} is no {resource}")
    alternatives: list[sa.ColumnElement[bool]] = []
    equal: list[sa.ColumnElement[bool]] = []
    for (column, up), value in zip(order, found, strict=True):
        alternatives.append(sa.and_(*equal, column > value if up else column < value))
        equal.append(column == value)
    return sa.or_(*alternatives)
