"""One attribute of an API resource, as data: who may send and see it, how it is checked, and how it is stored.

Nothing here acts. The API's handlers, OpenAPI, the policy and the store's tables are derived from these values.
"""

from typing import Final, Literal

import msgspec

from onehop.model.kind import BOOLEAN, Json, Kind, integer, text

ColumnType = Literal["text", "int", "bool", "json"]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """How an attribute is stored in its resource's table.

    Attributes:
        type: ``text`` (times too: ``YYYY-MM-DDTHH:MM:SSZ`` sorts as text), ``int`` (64 bits), ``bool`` or ``json``.
        nullable: whether it may be NULL, which the API shows as null.
        references: name of the resource whose `id` it holds (foreign key, deletion of the target restricted), or None.
        index: look-ups by it are frequent.
    """

    type: ColumnType
    nullable: bool = False
    references: str | None = None
    index: bool = False


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

ID = Attribute(name="id", kind=text(36), column=TEXT, filter=True, sort=True)
PROJECT = Attribute(
    name="project_id", kind=text(), column=Column(type="text", index=True), post=True, filter=True, sort=True
)
TENANT = Attribute(name="tenant_id", kind=text(), post=True, filter=True)
"""The old name of `PROJECT`: accepted and shown, never stored."""

NAME = Attribute(name="name", kind=text(), column=TEXT, post=True, put=True, default="", filter=True, sort=True)
DESCRIPTION = Attribute(
    name="description", kind=text(), column=TEXT, post=True, put=True, default="", filter=True, sort=True
)
ADMIN_STATE = Attribute(
    name="admin_state_up", kind=BOOLEAN, column=BOOL, post=True, put=True, default=True, filter=True, sort=True
)
STANDARD = (
    DESCRIPTION,
    Attribute(name="created_at", kind=text(), column=TEXT, filter=True, sort=True),
    Attribute(name="updated_at", kind=text(), column=TEXT, filter=True, sort=True),
    Attribute(name="revision_number", kind=integer(0, 2**63 - 1), column=INT, filter=True, sort=True),
)
"""Written by the store: the times of creation and last change, and a number that grows with every change."""
