"""P10 Waiting holds no locks: a held change keeps no transaction open on the target."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from tests.real.conftest import Shop, fails, until

from interlock.model.change import ChangeState
from interlock.testing.peers.pg import PgDatabase

HELD = "IL001"
Agent = psycopg.Connection[tuple[Any, ...]]

LEFT = {
    "transactions": "SELECT usename, state, query FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename LIKE 'il\\_%' AND (xact_start IS NOT NULL OR state NOT IN ('idle'))",
    "snapshots and transaction ids": "SELECT usename, backend_xid, backend_xmin FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename LIKE 'il\\_%' AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)",
    "locks": "SELECT l.locktype, l.mode, a.usename FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE a.datname = current_database() AND a.usename LIKE 'il\\_%'",
    "prepared transactions": "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()",
    "replication slots": "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()",
}
"""What a waiting change could leave behind on the server, and how it would show."""


def left_behind(database: PgDatabase) -> dict[str, list[tuple[Any, ...]]]:
    return {what: rows for what, look in LEFT.items() if (rows := database.psql(look))}


@contextmanager
def nothing_left(shop: Shop) -> Iterator[None]:
    """After the block nothing of ours is open on the target. What the gateway itself looks up (its catalogs) is soon over."""
    yield
    until(lambda: not left_behind(shop.database))
    # Nobody has to wait for anybody: every row and every table is to be had at once.
    shop.database.psql(
        "SET lock_timeout = '20s'; BEGIN; LOCK TABLE customers, orders, payments, notes, ten, tempting"
        " IN ACCESS EXCLUSIVE MODE; ROLLBACK"
    )


def simple(agent: Agent) -> None:
    agent.execute("DELETE FROM ten")


def extended(agent: Agent) -> None:
    agent.execute("DELETE FROM ten WHERE a > %s", (0,), prepare=True)


def returning(agent: Agent) -> None:
    agent.execute("DELETE FROM ten RETURNING a, b")


def block(agent: Agent) -> None:
    with agent.transaction():
        agent.execute("LOCK TABLE ten IN ACCESS EXCLUSIVE MODE")
        agent.execute("DELETE FROM ten")


def nested(agent: Agent) -> None:
    agent.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    agent.execute("SAVEPOINT a")
    agent.execute("SELECT * FROM customers FOR UPDATE")
    agent.execute("SAVEPOINT b")
    agent.execute("DELETE FROM ten")
    agent.execute("COMMIT")


def chained(agent: Agent) -> None:
    agent.execute("BEGIN")
    agent.execute("DELETE FROM ten")
    agent.execute("COMMIT AND CHAIN")


def two_phase(agent: Agent) -> None:
    agent.execute("BEGIN")
    agent.execute("DELETE FROM ten")
    agent.execute("PREPARE TRANSACTION 'held'")


def copied(agent: Agent) -> None:
    with agent.transaction():
        agent.execute("TRUNCATE tempting")
        with agent.cursor() as cursor, cursor.copy("COPY tempting FROM STDIN") as copy:
            copy.write_row((1,))


def cursors(agent: Agent) -> None:
    with agent.transaction():
        agent.execute("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM customers")
        agent.execute("FETCH 5 FROM c")
        agent.execute("DELETE FROM ten")


def pipelined(agent: Agent) -> None:
    with agent.pipeline():
        agent.execute("SELECT * FROM customers")
        agent.execute("DELETE FROM ten")
        agent.execute("SELECT 1")


def defined(agent: Agent) -> None:
    agent.execute("DROP TABLE payments")


def called(agent: Agent) -> None:
    agent.execute("SELECT cleanup()")


def unmeasured(agent: Agent) -> None:
    agent.execute("SELECT setval('tickets', 500)")


WORK = [
    simple, extended, returning, block, nested, chained, two_phase, copied, cursors, pipelined, defined, called, unmeasured,
]  # fmt: skip


@pytest.mark.parametrize("work", WORK)
def test_what_is_held_leaves_nothing_open(shop: Shop, work: Callable[[Agent], None]) -> None:
    before = shop.counts()
    with shop.connect() as agent:
        with nothing_left(shop), fails(HELD):
            work(agent)
        assert agent.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert agent.execute("SELECT 1").fetchone() == (1,)
        assert shop.held().id
        # Held already: answered from memory, and nothing is opened either.
        with nothing_left(shop), fails(HELD):
            work(agent)
        shop.approve_held()
        with nothing_left(shop):
            pass
    assert shop.counts() == before


@pytest.mark.parametrize("work", [simple, extended, block, nested, two_phase, called])
def test_a_client_that_waits_leaves_nothing_open(shop: Shop, work: Callable[[Agent], None]) -> None:
    """With interlock.wait the client keeps its place; the server keeps nothing."""
    with shop.connect(options="-c interlock.wait=60s") as agent, ThreadPoolExecutor(1) as pool:
        client = pool.submit(work, agent)
        with nothing_left(shop):
            until(lambda: shop.changes(ChangeState.HELD))
        assert not client.done()
        shop.approve_held()
        client.result(60)
        with suppress(psycopg.Error):
            agent.execute("COMMIT PREPARED 'held'")
        until(lambda: not left_behind(shop.database))
    assert shop.changes()[-1].state is ChangeState.APPLIED


def test_approved_and_denied_changes_hold_nothing_either(shop: Shop) -> None:
    with shop.connect() as agent:
        ends: list[Callable[[str], object]] = [shop.gateway.deny, shop.gateway.approve]
        for n, end in enumerate(ends):
            with fails(HELD):
                agent.execute(f"DELETE FROM ten WHERE a > {n - 5}".encode())
            with nothing_left(shop):
                end(shop.held().id)


def test_a_refusal_holds_nothing(shop: Shop) -> None:
    limited = shop.new_agent(max_rows=5)
    with shop.connect(limited) as agent, nothing_left(shop), fails("IL002"):
        agent.execute("DELETE FROM customers WHERE id < 50")


def test_a_client_that_goes_away_inside_a_transaction_leaves_nothing(shop: Shop) -> None:
    with nothing_left(shop):
        agent = shop.connect()
        agent.execute("BEGIN")
        agent.execute("DELETE FROM ten")
        agent.pgconn.finish()
    assert shop.count("ten") == 10
    assert shop.changes() == []


def test_many_held_changes_hold_nothing(shop: Shop) -> None:
    """Five agents with five changes each, and none of it on the server."""
    agents = [shop.new_agent() for _ in range(5)]
    with nothing_left(shop):
        for name in agents:
            with shop.connect(name) as agent:
                for n in range(5):
                    with fails(HELD):
                        agent.execute(f"DELETE FROM ten WHERE a > {-n}".encode())
    held = [c for c in shop.gateway.changes(ChangeState.HELD) if c.agent in agents]
    assert len(held) == 25
    assert shop.count("ten") == 10
