"""Filters of `Transaction.select`, as conditions on columns. The list of forms is in its docstring."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from onehop.errors import InputError
from onehop.model.attribute import Attribute
from onehop.model.resources import BY_NAME
from onehop.store import tag
from onehop.store.table import ALLOCATION, SECURITY_GROUP_PORT, TABLES

Condition = sa.ColumnElement[bool]

_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
_GRANTED = "granted"
_ADDRESSES = ("fixed_ips.subnet_id", "fixed_ips.ip_address", "fixed_ips.ip_address_substr")


def all_of(resource: str, where: Mapping[str, Sequence[Any]]) -> Condition:
    """Whether a row matches every filter.

    Raises:
        InputError: a name that one cannot filter by.
    """
    conditions = [_one(resource, name, values) for name, values in where.items() if name not in _ADDRESSES]
    addresses = {name: values for name, values in where.items() if name in _ADDRESSES}
    if addresses:
        conditions.append(_has_address(resource, addresses))
    return sa.and_(sa.true(), *conditions)


def is_plain(resource: str, *wheres: Mapping[str, Sequence[Any]]) -> bool:
    """Whether all filters are attributes, stored here or by what a reference names, that must equal one value that is
    not NULL.
    """
    by_name = BY_NAME[resource].by_name
    for where in wheres:
        for name, values in where.items():
            attribute = by_name.get(name.partition(".")[0])
            if attribute is None or attribute.column is None or attribute.column.type == "json":
                return False
            if len(values) != 1 or values[0] is None:
                return False
    return True


def _one(resource: str, name: str, values: Sequence[Any]) -> Condition:
    spec = BY_NAME[resource]
    if name in _TAGS and spec.tags:
        id = TABLES[resource].c.id
        found = tag.has_any(resource, values, id) if name.endswith("any") else tag.has_all(resource, values, id)
        return sa.not_(found) if name.startswith("not") else found
    if name == "changed_since" and "updated_at" in TABLES[resource].c:
        recent: Condition = TABLES[resource].c.updated_at >= max(values)
        return recent
    if resource == "port" and name == "security_groups":
        having = sa.select(SECURITY_GROUP_PORT.c.port_id).where(_equal(SECURITY_GROUP_PORT.c.security_group_id, values))
        return TABLES["port"].c.id.in_(having)
    head, dot, rest = name.partition(".")
    if head == _GRANTED and dot:
        return _granted(resource, rest, values)
    attribute = spec.attribute(head)
    if attribute is None or attribute.column is None or attribute.column.type == "json":
        raise InputError(f"{resource} cannot be filtered by {name!r}")
    if dot:
        return _of_referenced(resource, attribute, rest, values)
    return _equal(TABLES[resource].c[attribute.column_name], values)


def _of_referenced(resource: str, attribute: Attribute, name: str, values: Sequence[Any]) -> Condition:
    target = attribute.column.references if attribute.column is not None else None
    if target is None:
        raise InputError(f"{attribute.name} of {resource} names no other resource")
    matching = sa.select(TABLES[target].c.id).where(_one(target, name, values))
    names: sa.ColumnElement[str] = TABLES[resource].c[attribute.column_name]
    return names.in_(matching)


def _granted(resource: str, action: str, targets: Sequence[Any]) -> Condition:
    """Whether an `rbac_policy` lets one of these projects (or "*") do that with a row."""
    policies = TABLES["rbac_policy"].c
    named = sa.select(policies.object_id).where(
        policies.object_type == resource, policies.action == action, _equal(policies.target_tenant, targets)
    )
    return TABLES[resource].c.id.in_(named)


def _equal(column: sa.ColumnElement[Any], values: Sequence[Any]) -> Condition:
    some = [v for v in values if v is not None]
    condition: Condition = column == some[0] if len(some) == 1 else column.in_(some)
    return sa.or_(condition, column.is_(None)) if len(some) < len(values) else condition


def _has_address(resource: str, filters: Mapping[str, Sequence[Any]]) -> Condition:
    if resource != "port":
        raise InputError(f"{resource} has no fixed_ips to filter by")
    matching = sa.select(ALLOCATION.c.port_id)
    for name, values in filters.items():
        if name == "fixed_ips.ip_address_substr":
            matching = matching.where(
                sa.or_(*(ALLOCATION.c.ip_address.contains(v.lower(), autoescape=True) for v in values))
            )
        else:
            matching = matching.where(_equal(ALLOCATION.c[name.partition(".")[2]], values))
    return TABLES["port"].c.id.in_(matching)
