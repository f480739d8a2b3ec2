"""Database errors become the port's own; nothing of a statement or its parameters gets into a message."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from interlock.model.errors import Conflict, InterlockError, Rejected, Unavailable

_WHY = {
    "SQLITE_FULL": "the disk or the allowed size is full",
    "SQLITE_BUSY": "another process holds it locked",
    "SQLITE_LOCKED": "another process holds it locked",
    "SQLITE_READONLY": "it cannot be written",
    "SQLITE_IOERR": "the disk fails",
    "SQLITE_CORRUPT": "it is damaged: restore it from a backup",
    "SQLITE_NOTADB": "it is not an SQLite database",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "53100": "the disk is full",
    "53300": "the server has no connection left",
    "55P03": "another replica holds it locked",
    "57014": "it took too long",
    "25P0": "it took too long",
    "25006": "the server is read-only (a standby?)",
    "42501": "its role lacks a right",
    "3F000": "its schema is missing",
}
_CONFLICTS = ("40001", "40P01")
"""PostgreSQL: serialization_failure and deadlock_detected. Running the transaction again may succeed."""

UNFIT = (UnicodeError, OverflowError)
"""What drivers raise before a statement is even sent: text that is not Unicode, a number beyond 64 bits."""


class CommitUnknown(Unavailable):
    """The connection was lost while committing, and whether the commit happened could not be found out.

    Recovery settles it: an intent that was recorded has no outcome yet.
    """


def code_of(error: SQLAlchemyError) -> str:
    """SQLSTATE on PostgreSQL, the result code's name on SQLite, or empty."""
    original = getattr(error, "orig", None)
    if isinstance(original, sqlite3.Error):
        return str(getattr(original, "sqlite_errorname", ""))
    return str(getattr(original, "sqlstate", None) or "")


def may_succeed_again(error: SQLAlchemyError) -> bool:
    """Whether the database rolled back for the sake of a concurrent transaction."""
    return code_of(error) in _CONFLICTS


def is_disconnect(error: SQLAlchemyError) -> bool:
    """Whether the connection is gone."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_callers(error: SQLAlchemyError) -> bool:
    """Whether one statement is at fault (a duplicate, a value that does not fit), not the store."""
    return isinstance(error, IntegrityError | DataError) and not is_disconnect(error)


def translate(error: SQLAlchemyError) -> InterlockError:
    """The port's error for a database error."""
    code = code_of(error)
    if isinstance(error, IntegrityError):
        return Conflict("the store has such a record already")
    if isinstance(error, DataError):
        return Rejected("a value that the store cannot hold")
    known = next((why for prefix, why in _WHY.items() if code.startswith(prefix)), None)
    why = known or ("it fails" if code else "it cannot be reached, went away, or refuses the login")
    return Unavailable(f"the store does not answer: {why}{f' ({code})' if code else ''}")
