"""Rows of what is dropped, emptied or altered: kept while it runs, given back by a revert, out of reach for agents."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from interlock.connectors.postgres import trash
from interlock.model.change import Change, ChangeState
from interlock.model.effect import Unit
from interlock.model.errors import Rejected
from interlock.sdk.connector import Permitted, Refused
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.process import GatewayProcess

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'fine', 'it''s');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, two pair,
                     twice int GENERATED ALWAYS AS (age * 2) STORED, age int, at timestamptz, raw bytea, price numeric(12, 2),
                     many mood[], feels mood);
INSERT INTO people (name, feels, two, many, age, price, at, raw)
  SELECT 'p' || i, CASE WHEN i % 3 > 0 THEN 'it''s'::mood END, CASE WHEN i % 4 > 0 THEN ROW(NULL, NULL)::pair END,
         ARRAY['sad', NULL]::mood[], i, i * 1.25, '2024-02-29 12:00+02', '\\x00ff' FROM generate_series(1, 50) i;
CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE);
INSERT INTO orders SELECT i, i FROM generate_series(1, 50) i;
CREATE TABLE bag (a int, b text);
INSERT INTO bag SELECT i % 5, CASE WHEN i % 2 = 0 THEN 'even' END FROM generate_series(1, 40) i;
CREATE TABLE parts (id int, at int, body text) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (20);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (20) TO (100);
INSERT INTO parts SELECT i, i, 'body ' || i FROM generate_series(1, 40) i;
CREATE TABLE odd ("we""ird %s" text, c1 float8, c2 float4, c3 numeric, c4 interval, c5 char(5), c6 varchar(9), c7 bit(3), c8 inet,
  c9 int4range, c10 tstzmultirange, c11 jsonb, c12 text, c13 uuid, c14 money, c15 tsvector, c16 point, c17 text[], c18 regclass,
  c19 "char", c20 timestamp, c21 date, c22 bytea[], c23 name, c24 text COLLATE "C", t int, k int, n int);
INSERT INTO odd VALUES ('a%sb', 'NaN', '-Infinity', 'Infinity', '-1 mon 3 days 04:05:06.7', 'ab', 'cd', B'101', '::1/64',
  '[1,5)', '{[2024-01-01,2024-02-01)}', '{"a": [1, null]}', '1 = 1', '00000000-0000-0000-0000-000000000001', 12.34,
  'fat & rat'::tsquery::text::tsvector, '(1.5,2)', '{a,NULL,"b,c"}', 'pg_class', 'x', '-infinity', 'infinity', '{"\\x00"}',
  'name', 'é', 1, 2, 3);
INSERT INTO odd (c1, c2, c3) SELECT 0.1::float8 * i, 1.1::float4 * i, i / 3.0 FROM generate_series(1, 20) i;
CREATE SCHEMA app; CREATE TABLE app.things (id int PRIMARY KEY, body text);
INSERT INTO app.things SELECT i, repeat('x', i) FROM generate_series(1, 30) i;
CREATE VIEW adults AS SELECT id, name FROM people WHERE age >= 18;
"""
TABLES = ("people", "orders", "bag", "parts", "odd", "app.things")


@contextmanager
def serving(cluster: PgCluster, folder: Path, limits: dict[str, int]) -> Iterator[Gateway]:
    database = cluster.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, folder, keys={"limits": limits}) as running:
        yield running
    database.drop()


@pytest.fixture(scope="module")
def small(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Everything is kept in the before-image."""
    with serving(pg18, tmp_path_factory.mktemp("small"), {}) as running:
        yield running


@pytest.fixture(scope="module")
def large(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Everything is too large for the before-image."""
    with serving(pg, tmp_path_factory.mktemp("large"), {"predicate_rows": 5}) as running:
        yield running


def state(database: PgDatabase) -> dict[str, Any]:
    """Every row of every table that is there, as text."""
    found: dict[str, Any] = {}
    for table in TABLES:
        if database.psql(f"SELECT to_regclass('{table}') IS NOT NULL")[0][0]:
            found[table] = sorted(row for (row,) in database.psql(f"SELECT whole::text FROM {table} whole"))
    return found


def copies(database: PgDatabase) -> list[trash.Copy]:
    return trash.copies([tuple(row) for row in database.psql(trash.LIST[0])])


def refused(gateway: Gateway, *statements: str) -> str:
    """Run statements in one transaction, which must fail; the SQLSTATE."""

    def run() -> None:
        with gateway.connect() as agent, agent.transaction():
            for statement in statements:
                agent.execute(statement)

    with pytest.raises(psycopg.Error) as caught:
        run()
    return caught.value.sqlstate or str(caught.value)


def approved(gateway: Gateway, *statements: str) -> Change:
    """Run statements in one transaction, have people approve them and the gateway apply them."""
    assert refused(gateway, *statements) == "IL001"
    held = gateway.held()
    gateway.approve(held.id)
    answer = gateway.apply(held.id)
    assert isinstance(answer, Permitted), answer
    return gateway.change(held.id)


def reversible(change: Change) -> bool:
    return all(effect.reversible or not effect.count for effect in change.measurement.effects)


LOSING = {
    "drop": ["DROP TABLE bag"],
    "drop cascade": ["DROP TABLE people CASCADE"],
    "drop partitioned": ["DROP TABLE parts"],
    "drop partition": ["DROP TABLE parts_1"],
    "truncate": ["TRUNCATE bag"],
    "truncate cascade": ["TRUNCATE people CASCADE"],
    "truncate and fill": ["TRUNCATE orders", "INSERT INTO orders VALUES (1, 2), (77, 3)"],
    "drop column": ["ALTER TABLE people DROP COLUMN feels"],
    "drop columns": ["ALTER TABLE people DROP COLUMN feels", "ALTER TABLE people DROP COLUMN many"],
    "drop column without a key": ["ALTER TABLE bag DROP COLUMN b"],
    "drop column of partitions": ["ALTER TABLE parts DROP COLUMN body"],
    "alter type": ["ALTER TABLE people ALTER COLUMN price TYPE int USING price::int"],
    "alter type without a key": ["ALTER TABLE bag ALTER COLUMN b TYPE int USING length(b)"],
    "drop odd": ["DROP TABLE odd"],
    "truncate odd": ["TRUNCATE odd"],
    "drop schema": ["DROP SCHEMA app CASCADE"],
    "drop type cascade": ["DROP TYPE mood CASCADE"],
}


@pytest.mark.parametrize("statements", LOSING.values(), ids=LOSING)
def test_what_goes_comes_back_from_the_trash(large: Gateway, statements: list[str]) -> None:
    goes_and_comes_back(large, statements)


SMALL = (
    "drop cascade",
    "drop column",
    "alter type",
    "alter type without a key",
    "drop type cascade",
    "drop odd",
)


@pytest.mark.parametrize("name", SMALL)
def test_what_goes_comes_back_from_the_before_image(small: Gateway, name: str) -> None:
    goes_and_comes_back(small, LOSING[name])


def goes_and_comes_back(gateway: Gateway, statements: list[str]) -> None:
    before = state(gateway.database)
    change = approved(gateway, *statements)
    assert change.state is ChangeState.APPLIED
    assert state(gateway.database) != before
    assert reversible(change), change.measurement.effects
    answer = gateway.revert(change.id)
    assert isinstance(answer, Permitted), answer
    assert state(gateway.database) == before
    assert gateway.change(change.id).state is ChangeState.REVERTED
    assert not copies(gateway.database)


@pytest.fixture
def trashing(fresh_db18: PgDatabase, tmp_path: Path) -> Iterator[Gateway]:
    """Everything is too large for the before-image."""
    prepare(fresh_db18, SETUP)
    with Gateway(fresh_db18, tmp_path / "gateway", keys={"limits": {"predicate_rows": 5}}) as running:
        yield running


def test_a_copy_keeps_nothing_else_from_being_dropped(trashing: Gateway) -> None:
    """Neither the collation nor the type that a kept column had, dropped after its table."""
    with trashing.connect() as agent:
        agent.execute("CREATE COLLATION plain (provider = libc, locale = 'C')")
        agent.execute("CREATE TYPE tone AS ENUM ('high', 'low')")
        agent.execute(
            "CREATE TABLE words (id int PRIMARY KEY, body text COLLATE plain, many text[] COLLATE plain, has tone)"
        )
        agent.execute(
            "INSERT INTO words SELECT i, 'w' || i, ARRAY['a', NULL], 'low' FROM generate_series(1, 20) i"
        )
    rows = trashing.database.psql("SELECT whole::text FROM words whole ORDER BY id")
    dropped = approved(trashing, "DROP TABLE words")
    assert reversible(dropped), dropped.measurement.effects
    others = approved(trashing, "DROP COLLATION plain", "DROP TYPE tone")
    for change in (others, dropped):
        assert isinstance(trashing.revert(change.id), Permitted)
    assert trashing.database.psql("SELECT whole::text FROM words whole ORDER BY id") == rows
    approved(trashing, "DROP TABLE words", "DROP COLLATION plain", "DROP TYPE tone")
    assert not state(trashing.database).get("words")


def test_a_copy_is_there_only_when_the_change_was_committed(trashing: Gateway) -> None:
    assert refused(trashing, "DROP TABLE bag") == "IL001"
    assert not copies(trashing.database)
    with trashing.connect(autocommit=False) as agent:
        agent.execute("DROP TABLE bag")
        agent.rollback()
    assert not copies(trashing.database)
    held = trashing.held()
    trashing.approve(held.id)
    trashing.apply(held.id)
    [copy] = copies(trashing.database)
    assert (copy.label, copy.rows) == ("public.bag", 40)
    assert trashing.change(held.id).marker["kept"] == copy.name
    assert f"{copy.xid}" == trashing.change(held.id).marker["xid"]


def test_a_savepoint_takes_what_was_kept_after_it_along(trashing: Gateway) -> None:
    away = "CREATE FUNCTION away() RETURNS void LANGUAGE plpgsql AS 'BEGIN DROP TABLE bag; END'"
    trashing.database.psql(f"SET SESSION AUTHORIZATION {ROLES.upstream}; {away}")
    trashing.reread()
    # What a function drops is not seen before it runs: nothing may be promised on the strength of what a savepoint took back.
    statements = ("SAVEPOINT a", "DROP TABLE bag", "ROLLBACK TO a", "SELECT away()")
    assert refused(trashing, *statements) == "IL001"
    rows = [e for e in trashing.held().measurement.effects if e.unit is Unit.ROWS]
    assert [e.reversible for e in rows] == [False]


def test_what_was_changed_before_the_table_went_can_still_be_reverted(trashing: Gateway) -> None:
    """The table that comes back has another oid; its name and columns tell that it is the same one."""
    before = state(trashing.database)
    with trashing.connect() as agent:
        agent.execute("UPDATE people SET price = 1000 WHERE id = 1")
        agent.execute("DELETE FROM orders WHERE ctid = (SELECT ctid FROM orders LIMIT 1)")
    deleted, updated = trashing.changes(ChangeState.APPLIED)[:2]
    dropped = approved(trashing, "DROP TABLE people CASCADE", "DROP TABLE orders")
    for change in (dropped, deleted, updated):
        answer = trashing.revert(change.id)
        assert isinstance(answer, Permitted), answer
    assert state(trashing.database) == before


def test_rows_changed_since_are_a_conflict(trashing: Gateway) -> None:
    change = approved(trashing, "ALTER TABLE people ALTER COLUMN price TYPE int USING price::int")
    trashing.database.psql("UPDATE people SET price = 7 WHERE id = 3")
    answer = trashing.revert(change.id)
    assert isinstance(answer, Refused)
    assert "1 modified" in answer.why
    assert trashing.database.psql("SELECT price FROM people WHERE id = 3") == [(7,)]
    assert isinstance(trashing.revert(change.id, force=True), Permitted)
    assert str(trashing.database.psql("SELECT price FROM people WHERE id = 3")[0][0]) == "3.75"


def test_purge_keeps_nothing_and_is_held_for_it(trashing: Gateway) -> None:
    with trashing.connect() as agent:
        agent.execute("SET interlock.purge = 'on'")
        assert agent.execute("SHOW interlock.purge").fetchone() == ("on",)
        with pytest.raises(psycopg.Error) as caught:
            agent.execute("DROP TABLE bag")
        assert caught.value.sqlstate == "IL001"
    held = trashing.held()
    assert any("purged" in effect.reason for effect in held.measurement.effects)
    assert not reversible(held)
    trashing.approve(held.id)
    assert isinstance(trashing.apply(held.id), Permitted)
    assert not copies(trashing.database)


def test_emptying_is_recorded_and_ends_the_undo(trashing: Gateway) -> None:
    change = approved(trashing, "DROP TABLE bag")
    other = approved(trashing, "ALTER TABLE people DROP COLUMN feels")
    service = trashing.runtime.trash
    listed = trashing.run(service.list("shop"))
    assert [(each.item.of, each.change and each.change.id) for each in listed] == [
        ("public.bag", change.id),
        ("public.people", other.id),
    ]
    gone = trashing.run(service.empty("shop", change=change.id, by="ann"))
    assert [each.item.of for each in gone] == ["public.bag"]
    assert [copy.label for copy in copies(trashing.database)] == ["public.people"]
    with pytest.raises(Rejected, match="trash"):
        trashing.revert(change.id)
    entries = [entry["body"] for entry in trashing.entries("trash")]
    assert [(e["state"], e["changes"], e["by"], e["rows"]) for e in entries] == [
        ("begun", [change.id], "ann", 40),
        ("done", [change.id], "ann", 40),
    ]
    trashing.run(service.expire(timedelta(days=7)))
    assert [copy.label for copy in copies(trashing.database)] == ["public.people"]
    trashing.run(service.expire(timedelta()))
    assert not copies(trashing.database)
    with pytest.raises(Rejected, match="trash"):
        trashing.revert(other.id)
    assert trashing.ledger_ok()


REACHING = [
    "SELECT * FROM interlock_trash.key",
    "SELECT interlock_gate.keep('x', 'bag'::regclass, '{1}', 'kept_x')",
    "SELECT interlock_trash.mac('x')",
    "DROP SCHEMA interlock_trash CASCADE",
    "CREATE FUNCTION interlock_gate.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET search_path = interlock_gate, public",
    "REVOKE ALL ON FUNCTION interlock_gate.keep FROM PUBLIC",
    "TABLE interlock_trash.kept_1",
]


@pytest.mark.parametrize("statement", REACHING)
def test_agents_reach_neither_the_trash_nor_the_gate(large: Gateway, statement: str) -> None:
    with large.connect() as agent, pytest.raises(psycopg.Error) as caught:
        agent.execute(statement)
    assert caught.value.sqlstate == "IL002", caught.value


def test_dynamic_sql_gets_nowhere_even_when_people_are_fooled(trashing: Gateway) -> None:
    hidden = "DO $$ BEGIN EXECUTE 'SELECT inter' || 'lock_gate.keep(''x'', 1, ''{1}'', ''kept_x'')'; END $$"
    assert refused(trashing, hidden) in ("IL001", "IL002")
    held = trashing.changes(ChangeState.HELD)
    for change in held:
        trashing.approve(change.id)
        assert not isinstance(trashing.apply(change.id), Permitted)
    assert not copies(trashing.database)


def test_past_the_gateway_the_role_gets_nowhere_either(trashing: Gateway) -> None:
    approved(trashing, "DROP TABLE bag")
    [copy] = copies(trashing.database)
    with psycopg.connect(trashing.database.dsn(ROLES.upstream), autocommit=True) as role:
        for statement in (
            f"SELECT * FROM interlock_trash.{copy.name}",
            "SELECT * FROM interlock_trash.key",
            "SELECT interlock_gate.keep('x', 'people'::regclass, '{1}', 'kept_x')",
            "SELECT interlock_gate.keep(NULL, 'people'::regclass, '{1}', 'kept_x')",
            "SELECT interlock_trash.mac('x')",
            f"DROP TABLE interlock_trash.{copy.name}",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                role.execute(statement)
        role.execute(f"DROP OWNED BY {ROLES.upstream} CASCADE")
    assert [one.name for one in copies(trashing.database)] == [copy.name]


def test_drop_owned_leaves_what_was_kept(trashing: Gateway) -> None:
    approved(trashing, "DROP OWNED BY CURRENT_USER CASCADE")
    assert state(trashing.database) == {}
    assert {copy.label: copy.rows for copy in copies(trashing.database)} == {
        "public.people": 50,
        "public.orders": 50,
        "public.bag": 40,
        "public.odd": 21,
        "public.parts_1": 19,
        "public.parts_2": 21,
        "app.things": 30,
    }


def test_row_security_hides_nothing_from_the_copy(trashing: Gateway) -> None:
    trashing.database.psql(
        "ALTER TABLE bag ENABLE ROW LEVEL SECURITY; ALTER TABLE bag FORCE ROW LEVEL SECURITY;"
        " CREATE POLICY few ON bag USING (a = 1)"
    )
    trashing.reread()
    change = approved(trashing, "DROP TABLE bag")
    [copy] = copies(trashing.database)
    assert (copy.rows, copy.xid) == (40, change.marker["xid"])


def told(gateway: Gateway, *words: str, refuses: bool = False) -> str:
    """What the command line says, with the gateway running."""
    command = [sys.executable, "-m", "interlock", *words, "-c", str(gateway.file)]
    said = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60
    )
    assert said.returncode == (1 if refuses else 0), said.stderr
    return said.stderr if refuses else said.stdout


def test_the_command_line_lists_and_empties(trashing: Gateway) -> None:
    change = approved(trashing, "DROP TABLE bag")
    trashing.stop()
    with GatewayProcess(trashing):
        [copy] = json.loads(told(trashing, "trash", "list", "shop", "--json"))["copies"]
        assert (copy["change"], copy["of"], copy["rows"]) == (change.id, "public.bag", 40)
        assert "public.bag" in told(trashing, "trash", "list", "shop")
        assert "public.bag" not in told(trashing, "trash", "list", "shop", "--older-than", "1h")
        assert "length of time" in told(
            trashing, "trash", "list", "shop", "--older-than", "soon", refuses=True
        )
        assert "no target" in told(trashing, "trash", "list", "nowhere", refuses=True)
        told(trashing, "trash", "empty", "shop", "--change", change.id, "--yes")
        assert not copies(trashing.database)
        assert "0 copies in the trash" in told(trashing, "trash", "list", "shop")
