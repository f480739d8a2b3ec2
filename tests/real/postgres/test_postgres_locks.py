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

from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster

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


# -- timeouts


SHOWN = {
    "lock_timeout": ("2s", "1500ms", "3s"),
    "statement_timeout": ("10min", "9min", "11min"),
    "idle_in_transaction_session_timeout": ("5min", "90s", "1h"),
}
"""What the gateway sets, less, and more."""


def show(agent: psycopg.Connection[Any], name: str) -> str:
    (value,) = agent.execute(f"SHOW {name}".encode()).fetchone() or ("",)
    return str(value)


@pytest.mark.parametrize("name", SHOWN)
def test_timeouts_may_be_lowered_and_not_raised(shop: Shop, name: str) -> None:
    usual, less, more = SHOWN[name]
    with shop.connect() as agent:
        notices: list[str] = []
        agent.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        assert show(agent, name) == usual
        agent.execute(f"SET {name} = '{less}'".encode())
        assert show(agent, name) == less
        for wish in (f"'{more}'", "0", "'0s'", "DEFAULT", "'100us'"):
            agent.execute(f"SET {name} = '{less}'".encode())
            agent.execute(f"SET {name} = {wish}".encode())
            assert show(agent, name) == usual, wish
        assert any(f"{name} stays at" in notice for notice in notices)
        agent.execute(f"SET {name} = '{less}'".encode())
        agent.execute(f"RESET {name}".encode())
        assert show(agent, name) == usual
        with agent.transaction():
            agent.execute(f"SET LOCAL {name} = '{less}'".encode())
            assert show(agent, name) == less
            agent.execute(f"SET LOCAL {name} = 0".encode())
            assert show(agent, name) == usual
        agent.execute(f"SET {name} = '{less}'".encode())
        agent.execute("BEGIN")
        agent.execute(f"SET {name} = 0".encode())
        agent.execute("ROLLBACK")
        assert show(agent, name) == less
        agent.execute("DISCARD ALL")
        assert show(agent, name) == usual
        for wrong in ("'soon'", "-1"):
            with fails("22023"):
                agent.execute(f"SET {name} = {wrong}".encode())


@pytest.mark.parametrize("name", SHOWN)
def test_nor_in_any_other_way(shop: Shop, name: str) -> None:
    usual, less, _ = SHOWN[name]
    with shop.gateway.connect(shop.agent, options=f"-c {name}=0") as agent:
        assert show(agent, name) == usual
    with shop.gateway.connect(shop.agent, options=f"-c {name}={less}") as agent:
        assert show(agent, name) == less
        agent.execute(f"RESET {name}".encode())
        assert show(agent, name) == less
    shop.database.psql(f"ALTER ROLE {ROLES.upstream} SET {name} = 0")
    try:
        with shop.connect() as agent:
            assert show(agent, name) == usual
    finally:
        shop.database.psql(f"ALTER ROLE {ROLES.upstream} RESET {name}")
    with shop.connect() as agent:
        with fails("IL002"):
            agent.execute(f"SELECT set_config('{name}', '0', false)".encode())
        with fails("IL001"):
            agent.execute(f"DO $$ BEGIN SET {name} = 0; END $$".encode())
        assert show(agent, name) == usual
        agent.execute("SET statement_timeout = 0; SET lock_timeout = 0; SELECT 1")  # as pg_dump begins
        assert show(agent, name) == usual


def test_an_agents_own_timeouts_are_shown(shop: Shop) -> None:
    with shop.connect("migrator") as agent:
        assert show(agent, "statement_timeout") == "20min"
        agent.execute("SET statement_timeout = '15min'")
        assert show(agent, "statement_timeout") == "15min"
