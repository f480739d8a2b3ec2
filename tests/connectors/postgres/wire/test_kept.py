"""Statements in one write, each a transaction of its own, and what is kept prepared of them."""

import pytest
from tests.connectors.postgres.wire.conftest import Run

from interlock.connectors.postgres.client import prepared as kept
from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.testing.peers.pg import PgDatabase

KEPT = "SELECT name FROM pg_prepared_statements"
ADD = "SELECT $1::int + 1"


async def opened(database: PgDatabase) -> SqlConnection:
    return await SqlConnection.connect(UpstreamConfig.parse(database.dsn()))


def test_the_answers_come_in_order(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            found = await sql.each([(ADD, ("1",)), ("SELECT 'x' WHERE false", ()), (ADD, ("41",))])
            assert [result.rows for result in found] == [[(b"2",)], [], [(b"42",)]]
            assert sql.status == "I"
            assert await sql.each([]) == []

    run(work())


def test_each_is_a_transaction_of_its_own(fresh_db: PgDatabase, run: Run) -> None:
    fresh_db.psql("CREATE TABLE t (a int)")

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            with pytest.raises(SqlError, match="division by zero"):
                await sql.each(
                    [("INSERT INTO t VALUES (1)", ()), ("SELECT 1/0", ()), ("INSERT INTO t VALUES (2)", ())]
                )
            assert (await sql.each([("SELECT a FROM t ORDER BY a", ())]))[0].rows == [(b"1",), (b"2",)]

    run(work())


def test_what_comes_again_is_parsed_once(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.each([(ADD, ("1",))])
            assert (await sql.query(KEPT)).rows == []
            for number in range(5):
                (result,) = await sql.each([(ADD, (str(number),))])
                assert result.rows == [(str(number + 1).encode(),)]
            assert len((await sql.query(KEPT)).rows) == 1

    run(work())


def test_a_table_may_change_under_what_is_kept(fresh_db: PgDatabase, run: Run) -> None:
    fresh_db.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    whole, counted = ("SELECT t.* FROM t", ()), ("SELECT count(*) FROM t", ())

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            for _ in range(3):
                await sql.each([whole, counted])
            fresh_db.psql("ALTER TABLE t ADD b text DEFAULT 'x'")
            rows = [result.rows for result in await sql.each([whole, counted])]
            assert rows == [[(b"1", b"x")], [(b"1",)]]
            fresh_db.psql("DROP TABLE t; CREATE TABLE t (c text)")
            assert [result.rows for result in await sql.each([whole, counted])] == [[], [(b"0",)]]

    run(work())


def test_what_failed_when_it_was_to_be_kept_can_be_asked_again(fresh_db: PgDatabase, run: Run) -> None:
    counted = ("SELECT count(*) FROM later", ())

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            for _ in range(3):
                with pytest.raises(SqlError, match="does not exist"):
                    await sql.each([counted])
            fresh_db.psql("CREATE TABLE later ()")
            for _ in range(3):
                assert (await sql.each([counted]))[0].rows == [(b"0",)]

    run(work())


def test_no_more_is_kept_than_the_limit(fresh_db: PgDatabase, run: Run) -> None:
    texts = [(f"SELECT {number}", ()) for number in range(kept.MOST + 10)]

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            for text in texts:
                for _ in range(3):
                    await sql.each([text])
            assert len((await sql.query(KEPT)).rows) == kept.MOST

    run(work())
