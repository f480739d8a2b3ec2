"""Many small changes add up: what would be held as one statement is held as many, whoever and however it is sent."""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from tests.real.conftest import Shop, fails

from interlock.control.signals.past import ENOUGH
from interlock.control.signals.spent import roomy
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Hold
from interlock.runtime.service.stopping import tuning
from interlock.testing.gateway import OWNER, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

SETUP = "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY, v int); CREATE SEQUENCE s;"
FILL = """
DELETE FROM t; DELETE FROM u;
INSERT INTO t SELECT i, 0 FROM generate_series(1, 2000) i; INSERT INTO u SELECT i, 0 FROM generate_series(1, 2000) i;
"""
SMALL = {
    "window": "1h",
    "agent": {"rows_deleted": 10, "rows_updated": 20, "rows_created": 30, "objects": 3},
    "session": {"rows_deleted": 8},
    "owner": {"rows_deleted": 15},
    "table": {"rows_deleted": 12},
}


def served(database: PgDatabase, folder: Path, **top: Any) -> Gateway:
    prepare(database, SETUP)
    return Gateway(database, folder, agents=(), top=top)


@pytest.fixture(scope="module")
def small(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """With budgets of a few rows. The version does not matter: what is counted is measured before."""
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    with served(database, tmp_path_factory.mktemp("gateway"), budgets=SMALL) as gateway:
        yield Shop(gateway)
    database.drop()


@pytest.fixture
def shop(small: Shop) -> Shop:
    """With nothing spent."""
    small.database.psql(FILL)
    small.gateway.run(
        small.gateway.runtime.store.transact(lambda tx: tx.forget_spent(tx.now().replace(year=2999)))
    )
    small.agent = small.new_agent()
    return small


def reasons(change: Change) -> set[str]:
    assert isinstance(change.decision, Hold)
    return set(change.decision.reasons)


def delete(shop: Shop, *ids: int, table: str = "t", agent: str = "") -> None:
    with shop.connect(agent) as connection:
        for n in ids:
            connection.execute(f"DELETE FROM {table} WHERE id = {n}".encode())


def test_a_thousand_small_deletes_are_held_where_one_large_one_is(pg18: PgCluster, tmp_path: Path) -> None:
    """With what holds by default: one statement of 101 rows is held, and so is the 101st of one row."""
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    with served(database, tmp_path) as gateway:
        gateway.add_agent("bot")
        database.psql(FILL)
        with gateway.connect("bot") as agent:
            with fails("IL001"):
                agent.execute("DELETE FROM t WHERE id <= 101")
            done = 0
            with fails("IL001") as error:
                for n in range(1, 1001):
                    agent.execute(f"DELETE FROM t WHERE id = {n}".encode())
                    done = n
        assert done == 100
        assert database.psql("SELECT count(*) FROM t") == [(1900,)]
        detail = error.caught.diag.message_detail or ""
        assert "many small changes add up" in detail
        assert "101 rows deleted in the last 1h" in detail
        change = gateway.changes(ChangeState.HELD)[0]
        assert reasons(change) == {"budget-agent-rows-deleted", "budget-session-rows-deleted"}
        assert "many small changes" in change.note
        assert gateway.ledger_ok()
    database.drop()


def test_by_session(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in range(8):
            agent.execute(f"DELETE FROM t WHERE id = {n + 1}".encode())
        with fails("IL001"):
            agent.execute("DELETE FROM t WHERE id = 9")
    assert reasons(shop.held()) == {"budget-session-rows-deleted"}
    delete(shop, 10)  # another session of the same agent


def test_by_agent_over_sessions(shop: Shop) -> None:
    for n in range(5):
        delete(shop, 2 * n + 1, 2 * n + 2)
    with fails("IL001"):
        delete(shop, 11)
    assert reasons(shop.held()) == {"budget-agent-rows-deleted"}


def test_by_owner_over_agents(shop: Shop) -> None:
    """Not by table: half of it goes elsewhere."""
    agents = [shop.agent, shop.new_agent(), shop.new_agent()]
    for n, agent in enumerate(agents):
        delete(shop, *range(1 + 5 * n, 4 + 5 * n), agent=agent)
        delete(shop, *range(1 + 5 * n, 3 + 5 * n), table="u", agent=agent)
    with fails("IL001"):
        delete(shop, 100, agent=agents[0])
    assert reasons(shop.held()) == {"budget-owner-rows-deleted"}


def test_by_table_over_agents(shop: Shop) -> None:
    other = shop.new_agent()
    delete(shop, *range(1, 7))
    delete(shop, *range(7, 13), agent=other)
    with fails("IL001"):
        delete(shop, 13)
    assert reasons(shop.held()) == {"budget-table-rows-deleted"}
    delete(shop, 13, table="u")


@pytest.mark.parametrize(
    ("sql", "passes", "reason"),
    [
        ("UPDATE t SET v = v + 1 WHERE id = {}", 20, "budget-agent-rows-updated"),
        ("INSERT INTO t VALUES ({} + 5000, 1)", 30, "budget-agent-rows-created"),
        ("INSERT INTO t SELECT {0} * 10 + i, 1 FROM generate_series(5000, 5009) i", 3, "budget-agent-rows-created"),
        ("CREATE TABLE made_{} (a int)", 3, "budget-agent-objects"),
        ("DO $$ BEGIN DELETE FROM t WHERE id = {0}; UPDATE u SET v = 1 WHERE id = {0}; END $$", 8, "budget-session-rows-deleted"),
        ("WITH d AS (DELETE FROM t WHERE id = {} RETURNING *) SELECT count(*) FROM d", 8, "budget-session-rows-deleted"),
    ],
)  # fmt: skip
def test_every_kind_of_small_change(shop: Shop, sql: str, passes: int, reason: str) -> None:
    with shop.connect() as agent:
        done = 0
        with fails("IL001"):
            for n in range(1, 100):
                agent.execute(sql.format(n).encode())
                done = n
    assert done == passes
    assert reason in reasons(shop.held())
    shop.database.psql("DROP TABLE IF EXISTS made_1, made_2, made_3")


def test_in_one_transaction_it_counts_as_a_whole(shop: Shop) -> None:
    with shop.connect() as agent, fails("IL001"), agent.transaction():
        for n in range(1, 12):
            agent.execute("DELETE FROM t WHERE id = %s", (n,))
    assert "budget-agent-rows-deleted" in reasons(shop.held())
    assert shop.count("t") == 2000
    delete(shop, 1)  # what was held was not spent


def test_approved_changes_spend_nothing(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in range(1, 9):
            agent.execute(f"DELETE FROM t WHERE id = {n}".encode())
        with fails("IL001"):
            agent.execute("DELETE FROM t WHERE id = 9")
        change = shop.held()
        shop.gateway.approve(change.id, "ann")
        with fails("IL001"):
            agent.execute("DELETE FROM t WHERE id = 9")
        shop.gateway.approve(change.id, "ben")
        agent.execute("DELETE FROM t WHERE id = 9")
        assert shop.gateway.change(change.id).state is ChangeState.APPLIED
        assert shop.count("t") == 1991
        with fails("IL001"):
            agent.execute("DELETE FROM t WHERE id = 10")
    # Of the agent's ten, eight are spent: the approved one is not among them.
    delete(shop, 11, 12)
    with fails("IL001"):
        delete(shop, 13)


def test_what_people_approved_can_be_applied(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in range(1, 9):
            agent.execute(f"DELETE FROM t WHERE id = {n}".encode())
        with fails("IL001"):
            agent.execute("DELETE FROM t WHERE id = 9")
    change = shop.approve_held()
    shop.gateway.apply(change.id)
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED
    assert shop.count("t") == 1991


def test_what_was_reverted_stays_spent(shop: Shop) -> None:
    delete(shop, *range(1, 9))
    for change in shop.changes(ChangeState.APPLIED):
        shop.gateway.revert(change.id)
    assert shop.count("t") == 2000
    delete(shop, 1, 2)
    with fails("IL001"):
        delete(shop, 3)


def test_agents_at_once_cannot_share_the_last_of_it(shop: Shop) -> None:
    """Twelve deletions at once where the table's budget has twelve, and as many again."""
    agents = [shop.new_agent() for _ in range(4)]
    start = threading.Barrier(4)

    def work(place: int) -> int:
        passed = 0
        with shop.connect(agents[place]) as connection:
            start.wait()
            for n in range(6):
                with contextlib.suppress(psycopg.DatabaseError):  # held
                    connection.execute(f"DELETE FROM t WHERE id = {place * 6 + n + 1}".encode())
                    passed += 1
        return passed

    with ThreadPoolExecutor(4) as pool:
        passed = sum(pool.map(work, range(4)))
    assert passed == 12
    assert shop.count("t") == 1988


def test_observed_targets_hold_nothing_and_say_so(pg18: PgCluster, tmp_path: Path) -> None:
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path, keys={"mode": "observe"}, top={"budgets": SMALL}) as gateway:
        database.psql(FILL)
        with gateway.connect("bot") as agent:
            for n in range(1, 13):
                agent.execute(f"DELETE FROM t WHERE id = {n}".encode())
        observed = [c for c in gateway.changes(ChangeState.APPLIED) if isinstance(c.decision, Hold)]
        assert len(observed) == 4
        assert all("budget-session-rows-deleted" in c.decision.reasons for c in observed)
    database.drop()


@pytest.mark.parametrize("top", [{"budgets": "none"}, {"guardrails": "none"}])
def test_without_budgets_nothing_is_counted(pg18: PgCluster, tmp_path: Path, top: dict[str, Any]) -> None:
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    with served(database, tmp_path, **top) as gateway:
        gateway.add_agent("bot")
        database.psql(FILL)
        with gateway.connect("bot") as agent:
            for n in range(1, 130):
                agent.execute(f"DELETE FROM t WHERE id = {n}".encode())
    database.drop()


def test_budgets_that_fit_are_proposed_from_what_really_happened(pg18: PgCluster, tmp_path: Path) -> None:
    """Through the gateway: what it counted, what it held, what is proposed from it; and the proposal, pasted, holds the next."""
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    with served(database, tmp_path, budgets={"agent": {"rows_deleted": 12}}) as gateway:
        gateway.add_agent("bot")
        database.psql(FILL)
        with gateway.connect("bot") as agent:
            for n in range(1, ENOUGH + 1):
                agent.execute(f"UPDATE t SET v = {n} WHERE id = {n}".encode())
            agent.execute("DELETE FROM t WHERE id <= 5")
            with fails("IL001"):
                agent.execute("DELETE FROM t WHERE id BETWEEN 6 AND 13")
        held = gateway.held()
        gateway.approve(held.id)
        assert gateway.apply(held.id).change is not None
        found = gateway.run(tuning.tune(gateway.runtime.core, timedelta(hours=2)))
    assert found.budgets is not None
    used = {(u.scope, u.who, u.field): u.highest for u in found.budgets.used}
    assert used["agent", "bot", "rows_updated"] == ENOUGH
    assert used["agent", "bot", "rows_deleted"] == used["table", "table public.t", "rows_deleted"] == 13
    assert used["owner", OWNER, "rows_updated"] == ENOUGH
    assert [(w.change, w.reason, w.spent, w.limit, w.was) for w in found.budgets.now] == [
        (held.id, "budget-agent-rows-deleted", 13, 12, True)
    ]
    assert found.budgets.waits_then == 0
    pasted = yaml.safe_load(found.snippet)["budgets"]
    assert pasted["agent"]["rows_deleted"] == roomy(13) == 17
    assert pasted["agent"]["rows_updated"] == roomy(ENOUGH)
    with Gateway(database, tmp_path / "again", agents=(), top={"budgets": pasted}) as gateway:
        gateway.add_agent("bot")
        database.psql(FILL)
        with gateway.connect("bot") as agent:
            agent.execute("DELETE FROM t WHERE id <= 17")
            with fails("IL001"):
                agent.execute("DELETE FROM t WHERE id = 18")
    database.drop()
