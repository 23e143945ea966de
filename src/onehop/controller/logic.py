"""What every resource's own logic looks like to the machinery, and what it does when a resource adds nothing.

The machinery has parsed, checked and authorised a request before it calls; everything runs in the request's one
transaction. A refusal is a `FaultError`, which undoes all of it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from onehop.controller.context import Context
from onehop.controller.faults import not_found
from onehop.model.kind import Json
from onehop.model.resource import Resource
from onehop.store import Row


class Logic:
    """The plain behaviour: rows are inserted, changed and deleted as asked.

    Attributes:
        resource: whose logic it is.
        renamed: filters on attributes that are not stored → the store's name of the same condition.
        shown_otherwise: attributes that a caller may be shown otherwise than they are stored: filters on them wait for
            `complete`.
    """

    renamed: Mapping[str, str] = MappingProxyType({})
    shown_otherwise: frozenset[str] = frozenset()

    def __init__(self, resource: Resource) -> None:
        self.resource = resource

    def lacks(self, context: Context) -> bool:
        """Whether something must be made before the caller can be shown a list."""
        del context
        return False

    def prepare(self, context: Context) -> None:
        """Make what is lacking."""

    def create(self, context: Context, values: Row) -> Row:
        """Make a resource from canonical values with defaults; the answer is its row."""
        return context.tx.insert(self.resource.name, self.stored(values))

    def update(self, context: Context, row: Row, changes: Row) -> Row:
        """Change a row as asked; the answer is the new row."""
        return context.tx.update(self.resource.name, row["id"], self.stored(changes))

    def delete(self, context: Context, row: Row) -> None:
        """Remove a row, or refuse."""
        context.tx.delete(self.resource.name, row["id"])

    def act(self, context: Context, row: Row, action: str, body: dict[str, Json]) -> Json:
        """Carry out one of the resource's actions; the answer is the body."""
        del context, body
        raise not_found(self.resource.name, f"{row['id']}/{action}")

    def complete(self, context: Context, rows: Sequence[Row]) -> None:
        """Add to rows, in place, the attributes that are worked out when read."""

    def stored(self, values: Row) -> Row:
        """The part of some values that the store keeps."""
        by_name = self.resource.by_name
        return {n: v for n, v in values.items() if n == "tags" or ((a := by_name.get(n)) and a.column is not None)}
