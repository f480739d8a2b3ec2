"""Clients as people and programs use them: psycopg in all its ways, psql, libpq itself."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs
from psycopg import pq, sql
from psycopg.types.json import Jsonb
from tests.connectors.postgres.session.rawclient import RawClient, raw, short
from tests.real.conftest import Shop, fails, until

from interlock.connectors.postgres.codec import CopyData, encode
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.model.change import ChangeState
from interlock.testing.gateway import ROLES

HELD, FORBIDDEN = "IL001", "IL002"


@pytest.fixture
def agent(shop: Shop) -> Iterator[psycopg.Connection[Any]]:
    with shop.connect() as connection:
        yield connection


# -- psycopg


def test_psycopg_without_autocommit(shop: Shop) -> None:
    with shop.connect(autocommit=False) as agent:
        agent.execute("UPDATE ten SET b = %s WHERE a = %s", ("x", 1))
        agent.rollback()
        agent.execute("UPDATE ten SET b = %s WHERE a = %s", ("y", 2))
        agent.commit()
        agent.execute("DELETE FROM ten")
        with fails(HELD):
            agent.commit()
        assert agent.info.transaction_status == pq.TransactionStatus.IDLE
        assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
    assert shop.database.psql("SELECT a FROM ten WHERE b IN ('x', 'y')") == [(2,)]


def test_nested_blocks(agent: psycopg.Connection[Any], shop: Shop) -> None:
    with agent.transaction():
        agent.execute("UPDATE customers SET name = 'outer' WHERE id = 1")
        with agent.transaction():
            agent.execute("UPDATE customers SET name = 'inner' WHERE id = 2")
            raise psycopg.Rollback
        with fails("23505"), agent.transaction():
            agent.execute("INSERT INTO ten VALUES (1)")
        with agent.transaction("named"):
            agent.execute("UPDATE customers SET name = 'named' WHERE id = 3")
        with fails(FORBIDDEN), agent.transaction():
            agent.execute("SELECT pg_terminate_backend(1)")
        agent.execute("UPDATE customers SET name = 'last' WHERE id = 4")
    found = shop.database.psql("SELECT id, name FROM customers WHERE id < 5 ORDER BY id")
    assert found == [(1, "outer"), (2, "customer 2"), (3, "named"), (4, "last")]


def test_prepared_statements(agent: psycopg.Connection[Any], shop: Shop) -> None:
    agent.prepare_threshold = 0
    for n in range(1, 11):
        assert agent.execute("SELECT b FROM ten WHERE a = %s", (n,)).fetchone() == (f"row {n}",)
        agent.execute("UPDATE ten SET b = %s WHERE a = %s", (f"new {n}", n))
    with agent.transaction():
        for n in range(1, 4):
            agent.execute("UPDATE ten SET b = %s WHERE a = %s", (f"newer {n}", n))
    shop.make("ALTER TABLE ten ADD COLUMN c int; ALTER TABLE ten DROP COLUMN c")
    assert agent.execute("SELECT b FROM ten WHERE a = %s", (1,)).fetchone() == ("newer 1",)


def test_pipeline_mode(agent: psycopg.Connection[Any], shop: Shop) -> None:
    with agent.pipeline() as pipeline:
        first = agent.execute("INSERT INTO notes (body) VALUES (%s)", ("a",))
        second = agent.execute("SELECT count(*) FROM notes")
        third = agent.execute("UPDATE ten SET b = %s WHERE a = %s RETURNING a", ("x", 1))
        pipeline.sync()
        fourth = agent.execute("SELECT b FROM ten WHERE a = 1")
    assert (first.rowcount, second.fetchone(), third.fetchone(), fourth.fetchone()) == (1, (1,), (1,), ("x",))


def test_pipeline_with_fetches_in_between(agent: psycopg.Connection[Any]) -> None:
    """A fetch flushes: what it shows must stay true."""
    with agent.pipeline():
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        assert agent.execute("SELECT b FROM ten WHERE a = 1").fetchone() == ("x",)
        agent.execute("UPDATE ten SET b = 'y' WHERE a = 1")
    assert agent.execute("SELECT b FROM ten WHERE a = 1").fetchone() == ("y",)


def test_errors_in_pipelines(agent: psycopg.Connection[Any], shop: Shop) -> None:
    with fails("22012"), agent.pipeline():
        agent.execute("INSERT INTO notes (body) VALUES ('a')")
        agent.execute("SELECT 1/0")
        agent.execute("INSERT INTO notes (body) VALUES ('b')")
    with fails(HELD), agent.pipeline():
        agent.execute("INSERT INTO notes (body) VALUES ('c')")
        agent.execute("DELETE FROM ten")
    assert (shop.count("notes"), shop.count("ten")) == (0, 10)
    with fails(HELD), agent.pipeline(), agent.transaction():
        agent.execute("INSERT INTO notes (body) VALUES ('d')")
        agent.execute("DELETE FROM ten")
    assert (shop.count("notes"), shop.count("ten")) == (0, 10)
    agent.rollback()
    assert agent.execute("SELECT 1").fetchone() == (1,)


def test_many_rows_at_once(agent: psycopg.Connection[Any], shop: Shop) -> None:
    with agent.cursor() as cursor:
        cursor.executemany("INSERT INTO notes (body) VALUES (%s)", [(f"n{n}",) for n in range(200)])
        assert cursor.rowcount == 200
        cursor.executemany(
            "UPDATE notes SET body = body || %s WHERE body = %s RETURNING body",
            [("!", f"n{n}") for n in range(20)],
            returning=True,
        )
        rows = []
        while True:
            rows += cursor.fetchall()
            if not cursor.nextset():
                break
    assert rows == [(f"n{n}!",) for n in range(20)]
    assert shop.count("notes") == 200


def test_server_side_cursors(agent: psycopg.Connection[Any], shop: Shop) -> None:
    with agent.transaction(), agent.cursor("pages") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT id FROM customers ORDER BY id")
        assert [row[0] for row in cursor] == list(range(1, 101))
    with agent.cursor("held", withhold=True) as cursor:
        cursor.execute("SELECT id FROM customers ORDER BY id")
        agent.execute("UPDATE ten SET b = 'between' WHERE a = 1")
        assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
        cursor.scroll(90)
        assert len(cursor.fetchall()) == 7


def test_values_of_all_kinds(agent: psycopg.Connection[Any]) -> None:
    given = (1, 2**40, 1.5, "é", b"\0\xff", None, True, [1, None, 3], Jsonb({"a": [1]}))
    for binary in (False, True):
        with agent.cursor(binary=binary) as cursor:
            row = cursor.execute(
                "SELECT %s::int, %s::bigint, %s::float8, %s::text, %s::bytea, %s::text, %s::bool, %s::int[], %s::jsonb",
                given,
            ).fetchone()
        assert row == (*given[:8], {"a": [1]})


def test_rows_streamed_one_by_one(agent: psycopg.Connection[Any]) -> None:
    with agent.cursor() as cursor:
        total = sum(row[0] for row in cursor.stream("SELECT generate_series(1, 10000)"))
    assert total == 50_005_000


def test_copies(agent: psycopg.Connection[Any], shop: Shop) -> None:
    nothing: dict[str, str] = {}
    with agent.cursor() as cursor:
        with cursor.copy("COPY notes (body) FROM STDIN") as copy:
            for n in range(1000):
                copy.write_row((f"row\t{n}\n\\",))
        with cursor.copy("COPY notes (body) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text"])
            for n in range(1000):
                copy.write_row((f"binary {n}",))
        with cursor.copy("COPY (SELECT body FROM notes ORDER BY id) TO STDOUT") as copy:
            rows = list(copy.rows())
        assert (len(rows), rows[5], rows[1005]) == (2000, ("row\t5\n\\",), ("binary 5",))
        with cursor.copy("COPY (SELECT body FROM notes ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["text"])
            assert sum(1 for _ in copy.rows()) == 2000
        with fails("22P02"), cursor.copy("COPY ten FROM STDIN") as copy:
            copy.write("x\ty\n")
        with pytest.raises(KeyError), cursor.copy("COPY notes (body) FROM STDIN") as copy:
            copy.write_row((nothing["given up"],))
        assert agent.execute("SELECT count(*) FROM notes").fetchone() == (2000,)
    (*_, first) = shop.changes(ChangeState.APPLIED)
    assert [(e.resource.name, e.count) for e in first.measurement.effects if e.unit.value == "rows"] == [
        ("public.notes", 1000)
    ]


def test_notifications(agent: psycopg.Connection[Any], shop: Shop) -> None:
    agent.execute("LISTEN news")
    with shop.database.connect(autocommit=True) as other:
        other.execute("NOTIFY news, 'from outside'")
    (heard,) = agent.notifies(timeout=30, stop_after=1)
    assert (heard.channel, heard.payload) == ("news", "from outside")
    agent.execute("UNLISTEN news")
    heard_notices: list[str] = []
    agent.add_notice_handler(lambda notice: heard_notices.append(notice.message_primary or ""))
    agent.execute("DO $$ BEGIN RAISE NOTICE 'from inside'; END $$")
    assert heard_notices == ["from inside"]


def test_two_phases_by_psycopg(shop: Shop) -> None:
    with shop.connect(autocommit=False) as agent:
        xid = agent.xid(1, "global", "branch")
        agent.tpc_begin(xid)
        agent.execute("UPDATE ten SET b = 'two phases' WHERE a = 1")
        agent.tpc_prepare()
        assert len(shop.database.psql("SELECT gid FROM pg_prepared_xacts")) == 1
        agent.tpc_commit()
    assert shop.database.psql("SELECT b FROM ten WHERE a = 1") == [("two phases",)]


def test_names_composed_by_psycopg(agent: psycopg.Connection[Any]) -> None:
    query = sql.SQL("SELECT {} FROM {} ORDER BY 1 LIMIT {}").format(
        sql.Identifier("a"), sql.Identifier("public", "ten"), sql.Literal(2)
    )
    assert agent.execute(query).fetchall() == [(1,), (2,)]


def test_psycopg_async(shop: Shop) -> None:
    async def one(n: int) -> int:
        async with await psycopg.AsyncConnection.connect(
            shop.gateway.dsn(shop.agent), autocommit=True
        ) as agent:
            async with agent.transaction():
                await agent.execute("UPDATE ten SET b = %s WHERE a = %s", (f"async {n}", n))
            async with agent.pipeline():
                await agent.execute("SELECT 1")
                found = await agent.execute("SELECT a FROM ten WHERE b = %s", (f"async {n}",))
            row = await found.fetchone()
            with pytest.raises(psycopg.Error) as caught:
                await agent.execute("DELETE FROM ten")
            # Seven others want the same rows.
            assert caught.value.sqlstate in (HELD, "40P01", "55P03")
            assert row is not None
            return int(row[0])

    async def many() -> list[int]:
        return await asyncio.gather(*(one(n) for n in range(1, 9)))

    assert asyncio.run(many()) == list(range(1, 9))
    assert len(shop.changes(ChangeState.HELD)) <= 1
    assert shop.count("ten") == 10


# -- cancelling


def cancelled(agent: psycopg.Connection[Any], statement: str, shop: Shop) -> None:
    """Run a statement that sleeps, cancel it, and expect the server's word for it."""
    errors: list[str] = []

    def run() -> None:
        try:
            agent.execute(statement.encode())
        except psycopg.Error as error:
            errors.append(error.sqlstate or "")

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: sleeping(shop))
    agent.cancel_safe()
    thread.join(60)
    assert errors == ["57014"]


def sleeping(shop: Shop) -> bool:
    look = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    return bool(shop.database.psql(look))


def test_cancel_requests(agent: psycopg.Connection[Any], shop: Shop) -> None:
    cancelled(agent, "SELECT pg_sleep(300)", shop)
    cancelled(agent, "UPDATE ten SET b = 'x' WHERE a = 1 AND pg_sleep(300) IS NOT NULL", shop)
    agent.execute("BEGIN")
    agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
    cancelled(agent, "SELECT pg_sleep(300)", shop)
    assert agent.info.transaction_status == pq.TransactionStatus.INERROR
    agent.execute("ROLLBACK")
    assert agent.execute("SELECT b FROM ten WHERE a = 1").fetchone() == ("row 1",)
    agent.cancel_safe()
    assert agent.execute("SELECT 1").fetchone() == (1,)


def test_cancel_requests_of_strangers_do_nothing(agent: psycopg.Connection[Any], shop: Shop) -> None:
    pid = agent.info.backend_pid
    errors: list[Any] = []
    thread = threading.Thread(target=lambda: errors.append(agent.execute("SELECT pg_sleep(0.5)").fetchone()))
    thread.start()
    until(lambda: sleeping(shop))
    for key in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"abcdefgh"):
        stranger = RawClient(shop.gateway.port)
        stranger.send(f.CancelRequest(pid, key))
        assert stranger.socket.recv(1) == b""
        stranger.close()
    thread.join(60)
    assert errors == [("",)]


def test_ctrl_c_in_psql(shop: Shop) -> None:
    """psql's own way of cancelling, by a signal."""
    command = [str(shop.database.cluster.bin("psql")), "-XAtq", shop.gateway.dsn(shop.agent)]
    psql = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert psql.stdin is not None
    psql.stdin.write("SELECT pg_sleep(300);\n\\echo after\nSELECT 1;\n")
    psql.stdin.flush()
    until(lambda: sleeping(shop))
    psql.send_signal(signal.SIGINT)
    _, err = psql.communicate(timeout=60)
    assert "canceling statement" in err


# -- psql


def test_psql(shop: Shop) -> None:
    script = r"""
    SELECT count(*) FROM ten;
    \set who 'O''Neil'
    INSERT INTO notes (body) VALUES (:'who') RETURNING body;
    BEGIN;
    SAVEPOINT a;
    UPDATE ten SET b = 'x' WHERE a = 1;
    ROLLBACK TO a;
    COMMIT;
    SELECT body FROM notes \gset
    \echo :body
    \d ten
    \dt
    \df
    \l
    \du
    \copy notes (body) FROM pstdin
one
two
\.
    \copy (SELECT body FROM notes ORDER BY id) TO pstdout
    SELECT 1 AS a \gdesc
    SELECT 'SELECT ' || 41 + 1 \gexec
    """
    done = shop.psql("-v", "ON_ERROR_STOP=0", script=script)
    lines = done.stdout.splitlines()
    assert lines[:4] == ["10", "O'Neil", "O'Neil", "a|integer||not null|"], done.stderr
    assert lines[-5:] == ["O'Neil", "one", "two", "a|integer", "42"] or "O'Neil" in lines, lines
    assert shop.count("notes") == 3
    assert "IL" not in done.stderr, done.stderr


def test_psql_shows_what_is_held(shop: Shop) -> None:
    done = shop.psql("-c", "DELETE FROM ten")
    change = shop.held().id
    assert done.returncode == 1
    assert change in done.stderr
    assert "DETAIL:  table public.ten: 10 of 10 rows deleted" in done.stderr
    assert f"interlock apply {change}" in done.stderr
    for arguments in (
        ("-1", "-c", "DELETE FROM ten"),
        ("-c", "BEGIN", "-c", "DELETE FROM ten", "-c", "COMMIT"),
    ):
        done = shop.psql("-v", "ON_ERROR_STOP=1", *arguments)
        assert done.returncode != 0, done
    assert shop.count("ten") == 10


def test_psql_single_transaction(shop: Shop) -> None:
    done = shop.psql(
        "-1", "-c", "INSERT INTO notes (body) VALUES ('a')", "-c", "INSERT INTO notes (body) VALUES ('b')"
    )
    assert done.returncode == 0, done.stderr
    (change,) = shop.changes()
    assert shop.count("notes") == 2
    assert change.state is ChangeState.APPLIED


# -- libpq itself


def libpq(shop: Shop, what: str) -> Any:
    command = [
        sys.executable,
        str(Path(__file__).with_name("libpq_client.py")),
        shop.gateway.dsn(shop.agent),
        what,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_libpq(shop: Shop) -> None:
    rows = ["SINGLE_TUPLE"] * 3 + ["TUPLES_OK"]
    assert libpq(shop, "plain") == ["42", [2, 23], 1, "22P02", *rows, HELD, HELD, "IDLE"]
    assert shop.count("ten") == 10


def test_libpq_pipelines(shop: Shop) -> None:
    assert libpq(shop, "pipeline") == [
        *["COMMAND_OK"] * 3, "FATAL_ERROR", "PIPELINE_ABORTED", "PIPELINE_SYNC", "TUPLES_OK", "0", "PIPELINE_SYNC",
    ]  # fmt: skip


# -- clients that die


def test_a_client_that_dies_in_the_middle_of_a_copy(shop: Shop) -> None:
    for ending in (b"", encode(CopyData(b"8\tx\n"))[:7]):
        client = RawClient(shop.gateway.port)
        client.login(shop.agent, shop.gateway.tokens[shop.agent])
        client.send(f.Query("COPY tempting FROM STDIN"))
        client.until(b.CopyInResponse)
        client.send(CopyData(b"7\n" * 1000), ending)
        client.close()
    until(lambda: not shop.sessions())
    until(lambda: not busy(shop))
    assert shop.count("tempting") == 10
    assert shop.changes() == []


def busy(shop: Shop) -> list[Any]:
    """Sessions of agents on the server that are not idle."""
    return shop.database.psql(
        "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
        f" AND usename = '{ROLES.upstream}' AND state <> 'idle'"
    )


def test_a_client_that_dies_in_a_transaction(shop: Shop) -> None:
    client = RawClient(shop.gateway.port)
    client.login(shop.agent, shop.gateway.tokens[shop.agent])
    client.query("BEGIN")
    client.query("UPDATE ten SET b = 'gone'")
    client.close()
    until(lambda: not shop.sessions())
    until(lambda: not busy(shop))
    shop.database.psql("SET lock_timeout = '5s'; UPDATE ten SET b = 'free' WHERE a = 1")
    assert shop.changes() == []


def test_a_client_that_dies_while_its_statement_runs(shop: Shop) -> None:
    client = RawClient(shop.gateway.port)
    client.login(shop.agent, shop.gateway.tokens[shop.agent])
    client.send(f.Query("UPDATE ten SET b = 'gone' WHERE a = 1 AND pg_sleep(1) IS NOT NULL"))
    until(lambda: sleeping(shop))
    client.close()
    until(lambda: not shop.sessions())
    until(lambda: not busy(shop))
    recorded = shop.changes()
    (value,) = shop.database.psql("SELECT b FROM ten WHERE a = 1")[0]
    # Either it was given up in time, or it was carried through and recorded: never done and not recorded.
    assert (value, [c.state for c in recorded]) in (("row 1", []), ("gone", [ChangeState.APPLIED]))


def test_idle_transactions_are_ended_by_the_gateway(shop: Shop) -> None:
    live = shop.gateway.runtime.targets["shop"].live
    with shop.connect() as agent:
        agent.execute("SET idle_in_transaction_session_timeout = 0")
        before = live.timers(shop.agent)  # type: ignore[attr-defined]
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        live.given_timers[shop.agent] = structs.replace(before, idle_timeout_s=0.05)  # type: ignore[attr-defined]
        try:
            with contextlib.suppress(psycopg.Error):
                agent.execute("SELECT 'the last for a long time'")
            until(lambda: not shop.sessions())
            with pytest.raises(psycopg.Error):
                agent.execute("COMMIT")
        finally:
            live.given_timers[shop.agent] = before  # type: ignore[attr-defined]
    assert shop.database.psql("SELECT b FROM ten WHERE a = 1") == [("row 1",)]


def test_statements_are_ended_by_the_gateway(shop: Shop) -> None:
    live = shop.gateway.runtime.targets["shop"].live
    before = live.timers(shop.agent)  # type: ignore[attr-defined]
    with shop.connect() as agent:
        agent.execute("SET statement_timeout = 0")
        live.given_timers[shop.agent] = structs.replace(before, statement_timeout_s=0.05)  # type: ignore[attr-defined]
        try:
            with fails("57014"):
                agent.execute("UPDATE ten SET b = 'x' WHERE pg_sleep(300) IS NOT NULL")
            with fails("57014"), agent.transaction():
                agent.execute("SELECT pg_sleep(300)")
        finally:
            live.given_timers[shop.agent] = before  # type: ignore[attr-defined]
        assert agent.execute("SELECT 1").fetchone() == (1,)


def test_extra_sessions_do_not_disturb(shop: Shop) -> None:
    """Sixty-four clients at once, reading and writing."""

    def work(n: int) -> None:
        with raw(shop.gateway.port, shop.agent, shop.gateway.tokens[shop.agent]) as client:
            for _ in range(5):
                assert client.query(f"SELECT {n}")[1] == f"D {n}"
                assert client.query(f"UPDATE customers SET email = 'x' WHERE id = {n}")[0] == "C UPDATE 1"

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(work, range(1, 65)))
    assert shop.database.psql("SELECT count(*) FROM customers WHERE email = 'x'") == [(64,)]


def test_short_lines(shop: Shop) -> None:
    with raw(shop.gateway.port, shop.agent, shop.gateway.tokens[shop.agent]) as client:
        said = client.ask(f.FunctionCall(2108, (), (), 0))
        assert short(said)[0].startswith(f"ERROR {FORBIDDEN}")
