"""A client that goes away, or is sent away, while its change is decided: what was begun is carried through and recorded, and no
transaction stays open on the target (P10)."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.postgres.session.rawclient import RawClient
from tests.real.conftest import until

from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.session import PgSession
from interlock.model.change import ChangeState
from interlock.testing.gateway import TARGET, Gateway, prepare
from interlock.testing.peers.pg import PgDatabase

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'il_agent' AND datname = current_database()"


@pytest.fixture
def gateway(pg18: Any, tmp_path: Path) -> Iterator[Gateway]:
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'old')")
    with Gateway(database, tmp_path) as made:
        yield made
    database.drop()


@contextmanager
def store_locked(gateway: Gateway) -> Iterator[None]:
    """Another process holds the store: intents wait."""
    store = sqlite3.connect(gateway.folder / "var" / "interlock.db", isolation_level=None)
    try:
        store.execute("BEGIN IMMEDIATE")
        yield
        store.execute("ROLLBACK")
    finally:
        store.close()


def committing(gateway: Gateway) -> bool:
    """Whether a session is past the point from where it is carried through. (A transaction that is open on the server may still
    be before it: who leaves then changes nothing.)"""
    sessions = [c.session for c in list(gateway.runtime.targets[TARGET]._connections)]
    return any(isinstance(s, PgSession) and s._worker is not None and s._worker.committing for s in sessions)


def nobody_connected(gateway: Gateway) -> bool:
    return not gateway.runtime.targets[TARGET]._connections


def update(gateway: Gateway) -> RawClient:
    """A client whose change waits for the store; nothing was answered yet."""
    client = RawClient(gateway.port)
    client.login("bot", gateway.tokens["bot"])
    return client


def count(database: PgDatabase, sql: str) -> int:
    found: int = database.psql(sql)[0][0]
    return found


def test_a_client_that_dies_before_its_intent_is_recorded(gateway: Gateway) -> None:
    client = update(gateway)
    with store_locked(gateway):
        client.send(f.Query("UPDATE t SET b = 'new'"))
        until(lambda: committing(gateway))
        client.close()
        until(lambda: nobody_connected(gateway))
    until(lambda: count(gateway.database, SESSIONS) == 0)
    (change,) = gateway.changes()
    assert change.state is ChangeState.APPLIED
    assert gateway.database.psql("SELECT b FROM t") == [("new",)]
    until(lambda: not gateway.runtime.targets[TARGET].gate.sessions)


def test_a_shutdown_while_an_intent_is_recorded(gateway: Gateway) -> None:
    client = update(gateway)
    with store_locked(gateway):
        client.send(f.Query("UPDATE t SET b = 'new'"))
        until(lambda: committing(gateway))
        gateway._loop.call_soon_threadsafe(gateway._ends.set)
        until(lambda: not gateway.runtime.targets[TARGET].serving)
    gateway.stop()
    assert count(gateway.database, SESSIONS) == 0
    client.close()
    gateway.start()
    (change,) = gateway.changes()
    assert change.state is ChangeState.APPLIED
    assert gateway.database.psql("SELECT b FROM t") == [("new",)]
