"""Reverts while others write: conflicts by row and column, partial reverts, reverts of reverts, and locks."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from tests.real.conftest import Shop, fails

from interlock.model.change import Change, ChangeState
from interlock.model.conflict import ConflictKind
from interlock.model.errors import Rejected
from interlock.sdk.connector import Held, Permitted, Refused

SECRET = "hopefully-nowhere-else"


def applied(shop: Shop, *statements: str) -> Change:
    """A small change of the agent's, as it is recorded. What others stand in the way of is tried again, as agents do."""
    done = False
    while not done:
        with (
            contextlib.suppress(psycopg.errors.DeadlockDetected),
            shop.connect() as agent,
            agent.transaction(),
        ):
            for statement in statements:
                agent.execute(statement.encode())
            done = True
    return shop.changes(ChangeState.APPLIED)[0]


def content(shop: Shop, table: str = "ten", order: str = "a") -> list[tuple[Any, ...]]:
    return list(shop.database.psql(f"SELECT * FROM {table} ORDER BY {order}"))


def plan(shop: Shop, change: Change, *, force: bool = False) -> Any:
    return shop.gateway.run(shop.gateway.runtime.changes.revert_plan(change.id, force=force))


def test_conflicts_are_told_to_the_person_and_recorded_nowhere(shop: Shop) -> None:
    shop.database.psql(f"INSERT INTO ten VALUES (77, '{SECRET}')")
    change = applied(shop, "UPDATE ten SET b = 'agent' WHERE a IN (1, 77)")
    shop.database.psql("UPDATE ten SET b = 'person' WHERE a = 77")
    now = content(shop)
    foreseen = plan(shop, change)
    answer = shop.gateway.revert(change.id)
    assert isinstance(answer, Refused)
    assert not foreseen.possible
    assert foreseen.conflicts == answer.conflicts
    (conflict,) = answer.conflicts
    assert (conflict.table, conflict.row, conflict.kind) == ("public.ten", "a = 77", ConflictKind.MODIFIED)
    assert conflict.columns == ("b",)
    assert "a = 77" not in answer.why
    assert content(shop) == now
    recorded = json.dumps(shop.gateway.entries())
    assert SECRET not in recorded
    assert "a = 77" not in recorded
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED


def test_a_plan_changes_nothing_and_holds_nothing(shop: Shop) -> None:
    change = applied(shop, "UPDATE ten SET b = 'agent' WHERE a < 4")
    now = content(shop)
    found = plan(shop, change)
    assert (found.possible, found.complete, found.conflicts) == (True, True, ())
    (effect,) = [e for e in found.measurement.effects if e.count]
    assert (effect.resource.name, effect.count, effect.columns, effect.reversible) == (
        "public.ten",
        3,
        ("b",),
        True,
    )
    assert content(shop) == now
    shop.database.psql("SET lock_timeout = '1s'; UPDATE ten SET b = 'mine' WHERE a = 9")
    assert len(shop.changes()) == 1


def test_what_others_set_in_other_columns_stays(shop: Shop) -> None:
    change = applied(shop, "UPDATE customers SET name = 'agent' WHERE id < 4")
    shop.database.psql("UPDATE customers SET email = 'mine' WHERE id = 2")
    assert isinstance(shop.gateway.revert(change.id), Permitted)
    assert shop.database.psql("SELECT name, email FROM customers WHERE id = 2") == [("customer 2", "mine")]
    assert shop.gateway.change(change.id).state is ChangeState.REVERTED


def test_a_forced_revert_that_leaves_something_is_partial_and_can_be_reverted(shop: Shop) -> None:
    change = applied(
        shop,
        "UPDATE customers SET name = 'agent' WHERE id IN (1, 2)",
        "INSERT INTO customers VALUES (500, 'new')",
    )
    shop.database.psql(
        "INSERT INTO orders VALUES (9000, 500, 1); UPDATE customers SET name = 'mine' WHERE id = 2"
    )
    between = content(shop, "customers", "id")
    assert isinstance(shop.gateway.revert(change.id), Refused)
    shop.make(
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey, ADD FOREIGN KEY (customer) REFERENCES customers"
    )
    try:
        found = plan(shop, change, force=True)
        assert (found.possible, found.complete) == (True, False)
        answer = shop.gateway.revert(change.id, force=True)
        assert isinstance(answer, Permitted), answer
        assert {(c.row, c.kind, c.left) for c in answer.conflicts} == {
            ("id = 2", ConflictKind.MODIFIED, False),
            ("id = 500", ConflictKind.BLOCKED, True),
        }
        assert shop.gateway.change(change.id).state is ChangeState.PARTLY_REVERTED
        assert shop.count("customers WHERE id = 500") == 1
        assert answer.change is not None
        assert all(e.reversible for e in answer.change.measurement.effects), answer.change.measurement
        # What the revert did is a change as any: it goes the same way.
        assert isinstance(shop.gateway.revert(answer.change.id), Permitted)
        assert content(shop, "customers", "id") == between
    finally:
        shop.make(
            "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey,"
            " ADD FOREIGN KEY (customer) REFERENCES customers ON DELETE CASCADE"
        )


def test_a_revert_of_a_revert_needs_the_people_whom_the_change_needed(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails("IL001"):
            agent.execute("DELETE FROM customers WHERE id <= 40")
        shop.approve_held()
        agent.execute("DELETE FROM customers WHERE id <= 40")
    after = [content(shop, table, "id") for table in ("customers", "orders", "payments")]
    (change,) = shop.changes(ChangeState.APPLIED)
    first = shop.gateway.revert(change.id)
    assert isinstance(first, Permitted)
    assert first.change is not None
    assert all(e.reversible for e in first.change.measurement.effects)
    again = shop.gateway.revert(first.change.id)
    assert isinstance(again, Held)
    shop.gateway.approve(again.change.id, "ben", "cho")  # ann has asked for it
    assert isinstance(shop.gateway.apply(again.change.id), Permitted)
    assert [content(shop, table, "id") for table in ("customers", "orders", "payments")] == after
    assert shop.gateway.ledger_ok()


def test_rows_that_somebody_holds_are_not_waited_for_long(shop: Shop) -> None:
    change = applied(shop, "UPDATE ten SET b = 'agent' WHERE a < 4", "DELETE FROM tempting WHERE a = 1")
    now = content(shop)
    with shop.database.connect() as other:
        other.execute("UPDATE ten SET b = b WHERE a = 2")
        answer = shop.gateway.revert(change.id)
        assert isinstance(answer, Refused)
        assert "public.ten is in use by somebody else (SQLSTATE 55P03)" in answer.why
        assert shop.gateway.change(change.id).state is ChangeState.APPLIED
        other.rollback()
    assert content(shop) == now
    assert shop.count("tempting") == 9
    assert isinstance(shop.gateway.revert(change.id), Permitted)
    assert shop.count("tempting") == 10


def test_reverts_go_on_while_others_write(shop: Shop) -> None:
    """Writers on other rows and columns of the same tables all the while: each change comes back, each of their writes stays."""
    stop, started = threading.Event(), threading.Barrier(3)
    written = {"customers": 0, "orders": 0}

    def write(table: str, sql: str) -> None:
        with shop.database.connect(autocommit=True) as other:
            started.wait(60)
            while not stop.is_set():
                try:
                    other.execute(sql.encode())
                except psycopg.errors.DeadlockDetected:
                    continue
                written[table] += 1

    with ThreadPoolExecutor(2) as pool:
        writers = [
            pool.submit(
                write, "customers", "UPDATE customers SET email = 'mine ' || id WHERE id BETWEEN 1 AND 20"
            ),
            pool.submit(write, "orders", "UPDATE orders SET total = total + 1 WHERE id = 200"),
        ]
        started.wait(60)
        try:
            for turn in range(4):
                change = applied(
                    shop,
                    f"UPDATE customers SET name = 'agent {turn}' WHERE id BETWEEN 5 AND 15",
                    f"DELETE FROM customers WHERE id = {50 + turn}",
                    f"INSERT INTO customers VALUES ({700 + turn}, 'new')",
                )
                for _ in range(50):
                    answer = shop.gateway.revert(change.id)
                    if isinstance(answer, Permitted):
                        break
                    assert isinstance(answer, Refused), answer
                    assert "in use" in answer.why or "try again" in answer.why, answer
                assert shop.gateway.change(change.id).state is ChangeState.REVERTED
        finally:
            stop.set()
        for writer in writers:
            writer.result(60)
    assert shop.database.psql("SELECT id FROM customers WHERE name <> 'customer ' || id") == []
    assert shop.database.psql(
        "SELECT count(*), count(*) FILTER (WHERE email = 'mine ' || id) FROM customers"
    ) == [(100, 20)]
    assert shop.database.psql("SELECT total FROM orders WHERE id = 200") == [(300 + written["orders"],)]
    assert shop.count("orders") == 300


def test_what_was_reverted_is_not_reverted_again(shop: Shop) -> None:
    change = applied(shop, "UPDATE ten SET b = 'agent' WHERE a < 4")
    assert isinstance(shop.gateway.revert(change.id), Permitted)
    with pytest.raises(Rejected, match="nothing to revert"):
        plan(shop, change)
