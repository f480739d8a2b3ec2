"""The small SQL client against real servers of both versions."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from tests.connectors.postgres.wire.conftest import Run
from tests.connectors.postgres.wire.peers import peer, welcome

from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError, UpstreamError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.codec import backend as b
from interlock.testing.peers.pg import PgDatabase


async def opened(database: PgDatabase) -> SqlConnection:
    return await SqlConnection.connect(UpstreamConfig.parse(database.dsn()))


def test_parameters_and_results(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            result = await sql.query(
                "SELECT $1::int AS a, $2::text AS b, $3::bool, $4::text, $5::bytea, $6::int8",
                (41, "größe' --", True, None, b"\\x00ff", -(2**40)),
            )
            assert result.rows == [
                (b"41", "größe' --".encode(), b"t", None, b"\\x00ff", str(-(2**40)).encode())
            ]
            assert result.command_tag == "SELECT 1"
            assert [column.name for column in result.columns] == ["a", "b", "bool", "text", "bytea", "int8"]
            assert result.columns[0] == b.Column("a", 0, 0, 23, 4, -1, 0)
            assert (await sql.query("CREATE TABLE t (a int)")).columns == ()
            assert (
                await sql.query("INSERT INTO t VALUES ($1), ($2)", (1, False * 1))
            ).command_tag == "INSERT 0 2"
            assert (await sql.query("")).command_tag == ""
            # What comes out as a value goes back in as one.
            (row,) = (await sql.query("SELECT now(), ARRAY[1,2], '\\x00'::bytea")).rows
            again = await sql.query("SELECT $1::timestamptz, $2::int[], $3::bytea", row)
            assert again.rows == [row]

    run(work())


def test_one_statement_only(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            with pytest.raises(SqlError) as caught:
                await sql.query("SELECT 1; SELECT 2")
            assert caught.value.sqlstate == "42601"
            with pytest.raises(ValueError, match="NUL"):
                await sql.query("SELECT 1\0; SELECT 2")
            assert [r.rows for r in await sql.simple("SELECT 1; SELECT 2;")] == [[(b"1",)], [(b"2",)]]

    run(work())


def test_errors_leave_the_session_usable(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.simple("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1)")
            with pytest.raises(SqlError) as caught:
                await sql.query("INSERT INTO t VALUES (1)")
            error = caught.value
            assert error.sqlstate == "23505"
            assert "duplicate key" in error.message
            assert error.detail == "Key (a)=(1) already exists."
            assert error.fields["t"] == "t"
            assert "(1)" not in str(error)
            assert sql.status == "I"
            await sql.query("BEGIN")
            assert sql.status == "T"
            with pytest.raises(SqlError):
                await sql.query("SELECT 1/0")
            assert sql.status == "E"
            await sql.query("ROLLBACK")
            assert (await sql.query("SELECT count(*) FROM t")).rows == [(b"1",)]

    run(work())


def test_a_pipeline_is_one_transaction_and_names_what_failed(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.query("CREATE TABLE t (a int)")
            results = await sql.pipeline(
                [("INSERT INTO t VALUES ($1)", (i,)) for i in range(3)] + [("TABLE t", ())]
            )
            assert results[3].rows == [(b"0",), (b"1",), (b"2",)]
            with pytest.raises(SqlError) as caught:
                await sql.pipeline([("DELETE FROM t", ()), ("SELECT 1/0", ()), ("DROP TABLE t", ())])
            assert caught.value.statement == 1
            assert (await sql.query("SELECT count(*) FROM t")).rows == [(b"3",)]
            assert await sql.pipeline([]) == []

    run(work())


def test_a_long_pipeline_with_long_answers_does_not_lock_up(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            text = "x" * 100_000
            results = await sql.pipeline([("SELECT $1::text", (text,))] * 200)
            assert all(result.rows == [(text.encode(),)] for result in results)

    run(work())


def test_streams_come_in_batches(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            sizes, tags = [], []
            async for result in sql.stream("SELECT g, 'x' FROM generate_series(1, $1) g", (25,), batch=10):
                sizes.append(len(result.rows))
                tags.append(result.command_tag)
                assert [column.name for column in result.columns] == ["g", "?column?"]
                assert sql.status == "T"
            assert (sizes, tags) == ([10, 10, 5], ["", "", "SELECT 5"])
            assert sql.status == "I"
            assert [r.rows async for r in sql.stream("SELECT 1 WHERE false")] == [[]]
            assert [len(r.rows) async for r in sql.stream("SELECT generate_series(1, 10)", batch=10)] == [
                10,
                0,
            ]
            with pytest.raises(ValueError, match="at least one"):
                await anext(sql.stream("SELECT 1", batch=0))

    run(work())


def test_streams_and_transactions(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.simple("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 30)")
            async with aclosing(sql.stream("DELETE FROM t RETURNING a", batch=10)) as deleted:
                assert len((await anext(deleted)).rows) == 10
            assert sql.status == "I"
            assert (await sql.query("SELECT count(*) FROM t")).rows == [(b"30",)]
            assert sum([len(r.rows) async for r in sql.stream("DELETE FROM t RETURNING a", batch=10)]) == 30
            assert (await sql.query("SELECT count(*) FROM t")).rows == [(b"0",)]
            with pytest.raises(SqlError):
                _ = [r async for r in sql.stream("SELECT 1 / (3 - g) FROM generate_series(1, 9) g", batch=1)]
            assert sql.status == "I"
            await sql.query("BEGIN")
            async with aclosing(sql.stream("SELECT generate_series(1, 30)", batch=10)) as rows:
                await anext(rows)
            assert sql.status == "T"
            await sql.query("COMMIT")

    run(work())


def test_copy_in_and_out(fresh_db: PgDatabase, run: Run) -> None:
    async def slowly(rows: int) -> AsyncIterator[bytes]:
        for i in range(rows):
            yield b"%d\t" % i
            yield b"x\n"

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.query("CREATE TABLE t (a int, b text)")
            assert await sql.copy_in("COPY t FROM STDIN", slowly(1000)) == "COPY 1000"
            assert await sql.copy_in("COPY t FROM STDIN", [b"7\ty\n"]) == "COPY 1"
            assert await sql.copy_in("COPY t FROM STDIN", []) == "COPY 0"
            data = b"".join([chunk async for chunk in sql.copy_out("COPY t TO STDOUT")])
            assert data == b"".join(b"%d\tx\n" % i for i in range(1000)) + b"7\ty\n"
            assert sql.status == "I"

    run(work())


def test_copies_that_fail(fresh_db: PgDatabase, run: Run) -> None:
    def broken() -> Iterator[bytes]:
        yield b"1\n"
        raise LookupError("secret row")

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.query("CREATE TABLE t (a int)")
            with pytest.raises(LookupError):
                await sql.copy_in("COPY t FROM STDIN", broken())
            with pytest.raises(SqlError) as caught:
                await sql.copy_in("COPY t FROM STDIN", (b"%s\n" % (b"x" * 1000) for _ in range(50_000)))
            assert caught.value.sqlstate == "22P02"
            with pytest.raises(SqlError):
                await sql.copy_in("COPY nowhere FROM STDIN", [])
            with pytest.raises(ValueError, match="not a COPY FROM STDIN"):
                await sql.copy_in("SELECT 1", [])
            with pytest.raises(SqlError):
                _ = [chunk async for chunk in sql.copy_out("COPY nowhere TO STDOUT")]
            with pytest.raises(ValueError, match="not a COPY TO STDOUT"):
                _ = [chunk async for chunk in sql.copy_out("SELECT 1")]
            assert (await sql.query("SELECT count(*) FROM t")).rows == [(b"0",)]

    run(work())


def test_a_copy_that_makes_the_server_talk_does_not_lock_up(fresh_db: PgDatabase, run: Run) -> None:
    """The server stops reading while nobody reads its notices."""

    async def work() -> None:
        async with await opened(fresh_db) as sql:
            await sql.simple(
                "CREATE TABLE t (a text);"
                "CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE NOTICE '%', repeat(new.a, 10); RETURN new; END $$;"
                "CREATE TRIGGER talk BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION talk()"
            )
            line = b"x" * 10_000 + b"\n"
            assert await sql.copy_in("COPY t FROM STDIN", (line for _ in range(500))) == "COPY 500"

    run(work())


@pytest.mark.parametrize("statement", ["COPY t FROM STDIN", "COPY t TO STDOUT"])
def test_copy_where_none_is_expected_ends_the_session(
    fresh_db18: PgDatabase, run: Run, statement: str
) -> None:
    async def work() -> None:
        sql = await opened(fresh_db18)
        await sql.query("CREATE TABLE t (a int)")
        with pytest.raises(UpstreamError, match="unexpected message"):
            await sql.query(statement)
        with pytest.raises(UpstreamError):
            await sql.query("SELECT 1")
        await sql.close()

    run(work())


def test_one_call_at_a_time_and_what_is_broken_off_ends_the_session(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        sql = await opened(fresh_db)
        await sql.query("CREATE TABLE t (a int)")
        running = asyncio.ensure_future(
            sql.pipeline([("INSERT INTO t VALUES (1)", ()), ("SELECT pg_sleep(600)", ())])
        )
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="used by another call"):
            await sql.query("SELECT 1")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(UpstreamError):
            await sql.query("SELECT 1")
        assert sql.is_lost
        async with await opened(fresh_db) as other:
            assert (await other.query("SELECT count(*) FROM t")).rows == [(b"0",)]

    run(work())


def test_the_server_says_why_it_ends_the_session(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        sql, other = await opened(fresh_db), await opened(fresh_db)
        assert sql.upstream.key is not None
        with pytest.raises(UpstreamError) as caught:
            await sql.query("SELECT pg_terminate_backend(pg_backend_pid())")
        assert caught.value.sqlstate == "57P01"
        with pytest.raises(UpstreamError):
            await sql.query("SELECT 1")
        sql = await opened(fresh_db)
        assert sql.upstream.key is not None
        await other.query("SELECT pg_terminate_backend($1::int)", (sql.upstream.key.pid,))
        with pytest.raises(UpstreamError) as caught:
            await sql.query("SELECT 1")
        assert caught.value.sqlstate == "57P01"
        await other.close()

    run(work())


def test_cancel(fresh_db: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db) as sql, await opened(fresh_db) as other:
            running = asyncio.ensure_future(sql.query("SELECT pg_sleep(600)"))
            assert sql.upstream.key is not None
            asleep = "SELECT wait_event FROM pg_stat_activity WHERE pid = $1"
            while (await other.query(asleep, (sql.upstream.key.pid,))).rows != [(b"PgSleep",)]:
                pass
            await sql.cancel()
            with pytest.raises(SqlError) as caught:
                await running
            assert caught.value.sqlstate == "57014"
            assert (await sql.query("SELECT 1")).rows == [(b"1",)]

    run(work())


def test_settings_are_followed(fresh_db18: PgDatabase, run: Run) -> None:
    async def work() -> None:
        async with await opened(fresh_db18) as sql:
            await sql.query("SET TimeZone = 'Europe/Zurich'")
            assert sql.parameters["TimeZone"] == "Europe/Zurich"
            assert sql.upstream.parameters["TimeZone"] == "UTC"

    run(work())


@pytest.mark.parametrize(
    "said", [b"?", b"D\0\0\0\3", b"D\0\0\0\x07\0\1\0", b"Z\0\0\0\5X", b"R\0\0\0\x08\0\0\0\0"]
)
def test_nonsense_from_the_server_ends_the_session(run: Run, said: bytes) -> None:
    async def work() -> None:
        async def babble(reader: Any, writer: Any) -> None:
            await welcome(reader, writer)
            await reader.readexactly(5)
            writer.write(said)
            await reader.read()

        async with peer(babble) as where:
            sql = await SqlConnection.connect(where)
            with pytest.raises(UpstreamError) as caught:
                await sql.query("SELECT 1")
            assert caught.value.sqlstate == "08P01"
            await sql.close()
            assert sql.is_lost

    run(work())
