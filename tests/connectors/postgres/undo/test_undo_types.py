"""Any value of any type comes back as it was: change, revert, compare."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.postgres.rig import Rig, rig, told

from interlock.testing.peers.pg import PgDatabase

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', 'a,b');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE many (
  id int PRIMARY KEY, t text, v varchar(20), c char(5), bp bpchar, n numeric, f4 float4, f8 float8, b bytea, bo bool, d date,
  ti time, tz timetz, ts timestamp, tstz timestamptz, i interval, u uuid, j json, jb jsonb, x xml, ia int[], ta text[], p point,
  ip inet, ci cidr, ma macaddr, bi bit(5), vb bit varying, m money, o oid, q "char", na name, mo mood, pa pair, po positive,
  r int4range, mr int4multirange, ts2 tsvector, pas pair[], l line, ta2 text[][]);
CREATE TABLE keyed (k text, at timestamptz, f float8, e mood, v text, PRIMARY KEY (k, at, f, e));
CREATE TABLE loose (t text, n numeric, b bytea, a text[], f float8, x xml);
"""

text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
FLOATS = st.floats(allow_nan=False) | st.just(float("nan"))
VALUES: dict[str, st.SearchStrategy[object]] = {
    "t": text,
    "v": st.text("aé\n\\ '\"", max_size=20),
    "c": st.text("ab ", max_size=5),
    "bp": st.text("ab ", max_size=9),
    "n": st.one_of(
        st.sampled_from(["NaN", "-Infinity", "0.000", "1e130", "-12345678901234567890.123456789000"]),
        st.decimals(min_value=-1000, max_value=1000, places=4).map(str),
    ),
    "f4": st.floats(width=32).map(str),
    "f8": FLOATS.map(str),
    "b": st.binary(max_size=30),
    "bo": st.booleans(),
    "d": st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "2026-02-28", "99999-01-01"]),
    "ti": st.sampled_from(["24:00", "00:00:00.000001"]),
    "tz": st.sampled_from(["23:59:59.999999+15:59", "00:00-12:30"]),
    "ts": st.sampled_from(["infinity", "4713-01-01 00:00:00 BC", "2026-03-29 02:30:00.123456"]),
    "tstz": st.sampled_from(
        ["-infinity", "1883-11-18 12:00:00 America/New_York", "2026-10-25 02:30:00 Europe/Berlin"]
    ),
    "i": st.sampled_from(
        ["1 mon -1 days +00:00:00.5", "-178000000 years", "1 year 2 mons -3 days 04:05:06.789"]
    ),
    "u": st.uuids().map(str),
    "j": st.sampled_from(['{"b":1,  "a": [1 ,2], "b":2}', '"\\u00e9"', "null"]),
    "jb": st.sampled_from(['{"b":1, "a":[1.10,2]}', '"x"', "null"]),
    "x": st.sampled_from(["<a b='1'/>", "text only", "<?xml version='1.0'?><r>é</r>", "<a/><b/>"]),
    "ia": st.sampled_from(["{1,NULL,3}", "{}", "[2:3]={1,2}", "{{1,2},{3,4}}"]),
    "ta": st.lists(st.one_of(st.none(), text), max_size=3),
    "p": st.sampled_from(["(0.1,-0)", "(Infinity,NaN)"]),
    "ip": st.sampled_from(["10.1.2.3", "10.1.2.3/8", "::1/64"]),
    "ci": st.sampled_from(["10.0.0.0/8"]),
    "ma": st.sampled_from(["08:00:2b:01:02:03"]),
    "bi": st.sampled_from(["10101"]),
    "vb": st.text("01", max_size=9),
    "m": st.sampled_from(["-92233720368547758.08", "1234.56"]),
    "o": st.sampled_from([0, 4294967295]),
    "q": st.sampled_from(["a", "", "\\377", "é"[:0]]),
    "na": st.text("aB\" '", max_size=20),
    "mo": st.sampled_from(["sad", 'it\'s "ok"', "a,b"]),
    "pa": st.sampled_from(['(1,"x, ""y""")', "(,)", '(2,"")']),
    "po": st.integers(1, 9),
    "r": st.sampled_from(["empty", "[1,5)", "(,)"]),
    "mr": st.sampled_from(["{}", "{[1,2),[5,)}"]),
    "ts2": st.sampled_from(["'a b':1A 'it''s':2", ""]),
    "pas": st.sampled_from(['{"(1,\\"x,y\\")",NULL}', "{}"]),
    "l": st.sampled_from(["{1,-1,0}"]),
    "ta2": st.sampled_from(['{{a,b},{c,"NULL"}}']),
}
ROW = st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, values in VALUES.items()})
KEYED = st.tuples(text, VALUES["tstz"], FLOATS, VALUES["mo"], text)
LOOSE = st.tuples(*(st.one_of(st.none(), VALUES[name]) for name in ("t", "n", "b", "ta", "f8", "x")))


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SETUP) as made:
        yield made


def content(made: Rig, table: str) -> bytes:
    """All rows, sorted, as COPY writes them in binary."""
    with made.database.connect() as connection, connection.cursor() as cursor:
        order = "id" if table == "many" else f"md5({table}::text), {table}::text"
        with cursor.copy(
            f"COPY (SELECT * FROM {table} ORDER BY {order}) TO STDOUT (FORMAT binary)".encode()
        ) as copy:
            return b"".join(bytes(block) for block in copy)


def fill(made: Rig, table: str, columns: list[str], rows: list[tuple[object, ...]]) -> None:
    if "x" in columns and made.database.cluster.version == "18":
        # The PostgreSQL 18 from pip is built without libxml.
        rows = [tuple(None if c == "x" else v for c, v in zip(columns, row, strict=True)) for row in rows]
    with made.database.connect(made.agent_role, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {table}".encode())
        marks = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        connection.cursor().executemany(statement.encode(), rows)


@given(rows=st.lists(ROW, min_size=2, max_size=5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_type_survives_update_delete_and_revert(shop: Rig, rows: list[dict[str, object]]) -> None:
    fill(shop, "many", ["id", *VALUES], [(n, *(row[name] for name in VALUES)) for n, row in enumerate(rows)])
    before = content(shop, "many")
    others = ", ".join(f"{name} = other.{name}" for name in VALUES)
    result = shop.applied(
        f"UPDATE many SET {others} FROM many AS other WHERE many.id = 0 AND other.id = 1",
        "DELETE FROM many WHERE id > 0",
        "INSERT INTO many (id, t) VALUES (1000, 'new')",
    )
    assert not any("!" in effect for effect in told(result))
    assert shop.revert(result).complete
    assert content(shop, "many") == before


@given(rows=st.lists(KEYED, min_size=2, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_keys_of_any_type_find_their_rows(shop: Rig, rows: list[tuple[object, ...]]) -> None:
    fill(shop, "keyed", ["k", "at", "f", "e", "v"], rows)
    before = content(shop, "keyed")
    result = shop.applied(
        "UPDATE keyed SET v = v || '!'", "UPDATE keyed SET k = k || 'x'", "DELETE FROM keyed WHERE f > 0"
    )
    assert not any("!" in effect for effect in told(result))
    assert shop.revert(result).complete
    assert content(shop, "keyed") == before


@given(rows=st.lists(LOOSE, min_size=1, max_size=6), again=st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_without_a_key_come_back_as_often_as_they_were(
    shop: Rig, rows: list[tuple[object, ...]], again: int
) -> None:
    fill(shop, "loose", ["t", "n", "b", "a", "f", "x"], rows * again)
    before = content(shop, "loose")
    result = shop.applied(
        "DELETE FROM loose WHERE ctid = '(0,1)'",
        "UPDATE loose SET t = 'same', n = n + 1",
        "INSERT INTO loose VALUES ('same')",
    )
    assert not any("!" in effect for effect in told(result))
    assert shop.revert(result).complete
    assert content(shop, "loose") == before
