"""Held work that comes again: how it is recognised, what a waiting client is owed, and both effects when they differ."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import pq
from tests.real.conftest import Shop, fails, until

from interlock.model.change import Change, ChangeState
from interlock.sdk.connector import Held, Permitted

HELD, FAILED = "IL001", "40000"
ALL = "DELETE FROM ten"
Agent = psycopg.Connection[Any]
Ways = dict[str, Callable[[Agent, str, Sequence[str]], None]]


# -- recognised whatever the protocol looks like


def _check(agent: Agent, result: "pq.abc.PGresult") -> None:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)


def _unnamed(agent: Agent, sql: str, values: Sequence[str]) -> None:
    _check(agent, agent.pgconn.exec_params(sql.encode(), [v.encode() for v in values]))


def _named(name: str) -> Callable[[Agent, str, Sequence[str]], None]:
    def run(agent: Agent, sql: str, values: Sequence[str]) -> None:
        _check(agent, agent.pgconn.prepare(name.encode(), sql.encode()))
        _check(agent, agent.pgconn.exec_prepared(name.encode(), [v.encode() for v in values]))

    return run


WAYS: Ways = {"unnamed": _unnamed, "a name": _named("first"), "another name": _named("an other")}


@pytest.mark.parametrize("way", WAYS)
def test_statement_names_do_not_matter(shop: Shop, way: str) -> None:
    sql = "DELETE FROM ten WHERE a > $1"
    with shop.connect() as agent, fails(HELD):
        _unnamed(agent, sql, ["0"])
    shop.approve_held()
    with shop.connect() as agent:
        WAYS[way](agent, sql, ["0"])
    assert shop.count("ten") == 0


CUTS: dict[str, list[str]] = {
    "each alone": ["BEGIN", "UPDATE ten SET b = 'x'", "DELETE FROM ten WHERE a > 2", "COMMIT"],
    "all in one": ["BEGIN; UPDATE ten SET b = 'x'; DELETE FROM ten WHERE a > 2; COMMIT"],
    "in two": ["BEGIN; UPDATE ten SET b = 'x'", "DELETE FROM ten WHERE a > 2; COMMIT"],
    "with semicolons": ["BEGIN;", "UPDATE ten SET b = 'x';", "DELETE FROM ten WHERE a > 2;;", "COMMIT;"],
}


@pytest.mark.parametrize("cut", CUTS)
def test_message_boundaries_do_not_matter(shop: Shop, cut: str) -> None:
    with shop.connect() as agent, fails(HELD):
        for message in CUTS["each alone"]:
            agent.execute(message.encode())
    change = shop.approve_held()
    with shop.connect() as agent:
        for message in CUTS[cut]:
            agent.execute(message.encode())
    assert shop.count("ten") == 2
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED


OTHERS: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "another parameter": ({}, "DELETE FROM ten WHERE a > $1", ["1"]),
    "another statement": ({}, "DELETE FROM ten WHERE a >= $1", ["0"]),
    "another setting": ({"options": "-c timezone=Asia/Tokyo"}, "DELETE FROM ten WHERE a > $1", ["0"]),
    "another path": ({"options": "-c search_path=public,pg_temp"}, "DELETE FROM ten WHERE a > $1", ["0"]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_differs_in_substance_is_other_work(shop: Shop, name: str) -> None:
    options, sql, values = OTHERS[name]
    with shop.connect() as agent, fails(HELD):
        _unnamed(agent, "DELETE FROM ten WHERE a > $1", ["0"])
    change = shop.approve_held()
    with shop.connect(**options) as agent, fails(HELD):
        _unnamed(agent, sql, values)
    assert shop.count("ten") == 10
    assert shop.gateway.change(change.id).state is ChangeState.APPROVED
    assert shop.held().replaces == ""


def test_apply_runs_it_with_the_settings_it_was_asked_under(shop: Shop) -> None:
    """A text that means another moment, another table and another format under other settings."""
    shop.make(
        "CREATE SCHEMA side; CREATE TABLE side.ten (a int, b timestamptz); CREATE TABLE side.kept (b text)"
    )
    try:
        shop.database.psql("INSERT INTO side.ten SELECT i, '2026-01-01' FROM generate_series(1, 20) i")
        settings = "-c search_path=side -c timezone=Asia/Tokyo -c datestyle=German,DMY"
        with shop.connect(options=settings) as agent, fails(HELD), agent.transaction():
            agent.execute("UPDATE ten SET b = '02.03.2026 12:00'")
            agent.execute("INSERT INTO kept SELECT b::text FROM ten WHERE a = 1")
        change = shop.approve_held()
        assert isinstance(shop.gateway.apply(change.id), Permitted)
        assert (
            shop.database.psql("SELECT DISTINCT b AT TIME ZONE 'UTC' FROM side.ten")[0][0].isoformat()
            == "2026-03-02T03:00:00"
        )
        assert shop.database.psql("TABLE side.kept") == [("02.03.2026 12:00:00 JST",)]
        assert shop.database.psql("SELECT count(*) FROM public.ten WHERE b LIKE 'row %'") == [(10,)]
    finally:
        shop.make("DROP SCHEMA side CASCADE")


# -- a client that waits


class Waiting:
    """A client that runs statements and waits for people; `outcome` is all that it was told, or the SQLSTATE of its error."""

    def __init__(self, shop: Shop, *statements: str, binary: bool = False, wait: str = "60s") -> None:
        self._shop = shop
        pool = ThreadPoolExecutor(1)
        self._future = pool.submit(self._run, statements, binary, wait)
        pool.shutdown(wait=False)
        until(lambda: shop.changes(ChangeState.HELD) or self._future.done())

    def _run(self, statements: tuple[str, ...], binary: bool, wait: str) -> list[Any]:
        told: list[Any] = []
        with self._shop.connect(options=f"-c interlock.wait={wait}") as agent:
            for statement in statements:
                try:
                    cursor = agent.cursor(binary=binary).execute(statement.encode(), () if binary else None)
                except psycopg.errors.UniqueViolation as expected:
                    told.append(expected.sqlstate)
                else:
                    told.append(cursor.fetchall() if cursor.description else cursor.rowcount)
        return told

    def outcome(self) -> Any:
        try:
            return self._future.result(60)
        except psycopg.Error as error:
            return error.sqlstate


READS = ("BEGIN", "SELECT count(*), max(name) FROM customers", ALL, "COMMIT")


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_a_waiting_client_sees_one_slow_commit(shop: Shop, binary: bool) -> None:
    client = Waiting(shop, *READS, binary=binary)
    assert shop.approve_held().state is ChangeState.APPROVED
    assert client.outcome()[1:3] == [[(100, "customer 99")], 10]
    assert shop.count("ten") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM customers",
        "SELECT name FROM customers WHERE id = 7",
        "SELECT id, email FROM customers ORDER BY id",
        "INSERT INTO notes (body) SELECT name FROM customers WHERE id = 7 RETURNING body",
        "COPY (SELECT name FROM customers) TO STDOUT",
    ],
    ids=["a number", "a value", "many rows", "what a write returned", "a copy"],
)
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_a_value_that_the_client_has_seen_and_that_changed_is_an_error(
    shop: Shop, statement: str, binary: bool
) -> None:
    """As many rows, the same tags: only what is in them differs."""
    copies = statement.startswith("COPY")
    client = (
        _CopyingOut(shop, statement)
        if copies
        else Waiting(shop, "BEGIN", statement, ALL, "COMMIT", binary=binary)
    )
    shop.database.psql(
        "UPDATE customers SET name = 'somebody', email = 'x' WHERE id = 7; DELETE FROM customers WHERE id = 100"
    )
    shop.approve_held()
    assert client.outcome() == FAILED
    assert shop.count("ten") == 10
    assert shop.count("notes") == 0


class _CopyingOut(Waiting):
    def _run(self, statements: tuple[str, ...], binary: bool, wait: str) -> list[Any]:
        with self._shop.connect(options=f"-c interlock.wait={wait}") as agent, agent.transaction():
            with agent.cursor().copy(statements[0].encode()) as copy:
                told = [bytes(row) for row in copy]
            agent.execute(ALL)
        return told


def test_an_error_that_the_client_went_on_from_is_met_again(shop: Shop) -> None:
    steps = ("BEGIN", "SAVEPOINT a", "INSERT INTO ten VALUES (1, 'twice')", "ROLLBACK TO a", ALL, "COMMIT")
    client = Waiting(shop, *steps)
    shop.approve_held()
    assert client.outcome()[2:] == ["23505", -1, 10, -1]
    assert shop.count("ten") == 0


def test_an_error_that_does_not_come_again_is_a_difference(shop: Shop) -> None:
    steps = ("BEGIN", "SAVEPOINT a", "INSERT INTO ten VALUES (1, 'twice')", "ROLLBACK TO a", ALL, "COMMIT")
    client = Waiting(shop, *steps)
    shop.database.psql("DELETE FROM ten WHERE a = 1; INSERT INTO ten VALUES (11, 'late')")
    shop.approve_held()
    assert client.outcome() == FAILED
    assert shop.count("ten") == 10


def test_what_was_heard_before_the_wish_to_wait_is_not_waited_for(shop: Shop) -> None:
    """It could not be compared. The change is held as anyone's, and can be sent again or applied."""
    with shop.connect() as agent, fails(HELD), agent.transaction():
        agent.execute("SELECT count(*) FROM customers").fetchone()
        agent.execute("SET interlock.wait = '60s'")
        agent.execute(ALL)
    change = shop.approve_held()
    assert isinstance(shop.gateway.apply(change.id), Permitted)


def test_copied_rows_are_not_kept_so_nothing_waits_for_them(shop: Shop) -> None:
    with shop.connect(options="-c interlock.wait=60s") as agent, fails(HELD), agent.transaction():
        with agent.cursor().copy("COPY tempting FROM STDIN") as copy:
            copy.write_row((11,))
        agent.execute(ALL)
    change = shop.approve_held()
    answer = shop.gateway.apply(change.id)
    assert "are not kept" in str(answer) or "0A000" in str(answer), answer
    assert (shop.count("ten"), shop.count("tempting")) == (10, 10)


# -- the world moved


def grown(shop: Shop, sql: str) -> tuple[Change, str]:
    """Approved, and outgrown: the first change, and what the client was told of the second."""
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(sql.encode())
        before = shop.approve_held()
        shop.database.psql("INSERT INTO ten VALUES (11, 'late'), (12, 'late')")
        with fails(HELD) as error:
            agent.execute(sql.encode())
    return before, error.caught.diag.message_detail or ""


def test_both_effects_are_shown_side_by_side(shop: Shop) -> None:
    before, detail = grown(shop, ALL)
    assert "table public.ten: rows deleted: 10 approved, 12 now" in detail
    held = shop.held()
    assert held.replaces == before.id
    view = shop.gateway.run(shop.gateway.runtime.changes.show(held.id))
    assert view.replaced is not None
    assert view.replaced.measurement == before.measurement
    shop.gateway.approve(held.id)
    shop.database.psql("INSERT INTO ten VALUES (13, 'later')")
    answer = shop.gateway.apply(held.id)
    assert isinstance(answer, Held)
    (row,) = answer.beside
    assert (row.name, row.approved, row.now, row.differs) == ("public.ten", 12, 13, True)
    assert shop.count("ten") == 13


def test_an_approval_is_for_once(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        shop.approve_held()
        assert agent.execute(ALL).rowcount == 10
        shop.database.psql("INSERT INTO ten SELECT i, 'again' FROM generate_series(1, 10) i")
        with fails(HELD):
            agent.execute(ALL)
    assert shop.count("ten") == 10
