"""The table of rights: who may see, make and change what. Data and its one meaning; the questions are in `policy`.

Administrators see and change everything; no table can take that from them. For all others a cell lists who may, and
whoever is any of these may:

anyone
    every user with a role of ours.
owner
    a member or manager of the project whose it is (to see: a reader too); of what is being made, a member or manager.
manager
    the same, managers only.
network_owner
    the same of the project whose the network is, on which it is.
group_owner
    members of the project whose the security group is, of which it is a rule.
shared, external
    the network (itself, or the one on which it is) is shared with the project, or external for it: `rbac_policy`.
parent
    whoever may do the same with the parent of a child.

An empty cell is administrators only. What is not seen is 404; what is seen but may not be changed is 403. A reader
changes nothing; a user without any of the roles sees nothing either (403).
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal, get_args

import msgspec

from onehop.model.resources import BY_NAME

Who = Literal["anyone", "owner", "manager", "network_owner", "group_owner", "shared", "external", "parent"]
Cell = tuple[Who, ...]
Deed = Literal["see", "create", "update", "delete"]
DEEDS: tuple[Deed, ...] = get_args(Deed)

MEANINGFUL: Final[Mapping[str, frozenset[Who]]] = MappingProxyType(
    {
        "see": frozenset({"anyone", "owner", "network_owner", "group_owner", "shared", "external", "parent"}),
        "create": frozenset({"owner", "manager", "network_owner", "shared", "parent"}),
        "update": frozenset({"owner", "manager", "parent"}),
        "delete": frozenset({"owner", "manager", "parent"}),
        "set": frozenset({"owner", "manager", "network_owner"}),
        "show": frozenset({"anyone"}),
    }
)
"""Column → the words that can stand in it."""


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table: what callers who are not administrators may do with a resource.

    Attributes:
        see: who sees a row, in lists and alone.
        create: who makes one. `network_owner` and `shared` speak of the network that it is made on.
        update: who changes one: attributes, tags, actions.
        delete: who removes one.
        set: attribute → who may set it, where that is less than whoever may create or update; ``a.b`` is a part of an
            attribute's value. Repeating the default in a create is no wish.
        show: attribute → who sees it, where that is less than whoever sees the row.
    """

    see: Cell = ()
    create: Cell = ()
    update: Cell = ()
    delete: Cell = ()
    set: Mapping[str, Cell] = MappingProxyType({})
    show: Mapping[str, Cell] = MappingProxyType({})


class Policy(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A whole table.

    Attributes:
        rights: by resource.
        overridden: cells that a file has changed, as ``network.update``; empty for the table of this module.
    """

    rights: Mapping[str, Rights]
    overridden: tuple[str, ...] = ()

    @cached_property
    def hidden(self) -> Mapping[str, frozenset[str]]:
        """By resource, the attributes that only administrators see."""
        return {name: frozenset(a for a, cell in line.show.items() if not cell) for name, line in self.rights.items()}


_OWN: Final[Cell] = ("owner",)
_NOBODY: Final[Cell] = ()
_PORTS_OWN = ("mac_address", "port_security_enabled", "allowed_address_pairs", "fixed_ips.ip_address")
"""What decides whom a port can pretend to be: on another project's network not for the port's owner to say."""

_LINES: Mapping[str, Rights] = {
    "network": Rights(see=("owner", "shared", "external"), create=_OWN, update=_OWN, delete=_OWN),
    "subnet": Rights(see=("owner", "network_owner", "shared"), create=("network_owner",), update=_OWN, delete=_OWN),
    "port": Rights(
        see=("owner", "network_owner"),
        create=("network_owner", "shared"),
        update=_OWN,
        delete=_OWN,
        set=dict.fromkeys(_PORTS_OWN, ("network_owner",)),
    ),
    "binding": Rights(),
    "security_group": Rights(see=_OWN, create=_OWN, update=_OWN, delete=_OWN),
    "security_group_rule": Rights(see=("owner", "group_owner"), create=_OWN, update=_OWN, delete=_OWN),
    "rbac_policy": Rights(
        see=_OWN,
        create=_OWN,
        update=_OWN,
        delete=_OWN,
        set={"target_tenant.*": _NOBODY, "action.access_as_external": _NOBODY},
    ),
    "router": Rights(
        see=_OWN,
        create=_OWN,
        update=_OWN,
        delete=_OWN,
        set={
            "external_gateway_info.enable_snat": _NOBODY,
            "external_gateway_info.external_fixed_ips": ("network_owner",),
        },
    ),
    "floatingip": Rights(see=_OWN, create=_OWN, update=_OWN, delete=_OWN),
    "port_forwarding": Rights(see=("parent",), create=("parent",), update=("parent",), delete=("parent",)),
    "agent": Rights(),
}


def _whole(name: str, line: Rights) -> Rights:
    """A line with what its resource's attributes say themselves: those of administrators only."""
    attributes = BY_NAME[name].attributes
    return Rights(
        see=line.see,
        create=line.create,
        update=line.update,
        delete=line.delete,
        set=MappingProxyType({**{a.name: _NOBODY for a in attributes if a.admin_set}, **line.set}),
        show=MappingProxyType({**{a.name: _NOBODY for a in attributes if a.admin_see}, **line.show}),
    )


TABLE: Final = Policy(MappingProxyType({name: _whole(name, line) for name, line in _LINES.items()}))
"""What holds unless an operator says otherwise. A resource without a line cannot be served: the API does not start."""
