"""Who may see and change what: one table, and the few questions that are asked of it.

An administrator sees and changes everything. For all others:

===================  ==============================================  ==========  ==============
resource             seen                                            created     changed by
===================  ==============================================  ==========  ==============
network              own, shared, external                           by members  own: members
subnet               own, and those of own and of shared networks    by members  own: members
port                 own, and those on own networks                  by members  own: members
binding              never (403 where the port is seen)              never       never
security_group       own                                             by members  own: members
security_group_rule  own, and those of own groups                    by members  own: members
router               own                                             by members  own: members
floatingip           own                                             by members  own: members
port_forwarding      those of floating IPs that are seen             by members  as its floating IP
agent                never (an empty list)                           never       never
===================  ==============================================  ==========  ==============

What is not seen is 404; what is seen but may not be changed is 403. A reader changes nothing; a user without any of the
roles sees nothing either (403). Attributes that are
`admin_see` are left out of views; those that are `admin_set` are 403 in a body, unless a create only repeats the
default. A project's id other than the caller's is 403.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from onehop.controller.caller import ADMIN_PROJECT, Caller
from onehop.controller.faults import FaultError, forbidden, not_found
from onehop.model.attribute import Unset
from onehop.model.kind import Json
from onehop.model.resource import Resource
from onehop.store import Row, Transaction, Where

MINE: Final = "the caller's project"


class Rights(msgspec.Struct, frozen=True):
    """What callers who are not administrators may do with a resource.

    Attributes:
        see: conditions, one of which must hold; `MINE` stands for the caller's project.
        change: ``owner`` (a member of the project that owns it) or ``admin``.
    """

    see: tuple[Mapping[str, Sequence[Json]], ...]
    change: Literal["owner", "admin"]


RIGHTS: Mapping[str, Rights] = MappingProxyType(
    {
        "network": Rights(({"project_id": (MINE,)}, {"shared": (True,)}, {"router:external": (True,)}), "owner"),
        "subnet": Rights(
            ({"project_id": (MINE,)}, {"network_id.project_id": (MINE,)}, {"network_id.shared": (True,)}), "owner"
        ),
        "port": Rights(({"project_id": (MINE,)}, {"network_id.project_id": (MINE,)}), "owner"),
        "binding": Rights((), "admin"),
        "security_group": Rights(({"project_id": (MINE,)},), "owner"),
        "security_group_rule": Rights(({"project_id": (MINE,)}, {"security_group_id.project_id": (MINE,)}), "owner"),
        "router": Rights(({"project_id": (MINE,)},), "owner"),
        "floatingip": Rights(({"project_id": (MINE,)},), "owner"),
        "port_forwarding": Rights(({},), "owner"),
        "agent": Rights((), "admin"),
    }
)
"""By resource. A resource without a line here cannot be served: the API refuses to start."""


def visible(caller: Caller, resource: Resource) -> list[Where] | None:
    """Conditions of which one must hold for the caller to see a row; None is no restriction, [] is nothing."""
    if caller.is_admin:
        return None
    rights = RIGHTS[resource.name]
    return [{k: [caller.project_id if v is MINE else v for v in vs] for k, vs in one.items()} for one in rights.see]


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


def owns(caller: Caller, row: Row) -> bool:
    """Whether the caller acts for the project that owns a row, or for all."""
    return caller.is_admin or (caller.project_id == row.get("project_id") and caller.project_id != "")


def require_change(caller: Caller, resource: Resource, action: str, row: Row | None = None) -> None:
    """Refuse a change that the caller may not make; `row` is what is changed, None for a create.

    Raises:
        FaultError: 403.
    """
    if caller.is_admin:
        return
    rights = RIGHTS[resource.name]
    if rights.change == "admin" or not caller.may_write or not caller.project_id:
        raise forbidden(f"{action}_{resource.name}")
    if row is not None and not owns(caller, row):
        raise forbidden(f"{action}_{resource.name}")


def require_attributes(caller: Caller, resource: Resource, action: str, given: Row) -> None:
    """Refuse attributes that only an administrator may set.

    Raises:
        FaultError: 403, naming the attribute.
    """
    if caller.is_admin:
        return
    for name, value in given.items():
        attribute = resource.attribute(name)
        if attribute is None or not attribute.admin_set:
            continue
        repeats = action == "create" and not isinstance(attribute.default, Unset) and value == attribute.default
        if not repeats:
            raise forbidden(f"{action}_{resource.name}:{name}")


def project_for(caller: Caller, wanted: str | None) -> str:
    """The project of a new resource.

    Raises:
        FaultError: 403 when it is not the caller's.
    """
    if wanted is not None and wanted != caller.project_id and not caller.is_admin:
        raise FaultError("PolicyNotAuthorized", "Only an administrator may create something for another project.")
    return wanted or caller.project_id or ADMIN_PROJECT
