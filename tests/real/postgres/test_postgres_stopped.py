"""What is done as soon as it runs, without a row to show for it, passes no freeze, no breaker and no halt as a read: on a real
PostgreSQL, by both protocols, in and out of transactions."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import pq
from tests.real.conftest import Shop, fails

from interlock.control import breaker
from interlock.model.breaker import Breaker
from interlock.model.change import ChangeState
from interlock.sdk.connector import Permitted, Refused
from interlock.sdk.ports import Tx

BREAKER = "IL003"
Client = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def frozen(shop: Shop) -> Iterator[Shop]:
    if not shop.database.psql("SELECT 1 FROM pg_proc WHERE proname = 'take'"):
        shop.make(
            "CREATE FUNCTION take() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN nextval(''tickets''); END'"
        )
    shop.gateway.freeze("release")
    yield shop
    shop.gateway.thaw()


def tickets(shop: Shop) -> tuple[int, bool]:
    """The sequence, looked at past the gateway."""
    ((last, called),) = shop.database.psql("SELECT last_value, is_called FROM tickets")
    return int(last), bool(called)


Run = Callable[[Client, str], object]


def checked(result: pq.abc.PGresult) -> object:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)
    return result


def simple(client: Client, sql: str) -> object:
    return checked(client.pgconn.exec_(sql.encode()))


def extended(client: Client, sql: str) -> object:
    return checked(client.pgconn.exec_params(sql.encode(), []))


def prepared(client: Client, sql: str) -> object:
    client.pgconn.prepare(b"s", sql.encode())
    return checked(client.pgconn.exec_prepared(b"s", []))


def by_name(client: Client, sql: str) -> object:
    simple(client, f"PREPARE mine AS {sql}")
    return simple(client, "EXECUTE mine")


WAYS: list[Run] = [simple, extended, prepared, by_name]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("block", [False, True])
def test_no_number_is_taken_from_a_sequence(frozen: Shop, way: Run, block: bool) -> None:
    before = tickets(frozen)
    with frozen.connect() as client:
        if block:
            simple(client, "BEGIN")
        with fails(BREAKER) as error:
            way(client, "SELECT nextval('tickets')")
        assert "changes are frozen for environment/production: release" in str(error.caught)
        assert "until people have ended the freeze" in str(error.caught.diag.message_hint)
        if block:
            with fails("25P02"):
                simple(client, "SELECT 1")
            simple(client, "ROLLBACK")
        assert simple(client, "SELECT count(*) FROM ten")
    assert tickets(frozen) == before
    recorded = [e["body"] for e in frozen.gateway.entries("decision") if e["body"]["agent"] == frozen.agent]
    assert [body["decision"]["code"] for body in recorded] == ["breaker"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT nextval('tickets')",
        "SELECT a, nextval('tickets') FROM ten",
        "SELECT a FROM ten WHERE nextval('tickets') > 0",
        "SELECT take()",
        "DO $$ BEGIN PERFORM nextval('tickets'); END $$",
        "SELECT pg_advisory_lock(7)",
        "SELECT pg_try_advisory_lock(7)",
        "SELECT pg_advisory_xact_lock(7)",
        "EXPLAIN ANALYZE SELECT nextval('tickets')",
        "VACUUM ten",
        "ANALYZE ten",
        "INSERT INTO notes (body) VALUES ('x')",
    ],
)
def test_nothing_else_passes_that_lasts(frozen: Shop, sql: str) -> None:
    before = tickets(frozen)
    with frozen.connect() as client:
        with fails(BREAKER):
            simple(client, sql)
        assert simple(client, "SELECT count(*) FROM ten"), "reading goes on"
        assert frozen.database.psql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7"
        ) == [(0,)]
    assert tickets(frozen) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT setval('tickets', 500)",
        "NOTIFY elsewhere",
        "SELECT pg_notify('elsewhere', 'x')",
        "SELECT lo_create(4712)",
        "CHECKPOINT",
        "TRUNCATE ten",
        "REINDEX TABLE ten",
    ],
)
def test_what_waits_for_people_does_not_pass_when_they_approved_it(frozen: Shop, sql: str) -> None:
    before = tickets(frozen)
    with frozen.connect() as client:
        with fails("IL001"):
            simple(client, sql)
        frozen.approve_held()
        with fails(BREAKER):
            simple(client, sql)
    (change,) = frozen.changes(ChangeState.APPROVED)
    answer = frozen.gateway.apply(change.id)
    assert isinstance(answer, Refused)
    assert "interlock thaw production" in answer.people
    assert tickets(frozen) == before
    assert frozen.count("ten") == 10
    frozen.gateway.withdraw(change.id)


@pytest.mark.parametrize("sql", ["LISTEN elsewhere", "UNLISTEN elsewhere", "SELECT currval('tickets')"])
def test_what_only_concerns_its_own_session_is_a_read(shop: Shop, sql: str) -> None:
    with shop.connect() as client:
        simple(client, "SELECT nextval('tickets')")
        shop.gateway.freeze("release")
        try:
            simple(client, sql)
        finally:
            shop.gateway.thaw()


def test_an_open_transaction_ends_without_its_numbers_being_given_out(shop: Shop) -> None:
    """A number that was taken before the freeze is gone, as after any rollback; its transaction does not commit."""
    with shop.connect() as client:
        simple(client, "BEGIN")
        simple(client, "SELECT nextval('tickets')")
        shop.gateway.freeze("release")
        try:
            with fails(BREAKER):
                simple(client, "COMMIT")
        finally:
            shop.gateway.thaw()


def test_it_is_the_store_that_counts(shop: Shop) -> None:
    """What this replica remembers does not: a breaker that was opened elsewhere a moment ago refuses."""
    scope = f"agent/{shop.agent}"
    with shop.connect() as client:
        simple(client, "SELECT nextval('tickets')")
        before = tickets(shop)

        def elsewhere(tx: Tx) -> None:
            row = breaker.move(Breaker(scope, epoch=7), breaker.E.OPEN, "person/ann", "odd", tx.now())
            tx.put_breaker(row)

        shop.gateway.run(shop.gateway.runtime.store.transact(elsewhere))
        with fails(BREAKER) as error:
            simple(client, "SELECT nextval('tickets')")
        assert f"changes are stopped for {scope}: odd" in str(error.caught)
    assert tickets(shop) == before


def test_a_prepared_transaction_does_not_commit(shop: Shop) -> None:
    """Its rows would be there for all to see; given up it can be."""
    with shop.connect() as client:
        simple(client, "BEGIN")
        simple(client, "UPDATE ten SET b = 'prepared' WHERE a = 1")
        simple(client, "PREPARE TRANSACTION 'later'")
        shop.gateway.freeze("release")
        try:
            with fails(BREAKER):
                simple(client, "COMMIT PREPARED 'later'")
            simple(client, "ROLLBACK PREPARED 'later'")
        finally:
            shop.gateway.thaw()
    assert shop.database.psql("SELECT count(*) FROM ten WHERE b = 'prepared'") == [(0,)]


@pytest.mark.parametrize("way", [simple, extended])
def test_what_no_rollback_undoes_is_applied_by_the_server_after_its_intent(shop: Shop, way: Run) -> None:
    """Not while it is measured once more: the sequence is set when it is recorded, and not before."""
    before = tickets(shop)
    with shop.connect() as client, fails("IL001"):
        way(client, "SELECT setval('tickets', 500)")
    change = shop.approve_held()
    shop.gateway.freeze("release")
    try:
        assert isinstance(shop.gateway.apply(change.id), Refused)
        assert tickets(shop) == before
    finally:
        shop.gateway.thaw()
    answer = shop.gateway.apply(change.id)
    assert isinstance(answer, Permitted), answer
    assert tickets(shop) == (500, True)
    kinds = [e["kind"] for e in shop.gateway.entries() if e["body"].get("change") == change.id]
    assert kinds[-2:] == ["intent", "outcome"]


def test_what_became_lasting_since_is_not_run_again(shop: Shop) -> None:
    """The function that was approved is another one by now: nothing of it runs before anything is decided."""
    shop.make(
        "CREATE OR REPLACE FUNCTION clean() RETURNS bigint LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM tempting; RETURN 1; END'"
    )
    with shop.connect() as client, fails("IL001"):
        simple(client, "BEGIN; SELECT clean(); DELETE FROM ten; COMMIT")
    change = shop.approve_held()
    shop.make(
        "CREATE OR REPLACE FUNCTION clean() RETURNS bigint LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM setval(''tickets'', 4711); DELETE FROM tempting; RETURN 1; END'"
    )
    before = tickets(shop)
    answer = shop.gateway.apply(change.id)
    assert not isinstance(answer, Permitted), answer
    assert tickets(shop) == before
    assert shop.count("ten") == 10
