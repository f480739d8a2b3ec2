"""Attempts to make what writes look like a read. Each set-up is done on a real server, and its own catalogs are asked."""

import pytest
from tests.connectors.postgres.classify.shop import read

from interlock.connectors.postgres.classify import SqlSyntax, Way, classify
from interlock.testing.peers.pg import PgDatabase

WRITES = "LANGUAGE plpgsql AS $f$ BEGIN DELETE FROM victims; RETURN $1; END $f$"
VICTIMS = "CREATE TABLE victims (id int, name text, note text); INSERT INTO victims VALUES (1, 'a', 'b'), (2, 'c', 'd');"

SHADOWS = {
    "a function called like a built-in one": (
        f"CREATE SCHEMA s; CREATE FUNCTION s.count(x int) RETURNS int {WRITES}",
        "SELECT count(id) FROM victims",
    ),
    "a variant with better matching arguments": (
        f"CREATE FUNCTION public.lower(x int) RETURNS int {WRITES}",
        "SELECT lower(id) FROM victims",
    ),
    "a function in pg_catalog": (
        f"SET allow_system_table_mods = on; CREATE FUNCTION pg_catalog.upper(x int) RETURNS int {WRITES}",
        "SELECT pg_catalog.upper(id) FROM victims",
    ),
    "an operator": (
        f"CREATE FUNCTION f(x int, y text) RETURNS int {WRITES};"
        "CREATE OPERATOR + (leftarg = int, rightarg = text, function = f)",
        "SELECT id + name FROM victims",
    ),
    "an operator that is setval": (
        "CREATE SEQUENCE q; CREATE OPERATOR #! (leftarg = regclass, rightarg = bigint, function = pg_catalog.setval)",
        "SELECT 'q'::regclass #! 5::bigint",
    ),
    "an operator behind IN": (
        f"CREATE FUNCTION f(x int, y text) RETURNS bool {WRITES.replace('$1', 'true')};"
        "CREATE OPERATOR = (leftarg = int, rightarg = text, function = f)",
        "SELECT 1 FROM victims WHERE id IN (SELECT name FROM victims)",
    ),
    "an operator behind USING": (
        f"CREATE FUNCTION f(x int, y text) RETURNS bool {WRITES.replace('$1', 'true')};"
        "CREATE OPERATOR = (leftarg = int, rightarg = text, function = f); CREATE TABLE other (id text)",
        "SELECT 1 FROM victims JOIN other USING (id)",
    ),
    "an operator behind CASE": (
        f"CREATE FUNCTION f(x int, y text) RETURNS bool {WRITES.replace('$1', 'true')};"
        "CREATE OPERATOR = (leftarg = int, rightarg = text, function = f)",
        "SELECT CASE id WHEN name THEN 1 END FROM victims",
    ),
    "an operator behind BETWEEN": (
        f"CREATE FUNCTION f(x int, y text) RETURNS bool {WRITES.replace('$1', 'true')};"
        "CREATE OPERATOR >= (leftarg = int, rightarg = text, function = f)",
        "SELECT id BETWEEN name AND note FROM victims",
    ),
    "a function behind a dot": (
        "CREATE FUNCTION hidden(v victims) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN DELETE FROM victims; RETURN 1; END $f$",
        "SELECT v.hidden FROM victims v",
    ),
    "a function behind a dot of a row": (
        "CREATE FUNCTION hidden(v victims) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN DELETE FROM victims; RETURN 1; END $f$",
        "SELECT (v).hidden FROM victims v",
    ),
    "a function of any row behind a dot": (
        "CREATE FUNCTION hidden(v anyelement) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN DELETE FROM victims; RETURN 1; END $f$",
        "SELECT victims.hidden FROM victims",
    ),
    "a view over a view over a function": (
        f"CREATE FUNCTION f(x int) RETURNS int {WRITES}; CREATE VIEW a AS SELECT f(id) FROM victims;"
        "CREATE VIEW b AS SELECT * FROM a; CREATE VIEW c AS SELECT 1 WHERE EXISTS (SELECT FROM b)",
        "SELECT * FROM c",
    ),
    "a view called like a view of the server": (
        f"CREATE FUNCTION f(x int) RETURNS int {WRITES}; CREATE VIEW pg_stat_activity AS SELECT f(id) FROM victims",
        "SELECT * FROM pg_stat_activity",
    ),
    "a domain with a check": (
        f"CREATE FUNCTION f(x int) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN d AS int CHECK (f(VALUE))",
        "SELECT '5'::d",
    ),
    "an array of a domain with a check": (
        f"CREATE FUNCTION f(x int) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN d AS int CHECK (f(VALUE))",
        "SELECT '{5}'::d[]",
    ),
    "a domain with a check over an array": (
        f"CREATE FUNCTION f(x int[]) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN d AS int[] CHECK (f(VALUE))",
        "SELECT '{5}'::d",
    ),
    "a domain inside a row type": (
        f"CREATE FUNCTION f(x int) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN d AS int CHECK (f(VALUE));"
        "CREATE TYPE r AS (a d); CREATE TABLE t (x r)",
        "SELECT '(5)'::r",
    ),
    "a domain inside a column's row type": (
        f"CREATE FUNCTION f(x int) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN d AS int CHECK (f(VALUE));"
        "CREATE TYPE r AS (a d); CREATE TABLE t (x r)",
        "SELECT 1 FROM t WHERE x = '(5)'",
    ),
    "a domain under JSON": (
        f"CREATE FUNCTION f(x int) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN d AS int CHECK (f(VALUE))",
        "SELECT * FROM json_to_record('{\"a\": 5}') AS r(a d)",
    ),
    "a domain called like a function": (
        f"CREATE FUNCTION f(x text) RETURNS bool {WRITES.replace('$1', 'true')}; CREATE DOMAIN initcap AS text CHECK (f(VALUE))",
        "SELECT initcap('x')",
    ),
    "a cast": (
        "CREATE TYPE e AS ENUM ('a'); CREATE FUNCTION f(x e) RETURNS json LANGUAGE plpgsql AS "
        "$f$ BEGIN DELETE FROM victims; RETURN '{}'; END $f$; CREATE CAST (e AS json) WITH FUNCTION f(e);"
        "CREATE TABLE t (x e)",
        "SELECT to_json(x) FROM t",
    ),
    "a cast between built-in types": (
        f"CREATE FUNCTION f(x int) RETURNS point {WRITES.replace('$1', 'NULL')};"
        "CREATE CAST (int AS point) WITH FUNCTION f(int) AS IMPLICIT",
        "SELECT 1",
    ),
    "row security": (
        f"CREATE FUNCTION f(x int) RETURNS bool {WRITES.replace('$1', 'true')}; ALTER TABLE victims ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON victims USING (f(id))",
        "SELECT * FROM victims",
    ),
    "a constant in an index expression, folded when planning": (
        f"CREATE FUNCTION f(x int) RETURNS int IMMUTABLE {WRITES.replace('DELETE FROM victims;', '')};"
        "CREATE INDEX ON victims ((id + f(1)))",
        "SELECT * FROM victims",
    ),
    "a constant in a check": (
        f"CREATE FUNCTION f(x int) RETURNS int IMMUTABLE {WRITES.replace('DELETE FROM victims;', '')};"
        "ALTER TABLE victims ADD CHECK (id > f(0))",
        "SELECT * FROM victims",
    ),
    "a partition that is elsewhere": (
        "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;"
        "CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE FOREIGN TABLE p1 PARTITION OF p FOR VALUES IN (1) SERVER s",
        "SELECT * FROM p",
    ),
    "an aggregate": (
        f"CREATE FUNCTION f(s int, x int) RETURNS int {WRITES}; CREATE AGGREGATE public.sum(int) (sfunc = f, stype = int)",
        "SELECT sum(id) FROM victims",
    ),
    "a function that newer servers take for syntax": (
        f"CREATE FUNCTION public.json_object(x int, y int) RETURNS int {WRITES}",
        "SELECT json_object(id, id) FROM victims",
    ),
    "another function that newer servers take for syntax": (
        f'CREATE FUNCTION public."json_array"(x int) RETURNS int {WRITES}',
        "SELECT json_array(id) FROM victims",
    ),
}


@pytest.mark.parametrize("what", SHADOWS)
def test_shadowed_names_do_not_pass(fresh_db: PgDatabase, what: str) -> None:
    setup, sql = SHADOWS[what]
    if "postgres_fdw" in setup:
        available = fresh_db.psql("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'")
        if available == [(0,)]:
            pytest.skip("the server has no postgres_fdw")
    fresh_db.psql(VICTIMS)
    before = read(fresh_db)
    fresh_db.psql(setup)
    after = read(fresh_db)
    assert before.fingerprint != after.fingerprint
    (info,) = classify(sql, after)
    assert info.way is Way.GATED, info.why
    assert info.why


def test_the_same_without_the_shadow_passes(fresh_db18: PgDatabase) -> None:
    fresh_db18.psql(VICTIMS + "CREATE TABLE other (id text)")
    catalog = read(fresh_db18)
    for sql in (
        "SELECT count(id) FROM victims",
        "SELECT lower(name), pg_catalog.upper(name) FROM victims",
        "SELECT 1 FROM victims WHERE id IN (SELECT id FROM victims)",
        "SELECT 1 FROM victims JOIN other USING (name)",
        "SELECT v.name, (v).id FROM victims v",
        "SELECT initcap('x')",
        "SELECT json_object('{a,b}'), json_array(1)",
        "SELECT * FROM pg_stat_activity",
    ):
        (info,) = classify(sql, catalog)
        assert info.way is Way.PASS, (sql, info.why)


TEXTS = {
    "a string with a backslash before its end": ("SELECT 'a\\'; DELETE FROM victims; --'", 2, Way.GATED),
    "the same inside an escape string": ("SELECT E'a\\'; DELETE FROM victims; --'", 1, Way.PASS),
    "a comment that does not end where it seems to": (
        "SELECT 1 /* /* */; DELETE FROM victims; */",
        1,
        Way.PASS,
    ),
    "a line comment before a line end": ("SELECT 1 -- harmless\n; DELETE FROM victims", 2, Way.GATED),
    "a carriage return ends a line comment": ("SELECT 1 -- harmless\r; DELETE FROM victims", 2, Way.GATED),
    "dollar quotes inside dollar quotes": ("SELECT $a$ $b$ $a$; DELETE FROM victims; --$b$", 2, Way.GATED),
    "a unicode identifier": ('SELECT * FROM U&"\\0076ictims"', 1, Way.PASS),
    "a function by a unicode identifier": ("SELECT U&\"\\0073etval\"('q', 1)", 1, Way.IMMEDIATE),
    "a function with another escape character": (
        "SELECT U&\"!0073etval\" UESCAPE '!' ('q', 1)",
        1,
        Way.IMMEDIATE,
    ),
    "a quoted function": ("SELECT \"setval\"('q', 1)", 1, Way.IMMEDIATE),
    "another case": ("SELECT SETVAL('q', 1)", 1, Way.IMMEDIATE),
    "another case, quoted, is another function": ("SELECT \"SETVAL\"('q', 1)", 1, Way.GATED),
    "a qualified function": ("SELECT pg_catalog.setval('q', 1)", 1, Way.IMMEDIATE),
    "a qualified function with comments": (
        "SELECT pg_catalog /* x */ . /* y */ setval /* z */ ('q', 1)",
        1,
        Way.IMMEDIATE,
    ),
    "a function with named arguments": ("SELECT pg_terminate_backend(pid => 5)", 1, Way.IMMEDIATE),
    "deep inside": (
        "SELECT 1 FROM (SELECT (SELECT max(x) FROM (VALUES (setval('q', 1))) AS v(x))) AS w",
        1,
        Way.IMMEDIATE,
    ),
    "in a window": ("SELECT sum(1) OVER (ORDER BY setval('q', 1))", 1, Way.IMMEDIATE),
    "in LIMIT": ("SELECT 1 LIMIT setval('q', 1)", 1, Way.IMMEDIATE),
    "in a join condition": ("SELECT 1 FROM victims a JOIN victims b ON setval('q', 1) > 0", 1, Way.IMMEDIATE),
    "in VALUES": ("VALUES (1), (setval('q', 1))", 1, Way.IMMEDIATE),
    "in GROUP BY": ("SELECT 1 FROM victims GROUP BY setval('q', 1)", 1, Way.IMMEDIATE),
    "in DISTINCT ON": ("SELECT DISTINCT ON (setval('q', 1)) 1 FROM victims", 1, Way.IMMEDIATE),
    "in a table function": ("SELECT * FROM generate_series(1, setval('q', 1))", 1, Way.IMMEDIATE),
    "in TABLESAMPLE": ("SELECT * FROM victims TABLESAMPLE system (setval('q', 1))", 1, Way.IMMEDIATE),
    "in a frame": ("SELECT sum(1) OVER (ORDER BY 1 ROWS setval('q', 1) PRECEDING)", 1, Way.IMMEDIATE),
    "in JSON_TABLE": (
        "SELECT * FROM json_table('{}', '$' PASSING setval('q', 1) AS x COLUMNS (a int PATH '$.a'))",
        1,
        Way.IMMEDIATE,
    ),
    "in a CTE's cycle": (
        "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a FROM t) CYCLE a SET c TO setval('q', 1) DEFAULT 0 USING p SELECT 1",
        None,
        None,
    ),
    "SQL run by a function that draws XML": (
        "SELECT query_to_xml('SELECT setval(''q'', 1)', true, true, '')",
        1,
        Way.IMMEDIATE,
    ),
    "SQL run by a function, not literal": (
        "SELECT query_to_xml('SEL' || 'ECT 1', true, true, '')",
        1,
        Way.GATED,
    ),
    "a lone statement between empty ones": (";;; SELECT 1 ;;", 1, Way.PASS),
    "a no-break space is no space": ("SELECT\u00a01", None, None),
}


@pytest.mark.parametrize("what", TEXTS)
def test_texts_are_read_as_the_server_reads_them(fresh_db18: PgDatabase, what: str) -> None:
    sql, count, worst = TEXTS[what]
    fresh_db18.psql(VICTIMS + "CREATE SEQUENCE q")
    catalog = read(fresh_db18)
    if count is None or worst is None:
        try:
            assert Way.PASS not in {info.way for info in classify(sql, catalog)}
        except SqlSyntax:
            return
        return
    infos = list(classify(sql, catalog))
    assert len(infos) == count
    ways = [info.way for info in infos]
    assert worst in ways
    assert worst is Way.PASS or set(ways) - {Way.PASS} == {worst}


_FROM_SETTINGS = (
    "SELECT set_config(name, 'x', false) FROM pg_catalog.pg_settings WHERE name = 'application_name'"
)


@pytest.mark.parametrize(
    ("path", "way"),
    [(("public",), Way.GATED), ((), Way.GATED), (("public", "pg_catalog"), Way.REFUSED)],
    ids=str,
)
def test_an_equals_sign_that_may_be_somebodys_own_names_no_setting(
    fresh_db18: PgDatabase, path: tuple[str, ...], way: Way
) -> None:
    (info,) = classify(_FROM_SETTINGS, read(fresh_db18), search_path=path)
    assert info.way is way
