"""One attribute of an API resource, as data: who may send and see it, how it is checked, and how it is stored.

Nothing here acts. The API's handlers, OpenAPI, the policy and the store's tables are derived from these values.
"""

from typing import Final, Literal

import msgspec

from onehop.model.kind import BOOLEAN, Json, Kind, integer, one_of, only, text, uuid

ColumnType = Literal["text", "int", "bool", "json"]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """How an attribute is stored in its resource's table.

    Attributes:
        type: ``text`` (times too: ``YYYY-MM-DDTHH:MM:SSZ`` sorts as text), ``int`` (64 bits), ``bool`` or ``json``.
        nullable: whether it may be NULL, which the API shows as null.
        references: name of the resource whose `id` it holds (foreign key, deletion of the target restricted), or None.
        index: look-ups by it are frequent.
        before: as the database writes it, for rows made before there was the column; None where there are none.
    """

    type: ColumnType
    nullable: bool = False
    references: str | None = None
    index: bool = False
    before: str | None = None


class Unset:
    """The type of `REQUIRED` and `UNSET`."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


REQUIRED: Final = Unset("REQUIRED")
"""Default of an attribute that every POST must carry."""

UNSET: Final = Unset("UNSET")
"""Default of an attribute that the resource's own logic fills in (an allocated MAC, a derived gateway)."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a resource.

    Attributes:
        name: in the API, such as ``provider:network_type``.
        kind: its check and schema.
        column: how it is stored; None is worked out when read, and the store never sees it.
        post, put: whether a client may send it in a create or update.
        default: when a POST leaves it out; `REQUIRED`; or `UNSET`. Columns without `post` are written by the
            controller, and start as `default` if that is a value.
        admin_see: left out of what others than administrators see.
        admin_set: refused (403) from others than administrators, in POST and PUT. Sending the default is no wish.
        filter: usable as equality filter in a list.
        sort: usable as sort key (needs a column).
        view: whether it is shown at all (False: write-only or internal).
    """

    name: str
    kind: Kind
    column: Column | None = None
    post: bool = False
    put: bool = False
    default: Json = UNSET
    admin_see: bool = False
    admin_set: bool = False
    filter: bool = False
    sort: bool = False
    view: bool = True

    @property
    def column_name(self) -> str:
        """The attribute's name as a plain SQL identifier: ``provider_network_type``."""
        return self.name.replace(":", "_")


TEXT = Column(type="text")
NULLABLE_TEXT = Column(type="text", nullable=True)
INT = Column(type="int")
BOOL = Column(type="bool")
JSON = Column(type="json")


def stored(
    name: str,
    kind: Kind,
    column: Column,
    *,
    post: bool = False,
    put: bool = False,
    default: Json = UNSET,
    admin: bool = False,
) -> Attribute:
    """An attribute by which lists filter and sort; `admin`: only administrators see and set it."""
    return Attribute(
        name=name,
        kind=kind,
        column=column,
        post=post,
        put=put,
        default=default,
        admin_see=admin,
        admin_set=admin,
        filter=True,
        sort=True,
    )


def reference(name: str, resource: str, *, none: bool = False, post: bool = False, put: bool = False) -> Attribute:
    """The id of another resource: required in a POST, or with `none` null unless given."""
    column = Column(type="text", nullable=none, references=resource, index=True)
    return stored(name, uuid(none), column, post=post, put=put, default=None if none else REQUIRED)


def status(*states: str, first: str, late: bool = False) -> tuple[Attribute, Attribute]:
    """``status``, which begins as `first`, and ``status_reason``, why it is ``ERROR``; the store writes both.

    With `late` the reason's column was added to a table that had rows.
    """
    reason = Attribute(name="status_reason", kind=text(1024), column=NULLABLE_TEXT if late else TEXT, default="")
    return stored("status", one_of(*states), TEXT, default=first), reason


ID = stored("id", text(36), TEXT)
PROJECT = stored("project_id", text(), Column(type="text", index=True), post=True)
TENANT = Attribute(name="tenant_id", kind=text(), post=True, filter=True)
"""The old name of `PROJECT`: accepted and shown, never stored."""

NAME = stored("name", text(), TEXT, post=True, put=True, default="")
DESCRIPTION = stored("description", text(), TEXT, post=True, put=True, default="")
ADMIN_STATE = stored("admin_state_up", BOOLEAN, BOOL, post=True, put=True, default=True)
STANDARD = (
    DESCRIPTION,
    stored("created_at", text(), TEXT),
    stored("updated_at", text(), TEXT),
    stored("revision_number", integer(0, 2**63 - 1), INT),
)
"""Written by the store: the times of creation and last change, and a number that grows with every change."""

QOS_POLICY = Attribute(name="qos_policy_id", kind=only(None, feature="quality of service"), post=True, put=True)
"""Shown, and taken as null only, where clients expect it."""
