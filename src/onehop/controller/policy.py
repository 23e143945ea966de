"""Who may see and change what: the questions that are asked of the table (`policy_table`), which each caller carries.

The order for one resource: is it seen (404), may it be done (403), may each attribute be set (403).
"""

from collections.abc import Mapping
from typing import Final

from onehop.controller.caller import ADMIN_PROJECT, Caller
from onehop.controller.faults import FaultError, forbidden, not_found
from onehop.controller.policy_table import Cell, Deed, Rights
from onehop.model.attribute import Unset
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME
from onehop.store import Row, Transaction, Where

EVERYBODY: Final = "*"
"""Target of an `rbac_policy` for all projects."""

_VERBS: Mapping[str, Deed] = {"create": "create", "update": "update", "delete": "delete"}
_GRANTS = {"shared": "access_as_shared", "external": "access_as_external"}


def rights(caller: Caller, resource: Resource) -> Rights:
    """The line of the table that holds for a resource."""
    return caller.policy.rights[resource.name]


def visible(caller: Caller, resource: Resource) -> list[Where] | None:
    """Conditions of which one must hold for the caller to see a row; None is no restriction, [] is nothing."""
    if caller.is_admin:
        return None
    return [_condition(caller, resource, word) for word in rights(caller, resource).see]


def _condition(caller: Caller, resource: Resource, word: str) -> Where:
    of_network = "" if resource.name == "network" else "network_id."
    if word in ("anyone", "parent"):  # a child's list is that of its parent, which the caller was found to see
        return {}
    if word == "owner":
        return {"project_id": [caller.project_id]}
    if word == "network_owner":
        return {"network_id.project_id": [caller.project_id]}
    if word == "group_owner":
        return {"security_group_id.project_id": [caller.project_id]}
    return {f"{of_network}granted.{_GRANTS[word]}": [caller.project_id, EVERYBODY]}


def find(tx: Transaction, caller: Caller, resource: Resource, id: str) -> Row:
    """The row of that id, if the caller may see it.

    Raises:
        FaultError: 404, whether it does not exist or is hidden.
    """
    conditions = visible(caller, resource)
    if conditions is None:
        row = tx.get(resource.name, id)
        if row is None:
            raise not_found(resource.name, id)
        return row
    rows = tx.select(resource.name, {"id": [id]}, any_of=conditions) if conditions else []
    if not rows:
        raise not_found(resource.name, id)
    return rows[0]


def owns(caller: Caller, row: Mapping[str, object]) -> bool:
    """Whether the caller acts for the project that owns a row, or for all."""
    return caller.is_admin or (caller.project_id == row.get("project_id") and caller.project_id != "")


def is_granted(tx: Transaction, caller: Caller, network: Row, grant: str) -> bool:
    """Whether a network is shared with the caller's project (or external for it), as `rbac_policy` says."""
    where: Where = {
        "object_id": [network["id"]],
        "action": [_GRANTS[grant]],
        "target_tenant": [caller.project_id, EVERYBODY],
    }
    return tx.count("rbac_policy", where) > 0


def require_change(caller: Caller, resource: Resource, action: str, row: Row | None = None) -> None:
    """Refuse a change that the caller may not make; `row` is what is changed (a child: its parent), None for a create.

    What is made on a network is judged by `require_on_network` too.

    Raises:
        FaultError: 403.
    """
    if caller.is_admin:
        return
    cell = _cell(caller, resource, action)
    if not cell or not caller.may_write or not caller.project_id:
        raise forbidden(f"{action}_{resource.name}")
    if row is not None and not _may(caller, cell, row):
        raise forbidden(f"{action}_{resource.name}")
    if row is None and set(cell) == {"manager"} and not caller.is_manager:
        raise forbidden(f"{action}_{resource.name}")


def require_on_network(tx: Transaction, caller: Caller, resource: Resource, network: Row, values: Row) -> None:
    """Refuse to make something on a network of others, unless it is shared; and what only its owner may say.

    Args:
        tx: the request's.
        caller: who.
        resource: what is made.
        network: on which.
        values: what was asked for.

    Raises:
        FaultError: 403.
    """
    if caller.is_admin:
        return
    cell = rights(caller, resource).create
    shared = "shared" in cell and is_granted(tx, caller, network, "shared")
    own = (
        "owner" in cell
        or ("manager" in cell and caller.is_manager)
        or ("network_owner" in cell and owns(caller, network))
    )
    if not own and not shared:
        raise forbidden(f"create_{resource.name}")
    require_network_attributes(caller, resource, "create", network, values)


def require_network_attributes(caller: Caller, resource: Resource, action: str, network: Row, values: Row) -> None:
    """Refuse what only the owner of the network may say of what is on it.

    Raises:
        FaultError: 403, naming the attribute.
    """
    if caller.is_admin:
        return
    for name, cell in rights(caller, resource).set.items():
        if "network_owner" in cell and "owner" not in cell and not owns(caller, network) and _says(values, name):
            raise forbidden(f"{action}_{resource.name}:{name.replace('.', ':')}")


def require_attributes(caller: Caller, resource: Resource, action: str, given: Row) -> None:
    """Refuse attributes that only some may set; what the network's owner may is `require_network_attributes`.

    Raises:
        FaultError: 403, naming the attribute.
    """
    if caller.is_admin:
        return
    for name, cell in rights(caller, resource).set.items():
        if name not in given or not (set(cell) <= {"manager"}) or (cell and caller.is_manager):
            continue
        default = resource.by_name[name].default
        repeats = action == "create" and not isinstance(default, Unset) and given[name] == default
        if not repeats:
            raise forbidden(f"{action}_{resource.name}:{name}")


def may_set(caller: Caller, resource: Resource, part: str, network: Row) -> bool:
    """Whether the caller may say a part of an attribute (``attribute.part``) of something on a network."""
    if caller.is_admin:
        return True
    cell = rights(caller, resource).set.get(part, ("owner",))
    return (
        "owner" in cell
        or ("manager" in cell and caller.is_manager)
        or ("network_owner" in cell and owns(caller, network))
    )


def hidden(caller: Caller, resource: Resource) -> frozenset[str]:
    """Attributes of a resource that the caller does not see."""
    return frozenset() if caller.is_admin else caller.policy.hidden[resource.name]


def project_for(caller: Caller, wanted: str | None) -> str:
    """The project of a new resource.

    Raises:
        FaultError: 403 when it is not the caller's.
    """
    if wanted is not None and wanted != caller.project_id and not caller.is_admin:
        raise FaultError("PolicyNotAuthorized", "Only an administrator may create something for another project.")
    return wanted or caller.project_id or ADMIN_PROJECT


def _cell(caller: Caller, resource: Resource, action: str) -> Cell:
    """The cell of an operation; an action is an update. A child's is that of its parent where it says so."""
    cell: Cell = getattr(rights(caller, resource), _VERBS.get(action, "update"))
    if "parent" not in cell or resource.parent is None:
        return cell
    above: Cell = rights(caller, BY_NAME[resource.parent.resource]).update
    return (*(word for word in cell if word != "parent"), *above)


def _may(caller: Caller, cell: Cell, row: Row) -> bool:
    """Whether a cell lets the caller change a row."""
    return owns(caller, row) and ("owner" in cell or ("manager" in cell and caller.is_manager))


def _says(values: Row, name: str) -> bool:
    """Whether a request says something with an attribute, or a part of one, that its default does not."""
    head, _, part = name.partition(".")
    value = values.get(head)
    if not part:
        return head in values and value != [] and value is not True
    return isinstance(value, list) and any(part in one for one in value)
