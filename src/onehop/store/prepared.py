"""Statements that are compiled once and then executed on the driver's own cursor.

SQLAlchemy builds and types every statement, and knows both databases' dialects; but to execute one takes it ten times
what SQLite takes. So what is executed for every row goes this way: SQLAlchemy compiles it at its first use, and what is
left for each execution is to put the parameters in order. Only statements without lists of varying length
(``IN``) can be prepared. Errors are the same as SQLAlchemy's; the logger of this module's name tells each statement at
its debug level.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

LOG = logging.getLogger(__name__)

Processor = Callable[[Any], Any]
Statement = sa.ClauseElement | Mapping[str, sa.ClauseElement]
"""One for both databases, or by the dialect's name."""
Given = Mapping[str, Any]
"""Parameter or column name → value."""


class Prepared:
    """One statement, for any number of connections and for both databases.

    Args:
        statement: with named parameters (`sqlalchemy.bindparam`); an INSERT without values has a parameter for each
            of `columns`.
        columns: of an INSERT, the names of the columns that it sets.
    """

    __slots__ = ("_columns", "_forms", "_statement")

    def __init__(
        self, statement: sa.ClauseElement | Mapping[str, sa.ClauseElement], columns: Sequence[str] = ()
    ) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._forms: dict[str, _Form] = {}

    def execute(self, connection: Connection, given: Given) -> "Answer":
        """Execute it; the connection must be in a transaction.

        Raises:
            DBAPIError: as SQLAlchemy would.
            KeyError: a parameter is missing.
        """
        form = self._form(connection)
        arguments = form.arguments(given)
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("%s", form.text)
        driver: Any = connection.connection.driver_connection
        try:
            return Answer(driver.execute(form.text, arguments), form.results)
        except form.errors as error:
            raise _wrapped(connection, form.text, arguments, error) from error

    def execute_many(self, connection: Connection, rows: Sequence[Given]) -> None:
        """Execute it for each of some rows. Raises as `execute`."""
        form = self._form(connection)
        arguments = [form.arguments(row) for row in rows]
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("%s (%d rows)", form.text, len(rows))
        driver: Any = connection.connection.driver_connection
        try:
            driver.cursor().executemany(form.text, arguments)
        except form.errors as error:
            raise _wrapped(connection, form.text, arguments, error) from error

    def _form(self, connection: Connection) -> "_Form":
        name = connection.dialect.name
        form = self._forms.get(name)
        if form is None:
            statement = self._statement[name] if isinstance(self._statement, Mapping) else self._statement
            form = self._forms[name] = _Form(statement, connection.dialect, self._columns)
        return form


class Answer:
    """What a statement answered.

    Attributes:
        rowcount: how many rows it changed.
    """

    __slots__ = ("_cursor", "_results", "rowcount")

    def __init__(self, cursor: Any, results: tuple[tuple[int, Processor], ...]) -> None:
        self._cursor = cursor
        self._results = results
        self.rowcount: int = cursor.rowcount

    def all(self) -> list[Sequence[Any]]:
        """Every row."""
        found: list[Sequence[Any]] = self._cursor.fetchall()
        return [self._typed(row) for row in found] if self._results else found

    def first(self) -> Sequence[Any] | None:
        """The first row, or None."""
        row = self._cursor.fetchone()
        self._cursor.close()
        return None if row is None else self._typed(row)

    def one(self) -> Sequence[Any]:
        """The row of an answer that always has one."""
        row = self.first()
        if row is None:
            raise LookupError("the statement answered no row")
        return row

    def _typed(self, row: Sequence[Any]) -> Sequence[Any]:
        typed = list(row)
        for place, process in self._results:
            typed[place] = process(typed[place])
        return typed


class _Form:
    """A statement in one database's words."""

    def __init__(self, statement: sa.ClauseElement, dialect: Dialect, columns: list[str] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"{statement!r} is not a statement")
        self.text = compiled.string
        self.errors: type[Exception] = dialect.loaded_dbapi.Error
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._named = not compiled.positional
        names = list(compiled.params) if self._named else list(compiled.positiontup or ())
        self._order = [(name, _bind(compiled.binds[name].type, dialect)) for name in names]
        typed = _columns_of(statement)
        found = ((place, _result(column.type, dialect)) for place, column in enumerate(typed))
        self.results = tuple((place, process) for place, process in found if process is not None)

    def arguments(self, given: Given) -> Sequence[Any] | Given:
        """The parameters in the driver's form."""
        constants = self._constants
        values = []
        for name, process in self._order:
            value = given[name] if name in given else constants[name]
            values.append(value if process is None else process(value))
        return {name: value for (name, _), value in zip(self._order, values, strict=True)} if self._named else values


def _columns_of(statement: sa.ClauseElement) -> Sequence[sa.ColumnElement[Any]]:
    """The columns of its answer."""
    if isinstance(statement, sa.SelectBase):
        return list(statement.selected_columns)
    if isinstance(statement, sa.UpdateBase):
        return list(statement.exported_columns)
    return []


def _bind(type_: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _result(type_: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)


def _wrapped(connection: Connection, text: str, arguments: Any, error: Exception) -> BaseException:
    """The error as SQLAlchemy would raise it; a lost connection is given up."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(cast(Any, error), connection.connection.dbapi_connection, None)
    wrapped = DBAPIError.instance(
        text, arguments, error, dialect.loaded_dbapi.Error, connection_invalidated=lost, dialect=dialect
    )
    if lost:
        connection.invalidate(wrapped)
    return wrapped
