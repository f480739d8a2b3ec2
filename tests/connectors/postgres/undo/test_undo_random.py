"""Random transactions: what is said to be reversible comes back exactly."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.connectors.postgres.rig import Rig, rig

from interlock.testing.peers.pg import PgDatabase

SETUP = """
CREATE TABLE p (id int PRIMARY KEY, v int, note text);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, v int);
CREATE TABLE g (c int REFERENCES c ON DELETE SET NULL, v int);
CREATE TABLE s (id int PRIMARY KEY, up int REFERENCES s ON DELETE CASCADE);
CREATE TABLE q (k int, v int, PRIMARY KEY (k, v)) PARTITION BY LIST (k);
CREATE TABLE q0 PARTITION OF q FOR VALUES IN (0);
CREATE TABLE q1 PARTITION OF q DEFAULT;
"""
FILL = """
TRUNCATE p, c, g, s, q;
INSERT INTO p SELECT i, i, 'n' FROM generate_series(1, 6) i;
INSERT INTO c SELECT i, (i + 1) / 2, i FROM generate_series(1, 10) i;
INSERT INTO g SELECT i, i % 3 FROM generate_series(1, 10) i;
INSERT INTO s SELECT i, nullif(i / 2, 0) FROM generate_series(1, 8) i;
INSERT INTO q SELECT i % 3, i FROM generate_series(1, 9) i;
"""
TABLES = ("p", "c", "g", "s", "q0", "q1")

number = st.integers(0, 12)
STATEMENT = st.one_of(
    st.builds("UPDATE p SET v = v + {} WHERE id <= {}".format, number, number),
    st.builds("UPDATE p SET id = id + 100 WHERE id = {}".format, number),
    st.builds("DELETE FROM p WHERE id = {}".format, number),
    st.builds(
        "INSERT INTO p VALUES ({}, {}) ON CONFLICT (id) DO UPDATE SET v = excluded.v + 1".format,
        number,
        number,
    ),
    st.builds("INSERT INTO c SELECT {}, min(id), 1 FROM p ON CONFLICT DO NOTHING".format, number),
    st.builds("UPDATE c SET v = 7 WHERE id % 3 = {}".format, number),
    st.builds("DELETE FROM c WHERE v = {}".format, number),
    st.builds("UPDATE g SET v = v + 1 WHERE v = {}".format, number),
    st.builds("DELETE FROM g WHERE v = {}".format, number),
    st.just("INSERT INTO g SELECT id, 1 FROM c"),
    st.builds("DELETE FROM s WHERE id = {}".format, number),
    st.builds("INSERT INTO s VALUES ({}, NULL) ON CONFLICT DO NOTHING".format, number),
    st.builds("UPDATE q SET k = {} WHERE v = {}".format, number, number),
    st.builds("DELETE FROM q WHERE k = {}".format, number),
    st.just("SAVEPOINT a"),
    st.just("RELEASE a"),
    st.just("ROLLBACK TO a"),
)


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SETUP) as made:
        yield made


def content(made: Rig) -> list[object]:
    return [
        made.database.psql(f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t") for table in TABLES
    ]


def possible(statements: list[str]) -> Iterator[str]:
    """The statements without savepoint commands that have no savepoint."""
    depth = 0
    for statement in statements:
        if statement == "SAVEPOINT a":
            depth += 1
        elif statement in ("RELEASE a", "ROLLBACK TO a") and not depth:
            continue
        elif statement == "RELEASE a":
            depth -= 1
        yield statement


@given(statements=st.lists(STATEMENT, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_said_to_be_reversible_is(shop: Rig, statements: list[str]) -> None:
    shop.script(FILL)
    before = content(shop)
    result = shop.applied(*possible(statements))
    effects = [e for e in result.measurement.effects if e.count]
    if content(shop) != before:
        assert effects
    if not all(e.reversible for e in effects):
        event("not reversible")
        assert "ROLLBACK TO a" in statements
        return
    if not effects:
        return
    reverted = shop.revert(result)
    assert reverted.complete
    assert content(shop) == before
