"""One durable commit and the transactions in it, each in a savepoint of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, text
from sqlalchemy.exc import SQLAlchemyError

from interlock.model.errors import InterlockError, Rejected, Unavailable
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import errors
from interlock.runtime.stores.commits.direct import Direct
from interlock.runtime.stores.commits.engine import Engines, connect, file_identity
from interlock.runtime.stores.errors import CommitUnknown
from interlock.runtime.stores.log import rows as ledger_rows
from interlock.runtime.stores.rows import reading
from interlock.runtime.stores.rows.writing import SqlTx

T = TypeVar("T")
# Not SQLAlchemy's nested transactions: those cost as much as all the rest of a small one.
_SAVEPOINT, _UNDO, _RELEASE = (
    f"{words} one_of_group" for words in ("SAVEPOINT", "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT")
)
_SETTLE_SECONDS = 5.0
_SETTLE_PAUSE = 0.1
_OWN_XID = text("SELECT CAST(pg_catalog.pg_current_xact_id() AS text)")
_STATUS = text("SELECT pg_catalog.pg_xact_status(CAST(:xid AS pg_catalog.xid8))")


class BatchLost(Exception):
    """The whole group was rolled back for a reason of the store; nothing of it is durable.

    ``again``: trying at once may succeed. ``before``: it failed before any transaction of the group ran.
    """

    def __init__(self, error: InterlockError, *, again: bool = False, before: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.again, self.before = error, again, before


def lost(error: SQLAlchemyError, *, before: bool = False) -> BatchLost:
    """What a database error means for the whole group."""
    again = errors.may_succeed_again(error) or (errors.is_disconnect(error) and not before)
    translated = (
        Unavailable("the store does not answer") if errors.is_callers(error) else errors.translate(error)
    )
    return BatchLost(translated, again=again, before=before)


class Plain:
    """Runs statements of the group itself; database errors come out as they are. `direct` runs what it takes, if it is there."""

    def __init__(self, connection: Connection, direct: Direct | None = None) -> None:
        self._connection, self._direct = connection, direct

    def execute(
        self, query: Executable, values: Mapping[str, Any] | None = None, *, writes: bool = False
    ) -> Sequence[Any]:
        """The rows of a query; `values` are those of its parameters. `writes`: it changes rows as well."""
        if self._direct is not None and self._direct.takes(query):
            return self._direct.execute(query, values or {})
        return self._connection.execute(query, values).fetchall()

    def write(self, statement: Executable, rows: Sequence[dict[str, Any]] | None = None) -> int:
        """How many rows a statement changed."""
        if rows and self._direct is not None and self._direct.takes(statement):
            return self._direct.write(statement, rows)
        return self._connection.execute(statement, rows).rowcount

    def run(self, words: str) -> None:
        """A statement without parameters."""
        if self._direct is not None:
            self._direct.run(words)
        else:
            self._connection.exec_driver_sql(words)


class Step:
    """Runs the statements of one transaction. Its savepoint opens with the first, so that one that only appends to
    the ledger costs no round trip at all."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._begun = False
        self._closed = False
        self.failed: InterlockError | None = None
        self.lost: BatchLost | None = None
        self.wrote = False

    def execute(
        self, query: Executable, values: Mapping[str, Any] | None = None, *, writes: bool = False
    ) -> Sequence[Any]:
        """The rows of a query; `values` are those of its parameters. `writes`: it changes rows as well."""
        self.wrote |= writes
        return self._guard(lambda: self._plain.execute(query, values))

    def write(self, statement: Executable, rows: Sequence[dict[str, Any]] | None = None) -> int:
        """How many rows a statement changed."""
        self.wrote = True
        return self._guard(lambda: self._plain.write(statement, rows))

    def _guard(self, run: Callable[[], T]) -> T:
        if self._closed:
            raise RuntimeError("a transaction was used after its end")
        if self.failed is not None:
            raise self.failed
        try:
            if not self._begun:
                self._begun = True
                self._plain.run(_SAVEPOINT)
            return run()
        except SQLAlchemyError as error:
            self.failed = errors.translate(error)
            self.lost = None if errors.is_callers(error) else lost(error)
            # Without its cause: that would carry the statement's values into a traceback.
            raise self.failed from None
        except errors.UNFIT:
            self.failed = Rejected("a value that the store cannot hold")
            raise self.failed from None

    def end(self, *, keep: bool) -> None:
        """Keep or undo what was done. Raises BatchLost when the whole group cannot go on."""
        self._closed = True
        if self.lost is not None:
            raise self.lost
        if not self._begun:
            return
        try:
            if not keep:
                self._plain.run(_UNDO)
            self._plain.run(_RELEASE)
        except SQLAlchemyError as error:
            raise lost(error) from None


class Batch:
    """An open database transaction that holds the log's append lock."""

    def __init__(self, connection: Connection, master: MasterKey, direct: Direct | None = None) -> None:
        self._connection, self._master = connection, master
        self._plain = Plain(connection, direct)
        self._postgres = connection.dialect.name == "postgresql"
        self._entries: list[bytes] = []
        self._mentions: list[dict[str, Any]] = []
        self._wrote = False
        connection.begin()
        # Everyone takes this lock first and holds it to the end: groups of all replicas are serial, in the order of
        # their entries, and cannot deadlock.
        self.head = ledger_rows.read_head(self._plain, lock=True)
        self._now = reading.clock(connection)
        self._xid = connection.execute(_OWN_XID).scalar_one() if self._postgres else ""

    def run(self, work: Callable[[SqlTx], T]) -> T:
        """Run one transaction of the group. What it raises comes out, with nothing of it kept."""
        step = Step(self._plain)
        first = self.head.size + len(self._entries)
        tx = SqlTx(step, lambda: self._now, self._master, self._connection.dialect.name, first, self.head)
        try:
            result = work(tx)
            if step.failed is not None:
                raise step.failed  # it was swallowed; what is missing may not be taken for done
        except BaseException:
            step.end(keep=False)
            raise
        step.end(keep=True)
        self._entries += tx.entries
        self._mentions += tx.mentions
        self._wrote |= step.wrote
        return result

    def commit(self) -> bool:
        """Append the entries and make everything durable; whether there was anything. Raises BatchLost, CommitUnknown."""
        if not self._entries and not self._wrote:
            self._connection.rollback()
            return False
        if self._entries:
            self._flush()
        try:
            self._connection.commit()
        except SQLAlchemyError as error:
            if self._postgres and errors.is_disconnect(error):
                raise CommitLost(self._xid) from None
            raise lost(error) from None
        return True

    def _flush(self) -> None:
        try:
            ledger_rows.append(self._plain, self.head, self._entries, self._mentions)
        except SQLAlchemyError as error:
            raise lost(error) from None
        except InterlockError as error:
            raise BatchLost(error) from None


class CommitLost(Exception):
    """The connection broke during the commit of this PostgreSQL transaction."""

    def __init__(self, xid: str) -> None:
        super().__init__(xid)
        self.xid = xid


class WriteSession:
    """The one writing connection of a store; used by one thread."""

    def __init__(self, engines: Engines, master: MasterKey) -> None:
        self._engines, self._master = engines, master
        self._connection: Connection | None = None
        self._direct: Direct | None = None
        self._file = file_identity(engines.file) if engines.file else None

    def begin(self) -> Batch:
        """Open a group. Raises BatchLost."""
        try:
            # SQLite would go on writing into a deleted file, and everything would be gone at the end.
            if self._engines.file and file_identity(self._engines.file) != self._file:
                raise Unavailable("the store's file was replaced under the running server")
            if self._connection is None:
                self._connection = connect(self._engines.writer)
                self._direct = Direct(self._connection) if self._engines.is_sqlite else None
            return Batch(self._connection, self._master, self._direct)
        except SQLAlchemyError as error:
            self.drop()
            raise lost(error, before=not errors.is_disconnect(error)) from None
        except InterlockError as error:
            self.drop()
            raise BatchLost(error, before=True) from None

    def drop(self) -> None:
        """Forget the connection and whatever is open on it."""
        connection, self._connection = self._connection, None
        self._direct = None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def settle(self, xid: str) -> bool:
        """Whether that transaction committed, asked on a new connection. Raises CommitUnknown."""
        self.drop()
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            status = self._status(xid)
            if status in ("committed", "aborted"):
                return status == "committed"
            time.sleep(_SETTLE_PAUSE)
        raise CommitUnknown("the store was lost while committing; recovery finds out whether it was recorded")

    def _status(self, xid: str) -> str | None:
        try:
            with connect(self._engines.writer) as connection:
                status: str | None = connection.execute(_STATUS, {"xid": xid}).scalar_one()
                return status
        except SQLAlchemyError:
            return None  # not there yet: asked again until the deadline
