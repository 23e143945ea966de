"""How a stored row is shown: the attributes of its resource in their order, without what the caller may not see."""

from collections.abc import Iterable, Sequence
from functools import cache

from onehop.controller import policy
from onehop.controller.caller import Caller
from onehop.model.kind import Json
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME
from onehop.store import Row


@cache
def _shown(resource: str, hidden: frozenset[str]) -> tuple[tuple[str, str, Json], ...]:
    """What is shown: its name, where it is in a row, and what it reads as where the row does not have it."""
    spec = BY_NAME[resource]
    plan: list[tuple[str, str, Json]] = []
    for attribute in spec.attributes:
        if not attribute.view or attribute.name in hidden:
            continue
        source = "project_id" if attribute.name == "tenant_id" else attribute.name
        plan.append((attribute.name, source, attribute.kind.neutral[0] if attribute.kind.neutral else None))
    if spec.tags:
        plan.append(("tags", "tags", []))
    return tuple(plan)


def shown(resource: Resource, caller: Caller, row: Row, fields: Iterable[str] = ()) -> Row:
    """One row as the caller sees it; `fields` narrows it."""
    return shown_all(resource, caller, [row], fields)[0]


def shown_all(resource: Resource, caller: Caller, rows: Sequence[Row], fields: Iterable[str] = ()) -> list[Row]:
    """Rows as the caller sees them."""
    plan = _shown(resource.name, policy.hidden(caller, resource))
    wanted = frozenset(fields)
    if wanted:
        plan = tuple(one for one in plan if one[0] in wanted)
    return [{name: row.get(source, neutral) for name, source, neutral in plan} for row in rows]
