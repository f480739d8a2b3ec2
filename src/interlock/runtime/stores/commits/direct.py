"""Statements of the way of every change, run by SQLite's driver itself: compiled once by SQLAlchemy, whose execution of one costs
several times what SQLite takes for it, in the thread that everybody waits for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Executable
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from interlock.runtime.stores.commits.built import is_built

T = TypeVar("T")
Parameters = Mapping[str, Any]
_CLASSES: Final[tuple[tuple[type[sqlite3.Error], type[DBAPIError]], ...]] = (
    (sqlite3.IntegrityError, IntegrityError),
    (sqlite3.DataError, DataError),
    (sqlite3.OperationalError, OperationalError),
    (sqlite3.ProgrammingError, ProgrammingError),
    (sqlite3.InternalError, InternalError),
    (sqlite3.NotSupportedError, NotSupportedError),
    (sqlite3.DatabaseError, DatabaseError),
    (sqlite3.Error, InterfaceError),
)


class Compiled:
    """A statement's text for the driver, and how its parameters are laid out."""

    __slots__ = ("_fixed", "_names", "text")

    def __init__(self, statement: Executable, given: Iterable[str], dialect: DefaultDialect) -> None:
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(dialect=dialect, column_keys=list(given))
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        # Values that are part of the statement, and not of what it is given.
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def values(self, given: Parameters) -> tuple[Any, ...]:
        """The values in the order of the text. Raises KeyError when one is missing."""
        return tuple([given[name] if name in given else self._fixed[name] for name in self._names])


class Direct:
    """Runs statements of `built` on one SQLite connection that SQLAlchemy has opened and set up; `takes` says which."""

    def __init__(self, connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        assert isinstance(connection.dialect, DefaultDialect)
        self._raw, self._dialect = raw, connection.dialect
        self._known: dict[tuple[Executable, tuple[str, ...]], Compiled] = {}

    takes = staticmethod(is_built)

    def execute(self, query: Executable, values: Parameters) -> Sequence[Any]:
        """The rows of a query. Raises SQLAlchemy's errors, and what the driver raises for values that it cannot take."""
        compiled = self._compiled(query, values)
        given = compiled.values(values)
        return self._guarded(lambda: self._raw.execute(compiled.text, given).fetchall())

    def write(self, statement: Executable, rows: Sequence[Parameters]) -> int:
        """How many rows a statement changed. Raises as `execute`."""
        compiled = self._compiled(statement, rows[0])
        if len(rows) == 1:
            given = compiled.values(rows[0])
            return self._guarded(lambda: self._raw.execute(compiled.text, given).rowcount)
        many = [compiled.values(row) for row in rows]
        return self._guarded(lambda: self._raw.executemany(compiled.text, many).rowcount)

    def run(self, words: str) -> None:
        """A statement without parameters (savepoints)."""
        self._guarded(lambda: self._raw.execute(words))

    def _compiled(self, statement: Executable, values: Parameters) -> Compiled:
        key = (statement, tuple(values))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Compiled(statement, values, self._dialect)
        return found

    def _guarded(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except sqlite3.Error as error:
            raise _translated(error) from None


def _translated(error: sqlite3.Error) -> DBAPIError:
    """As SQLAlchemy would raise it, but without the statement and its values, which must not get into a traceback."""
    kind = next(own for theirs, own in _CLASSES if isinstance(error, theirs))
    return kind(None, None, error)
