"""Rows of what is dropped, emptied or altered: kept while it runs, given back by a revert, out of reach for agents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from interlock.connectors.postgres import trash
from interlock.model.change import Change, ChangeState
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.pg import PgDatabase

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
CREATE VIEW adults AS SELECT id, name FROM people WHERE age >= 18;
"""
TABLES = ("people", "orders", "bag", "parts")


@pytest.fixture(params=["trash", "image"])
def gateway(request: pytest.FixtureRequest, fresh_db: PgDatabase, tmp_path: Path) -> Iterator[Gateway]:
    """Once with everything too large for the before-image, once with nothing."""
    prepare(fresh_db, SETUP)
    limits = {"predicate_rows": 5} if request.param == "trash" else {}
    with Gateway(fresh_db, tmp_path / "gateway", keys={"limits": limits}) as running:
        yield running


def state(database: PgDatabase) -> dict[str, Any]:
    """Every row of every table that is there, as text."""
    found: dict[str, Any] = {}
    for table in TABLES:
        if database.psql(f"SELECT to_regclass('{table}') IS NOT NULL")[0][0]:
            found[table] = sorted(row for (row,) in database.psql(f"SELECT t::text FROM {table} t"))
    return found


def copies(database: PgDatabase) -> list[trash.Copy]:
    return trash.copies([tuple(row) for row in database.psql(trash.LIST[0])])


def approved(gateway: Gateway, *statements: str) -> Change:
    """Run statements in one transaction, have people approve them and the gateway apply them."""
    with gateway.connect() as agent, pytest.raises(psycopg.Error) as caught, agent.transaction():
        for statement in statements:
            agent.execute(statement)
    assert caught.value.sqlstate == "IL001", caught.value
    held = gateway.held()
    gateway.approve(held.id)
    answer = gateway.apply(held.id)
    assert isinstance(answer, Permitted), answer
    return gateway.change(held.id)


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
    "drop type cascade": ["DROP TYPE mood CASCADE"],
}


@pytest.mark.parametrize("statements", LOSING.values(), ids=LOSING)
def test_what_goes_comes_back(gateway: Gateway, statements: list[str]) -> None:
    before = state(gateway.database)
    change = approved(gateway, *statements)
    assert change.state is ChangeState.APPLIED
    after = state(gateway.database)
    assert after != before
    promised = all(effect.reversible or not effect.count for effect in change.measurement.effects)
    print(change.measurement.effects)
    assert promised
    answer = gateway.revert(change.id)
    assert isinstance(answer, Permitted), answer
    assert state(gateway.database) == before
    assert gateway.change(change.id).state is ChangeState.REVERTED
    assert not copies(gateway.database)
