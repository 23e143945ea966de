"""One resource of the API, as data: its names, attributes and constraints. The list of all is in `resources`."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import msgspec

from onehop.model.attribute import PROJECT, TENANT, Attribute

Operation = Literal["list", "show", "create", "update", "delete"]
ALL_OPERATIONS: tuple[Operation, ...] = ("list", "show", "create", "update", "delete")


class Parent(msgspec.Struct, frozen=True):
    """The resource below which a child is found: ``/{collection}/{parent id}/{child collection}``.

    Attributes:
        resource: the parent's name.
        attribute: the child's column that holds the parent's id.
    """

    resource: str
    attribute: str


class Extension(msgspec.Struct, frozen=True):
    """Something that the API can do beyond its core, announced only when it works."""

    alias: str
    name: str
    description: str
    updated: str


class Resource(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A resource of the API.

    Attributes:
        name: singular, the envelope of one: ``network``.
        collection: plural, envelope of many, and path unless there is another: ``networks``.
        path: as in URLs; "" is the collection.
        attributes: in the order in which they are shown.
        key: the attribute by which one is named in a path; with a parent it is unique below the parent.
        parent: for a child's own sub-collection.
        tags: whether it has tags (kept by the store beside the row; shown as ``tags``).
        owned: whether it belongs to a project.
        unique: groups of attributes whose values no two rows share (rows with a NULL among them are free).
        bumps: a resource, and the attribute with its id, that changes too when one of these is made, changed or
            deleted: its `revision_number` grows and its own change is logged.
        logged: whether agents hear of its changes: ``self``, or through what it `bumps` (``bumps``).
        operations: what the API offers.
        extensions: what it announces.
        actions: names of ``PUT /{collection}/{id}/{action}``.
    """

    name: str
    collection: str
    attributes: tuple[Attribute, ...]
    path: str = ""
    key: str = "id"
    parent: Parent | None = None
    tags: bool = True
    owned: bool = True
    unique: tuple[tuple[str, ...], ...] = ()
    bumps: Parent | None = None
    logged: Literal["self", "bumps"] = "self"
    operations: tuple[Operation, ...] = ALL_OPERATIONS
    actions: tuple[str, ...] = ()
    extensions: tuple[Extension, ...] = ()

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, or None."""
        return self.by_name.get(name)

    @property
    def segment(self) -> str:
        """The collection as it is written in a URL."""
        return self.path or self.collection

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """Attributes by name."""
        return MappingProxyType({a.name: a for a in self.attributes})

    @cached_property
    def columns(self) -> tuple[Attribute, ...]:
        """The attributes that are stored."""
        return tuple(a for a in self.attributes if a.column is not None)


def owner() -> tuple[Attribute, ...]:
    """The attributes of a resource that belongs to a project."""
    return (PROJECT, TENANT)
