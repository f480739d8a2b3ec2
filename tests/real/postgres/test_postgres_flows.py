"""The way of a change with real clients: held, decided by people, sent again or applied, reverted; and what keeps it in bounds."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import pq
from tests.connectors.postgres.rig import dump
from tests.real.conftest import FILL, SETUP, Shop, fails, until

from interlock.control import limits
from interlock.model.breaker import Breaker
from interlock.model.change import Change, ChangeState
from interlock.model.errors import InterlockError, Rejected
from interlock.model.operation import Action
from interlock.sdk.connector import Held, Permitted
from interlock.sdk.ports import Tx
from interlock.testing.gateway import BY, Gateway, prepare
from interlock.testing.peers.pg import PgDatabase

HELD, FORBIDDEN, BREAKER, UNAVAILABLE = "IL001", "IL002", "IL003", "IL005"
ALL = "DELETE FROM ten"


def changed(change: Change) -> dict[str, int]:
    """Rows by table and kind of change."""
    return {f"{e.change.value} {e.resource.name}": e.count for e in change.measurement.effects if e.count}


# -- held, approved, sent again


def test_held_approved_and_sent_again(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD) as error:
            agent.execute(ALL)
        change = shop.held()
        told = error.caught.diag
        assert change.id in (told.message_primary or "")
        assert told.message_detail == "table public.ten: 10 of 10 rows deleted"
        assert f"interlock apply {change.id}" in (told.message_hint or "")
        public = shop.gateway.runtime.config.api.public_url
        assert (told.message_hint or "").endswith(f" What becomes of it: {public}/changes/{change.id}")
        assert changed(change) == {"deleted public.ten": 10}
        assert shop.count("ten") == 10
        shop.gateway.approve(change.id, "ann")
        with fails(HELD):
            agent.execute(ALL)
        shop.gateway.approve(change.id, "ben")
        assert agent.execute(ALL).rowcount == 10
        assert shop.count("ten") == 0
        assert shop.gateway.change(change.id).state is ChangeState.APPLIED
        # An approval is used once.
        shop.database.psql("INSERT INTO ten SELECT i, 'row ' || i FROM generate_series(1, 10) i")
        with fails(HELD):
            agent.execute(ALL)
        assert shop.held().id != change.id
    assert shop.gateway.ledger_ok()


def test_whole_transactions_are_recognised(shop: Shop) -> None:
    def work(agent: psycopg.Connection[Any]) -> None:
        with agent.transaction():
            agent.execute("UPDATE ten SET b = %s WHERE a = %s", ("x", 1))
            with agent.transaction():
                agent.execute("DELETE FROM orders WHERE id <= %s", (200,))
            agent.execute("INSERT INTO notes (body) VALUES (%s)", ("done",))

    with shop.connect() as agent:
        with fails(HELD):
            work(agent)
        assert agent.info.transaction_status == pq.TransactionStatus.IDLE
        change = shop.approve_held()
        assert changed(change) == {
            "updated public.ten": 1,
            "deleted public.orders": 200,
            "deleted public.payments": 200,
            "created public.notes": 1,
        }
    # Another connection of the same agent is as good.
    with shop.connect() as agent:
        work(agent)
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED
    assert shop.counts() == {
        "customers": 100, "orders": 100, "payments": 100, "notes": 1, "ten": 10, "tempting": 10,
    }  # fmt: skip


def test_the_same_work_is_the_same_from_any_client(shop: Shop) -> None:
    with shop.connect() as agent, fails(HELD):
        agent.execute(ALL)
    change = shop.approve_held()
    done = shop.psql("-c", ALL)
    assert done.returncode == 0, done.stderr
    assert shop.count("ten") == 0
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED


@pytest.mark.parametrize(
    "other",
    [
        "DELETE FROM ten WHERE true",
        "DELETE FROM only_ten",
        "SET search_path = other, public",
        "SET TimeZone = 'Asia/Tokyo'",
    ],
)
def test_other_work_is_not_covered(shop: Shop, other: str) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        first = shop.approve_held()
        if other.startswith("SET"):
            agent.execute(other.encode())
            other = ALL
        with fails(HELD, "42P01"):
            agent.execute(other.encode())
    assert shop.count("ten") == 10
    assert shop.gateway.change(first.id).state is ChangeState.APPROVED
    assert first.id not in [c.id for c in shop.changes(ChangeState.HELD)]


def test_other_values_are_other_work(shop: Shop) -> None:
    sql = "DELETE FROM customers WHERE id > %s"
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(sql, (80,))
        shop.approve_held()
        with fails(HELD):
            agent.execute(sql, (70,))
        assert agent.execute(sql, (80,)).rowcount == 20


def test_other_agents_are_not_covered(shop: Shop) -> None:
    other = shop.new_agent()
    with shop.connect() as agent, fails(HELD):
        agent.execute(ALL)
    shop.approve_held()
    with shop.connect(other) as agent, fails(HELD):
        agent.execute(ALL)
    assert shop.count("ten") == 10


def test_applied_by_the_gateway(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD), agent.transaction():
            agent.execute("SET LOCAL search_path = public")
            agent.execute("DELETE FROM ten WHERE a > %s", (4,))
            agent.execute("INSERT INTO notes (body) VALUES (%s)", ("é, ' and \\",))
        change = shop.held()
        with pytest.raises(Rejected):
            shop.gateway.apply(change.id)
        shop.approve_held()
        answer = shop.gateway.apply(change.id)
        assert isinstance(answer, Permitted), answer
        with pytest.raises(Rejected):
            shop.gateway.apply(change.id)
    assert shop.count("ten") == 4
    assert shop.database.psql("SELECT body FROM notes") == [("é, ' and \\",)]
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED


# -- people (P4)


def test_only_distinct_others_count(shop: Shop) -> None:
    with shop.connect() as agent, fails(HELD):
        agent.execute(ALL)
    change = shop.held().id
    with pytest.raises(Rejected):
        shop.gateway.approve(change, "olga")
    shop.gateway.approve(change, "ann")
    with pytest.raises(InterlockError):
        shop.gateway.approve(change, "ann")
    assert shop.gateway.change(change).state is ChangeState.HELD
    with pytest.raises(Rejected):
        shop.gateway.apply(change)
    shop.gateway.approve(change, "cho")
    assert shop.gateway.change(change).state is ChangeState.APPROVED


def test_a_denial_ends_it(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        change = shop.held().id
        shop.gateway.approve(change, "ann")
        assert shop.gateway.deny(change, "ben", reason="not on a Friday").state is ChangeState.DENIED
        with pytest.raises(Rejected):
            shop.gateway.approve(change, "cho")
        with fails(FORBIDDEN) as error:
            agent.execute(ALL)
        assert f"denied: people said no to {change}" in str(error.caught)
        assert "The reason given: not on a Friday" in str(error.caught.diag.message_detail)
        assert "The same can be asked again after" in str(error.caught.diag.message_hint)
        assert "ben" not in str(error.caught)
    assert shop.changes(ChangeState.HELD) == []
    assert shop.count("ten") == 10


def test_after_a_restart_a_denial_still_answers(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        change = shop.held().id
        shop.gateway.deny(change, "ben", reason="not on a Friday")
    shop.gateway.stop()
    shop.gateway.start()
    with shop.connect() as agent:
        for _ in range(2):  # measured and found in the store, then from memory
            with fails(FORBIDDEN) as error:
                agent.execute(ALL)
            assert f"denied: people said no to {change}" in str(error.caught)
            assert "not on a Friday" in str(error.caught.diag.message_detail)
    assert shop.count("ten") == 10


# -- no more than was approved (P5)

SOME = "DELETE FROM customers WHERE id > 80"


def approved(shop: Shop, agent: psycopg.Connection[Any], sql: str = SOME) -> Change:
    with fails(HELD):
        agent.execute(sql.encode())
    return shop.approve_held()


def test_grown_effect_is_held_again_with_the_difference(shop: Shop) -> None:
    with shop.connect() as agent:
        change = approved(shop, agent)
        shop.database.psql("INSERT INTO customers VALUES (101, 'late', NULL), (102, 'later', NULL)")
        with fails(HELD) as error:
            agent.execute(SOME)
        assert "held again" in str(error.caught)
        assert "22 rows deleted, approved were 20" in (error.caught.diag.message_detail or "")
        again = shop.held()
        assert again.replaces == change.id
        assert shop.gateway.change(change.id).state is ChangeState.WITHDRAWN
        assert shop.count("customers") == 102
        shop.approve_held()
        assert agent.execute(SOME).rowcount == 22


def test_smaller_effect_passes(shop: Shop) -> None:
    with shop.connect() as agent:
        change = approved(shop, agent)
        shop.database.psql("DELETE FROM customers WHERE id = 90")
        assert agent.execute(SOME).rowcount == 19
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED
    intent = shop.gateway.entries("intent")[-1]["body"]
    assert (intent["change"], intent["totals"]["rows_deleted"]) == (change.id, 19 + 2 * 57)


def test_other_rows_of_the_same_number_are_held_again(shop: Shop) -> None:
    with shop.connect() as agent:
        approved(shop, agent)
        shop.database.psql(
            "DELETE FROM customers WHERE id = 90; INSERT INTO customers VALUES (101, 'other', NULL)"
        )
        shop.database.psql("INSERT INTO orders VALUES (1001, 101, 1), (1002, 101, 1), (1003, 101, 1)")
        shop.database.psql("INSERT INTO payments VALUES (1001, 1001), (1002, 1002), (1003, 1003)")
        with fails(HELD) as error:
            agent.execute(SOME)
        assert "not the same rows" in (error.caught.diag.message_detail or "")
    assert shop.count("customers") == 100


def test_another_definition_is_held_again(shop: Shop) -> None:
    shop.make("CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM ten'")
    try:
        with shop.connect() as agent:
            approved(shop, agent, "SELECT tidy()")
            shop.make(
                "CREATE OR REPLACE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM ten WHERE a > 0'"
            )
            with fails(HELD) as error:
                agent.execute("SELECT tidy()")
            assert "definition" in (error.caught.diag.message_detail or "")
    finally:
        shop.make("DROP FUNCTION tidy")
    assert shop.count("ten") == 10


# -- reverting (P6)


def test_reverted_exactly(shop: Shop) -> None:
    shop.database.psql("UPDATE customers SET email = E'tab\\t\\\\ \"quote\" é€𝄞' WHERE id = 7")
    before = dump(shop.database)
    with shop.connect() as agent:
        change = approved(shop, agent, "DELETE FROM customers")
        agent.execute("DELETE FROM customers")
    assert shop.count("payments") == 0
    assert all(e.reversible for e in change.measurement.effects)
    answer = shop.gateway.revert(change.id)
    assert isinstance(answer, Permitted), answer
    assert dump(shop.database) == before
    assert shop.gateway.change(change.id).state is ChangeState.REVERTED
    with pytest.raises(Rejected):
        raise_refused(shop.gateway.revert(change.id))
    assert shop.gateway.ledger_ok()


def test_small_changes_are_reverted_as_well(shop: Shop) -> None:
    before = dump(shop.database)
    with shop.connect() as agent:
        with agent.transaction():
            agent.execute("UPDATE ten SET b = 'x', a = a + 100 WHERE a < 3")
            agent.execute("INSERT INTO ten VALUES (50, NULL)")
            agent.execute("DELETE FROM tempting WHERE a = 3")
        (change,) = shop.changes(ChangeState.APPLIED)
    answer = shop.gateway.revert(change.id, "cho")
    assert isinstance(answer, Permitted), answer
    assert dump(shop.database) == before


def test_rows_that_someone_modified_since_are_not_overwritten(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'agent' WHERE a <= 3")
    (change,) = shop.changes(ChangeState.APPLIED)
    shop.database.psql("UPDATE ten SET b = 'person' WHERE a = 2")
    with pytest.raises(Rejected, match=r"public\.ten"):
        raise_refused(shop.gateway.revert(change.id))
    assert shop.database.psql("SELECT b FROM ten WHERE a <= 3 ORDER BY a") == [
        ("agent",),
        ("person",),
        ("agent",),
    ]
    answer = shop.gateway.revert(change.id, force=True)
    assert isinstance(answer, Permitted), answer
    assert shop.database.psql("SELECT b FROM ten WHERE a <= 3 ORDER BY a") == [
        ("row 1",),
        ("row 2",),
        ("row 3",),
    ]


def raise_refused(answer: Any) -> None:
    if not isinstance(answer, Permitted):
        raise Rejected(answer.why)


def test_reverts_go_on_during_a_freeze(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'agent' WHERE a = 1")
        (change,) = shop.changes(ChangeState.APPLIED)
        shop.gateway.freeze()
        try:
            with fails(BREAKER):
                agent.execute("UPDATE ten SET b = 'again' WHERE a = 1")
            with fails(BREAKER), agent.transaction():
                agent.execute("UPDATE ten SET b = 'again' WHERE a = 2")
            assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
            assert isinstance(shop.gateway.revert(change.id), Permitted)
        finally:
            shop.gateway.thaw()
        agent.execute("UPDATE ten SET b = 'again' WHERE a = 2")
    assert shop.database.psql("SELECT b FROM ten WHERE a <= 2 ORDER BY a") == [("row 1",), ("again",)]


def test_a_breaker_says_why_who_ends_it_and_where(shop: Shop) -> None:
    """In the message and the hint, as drivers show them, also at the end of a transaction."""
    gateway = shop.gateway
    scope = f"target/{gateway.target}"
    where = f"{gateway.runtime.config.api.public_url}/console/breakers/one?scope={quote(scope, safe='')}"
    hint = (
        "Stop writing: trying again does not help until it is put back by a person who owns none of the agents"
        f" that it is about. Tell your people. They do it at {where}"
    )

    def last(tx: Tx) -> None:
        row = tx.breaker(scope)
        assert row is not None
        tx.put_breaker(Breaker(scope, epoch=row.epoch + 1))

    gateway.run(gateway.runtime.switches.open(scope, "it smells of smoke", by="uid/0"))
    try:
        with shop.connect() as agent:
            for statement in ("UPDATE ten SET b = 'x' WHERE a = 1", "UPDATE ten SET b = %s WHERE a = 1"):
                with fails(BREAKER) as error:
                    agent.execute(statement, ("x",) if "%s" in statement else None)
                said = error.caught.diag
                assert said.message_primary == f"refused: changes are stopped for {scope}: it smells of smoke"
                assert said.message_hint == hint
            with fails(BREAKER) as error, agent.transaction():
                agent.execute("UPDATE ten SET b = 'x' WHERE a = 2")
            assert error.caught.diag.message_hint == hint
    finally:
        gateway.run(gateway.runtime.store.transact(last))


def test_the_halt_file_stops_all_changes(shop: Shop) -> None:
    halt = shop.gateway.runtime.config.halt_file
    with shop.connect() as agent:
        halt.touch()
        try:
            with pytest.raises(psycopg.Error) as caught:
                agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
            assert caught.value.sqlstate in (BREAKER, "57P01")
            until(lambda: not shop.gateway.runtime.targets["shop"].gate.sessions)
            with pytest.raises(psycopg.OperationalError, match="everything is halted"):
                shop.connect()
        finally:
            halt.unlink()
    until(lambda: not shop.gateway.runtime.core.halt.why)
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")


# -- waiting (P10)

_BUSY = """SELECT a.state, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.locktype <> 'virtualxid')
FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename = 'il_agent' AND a.state <> 'idle'"""


def test_waiting_holds_nothing_on_the_target(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD), agent.transaction():
            agent.execute("LOCK TABLE ten IN ACCESS EXCLUSIVE MODE")
            agent.execute(ALL)
        assert shop.database.psql(_BUSY) == []
        assert shop.database.psql("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
        # Whoever else wants the rows has them at once.
        shop.database.psql("SET lock_timeout = '1s'; UPDATE ten SET b = 'other'")


def waiting(shop: Shop, sql: str = ALL, wait: str = "60s") -> Callable[[], Any]:
    """Start a client that waits for its answer; when this returns, its change is held. Call the result to get what came of it."""
    pool = ThreadPoolExecutor(1)

    def run() -> Any:
        with shop.connect(options=f"-c interlock.wait={wait}") as agent:
            return agent.execute(sql.encode()).rowcount

    future = pool.submit(run)
    pool.shutdown(wait=False)
    until(lambda: shop.changes(ChangeState.HELD))

    def result() -> Any:
        try:
            return future.result(60)
        except psycopg.Error as error:
            return error.sqlstate

    return result


def test_a_waiting_client_gets_its_answer_when_people_approve(shop: Shop) -> None:
    result = waiting(shop)
    assert shop.database.psql(_BUSY) == []
    assert shop.count("ten") == 10
    shop.approve_held()
    assert result() == 10
    assert shop.count("ten") == 0
    (change,) = shop.changes()
    assert change.state is ChangeState.APPLIED


def test_a_waiting_client_hears_of_a_denial(shop: Shop) -> None:
    result = waiting(shop)
    shop.gateway.deny(shop.held().id)
    assert result() == FORBIDDEN
    assert shop.count("ten") == 10


def test_a_waiting_client_is_not_told_something_else(shop: Shop) -> None:
    """What it was told of its statements must stay true."""
    result = waiting(shop, "UPDATE ten SET b = 'all' WHERE a > 0")
    shop.database.psql("INSERT INTO ten VALUES (11, 'late')")
    shop.approve_held()
    assert result() == "40000"
    assert shop.database.psql("SELECT count(*) FROM ten WHERE b = 'all'") == [(0,)]


def test_an_effect_that_grows_while_a_client_waits_is_held_again(shop: Shop) -> None:
    result = waiting(shop, "SELECT cleanup()")
    first = shop.held()
    shop.database.psql("INSERT INTO customers VALUES (101, 'late', NULL)")
    shop.approve_held()
    second = until(lambda: [c for c in shop.changes(ChangeState.HELD) if c.replaces == first.id])[0]
    assert shop.count("customers") == 101
    shop.gateway.approve(second.id)
    assert result() == 1
    assert shop.count("customers") == 0


def test_waiting_ends_by_itself(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("SET interlock.wait = '50ms'")
        assert agent.execute("SHOW interlock.wait").fetchone() == ("50ms",)
        with fails(HELD):
            agent.execute(ALL)
        with fails("22023"):
            agent.execute("SET interlock.wait = 'long'")
        agent.execute("RESET interlock.wait")
        with fails(HELD):
            agent.execute(ALL)
    assert len(shop.changes()) == 1


def test_a_client_that_dies_while_it_waits_changes_nothing(shop: Shop) -> None:
    agent = shop.connect(options="-c interlock.wait=60s")
    agent.pgconn.send_query(ALL.encode())
    until(lambda: shop.changes(ChangeState.HELD))
    agent.close()
    change = shop.approve_held()
    until(lambda: not shop.sessions())
    assert shop.count("ten") == 10
    assert shop.gateway.change(change.id).state is ChangeState.APPROVED
    assert isinstance(shop.gateway.apply(change.id), Permitted)
    assert shop.count("ten") == 0


def test_what_a_client_says_of_its_purpose_is_kept(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("SET interlock.reason = 'ticket 42: too many'")
        with fails(HELD):
            agent.execute(ALL)
    assert shop.held().reason == "ticket 42: too many"


# -- in bounds


def _over(shop: Shop, change: Change) -> bool:
    """Whether the gateway's copy of the store's clock, which is behind it by the time of a read, is past the change's end."""
    assert change.expires_at is not None
    return shop.gateway.runtime.core.directory.now() >= change.expires_at


def test_held_changes_expire(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.connect() as agent:
        monkeypatch.setattr(limits, "HELD_FOR", timedelta(0))
        with fails(HELD):
            agent.execute(ALL)
        monkeypatch.undo()
        (first,) = shop.changes()
        with pytest.raises(Rejected):
            shop.gateway.approve(first.id, "ann")
        until(lambda: _over(shop, first))
        with fails(HELD):
            agent.execute(ALL)
        until(lambda: shop.gateway.change(first.id).state is ChangeState.EXPIRED)
        assert shop.held().id != first.id
    assert shop.count("ten") == 10


def test_approvals_expire(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APPROVED_FOR", timedelta(0))
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        first = shop.approve_held()
        with fails(HELD):
            agent.execute(ALL)
        with pytest.raises(Rejected):
            raise_refused(shop.gateway.apply(first.id))
    assert shop.held().id != first.id
    assert shop.count("ten") == 10


def test_five_changes_may_wait(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in range(5):
            with fails(HELD):
                agent.execute(f"DELETE FROM ten WHERE a > {n}".encode())
        with fails(FORBIDDEN) as error:
            agent.execute("DELETE FROM ten WHERE a > 5")
        assert "5 changes of this agent wait already" in str(error.caught)
        assert len(shop.changes()) == 5
        shop.gateway.deny(shop.changes()[0].id)
        with fails(HELD):
            agent.execute("DELETE FROM ten WHERE a > 5")


def test_the_same_content_does_not_touch_the_target_again(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        change = shop.held().id
        with shop.database.connect() as other:
            other.execute("LOCK TABLE ten IN ACCESS EXCLUSIVE MODE")
            for sql in (ALL, f"{ALL};", f"  {ALL}"):
                with fails(HELD) as error:
                    agent.execute(sql.encode())
                assert f"held already: {change}" in str(error.caught)
            # Other content waits for the lock, and not for ever.
            with fails("55P03"):
                agent.execute("DELETE FROM ten WHERE true")


def test_a_hundred_held_transactions(shop: Shop) -> None:
    """An agent that goes on trying is answered each time, costs the target little, and is in nobody's way."""
    other = shop.new_agent()
    with shop.connect() as agent, shop.connect(other) as neighbour:
        codes = set()
        for n in range(100):
            with fails(HELD, FORBIDDEN, UNAVAILABLE) as error:
                agent.execute(f"DELETE FROM ten WHERE a > 0 OR a > {n}".encode())
            codes.add(error.sqlstate)
            if n % 10 == 0:
                neighbour.execute("UPDATE ten SET b = 'neighbour' WHERE a = 1")
        assert codes == {HELD, FORBIDDEN, UNAVAILABLE}
        assert len(shop.changes()) == 5
        for _ in range(100):
            with fails(HELD):
                agent.execute("DELETE FROM ten WHERE a > 0 OR a > 0")
        assert agent.execute("SELECT 1").fetchone() == (1,)
    assert shop.count("ten") == 10
    recorded = [e for e in shop.gateway.entries("decision") if e["body"].get("agent") == shop.agent]
    assert 1 <= len(recorded) < 20


def test_grants_have_limits_that_nobody_can_lift(shop: Shop) -> None:
    limited = shop.new_agent(max_rows=5)
    with shop.connect(limited) as agent:
        assert agent.execute("UPDATE customers SET email = NULL WHERE id <= 5").rowcount == 5
        with fails(FORBIDDEN):
            agent.execute("UPDATE customers SET email = NULL WHERE id <= 6")
        with fails(FORBIDDEN), agent.transaction():
            agent.execute("UPDATE customers SET email = NULL WHERE id <= 3")
            agent.execute("UPDATE customers SET email = NULL WHERE id BETWEEN 4 AND 6")
    assert shop.database.psql("SELECT count(*) FROM customers WHERE email IS NULL") == [(5,)]


def test_rights_are_scoped_by_action(shop: Shop) -> None:
    reader = shop.new_agent((Action.READ,))
    with shop.connect(reader) as agent:
        assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
        for sql in (
            "INSERT INTO notes (body) VALUES ('x')",
            "UPDATE ten SET b = 'x' WHERE a = 1",
            "DELETE FROM ten WHERE a = 1",
            "SELECT a FROM ten WHERE a = 1 FOR UPDATE",
            "SELECT cleanup()",
            "CREATE TABLE mine (a int)",
            "DROP TABLE ten",
            "BEGIN; DELETE FROM ten WHERE a = 1; COMMIT",
        ):
            with fails(FORBIDDEN):
                agent.execute(sql.encode())
            agent.execute("ROLLBACK")
    assert shop.count("ten") == 10


# -- whose session it is


@pytest.mark.parametrize("way", ["disabled", "rotated", "revoked"])
def test_sessions_of_those_who_lost_their_right_end_at_once(shop: Shop, way: str) -> None:
    agents, grants = shop.gateway.runtime.agents, shop.gateway.runtime.grants
    with shop.connect() as idle, shop.connect() as busy:
        assert idle.execute("SELECT 1").fetchone() == (1,)
        busy.execute("BEGIN")
        busy.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        if way == "disabled":
            shop.gateway.run(agents.disable(shop.agent, by=BY))
        elif way == "rotated":
            shop.gateway.run(agents.rotate(shop.agent, by=BY))
        else:
            (mine,) = [g for g in shop.gateway.run(grants.list()) if g.agent == shop.agent]
            shop.gateway.run(grants.revoke(mine.id, by=BY))
        for connection in (idle, busy):
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
            assert connection.closed
        with pytest.raises(psycopg.OperationalError):
            shop.connect()
    until(lambda: not shop.sessions())
    assert shop.database.psql("SELECT b FROM ten WHERE a = 1") == [("row 1",)]


# -- observing only


def test_observed_targets_hold_nothing_and_record_all(fresh_db: PgDatabase, tmp_path: Path) -> None:
    prepare(fresh_db, SETUP)
    fresh_db.psql(FILL)
    with Gateway(fresh_db, tmp_path, keys={"mode": "observe"}) as gateway:
        with gateway.connect() as agent:
            assert agent.execute(ALL).rowcount == 10
        (change,) = gateway.changes()
        assert change.state is ChangeState.APPLIED
        assert changed(change) == {"deleted public.ten": 10}
        report = gateway.run(gateway.runtime.report(timedelta(days=1)))
        assert change.id in str(report)
        assert isinstance(gateway.revert(change.id), Permitted)
        assert gateway.ledger_ok()
    assert fresh_db.psql("SELECT count(*) FROM ten") == [(10,)]


def test_races_for_one_approval_are_won_once(shop: Shop) -> None:
    """Two connections of the agent and the gateway itself want to use one approval."""
    with shop.connect() as agent, fails(HELD):
        agent.execute(ALL)
    change = shop.approve_held()
    start = threading.Barrier(3)

    def send() -> str:
        with shop.connect() as agent:
            start.wait()
            try:
                agent.execute(ALL)
            except psycopg.Error as error:
                return error.sqlstate or "?"
        return "done"

    def apply() -> str:
        start.wait()
        try:
            answer = shop.gateway.apply(change.id)
        except Rejected:
            return "rejected"
        return "done" if isinstance(answer, Permitted) else type(answer).__name__

    with ThreadPoolExecutor(3) as pool:
        results = [f.result(60) for f in (pool.submit(send), pool.submit(send), pool.submit(apply))]
    # Whoever came second found an empty table (which needs nobody), or was told that it is under way.
    assert results.count("done") >= 1, results
    assert shop.count("ten") == 0
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED
    intents = [e for e in shop.gateway.entries("intent") if e["body"]["change"] == change.id]
    assert len(intents) == 1
    assert shop.gateway.ledger_ok()


def test_held_is_what_apply_says_of_a_grown_effect(shop: Shop) -> None:
    with shop.connect() as agent:
        change = approved(shop, agent)
    shop.database.psql("INSERT INTO customers VALUES (101, 'late', NULL)")
    answer = shop.gateway.apply(change.id)
    assert isinstance(answer, Held), answer
    assert answer.grown
    assert shop.count("customers") == 101
