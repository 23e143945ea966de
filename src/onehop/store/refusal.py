"""What a database says when a constraint refuses a change, turned into our errors."""

import re

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from onehop.errors import ReferencedError, StateError, StoreError, TakenError
from onehop.model.resources import BY_NAME
from onehop.store.table import METADATA

_SQLITE = re.compile(r"UNIQUE constraint failed: (?P<columns>.*)")


def of(error: IntegrityError) -> StateError | StoreError:
    """The error of ours that says the same."""
    original = error.orig
    if isinstance(original, psycopg.Error):
        if isinstance(original, psycopg.errors.UniqueViolation):
            return _taken(original.diag.table_name or "", _columns_of(original))
        if isinstance(original, psycopg.errors.ForeignKeyViolation | psycopg.errors.RestrictViolation):
            return _referenced()
    text = str(original)
    found = _SQLITE.fullmatch(text)
    if found is not None:
        columns = [name.partition(".") for name in found["columns"].split(", ")]
        return _taken(columns[0][0], tuple(name for _, _, name in columns))
    if text == "FOREIGN KEY constraint failed":
        return _referenced()
    return StoreError(f"the database refused a row: {text}")


def _columns_of(error: psycopg.Error) -> tuple[str, ...]:
    """Columns of the violated constraint or index, by its name in our tables."""
    table = METADATA.tables[error.diag.table_name or ""]
    name = error.diag.constraint_name
    candidates: list[sa.Constraint | sa.Index] = [*table.constraints, *table.indexes]
    for candidate in candidates:
        if candidate.name == name and isinstance(candidate, sa.Index | sa.schema.ColumnCollectionConstraint):
            return tuple(column.name for column in candidate.columns)
    return ()


def _taken(table: str, columns: tuple[str, ...]) -> TakenError:
    resource = BY_NAME.get(table)
    names = {a.column_name: a.name for a in resource.attributes} if resource is not None else {}
    attributes = tuple(names.get(column, column) for column in columns)
    return TakenError(f"another {table} has the same {' and '.join(attributes)}", table, attributes)


def _referenced() -> ReferencedError:
    return ReferencedError("something that it refers to does not exist, or something still refers to it")
