"""Every store test runs on SQLite and on each PostgreSQL there is."""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import SqlStore, open_store
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.stores.enforcing import FakeStore

MASTER = MasterKey(bytes(range(32)))
ORIGIN = "interlock.example/test"


class Backend:
    """A place for one store: opens it as often as a test likes, and looks at its rows behind its back."""

    def __init__(
        self, url: str, raw: Callable[[str], list[tuple[Any, ...]]], database: PgDatabase | None
    ) -> None:
        self.url, self.raw, self.database = url, raw, database
        self._open: list[SqlStore] = []

    def psql(self, statements: str) -> None:
        """Run statements in the PostgreSQL database, outside the store's schema."""
        assert self.database is not None
        self.database.psql(statements)

    @property
    def is_sqlite(self) -> bool:
        return self.database is None

    def open(self, **options: Any) -> SqlStore:
        """Another replica's store on the same database; closed after the test."""
        store = open_store(self.url, **{"master": MASTER, "create": True, "origin": ORIGIN, **options})
        self._open.append(store)
        return store

    def tamper(self, *statements: str) -> None:
        """Change the ledger's rows as an intruder with all rights would."""
        for table in ("ledger_entries", "ledger_nodes", "ledger_checkpoints"):
            on = "" if self.is_sqlite else f" ON {table}"
            for action in ("update", "delete"):
                self.raw(f"DROP TRIGGER IF EXISTS {table}_no_{action}{on}")
        for statement in statements:
            self.raw(statement)

    def close(self) -> None:
        for store in self._open:
            asyncio.run(store.close())


def _sqlite(file: Path) -> Backend:
    def raw(statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(file)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    return Backend(f"sqlite:///{file}", raw, None)


def _postgres(database: PgDatabase) -> Backend:
    def raw(statement: str) -> list[tuple[Any, ...]]:
        with database.connect(autocommit=True) as connection:
            connection.execute("SET search_path TO interlock")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return Backend(database.dsn(), raw, database)


@pytest.fixture(params=["sqlite", "pg18", "pg15"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """A place where no store is yet."""
    place: Backend = request.getfixturevalue(f"{request.param}_place")
    return place


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Iterator[Backend]:
    """A file for an SQLite store."""
    place = _sqlite(tmp_path / "store.db")
    yield place
    place.close()


@pytest.fixture
def pg18_place(pg18: PgCluster) -> Iterator[Backend]:
    """A database on PostgreSQL 18."""
    yield from _database(pg18)


@pytest.fixture
def pg15_place(pg15: PgCluster) -> Iterator[Backend]:
    """A database on PostgreSQL 15."""
    yield from _database(pg15)


def _database(cluster: PgCluster) -> Iterator[Backend]:
    database = cluster.create_database(f"t_{secrets.token_hex(6)}")
    place = _postgres(database)
    yield place
    place.close()
    database.drop()


@pytest.fixture(params=["sqlite", "pg18", "pg15", "fake"])
def any_store(request: pytest.FixtureRequest) -> Any:
    """A new store of each kind in turn; the enforcing fake promises the same as the others."""
    if request.param == "fake":
        return FakeStore()
    place: Backend = request.getfixturevalue(f"{request.param}_place")
    return place.open()


@pytest.fixture
def pg18_backend(pg18: PgCluster) -> Iterator[Backend]:
    """A place for a store on PostgreSQL 18 only."""
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    place = _postgres(database)
    yield place
    place.close()
    database.drop()


@pytest.fixture
def sqlite_backend(tmp_path: Path) -> Iterator[Backend]:
    """A place for an SQLite store only."""
    place = _sqlite(tmp_path / "store.db")
    yield place
    place.close()


@pytest.fixture
def store(backend: Backend) -> SqlStore:
    """A new store on each database in turn."""
    return backend.open()
