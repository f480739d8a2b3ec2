"""What a statement may run besides itself, and what of that escapes measuring or a rollback."""

import pytest
from tests.connectors.postgres.classify.shop import read

from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify import StatementInfo, Way, classify, held_back
from interlock.connectors.postgres.parse.body import look_through
from interlock.model.effect import Evidence, totals
from interlock.testing.peers.pg import PgDatabase


def one(catalog: Catalog, sql: str) -> StatementInfo:
    (info,) = classify(sql, catalog)
    return info


HAZARDS = {
    "SELECT reset_ids()": "setval() in public.reset_ids()",
    "SELECT run('DROP TABLE orders')": "dynamic EXECUTE in public.run()",
    "DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE payments'; END $$": "dynamic EXECUTE in DO",
    "DO $$ BEGIN PERFORM reset_ids(); END $$": "setval() in public.reset_ids()",
    "DO LANGUAGE plperl 'x'": "language plperl in DO",
    "DO $$ BEGIN SET LOCAL session_replication_role = replica; END $$": "SET session_replication_role in DO",
    "DO $$ BEGIN PERFORM set_config('track_' || 'counts', 'off', true); END $$": "set_config() in DO",
    "DO $$ BEGIN PERFORM pg_terminate_backend(1); END $$": "pg_terminate_backend() in DO",
    "DO $$ BEGIN PERFORM pg_read_file('x'); END $$": "pg_read_file() in DO",
    "DO $$ BEGIN PERFORM dblink_exec('x', 'y'); EXECUTE 'SELECT setval(''numbers'', 1)'; END $$": "setval() in DO",
    "CREATE EXTENSION hstore": "the script of extension hstore",
    "SELECT ts_stat('SEL' || 'ECT 1')": "ts_stat() runs SQL that it is given",
    "ALTER TABLE customers ADD COLUMN x int DEFAULT setval('numbers', 1)": "setval() in a definition",
    "CREATE INDEX ON customers ((setval('numbers', id)))": "setval() in a definition",
    "SELECT pg_temp.f(1)": "the temporary pg_temp.f",
    "SELECT 1 OPERATOR(pg_temp.+) 2": "the temporary pg_temp.+",
    "DO $$ BEGIN CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; END $$": "CREATE FUNCTION in DO",
    "CREATE TEMP TABLE t (id int DEFAULT setval('numbers', 1))": "setval() in a definition",
    "CREATE TEMP VIEW v AS SELECT reset_ids() IS NULL": "setval() in public.reset_ids()",
}


@pytest.mark.parametrize("sql", HAZARDS)
def test_hazards_are_told(shop: Catalog, sql: str) -> None:
    info = one(shop, sql)
    assert info.way is Way.GATED
    assert HAZARDS[sql] in info.escapes
    assert all(HAZARDS[sql] in operation.evidence_unknown for operation in info.operations)
    assert totals(info.immediate_effects).unknown == len(info.escapes)
    assert all(effect.evidence is Evidence.UNKNOWN for effect in info.immediate_effects)


HARMLESS = [
    "SELECT cleanup()",
    "CALL tidy()",
    "DELETE FROM customers",
    "INSERT INTO told VALUES (1)",
    "DO $$ BEGIN EXECUTE 'DELETE FROM orders'; EXECUTE $q$ UPDATE orders SET amount = 1 $q$ USING 5; END $$",
    "DO $$ BEGIN PERFORM nextval('numbers'); SET LOCAL work_mem = '1MB'; END $$",
    "DO $$ BEGIN PERFORM set_config('search_path', 'archive', true); END $$",
    "DO $$ DECLARE role text; BEGIN UPDATE orders SET status = 'x'; INSERT INTO customers VALUES (1); END $$",
]


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_is_measured_is_no_hazard(shop: Catalog, sql: str) -> None:
    info = one(shop, sql)
    assert info.way is Way.GATED
    assert info.escapes == ()
    assert all(operation.evidence_unknown == "" for operation in info.operations)


SETUP = """
CREATE TABLE victims (id int PRIMARY KEY, name text);
CREATE TABLE children (id int, parent int REFERENCES victims ON DELETE CASCADE);
CREATE TABLE kept (id int, parent int REFERENCES victims ON DELETE RESTRICT);
CREATE SEQUENCE q;
CREATE FUNCTION lasting() RETURNS int LANGUAGE sql AS $$ SELECT setval('q', 1)::int $$;
CREATE FUNCTION caller() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lasting() + 1; END $$;
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM caller(); RETURN NULL; END $$;
"""

ROUTES = {
    "a trigger": (
        "CREATE TRIGGER t AFTER UPDATE ON victims FOR EACH ROW EXECUTE FUNCTION fires()",
        "UPDATE victims SET name = 'x'",
    ),
    "a trigger of a child reached by a cascade": (
        "CREATE TRIGGER t AFTER DELETE ON children FOR EACH ROW EXECUTE FUNCTION fires()",
        "DELETE FROM victims",
    ),
    "a trigger's condition": (
        "CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER t AFTER UPDATE ON victims FOR EACH ROW WHEN (lasting() > NEW.id) EXECUTE FUNCTION noop()",
        "UPDATE victims SET name = 'x'",
    ),
    "a rule": ("CREATE RULE r AS ON DELETE TO victims DO ALSO SELECT lasting()", "DELETE FROM victims"),
    "a default": (
        "ALTER TABLE victims ALTER id SET DEFAULT lasting()",
        "INSERT INTO victims (name) VALUES ('x')",
    ),
    "a check": ("ALTER TABLE victims ADD CHECK (lasting() > 0) NOT VALID", "UPDATE victims SET name = 'x'"),
    "a check, through COPY": (
        "ALTER TABLE victims ADD CHECK (lasting() > 0) NOT VALID",
        "COPY victims FROM STDIN",
    ),
    "an index expression": (
        "CREATE FUNCTION lie(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN caller(); END $$;"
        "CREATE INDEX ON victims (lie(id))",
        "VACUUM victims",
    ),
    "an index expression, of some table": (
        "CREATE FUNCTION lie(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN caller(); END $$;"
        "CREATE INDEX ON victims (lie(id))",
        "ANALYZE",
    ),
    "a domain": (
        "CREATE DOMAIN d AS int CHECK (lasting() > VALUE); ALTER TABLE victims ADD COLUMN extra d",
        "UPDATE victims SET extra = 5",
    ),
    "an operator": (
        "CREATE FUNCTION f(int, text) RETURNS int LANGUAGE sql AS 'SELECT caller()';"
        "CREATE OPERATOR + (leftarg = int, rightarg = text, function = f)",
        "UPDATE victims SET id = id + name",
    ),
    "an operator that is setval": (
        "CREATE OPERATOR #! (leftarg = regclass, rightarg = bigint, function = pg_catalog.setval)",
        "SELECT 'q'::regclass #! 5::bigint",
    ),
    "an aggregate": (
        "CREATE FUNCTION f(int, int) RETURNS int LANGUAGE sql AS 'SELECT caller()';"
        "CREATE AGGREGATE agg (int) (sfunc = f, stype = int)",
        "SELECT agg(id) FROM victims",
    ),
    "an aggregate that is set_config": (
        "CREATE AGGREGATE agg (text, bool) (sfunc = set_config, stype = text)",
        "SELECT agg('off', true)",
    ),
    "a cast": (
        "CREATE TYPE e AS ENUM ('a'); CREATE FUNCTION f(e) RETURNS int LANGUAGE sql AS 'SELECT caller()';"
        "CREATE CAST (e AS int) WITH FUNCTION f(e) AS IMPLICIT; CREATE TABLE t (x e, y int)",
        "UPDATE t SET y = x",
    ),
    "a view": ("CREATE VIEW v AS SELECT caller() AS x", "SELECT x + 1 FROM v"),
    "a view's table": (
        "CREATE VIEW v AS SELECT * FROM victims; CREATE TRIGGER t AFTER DELETE ON victims FOR EACH ROW EXECUTE FUNCTION fires()",
        "DELETE FROM v",
    ),
    "a trigger instead": (
        "CREATE VIEW v AS SELECT * FROM victims; CREATE TRIGGER t INSTEAD OF DELETE ON v FOR EACH ROW EXECUTE FUNCTION fires()",
        "DELETE FROM v",
    ),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW m AS SELECT caller() AS x WITH NO DATA",
        "REFRESH MATERIALIZED VIEW m",
    ),
    "a trigger of a partitioned table": (
        "CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
        "CREATE TRIGGER t AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION fires()",
        "INSERT INTO p1 VALUES (1)",
    ),
    "a partition's trigger": (
        "CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
        "CREATE TRIGGER t AFTER INSERT ON p1 FOR EACH ROW EXECUTE FUNCTION fires()",
        "INSERT INTO p VALUES (1)",
    ),
    "an event trigger": (
        "CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM caller(); END $$;"
        "CREATE EVENT TRIGGER {name} ON ddl_command_end EXECUTE FUNCTION ev()",
        "CREATE TABLE fresh (id int)",
    ),
    "a body in standard SQL": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN caller() + 1",
        "SELECT f()",
    ),
    "a setting of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET track_counts = off AS 'DELETE FROM victims RETURNING 1'",
        "SELECT f()",
    ),
    "parsing changed by a setting of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET standard_conforming_strings = off AS 'SELECT 1'",
        "SELECT f()",
    ),
    "another language": (
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE internal AS 'int4abs'",
        "SELECT f(1)",
    ),
    "words hidden by quoting outside ASCII": (
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS "
        "$f$ DECLARE a text := $é$ $è$ $é$; BEGIN PERFORM setval('q', 1); a := $é$ $è$ $é$; END $f$",
        "SELECT f()",
    ),
    "an escaped identifier": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $f$ SELECT U&\"\\0073etval\"('q', 1)::int $f$",
        "SELECT f()",
    ),
    "EXECUTE of a variable called function": (
        "CREATE FUNCTION f(function text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE function; END $f$",
        "SELECT f('x')",
    ),
    "EXECUTE of a literal with something after it": (
        "CREATE FUNCTION f(x text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE 'SELECT ' || x; END $f$",
        "SELECT f('x')",
    ),
    "a function in C that is not known to be harmless": (
        "CREATE EXTENSION tablefunc",
        "SELECT * FROM crosstab('SELECT 1, 2, 3') AS x(a int, b int)",
    ),
}


@pytest.mark.parametrize("what", ROUTES)
def test_every_route_is_followed(fresh_db: PgDatabase, what: str) -> None:
    setup, sql = ROUTES[what]
    if "EXTENSION" in setup and fresh_db.psql(
        "SELECT count(*) FROM pg_available_extensions WHERE name = 'tablefunc'"
    ) == [(0,)]:
        pytest.skip("the server has no contrib modules")
    fresh_db.psql(SETUP)
    assert one(read(fresh_db), sql).escapes == ()
    fresh_db.psql(setup.replace("{name}", f"e_{fresh_db.name}"))
    info = one(read(fresh_db), sql)
    assert info.escapes
    assert info.way in (Way.GATED, Way.OUTSIDE)


def test_trusted_extensions_are_reads(fresh_db: PgDatabase) -> None:
    if fresh_db.psql("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == [(0,)]:
        pytest.skip("the server has no contrib modules")
    fresh_db.psql("CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE TABLE t (id int, name citext)")
    catalog = read(fresh_db)
    for sql in (
        "SELECT * FROM t WHERE name = 'x' AND id = 5",
        "SELECT similarity('a', 'b'), 'a' % 'b'",
        "SELECT lower(name), max(name) FROM t",
    ):
        assert one(catalog, sql).way is Way.PASS, one(catalog, sql).why
    assert one(catalog, "SELECT set_limit(0.5)").way is Way.GATED


INTRODUCES = {
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT setval('numbers', 1)::int $$": "setval() in f()",
    "CREATE OR REPLACE FUNCTION cleanup() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE x; END $$": (
        "dynamic EXECUTE in cleanup()"
    ),
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN setval('numbers', 1)": "setval() in a definition",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'": "language plpython3u in f()",
    "CREATE TABLE t (id int DEFAULT setval('numbers', 1))": "setval() in a definition",
    "CREATE VIEW v AS SELECT reset_ids() IS NULL": "setval() in public.reset_ids()",
    "CREATE RULE r AS ON INSERT TO customers DO ALSO SELECT reset_ids()": "setval() in public.reset_ids()",
    "CREATE TRIGGER t AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION reset_ids()": "setval() in public.reset_ids()",
    "CREATE POLICY p ON customers USING (reset_ids() IS NULL)": "setval() in public.reset_ids()",
    "CREATE DOMAIN d AS int CHECK (setval('numbers', VALUE) > 0)": "setval() in a definition",
    "CREATE AGGREGATE a (text, bool) (sfunc = set_config, stype = text)": "set_config() in a definition",
    "CREATE OPERATOR #! (leftarg = regclass, rightarg = bigint, function = setval)": "setval() in a definition",
    "CREATE CAST (mood AS int) WITH FUNCTION reset_ids(mood)": "setval() in public.reset_ids()",
}


@pytest.mark.parametrize("sql", INTRODUCES)
def test_definitions_tell_what_they_bring_in(shop: Catalog, sql: str) -> None:
    info = one(shop, sql)
    assert INTRODUCES[sql] in info.introduces
    assert info.escapes == ()
    later = held_back(one(shop, "SELECT f()"), info.introduces)
    assert later.escapes == info.introduces
    assert later.operations[0].evidence_unknown
    assert totals(later.immediate_effects).unknown == len(info.introduces)
    read = one(shop, "SELECT 1")
    assert held_back(read, info.introduces) is read
    # With temporary objects around, it counts at once: they are in no snapshot.
    (temporary,) = classify(sql, shop, temp=True)
    assert INTRODUCES[sql] in temporary.escapes


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OPERATOR pg_temp.+ (leftarg = int, rightarg = int, function = int4pl)",
    ],
)
def test_temporary_code_is_refused(shop: Catalog, sql: str) -> None:
    assert one(shop, sql).way is Way.REFUSED


def test_definitions_changed_underway_are_told(shop: Catalog) -> None:
    assert one(shop, "DO $$ BEGIN CREATE TABLE x (id int); END $$").changes_catalog
    assert one(shop, "CREATE TABLE x (id int)").changes_catalog
    assert not one(shop, "DELETE FROM customers").changes_catalog


def test_triggers_that_notify_need_the_channel(shop: Catalog) -> None:
    kinds = {r.kind for o in one(shop, "INSERT INTO told VALUES (1)").operations for r in o.resources}
    assert kinds == {"table", "channel"}


def test_bodies_are_read_with_the_scanner_of_the_server() -> None:
    body = look_through("BEGIN -- DROP\n /* setval( */ x := 'setval(1)'; \"setVal\" (1); Lower(y); END")
    assert {"setVal", "lower"} <= body.calls
    assert not {"drop", "setval"} & body.words
    assert body.hazards == ()
    assert look_through("SELECT 'unterminated").hazards
    assert look_through("x" * (2 << 20)).hazards
    assert look_through("GRANT EXECUTE ON FUNCTION f() TO x").hazards == ()
    assert look_through("CREATE TRIGGER t BEFORE INSERT ON x EXECUTE FUNCTION f()").hazards == ()
    assert look_through("COPY t FROM '/etc/passwd'").hazards == ("COPY",)
