"""Connections to SQLite and PostgreSQL, set up so that a commit that returned is durable."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from interlock.model.errors import Misconfigured, Unavailable
from interlock.runtime.stores.shape.schema import PG_SCHEMA

READERS = 4
STATEMENT, ANSWER = 4, 5
"""How many times the lock timeout a server may work on a statement, and how many times an answer is waited for: a server that is
slow says so itself before it is taken for lost."""
"""Reads at a time; one more has a connection of its own, for what is urgent."""


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for the only writing connection, one with a pool for readers."""

    writer: Engine
    reader: Engine
    file: Path | None
    """The SQLite file."""

    @property
    def is_sqlite(self) -> bool:
        return self.file is not None

    def dispose(self) -> None:
        """Close every connection."""
        self.writer.dispose()
        self.reader.dispose()


def make_engines(url: str, lock_timeout: float) -> Engines:
    """Engines for a store's URL; ``lock_timeout`` in seconds is how long a lock of another process is waited for.

    Connects to nothing yet. Raises Misconfigured for a URL that is none, or another database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter from a port that is no number
        raise Misconfigured("store: not a URL like sqlite:///var/interlock.db") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, lock_timeout)
    if parsed.get_backend_name() == "postgresql":
        return _postgres(parsed.set(drivername="postgresql+psycopg"), lock_timeout)
    raise Misconfigured(f"store: {parsed.get_backend_name()} is not supported; use sqlite or postgresql")


def _sqlite(url: URL, lock_timeout: float) -> Engines:
    if not url.database or url.database == ":memory:":
        raise Misconfigured("store: SQLite needs a file; a store in memory forgets what it promised")
    # A relative path must not come to mean another file when the process changes its folder.
    file = Path(url.database).absolute()
    absolute = url.set(drivername="sqlite+pysqlite", database=str(file), query={})
    writer, reader = (_sqlite_engine(absolute, pool) for pool in (NullPool, QueuePool))
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reader, "BEGIN")):
        event.listen(engine, "connect", _sqlite_setup(lock_timeout))
        event.listen(engine, "begin", _begin_with(begin))
    return Engines(writer, reader, file)


def _sqlite_engine(url: URL, pool: type[NullPool] | type[QueuePool]) -> Engine:
    sizes: dict[str, Any] = {"pool_size": READERS + 1, "max_overflow": 0} if pool is QueuePool else {}
    arguments = {"check_same_thread": False}
    return create_engine(url, poolclass=pool, hide_parameters=True, connect_args=arguments, **sizes)


def _sqlite_setup(lock_timeout: float) -> Any:
    pragmas = (
        f"PRAGMA busy_timeout={int(lock_timeout * 1000)}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA trusted_schema=OFF",
        # Destroyed keys must not linger in free pages.
        "PRAGMA secure_delete=ON",
    )

    def setup(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself: `begin` above decides how.
        connection.isolation_level = None
        for pragma in pragmas:
            answer = connection.execute(pragma).fetchone()
            if "journal_mode" in pragma and answer != ("wal",):
                raise Misconfigured("store: this file system cannot hold an SQLite database in WAL mode")

    return setup


def _begin_with(statement: str) -> Any:
    return lambda connection: connection.exec_driver_sql(statement)


def create_private(file: Path) -> None:
    """Make an empty database file that only its owner may read, if there is none. Raises Unavailable."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise Unavailable(f"the store {file} cannot be made: {error.strerror}") from None


def _postgres(url: URL, lock_timeout: float) -> Engines:
    arguments = {"connect_timeout": 5, "application_name": "interlock-store"}
    common: dict[str, Any] = {"hide_parameters": True, "connect_args": arguments}
    writer = create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED", **common)
    reader = create_engine(
        url,
        pool_size=READERS + 1,
        max_overflow=0,
        isolation_level="REPEATABLE READ",
        pool_timeout=30,
        **common,
    ).execution_options(postgresql_readonly=True)
    for engine in (writer, reader):
        event.listen(engine, "do_connect", _postgres_connect(lock_timeout * ANSWER))
        event.listen(engine, "connect", _postgres_setup(lock_timeout, writes=engine is writer))
    return Engines(writer, reader, None)


def _postgres_connect(seconds: float) -> Any:
    def dial(_dialect: object, _record: object, arguments: Any, options: Any) -> Any:
        from interlock.runtime.stores.commits.patience import (
            bounded,  # not above: with a store on SQLite there may be no psycopg
        )

        return bounded(seconds).connect(*arguments, **options)

    return dial


def _postgres_setup(lock_timeout: float, *, writes: bool) -> Any:
    milliseconds = int(lock_timeout * 1000)
    settings = {
        "search_path": PG_SCHEMA,
        "timezone": "UTC",
        "lock_timeout": str(milliseconds),
        "statement_timeout": str(milliseconds * STATEMENT),
        # A replica that froze inside a transaction must not stop the others for good.
        "idle_in_transaction_session_timeout": str(milliseconds * STATEMENT),
        # That one does not count between the parts of a pipeline. A replica that was cut off there holds the log until the server
        # notices: by transaction_timeout below, before PostgreSQL 17 by these (in seconds), whose default is two hours.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        # Lists go by indexes that have their order (`listing`). A planner that believes in sorting instead reads all that an agent
        # ever did, and where it cannot but sort, the price it then sees must not make it compile.
        "enable_sort": "off",
        "enable_incremental_sort": "off",
        "jit": "off",
    }

    def setup(connection: Any, _record: object) -> None:
        connection.autocommit = True
        for name, value in settings.items():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
        if writes:  # readers lock nothing, and may verify the whole log
            limit_transaction(connection, milliseconds * ANSWER)
        # P1 rests on this; a server that replicates synchronously keeps its stronger setting.
        connection.execute(
            "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)"
            " WHERE pg_catalog.current_setting('synchronous_commit') IN ('off', 'local')"
        )
        connection.autocommit = False

    return setup


def limit_transaction(connection: Any, longest: int) -> None:
    """Have the server end a transaction that takes longer (milliseconds; 0 is no limit), where it can: since PostgreSQL 17."""
    connection.execute(
        "SELECT pg_catalog.set_config(name, %s, false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'",
        (str(longest),),
    )


def connect(engine: Engine) -> Connection:
    """A connection that is set up. Raises SQLAlchemyError."""
    try:
        return engine.connect()
    except (sqlite3.Error, psycopg_error()) as error:  # from the listeners above, which speak to the driver
        raise OperationalError(None, None, error) from None


def psycopg_error() -> type[Exception]:
    """psycopg's base error; without the driver, something that is never raised."""
    try:
        from psycopg import Error
    except ImportError:
        return sqlite3.Error
    return Error


def file_identity(file: Path) -> tuple[int, int]:
    """Device and inode of the database file. Raises Unavailable when it is gone."""
    try:
        found = file.stat()
    except OSError:
        raise Unavailable("the store's file is gone: nothing that is written now would be kept") from None
    return found.st_dev, found.st_ino
