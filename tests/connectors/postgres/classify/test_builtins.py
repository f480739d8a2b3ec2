"""The reviewed tables against real servers: every built-in function, operator, view and setting."""

from collections.abc import Iterator

import psycopg
import pytest

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.catalog import Catalog, impurity
from interlock.connectors.postgres.parse import collect, parse
from interlock.connectors.postgres.verbs.builtins import READS
from interlock.connectors.postgres.verbs.functions import ROWS, rule_of
from interlock.connectors.postgres.verbs.operators import OPERATORS
from interlock.connectors.postgres.verbs.relations import SECRET
from interlock.connectors.postgres.verbs.rules import FunctionKind
from interlock.testing.peers.pg import PgCluster


@pytest.fixture
def server(pg: PgCluster) -> Iterator[psycopg.Connection]:
    with pg.connect(autocommit=True) as connection:
        connection.execute("SET search_path = ''")
        yield connection


BUILTIN = "p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace"


def test_every_volatile_builtin_has_a_row(server: psycopg.Connection) -> None:
    query = f"SELECT DISTINCT proname FROM pg_catalog.pg_proc p WHERE {BUILTIN} AND provolatile = 'v'"
    volatile = {row[0] for row in server.execute(query)}
    assert len(volatile) > 200
    assert volatile - set(ROWS) == set()
    assert volatile & READS == set()


def test_every_builtin_is_known(server: psycopg.Connection) -> None:
    names = {
        row[0] for row in server.execute(f"SELECT DISTINCT proname FROM pg_catalog.pg_proc p WHERE {BUILTIN}")
    }
    assert {name for name in names if rule_of(name) is None} == set()


def test_no_read_by_rule_is_volatile_or_runs_what_a_value_names(server: psycopg.Connection) -> None:
    assert not READS & set(ROWS)
    # Input functions that take a type's id run that type's own checks.
    query = f"""SELECT DISTINCT proname FROM pg_catalog.pg_proc p WHERE {BUILTIN} AND proname ~ '_in$' AND pronargs = 3
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typinput = p.oid AND t.typtype = 'b' AND t.typelem = 0)"""
    takes_type = {row[0] for row in server.execute(query)}
    assert {"domain_in", "array_in", "record_in", "range_in", "multirange_in"} <= takes_type
    pseudo = {name for name in takes_type if name.startswith("any")}
    assert takes_type - pseudo - {n for n, rule in ROWS.items() if rule.kind is FunctionKind.DYNAMIC} <= READS
    for name in takes_type - pseudo:
        found = rule_of(name)
        assert found is not None
        if name in ("domain_in", "array_in", "record_in", "range_in", "multirange_in"):
            assert found.kind is FunctionKind.DYNAMIC


def test_functions_that_take_sql_text_are_no_reads(server: psycopg.Connection) -> None:
    query = f"""SELECT DISTINCT proname FROM pg_catalog.pg_proc p WHERE {BUILTIN} AND proargnames[1] = 'query'
        AND proargtypes[0] = 'text'::pg_catalog.regtype"""
    takes_sql = {row[0] for row in server.execute(query)}
    assert "query_to_xml" in takes_sql
    for name in takes_sql:
        assert ROWS[name].kind is FunctionKind.DYNAMIC, name


def test_operators_are_reads(server: psycopg.Connection) -> None:
    query = """SELECT DISTINCT o.oprname, p.proname FROM pg_catalog.pg_operator o
        JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE o.oid < 16384"""
    for operator, function in server.execute(query):
        assert operator in OPERATORS
        rule = rule_of(function)
        assert rule is not None
        assert rule.kind is FunctionKind.READ, function


def test_views_of_the_server_only_read(server: psycopg.Connection, bare: Catalog) -> None:
    query = """SELECT c.relname, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c
        WHERE c.relkind = 'v' AND c.oid < 16384"""
    views = server.execute(query).fetchall()
    assert len(views) > 100
    for name, definition in views:
        (statement,) = parse(definition)
        why = impurity(bare, collect(statement.tag, statement.body))
        # A view may show the harmless part of a secret table; files it may not.
        assert name in SECRET or not why or why.endswith("holds secrets"), (name, why)


def test_what_not_even_monitoring_may_read_is_secret(server: psycopg.Connection) -> None:
    query = """SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid < 16384 AND c.relkind IN ('r', 'v') AND n.nspname = 'pg_catalog'
        AND NOT pg_catalog.has_table_privilege('pg_monitor', c.oid, 'SELECT')"""
    hidden = {row[0] for row in server.execute(query)}
    assert {"pg_authid", "pg_shadow"} <= hidden
    assert hidden - SECRET <= {"pg_config", "pg_replication_origin_status"}


def test_every_setting_has_a_verdict(server: psycopg.Connection) -> None:
    query = "SELECT name, context FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser')"
    found = server.execute(query).fetchall()
    assert len(found) > 150
    rows = (
        settings.VIRTUAL | settings.LIMITED | set(settings.FORCED) | set(settings.REFUSED) | settings.PASSED
    )
    for name, context in found:
        low = name.lower()
        assert low in rows or low.startswith(settings.PASSED_FAMILIES), name
        if context == "superuser":
            assert settings.judge(name, "x").verdict is settings.Verdict.REFUSE, name


def test_settings_of_meaning_exist(server: psycopg.Connection) -> None:
    names = {row[0].lower() for row in server.execute("SELECT name FROM pg_catalog.pg_settings")}
    assert set(settings.MEANING) - {"role", "session_authorization"} - settings.VIRTUAL <= names
