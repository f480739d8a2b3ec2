"""P2 Doubt means no: whatever cannot be understood, decided or recorded is refused with a reason, and nothing of it is done."""

import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.connectors.postgres.session.rawclient import Closed, RawClient, raw
from tests.promises.conftest import Serve, new_shop
from tests.real.conftest import Shop, fails, until

from interlock.connectors.postgres.target import catalogs
from interlock.model.change import ChangeState
from interlock.model.errors import Misconfigured
from interlock.testing.gateway import Gateway
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.process import GatewayProcess

HELD, FORBIDDEN, BREAKER, UNAVAILABLE = "IL001", "IL002", "IL003", "IL005"
SYNTAX, PROTOCOL = "42601", "08P01"
ONE = "UPDATE ten SET b = 'new' WHERE a = 1"


def one(shop: Shop) -> str:
    found: str = shop.database.psql("SELECT b FROM ten WHERE a = 1")[0][0]
    return found


def refused(shop: Shop, agent: psycopg.Connection[Any], *sqlstates: str) -> psycopg.Error:
    """The smallest of writes, as a statement and as a transaction: refused, and nothing is done."""
    with fails(*sqlstates) as error:
        agent.execute(ONE)
    with fails(*sqlstates), agent.transaction():
        agent.execute(ONE)
    assert one(shop) == "row 1"
    assert str(error.caught).strip()
    return error.caught


def passes(shop: Shop, agent: psycopg.Connection[Any]) -> None:
    agent.execute(ONE)
    assert one(shop) == "new"


def rest(client: RawClient) -> bytes:
    """What is said before the connection is closed."""
    said = bytearray()
    try:
        while True:
            said += client.exactly(1)
    except Closed:
        return bytes(said)


# -- what is asked cannot be understood


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tempting WHERE a = 1; SELEC 1",
        "DELETE FROM tempting WHERE a = 1; SELECT 'open",
        "DELETE FROM tempting WHERE a = 1; /* open",
        "DELETE FROM tempting WHERE a = 1; SELECT $x$ open",
        "DELETE FROM tempting WHERE a = 1; ￿",
    ],
)
def test_of_a_message_that_cannot_be_read_nothing_runs(shop: Shop, sql: str) -> None:
    with shop.connect() as agent:
        with fails(SYNTAX):
            agent.execute(sql.encode())
        assert shop.count("tempting") == 10
        assert shop.changes() == []
        passes(shop, agent)


def test_a_statement_too_deep_to_look_through_is_refused(shop: Shop) -> None:
    deep = "(" * 20_000 + "1" + ")" * 20_000
    with shop.connect() as agent:
        with fails(FORBIDDEN, SYNTAX, "54001"):
            agent.execute(f"UPDATE ten SET b = 'new' WHERE a = {deep}".encode())
        assert one(shop) == "row 1"
        passes(shop, agent)


@pytest.mark.parametrize(
    "message",
    [b"\x07\0\0\0\x04", b"Q\0\0\0\x01", b"B\0\0\0\x08\0\0\xff\xffS\0\0\0\x04", b"Q\xff\xff\xff\xff"],
)
def test_after_a_message_that_is_none_the_transaction_is_gone(shop: Shop, message: bytes) -> None:
    with raw(shop.gateway.port, shop.agent, shop.gateway.tokens[shop.agent]) as client:
        client.query("BEGIN")
        client.query(ONE)
        client.send(message)
        said = rest(client)
    assert PROTOCOL.encode() in said
    until(lambda: not shop.sessions())
    assert one(shop) == "row 1"
    with shop.connect() as agent:
        passes(shop, agent)


def test_code_that_cannot_be_looked_through_does_not_run_unasked(shop: Shop) -> None:
    shop.database.psql(
        "CREATE FUNCTION strange(int4) RETURNS int4 LANGUAGE internal AS 'int4abs';"
        "CREATE FUNCTION winding(text) RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN EXECUTE format('DELETE FROM %I WHERE a = 1', $1); END $$"
    )
    shop.gateway.reread()
    try:
        with shop.connect() as agent:
            for sql in (
                "SELECT strange(1)",
                "SELECT winding('ten')",
                "DO 'BEGIN EXECUTE ''DROP TABLE ten''; END'",
            ):
                with fails(HELD, FORBIDDEN):
                    agent.execute(sql.encode())
        assert shop.count("ten") == 10
    finally:
        shop.database.psql("DROP FUNCTION strange; DROP FUNCTION winding")
        shop.gateway.reread()


def test_a_message_beyond_what_may_be_kept_is_refused(serve18: Serve) -> None:
    with serve18(keys={"limits": {"message_bytes": 100_000}}) as shop:
        with shop.connect() as agent:
            with pytest.raises(psycopg.Error):
                agent.execute("UPDATE ten SET b = %s WHERE a = 1", ("n" * 200_000,))
            assert one(shop) == "row 1"
        with shop.connect() as agent:
            passes(shop, agent)


# -- it cannot be decided

OVERFLOW = """@id("overflows")
forbid (principal, action, resource)
when { context.effects.rows_updated + 9223372036854775807 > 9223372036854775807 };
"""
"""Errs as soon as a row is updated. Cedar leaves out a rule that errs: the answer would be Allow."""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    return folder


def test_a_rule_that_errs_is_a_refusal(serve18: Serve, policies: Path) -> None:
    (policies / "own.cedar").write_text(OVERFLOW)
    with serve18(top={"policies": str(policies)}) as shop, shop.connect() as agent:
        agent.execute("INSERT INTO notes (body) VALUES ('it does not err here')")
        error = refused(shop, agent, FORBIDDEN, UNAVAILABLE)
        assert "overflow" not in str(error), "where policy lies is not an agent's business"
        assert shop.count("notes") == 1


def test_a_broken_rule_is_no_rule_less(serve18: Serve, policies: Path) -> None:
    own = policies / "own.cedar"
    own.write_text('@id("no-updates") forbid (principal, action == Action::"update", resource);')
    with serve18(top={"policies": str(policies)}) as shop, shop.connect() as agent:
        for broken in (
            "forbid (",
            "permit (principal, action, resource) when { context.nonsense > 1 };",
            "\0",
        ):
            own.write_text(broken)
            shop.gateway.run(shop.gateway.runtime.reload())
            refused(shop, agent, FORBIDDEN)
            assert [c for c in shop.gateway.runtime.health() if not c.ok], "and it is said"
        shop.gateway.stop()
        with pytest.raises(Misconfigured):
            shop.gateway.start()


def test_what_the_target_holds_cannot_be_read(serve18: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogs say what a statement may do. While nobody can read them, nobody knows."""
    monkeypatch.setattr(catalogs, "RELOAD_S", 0.2)
    monkeypatch.setattr(catalogs, "POLL_S", 0.02)
    with serve18() as shop, shop.connect() as agent:
        agent.execute("SELECT cleanup FROM (SELECT 1) AS x(cleanup)")
        name = f'"{shop.database.name}"'
        shop.database.psql(
            f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC, il_observer; GRANT CONNECT ON DATABASE {name} TO il_agent;"
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'il_observer' AND datname = current_database()"
        )
        live: Any = shop.gateway.runtime.targets["shop"].live
        until(lambda: not live._catalogs.fresh)
        refused(shop, agent, UNAVAILABLE)
        with fails(UNAVAILABLE):
            agent.execute("SELECT cleanup()")
        assert shop.count("customers") == 100
        shop.database.psql(f"GRANT CONNECT ON DATABASE {name} TO il_observer")
        until(lambda: live._catalogs.fresh)
        passes(shop, agent)


# -- it cannot be recorded


@pytest.fixture(scope="module")
def breakables(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A gateway whose store is broken and mended again."""
    with new_shop(pg18, tmp_path_factory.mktemp("breakable")) as shop:
        yield shop


@pytest.fixture
def breakable(breakables: Shop) -> Shop:
    breakables.fill()
    return breakables


@contextmanager
def sqlite(shop: Shop) -> Iterator[sqlite3.Connection]:
    """The store's file, past the gateway."""
    file = shop.gateway.folder / "var/interlock.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize("scope", ["global", "environment/production", "target/shop", "agent/", "session/"])
def test_without_the_breakers_row_nothing_is_admitted(breakable: Shop, scope: str) -> None:
    shop = breakable
    with shop.connect() as agent, sqlite(shop) as store:
        (session,) = (
            p.session for p in shop.gateway.runtime.targets["shop"].gate.sessions if p.agent == shop.agent
        )
        own = {"agent/": f"agent/{shop.agent}", "session/": f"session/{session}"}.get(scope, scope)
        (row,) = store.execute("SELECT * FROM breakers WHERE scope = ?", (own,)).fetchall()
        store.execute("DELETE FROM breakers WHERE scope = ?", (own,))
        try:
            assert "missing" in str(refused(shop, agent, BREAKER))
            assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
        finally:
            store.execute("INSERT INTO breakers VALUES (?, ?)", row)
        passes(shop, agent)


@pytest.mark.parametrize(
    "table", ["changes", "breakers", "ledger_head", "ledger_entries", "payloads", "revision"]
)
def test_without_its_tables_the_store_takes_nothing(breakable: Shop, table: str) -> None:
    shop = breakable
    with shop.connect() as agent, sqlite(shop) as store:
        store.execute("PRAGMA legacy_alter_table = ON")
        store.execute(f"ALTER TABLE {table} RENAME TO lost")
        try:
            refused(shop, agent, UNAVAILABLE, BREAKER)
        finally:
            store.execute(f"ALTER TABLE lost RENAME TO {table}")
        passes(shop, agent)
        assert shop.gateway.ledger_ok()


def test_a_damaged_record_is_not_skipped(breakable: Shop) -> None:
    shop = breakable
    with shop.connect() as agent, sqlite(shop) as store:
        ((good,),) = store.execute("SELECT doc FROM breakers WHERE scope = 'global'").fetchall()
        store.execute("UPDATE breakers SET doc = '{}' WHERE scope = 'global'")
        try:
            refused(shop, agent, UNAVAILABLE, BREAKER)
        finally:
            store.execute("UPDATE breakers SET doc = ? WHERE scope = 'global'", (good,))
        passes(shop, agent)


def gone_file(shop: Shop, _: PgDatabase) -> Callable[[], object]:
    file = shop.gateway.folder / "var/interlock.db"
    file.rename(file.with_suffix(".away"))
    return lambda: file.with_suffix(".away").rename(file)


def gone_server(_: Shop, store: PgDatabase) -> Callable[[], object]:
    admin = f'ALTER DATABASE "{store.name}" ALLOW_CONNECTIONS '
    store.cluster.psql(admin + "false")
    store.cluster.psql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{store.name}'"
    )
    return lambda: store.cluster.psql(admin + "true")


@pytest.mark.parametrize("lose", [gone_file, gone_server])
def test_a_store_that_is_gone(
    serve18: Serve, store18: PgDatabase, lose: Callable[[Shop, PgDatabase], Callable[[], object]]
) -> None:
    url = {"store": store18.dsn()} if lose is gone_server else {}
    with serve18(**url) as shop, shop.connect() as agent:
        give_back = lose(shop, store18)
        refused(shop, agent, UNAVAILABLE)
        with fails(UNAVAILABLE, HELD) as error:
            agent.execute("DELETE FROM ten")
        assert error.sqlstate == UNAVAILABLE, "what cannot be recorded is not held"
        with pytest.raises(psycopg.OperationalError):
            shop.connect()
        give_back()
        passes(shop, agent)
        assert [c.state for c in shop.gateway.changes()] == [ChangeState.APPLIED]
        assert shop.gateway.ledger_ok()


def test_a_full_disk(serve18: Serve) -> None:
    """The limit on file sizes (setrlimit(2), RLIMIT_FSIZE) stands for a disk without room: writes end with an error."""
    with serve18(agents=("bot",)) as shop:
        gateway: Gateway = shop.gateway
        gateway.stop()
        with GatewayProcess(gateway) as process:
            with process.connect() as agent:
                agent.execute("INSERT INTO notes (body) VALUES ('there is room')")
                files = [gateway.folder / f"var/interlock.db{end}" for end in ("-wal", "")]
                full = min(os.stat(file).st_size for file in files if file.exists())
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
                refused(shop, agent, UNAVAILABLE)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
                passes(shop, agent)
            assert process.terminate() == 0
        gateway.start()
        assert {c.state for c in gateway.changes()} == {ChangeState.APPLIED}
        assert gateway.ledger_ok()


# -- what is not in order is not served


def test_a_target_whose_roles_defeat_the_gate_is_not_served(pg18: PgCluster, tmp_path: Path) -> None:
    with new_shop(pg18, tmp_path / "gateway") as shop:
        shop.gateway.stop()
        text = shop.gateway.file.read_text().replace("postgresql://il_agent@", "postgresql://postgres@")
        shop.gateway.file.write_text(text)
        shop.gateway.start()
        (status,) = shop.gateway.runtime.statuses()
        assert not status.serving
        assert "superuser" in status.why


@pytest.mark.parametrize("line", ["mood: enforce", "observers: {}", "upstream: 7"])
def test_a_configuration_that_is_not_understood_is_not_served(serve18: Serve, line: str) -> None:
    with serve18() as shop:
        shop.gateway.stop()
        text = shop.gateway.file.read_text().replace(
            "    connector: postgres\n", f"    connector: postgres\n    {line}\n"
        )
        shop.gateway.file.write_text(text)
        with pytest.raises(Misconfigured, match=line.split(":")[0]):
            shop.gateway.start()
