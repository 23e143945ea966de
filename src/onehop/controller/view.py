"""How a stored row is shown: the attributes of its resource in their order, without what the caller may not see."""

from collections.abc import Iterable, Sequence
from functools import cache

from onehop.controller.caller import Caller
from onehop.model.attribute import Attribute
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME
from onehop.store import Row


@cache
def _shown(resource: str, admin: bool) -> tuple[Attribute, ...]:
    attributes = BY_NAME[resource].attributes
    return tuple(a for a in attributes if a.view and (admin or not a.admin_see))


def shown(resource: Resource, caller: Caller, row: Row, fields: Iterable[str] = ()) -> Row:
    """One row as the caller sees it; `fields` narrows it."""
    wanted = frozenset(fields)
    view: Row = {}
    for attribute in _shown(resource.name, caller.is_admin):
        name = attribute.name
        if wanted and name not in wanted:
            continue
        if name in row:
            view[name] = row[name]
        elif name == "tenant_id":
            view[name] = row["project_id"]
        else:
            view[name] = attribute.kind.neutral[0] if attribute.kind.neutral else None
    if resource.tags and (not wanted or "tags" in wanted):
        view["tags"] = row.get("tags", [])
    return view


def shown_all(resource: Resource, caller: Caller, rows: Sequence[Row], fields: Iterable[str] = ()) -> list[Row]:
    """Rows as the caller sees them."""
    wanted = tuple(fields)
    return [shown(resource, caller, row, wanted) for row in rows]
