"""Drivers behave differently when an error comes late. Each is held in autocommit, in a transaction, in a pipeline and mid-stream,
and must see it: an agent that is told of success has been lied to."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import psycopg
import pytest
from tests.connectors.postgres.session.rawclient import FLUSH, SYNC, extended, raw, short
from tests.real.conftest import Shop, fails
from tests.real.node import FOLDER

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.model.change import ChangeState

HELD = "IL001"
HERE = Path(__file__).parent / "late"
JDBC = Path("/usr/share/java/postgresql.jar")
WIPE = "DELETE FROM ten RETURNING a"


@pytest.fixture(autouse=True)
def _nothing_happened(shop: Shop) -> Any:
    yield
    assert shop.count("ten") == 10
    assert shop.database.psql("SELECT count(*) FROM ten WHERE b = 'x'") == [(0,)]
    assert [change for change in shop.gateway.changes() if change.state is not ChangeState.HELD] == []
    assert shop.gateway.changes() != []


def agents(shop: Shop, count: int) -> list[str]:
    """As many new ones: an agent may have few changes open."""
    return [shop.new_agent() for _ in range(count)]


def usable(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SELECT 1").fetchone() == (1,)


# -- psycopg 3


def test_psycopg_streams(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            for _ in agent.cursor().stream(WIPE):
                pass
        assert usable(agent)


def test_psycopg_streams_and_stops_in_the_middle(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("BEGIN")
        rows: Any = agent.cursor().stream(WIPE)
        first = next(rows)
        rows.close()
        assert first[0] in range(1, 11)
        with fails(HELD):
            agent.execute("COMMIT")
        assert usable(agent)


def test_psycopg_streams_in_a_transaction(shop: Shop) -> None:
    with shop.connect(autocommit=False) as agent:
        assert len(list(agent.cursor().stream(WIPE))) == 10
        with fails(HELD):
            agent.commit()
        assert usable(agent)


def test_psycopg_pipelines(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD), agent.pipeline():
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
            agent.execute("DELETE FROM ten")
            agent.execute("SELECT 1")
        assert usable(agent)


def test_psycopg_pipelines_with_a_fetch_in_the_middle(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD), agent.pipeline():
            agent.execute(WIPE).fetchall()
        assert usable(agent)


def test_psycopg_pipelines_a_transaction(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD), agent.pipeline(), agent.transaction():
            agent.execute("DELETE FROM ten")
            agent.execute("SELECT 1")
        assert usable(agent)


def test_psycopg_executes_many(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.cursor().executemany("DELETE FROM ten WHERE a = %s", [(n,) for n in range(1, 11)])
        assert usable(agent)


def test_psycopg_server_side_cursors(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD), agent.transaction():
            agent.execute("DELETE FROM ten")
            with agent.cursor("c") as cursor:
                assert cursor.execute("SELECT * FROM ten").fetchall() == []
        assert usable(agent)


def test_psycopg_async(shop: Shop) -> None:
    async def held() -> str | None:
        agent = await psycopg.AsyncConnection.connect(shop.gateway.dsn(shop.agent), autocommit=True)
        async with agent:
            with pytest.raises(psycopg.Error) as caught:
                async for _ in agent.cursor().stream(WIPE):
                    pass
            return caught.value.sqlstate

    assert asyncio.run(held()) == HELD


# -- asyncpg

Connection = Any


async def _in_transaction(agent: Connection) -> None:
    async with agent.transaction():
        assert await agent.execute("DELETE FROM ten") == "DELETE 10"


async def _savepoint(agent: Connection) -> None:
    async with agent.transaction():
        async with agent.transaction():
            await agent.execute("DELETE FROM ten")
        await agent.fetch("SELECT 1")


async def _cursor(agent: Connection) -> None:
    async with agent.transaction():
        async for _ in agent.cursor(WIPE, prefetch=3):
            break


async def _prepared(agent: Connection) -> None:
    statement = await agent.prepare("UPDATE ten SET b = 'x' WHERE a > $1")
    await statement.fetch(10)
    await statement.fetch(0)


ASYNCPG: dict[str, Callable[[Connection], Awaitable[object]]] = {
    "autocommit": lambda agent: agent.execute("DELETE FROM ten"),
    "autocommit with parameters": lambda agent: agent.execute("DELETE FROM ten WHERE a > $1", 0),
    "rows": lambda agent: agent.fetch(WIPE),
    "first row": lambda agent: agent.fetchrow(WIPE),
    "prepared": _prepared,
    "script": lambda agent: agent.execute("UPDATE ten SET b = 'x' WHERE a = 1; DELETE FROM ten; SELECT 1"),
    "many": lambda agent: agent.executemany("DELETE FROM ten WHERE a = $1", [(n,) for n in range(1, 11)]),
    "transaction": _in_transaction,
    "savepoint": _savepoint,
    "cursor": _cursor,
}


@pytest.mark.parametrize("way", ASYNCPG)
def test_asyncpg(shop: Shop, way: str) -> None:
    async def held() -> tuple[str, object]:
        agent = await asyncpg.connect(shop.gateway.dsn(shop.agent))
        try:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await ASYNCPG[way](agent)
            return caught.value.sqlstate, await agent.fetchval("SELECT count(*) FROM ten")
        finally:
            await agent.close()

    assert asyncio.run(held()) == (HELD, 10)


# -- libpq and psql


def test_libpq(shop: Shop) -> None:
    places = [shop.gateway.dsn(agent) for agent in agents(shop, 9)]
    command = [sys.executable, str(HERE / "libpq_late.py"), *places]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    for way, states in json.loads(done.stdout).items():
        assert HELD in states, f"{way}: {states}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "DELETE FROM ten"),
        ("-c", "BEGIN; DELETE FROM ten; COMMIT"),
        ("-1", "-c", "DELETE FROM ten"),
        ("-v", "FETCH_COUNT=3", "-c", WIPE),
    ],
    ids=["autocommit", "one message", "single transaction", "pieces"],
)
def test_psql(shop: Shop, arguments: tuple[str, ...]) -> None:
    done = shop.psql("-v", "ON_ERROR_STOP=1", *arguments)
    assert done.returncode != 0
    assert "held" in done.stderr
    assert "DELETE" not in done.stdout


# -- JDBC


JAVA = all(map(shutil.which, ("java", "javac"))) and JDBC.exists()


@pytest.mark.skipif(not JAVA, reason="no Java with PostgreSQL's JDBC driver (libpostgresql-jdbc-java) here")
def test_jdbc(shop: Shop, tmp_path: Path) -> None:
    run("javac", "-cp", str(JDBC), "-d", str(tmp_path), str(HERE / "Late.java"))
    url = f"jdbc:postgresql://127.0.0.1:{shop.gateway.port}/shop?sslmode=disable"
    said = run(
        *("java", "-Xshare:auto", "-cp", f"{JDBC}:{tmp_path}", "Late"),
        *(url, *(f"{agent}:{shop.gateway.tokens[agent]}" for agent in agents(shop, 10))),
    )
    ways = dict(line.split("=") for line in said.splitlines())
    assert len(ways) == 10
    assert {way: found for way, found in ways.items() if found != f"{HELD} 10"} == {}


# -- node-postgres


MODULES = FOLDER / "node_modules"
NODE = shutil.which("node") is not None and (MODULES / "pg-cursor").exists()


@pytest.mark.skipif(not NODE, reason="no node with pg and pg-cursor here; `make conformance` fetches them")
def test_node_postgres(shop: Shop) -> None:
    places = [shop.gateway.dsn(agent) for agent in agents(shop, 11)]
    said = run("node", str(HERE / "late.cjs"), *places, NODE_PATH=str(MODULES))
    ways = json.loads(said)
    assert len(ways) == 11
    # Nobody listens to what comes after a cursor is closed: outside a transaction such a write is refused before it runs.
    assert [ways.pop(way) for way in list(ways) if way.startswith("refused: ")] == [["IL002", 10]] * 2
    assert {way: found for way, found in ways.items() if found != [HELD, 10]} == {}


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- message by message


@pytest.mark.parametrize("end", [SYNC, FLUSH], ids=["sync", "flush"])
def test_a_write_that_stops_after_some_rows(shop: Shop, end: Any) -> None:
    """Behind a Flush the client would be told when it does not listen any more; behind a Sync it is told at once."""
    with raw(shop.gateway.port, shop.agent, shop.gateway.tokens[shop.agent]) as client:
        client.send(*extended(WIPE, rows=3), end)
        said = short(client.until(b.ErrorResponse))
        assert (HELD if end is SYNC else "IL002") in said[-1]
        assert "C DELETE 10" not in said
        if end is FLUSH:
            assert short(client.ask(SYNC)) == ["Z I"]
            assert client.query("DELETE FROM ten")[-1] == "Z I"
        else:
            client.until_ready()


def test_a_block_that_is_not_read_to_its_end(shop: Shop) -> None:
    with raw(shop.gateway.port, shop.agent, shop.gateway.tokens[shop.agent]) as client:
        client.query("BEGIN")
        client.send(*extended(WIPE, rows=3, portal="p"), FLUSH)
        assert short(client.until(b.PortalSuspended))[-4:-1] == ["D 1", "D 2", "D 3"]
        client.ask(f.Close("P", "p"), SYNC)
        assert HELD in " ".join(client.query("COMMIT"))
