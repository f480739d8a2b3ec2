"""Agents cannot keep others from tables and rows for long, and cannot raise the timeouts that the gateway sets."""

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from msgspec import structs
from tests.real.conftest import SETUP, Shop, fails, until

from interlock.testing.gateway import Gateway, prepare
from interlock.testing.pg import PgCluster

OVER = "25P04"
LIMITS = {"strong_lock_s": 1, "agents": {"migrator": {"strong_lock_s": 600, "statement_timeout_s": 1200}}}


@pytest.fixture(scope="module")
def served(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Locks for a second at most."""
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(
        database, tmp_path_factory.mktemp("gateway"), agents=("migrator",), keys={"limits": LIMITS}
    ) as gateway:
        yield Shop(gateway)
    database.drop()


def strong(shop: Shop) -> list[Any]:
    """Locks on the shop's tables that keep others from writing."""
    return shop.database.psql(
        "SELECT mode FROM pg_locks WHERE relation = 'ten'::regclass AND mode IN"
        " ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
    )


def ended(shop: Shop, agent: psycopg.Connection[Any]) -> str:
    """Wait until the gateway has ended the session; the SQLSTATE that its client hears."""
    until(lambda: not shop.sessions())
    with pytest.raises(psycopg.Error) as caught:
        agent.execute("SELECT 1")
    assert "than the gateway allows" in str(caught.value)
    return caught.value.sqlstate or ""


@pytest.mark.parametrize(
    "sql",
    [
        "LOCK TABLE ten IN SHARE MODE",
        "LOCK TABLE ten",
        "ALTER TABLE ten ADD COLUMN c int",
        "CREATE INDEX ON ten (b)",
        "DO $$ BEGIN LOCK TABLE ten IN EXCLUSIVE MODE; END $$",
    ],
)
def test_strong_locks_are_not_held_for_long(shop: Shop, sql: str) -> None:
    with shop.connect() as agent:
        agent.execute("BEGIN")
        agent.execute(sql.encode())
        assert strong(shop)
        assert ended(shop, agent) == OVER
    until(lambda: not strong(shop))


def test_not_by_a_running_statement_either(shop: Shop) -> None:
    with contextlib.closing(shop.connect()) as agent:
        agent.execute("BEGIN")
        agent.execute("LOCK TABLE ten")
        with fails("57014") as error:
            agent.execute("SELECT pg_sleep(300)")
        assert "it has kept others from a table or from rows longer than the gateway allows" in str(
            error.caught
        )
        until(lambda: not shop.sessions() and not strong(shop))


def test_nor_by_queueing_for_one(shop: Shop) -> None:
    """Whoever comes later queues behind it."""
    live = shop.gateway.runtime.targets["shop"].live
    timers = live.timers(shop.agent)  # type: ignore[attr-defined]
    # So that it is not the lock timeout that ends it.
    live.given_timers[shop.agent] = structs.replace(timers, lock_timeout_ms=600_000)  # type: ignore[attr-defined]
    with shop.database.connect() as other, contextlib.closing(shop.connect()) as agent:
        other.execute("SELECT * FROM ten")
        agent.execute("SET lock_timeout = '10min'")
        agent.execute("BEGIN")
        with fails("57014") as error:
            agent.execute("LOCK TABLE ten")
        assert "than the gateway allows" in str(error.caught)
        until(lambda: not shop.sessions() and not strong(shop))


def test_rows_that_others_wait_for(shop: Shop) -> None:
    with shop.connect() as agent, ThreadPoolExecutor(1) as pool:
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'mine' WHERE a = 1")
        waits = pool.submit(shop.database.psql, "UPDATE ten SET b = 'theirs' WHERE a = 1")
        assert ended(shop, agent) == OVER
        waits.result()
    assert shop.database.psql("SELECT b FROM ten WHERE a = 1") == [("theirs",)]


def test_rows_that_nobody_waits_for_and_new_tables_are_in_nobodys_way(shop: Shop) -> None:
    with shop.connect() as agent, contextlib.closing(shop.connect(shop.new_agent())) as other:
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'mine' WHERE a = 1")
        agent.execute("CREATE TABLE fresh (a int)")
        agent.execute("CREATE TEMP TABLE passing (a int)")
        agent.execute("LOCK TABLE fresh, passing")
        # Meanwhile the other one is ended: so the first was looked at as often.
        other.execute("BEGIN")
        other.execute("LOCK TABLE notes")
        until(lambda: len(shop.gateway.runtime.targets["shop"].gate.sessions) == 1)
        agent.execute("ROLLBACK")


def test_an_agent_may_have_limits_of_its_own(shop: Shop) -> None:
    with shop.connect("migrator") as agent, shop.connect() as other:
        agent.execute("BEGIN")
        agent.execute("LOCK TABLE ten")
        other.execute("BEGIN")
        other.execute("LOCK TABLE notes")
        assert ended(shop, other) == OVER
        assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
        agent.execute("ROLLBACK")


def test_transactions_do_not_last_for_ever(shop: Shop) -> None:
    live = shop.gateway.runtime.targets["shop"].live
    timers = live.timers(shop.agent)  # type: ignore[attr-defined]
    live.given_timers[shop.agent] = structs.replace(timers, transaction_timeout_s=0.2)  # type: ignore[attr-defined]
    with shop.connect() as agent:
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'mine' WHERE a = 1")
        assert ended(shop, agent) == OVER


def test_the_work_goes_on_afterwards(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("BEGIN")
        agent.execute("LOCK TABLE ten")
        ended(shop, agent)
    with shop.connect() as agent:
        assert agent.execute("UPDATE ten SET b = 'x' WHERE a = 1").rowcount == 1
