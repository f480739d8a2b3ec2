"""Any transaction of DDL and DML through a gateway: when it was said to be reversible, a revert makes everything as it was."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.real.undo.states import different, state

from interlock.sdk.connector import Permitted
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

EXAMPLES = int(os.environ.get("INTERLOCK_UNDO_EXAMPLES", "12"))

SHOP = """
CREATE TABLE a (id int PRIMARY KEY, n int DEFAULT 1 CHECK (n > 0), t text NOT NULL, z int);
CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, t text, z int);
CREATE INDEX b_t ON b (t);
CREATE VIEW v AS SELECT id, t FROM a WHERE n > 1;
CREATE FUNCTION f(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + 1';
CREATE SEQUENCE s;
CREATE TABLE p (k int, t text) PARTITION BY LIST (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p DEFAULT;
INSERT INTO a SELECT i, i, 't' || i, i FROM generate_series(1, 6) i;
INSERT INTO b (a, t, z) SELECT i % 6 + 1, 'u' || i, i FROM generate_series(1, 9) i;
INSERT INTO p SELECT i % 3, 'p' || i FROM generate_series(1, 6) i;
"""
TABLES = st.sampled_from(["a", "b", "p", "p1"])
COLUMNS = st.sampled_from(["t", "z", "n", "id"])
STATEMENTS = st.one_of(
    st.builds("DROP TABLE {}{}".format, TABLES, st.sampled_from(["", " CASCADE"])),
    st.builds("TRUNCATE {}{}".format, TABLES, st.sampled_from(["", " CASCADE", " RESTART IDENTITY CASCADE"])),
    st.builds("ALTER TABLE {} DROP COLUMN {}{}".format, TABLES, COLUMNS, st.sampled_from(["", " CASCADE"])),
    st.builds("ALTER TABLE {} ALTER COLUMN {} TYPE {}".format, TABLES, COLUMNS, st.sampled_from(["text", "bigint"])),
    st.builds("ALTER TABLE {} ALTER COLUMN {} {}".format, TABLES, COLUMNS,
              st.sampled_from(["SET NOT NULL", "DROP NOT NULL", "DROP DEFAULT", "SET DEFAULT 3", "SET STATISTICS 9"])),
    st.builds("ALTER TABLE {} ADD COLUMN {} {}".format, TABLES, st.sampled_from(["x", "y"]),
              st.sampled_from(["int", "text DEFAULT 'd'", "int NOT NULL DEFAULT 4", "int UNIQUE"])),
    st.builds("ALTER TABLE {} RENAME TO {}".format, TABLES, st.sampled_from(["c", "a"])),
    st.builds("ALTER TABLE {} RENAME COLUMN {} TO {}".format, TABLES, COLUMNS, st.sampled_from(["q", "z"])),
    st.builds("{} ON {} {} PUBLIC".format, st.just("GRANT SELECT"), TABLES, st.just("TO")),
    st.builds("REVOKE ALL ON {} FROM CURRENT_USER".format, TABLES),
    st.builds("COMMENT ON TABLE {} IS 'c'".format, TABLES),
    st.builds("DELETE FROM {} WHERE t LIKE '%{}'".format, TABLES, st.integers(1, 4)),
    st.builds("UPDATE {} SET t = t || 'x' WHERE t LIKE '%{}'".format, TABLES, st.integers(1, 4)),
    st.sampled_from([
        "DROP VIEW v",
        "CREATE OR REPLACE VIEW v AS SELECT id, t FROM a",
        "CREATE OR REPLACE FUNCTION f(i int) RETURNS int LANGUAGE sql AS 'SELECT i'",
        "DROP FUNCTION f(int)",
        "DROP INDEX b_t",
        "CREATE UNIQUE INDEX b_t ON b (t)",
        "ALTER SEQUENCE s RESTART WITH 50 INCREMENT BY 2",
        "DROP SEQUENCE s",
        "ALTER TABLE p DETACH PARTITION p1",
        "ALTER TABLE b DROP CONSTRAINT b_a_fkey",
        "ALTER TABLE a DROP CONSTRAINT a_pkey CASCADE",
        "ALTER TABLE a ADD CONSTRAINT more CHECK (z < 100) NOT VALID",
        "CREATE TABLE c AS SELECT * FROM a",
        "CREATE TABLE v (id int)",
        "CREATE SCHEMA w; ALTER TABLE a SET SCHEMA w",
        "DO $$ BEGIN DROP VIEW v; DELETE FROM b WHERE id = 1; END $$",
        "SAVEPOINT one; DROP VIEW v; ROLLBACK TO one",
    ]),
)  # fmt: skip


@pytest.fixture(scope="module")
def place(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PgCluster, Path]]:
    template = pg18.create_database("undo_random_template")
    prepare(template, SHOP)
    yield pg18, tmp_path_factory.mktemp("undo")
    template.drop()


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
@given(script=st.lists(STATEMENTS, min_size=1, max_size=4))
def test_what_is_promised_is_kept(place: tuple[PgCluster, Path], script: list[str]) -> None:
    cluster, folder = place
    name = f"undo_{secrets.token_hex(8)}"
    database = cluster.create_database(name, template="undo_random_template")
    try:
        with Gateway(database, folder / name, top={"guardrails": "none"}) as gateway:
            before = state(database)
            try:
                with gateway.connect(autocommit=False) as agent:
                    for sql in script:
                        agent.execute(sql.encode())
                    agent.commit()
            except psycopg.Error:
                assert state(database) == before, "what fails leaves nothing"
                return
            changes = gateway.changes()
            if not changes:
                return
            [change] = changes
            if any(e.count and not e.reversible for e in change.measurement.effects):
                assert all(e.reason for e in change.measurement.effects if not e.reversible)
                return
            assert isinstance(gateway.revert(change.id), Permitted), script
            left = [line for line in different(before, state(database)) if not line[1:].startswith("value ")]
            assert left == [], script
    finally:
        database.drop()
