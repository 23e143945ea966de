"""Resources are read here: by id, by filters, in order, page by page."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa

from onehop.errors import InputError, NotFoundError
from onehop.model.resources import BY_NAME
from onehop.store import condition
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


def is_id(resource: str, id: Id) -> sa.ColumnElement[bool]:
    """Whether a row is the one of that id."""
    keys = key_columns(BY_NAME[resource])
    table = TABLES[resource]
    return sa.and_(*(table.c[key] == value for key, value in zip(keys, _values_of(resource, id), strict=True)))


def _values_of(resource: str, id: Id) -> tuple[str, ...]:
    """The values of the key's columns."""
    values = (id,) if isinstance(id, str) else id
    keys = key_columns(BY_NAME[resource])
    if len(keys) != len(values):
        raise InputError(f"a {resource} is named by {' and '.join(keys)}")
    return values


@cache
def _by_id(resource: str) -> tuple[tuple[str, ...], sa.Select[*tuple[Any, ...]], tuple[str, ...]]:
    """Names of a row's attributes, the statement that reads one row, and the names of its parameters."""
    names, columns = shape(resource)
    table = TABLES[resource]
    keys = key_columns(BY_NAME[resource])
    parameters = tuple(f"key_{key}" for key in keys)
    equal = (table.c[key] == sa.bindparam(p) for key, p in zip(keys, parameters, strict=True))
    return names, sa.select(*columns).where(*equal), parameters


def get(session: Session, resource: str, id: Id) -> Row | None:
    """The resource of that id, or None."""
    names, statement, keys = _by_id(resource)
    found = session.read(statement, dict(zip(keys, _values_of(resource, id), strict=True))).one_or_none()
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
    if limit is None and marker is None and not (any_of or sort or reverse) and condition.is_plain(resource, where):
        values = {f"is_{place}": some[0] for place, some in enumerate(where.values())}
        plain = session.read(_plain(resource, tuple(where)), values)
        return [dict(zip(names, found, strict=True)) for found in plain]
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
def _plain(resource: str, attributes: tuple[str, ...]) -> sa.Select[*tuple[Any, ...]]:
    """The statement for attributes that equal one value each: what domain logic asks most, so it is made once."""
    _, columns = shape(resource)
    table, spec = TABLES[resource], BY_NAME[resource]
    named = {a.name: a.column_name for a in spec.columns}
    equal = (table.c[named[name]] == sa.bindparam(f"is_{place}") for place, name in enumerate(attributes))
    return sa.select(*columns).where(*equal).order_by(*(table.c[key] for key in key_columns(spec)))


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
