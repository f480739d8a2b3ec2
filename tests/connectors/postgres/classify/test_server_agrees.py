"""Every statement that passes is run on real servers, in a read-only transaction that watches for functions of anybody's."""

import tomllib
from importlib.resources import files

import psycopg
from tests.connectors.postgres.classify.shop import SHOP, read

from interlock.connectors.postgres.classify import Way, classify
from interlock.testing.peers.pg import PgDatabase

CASES = tomllib.loads(files("interlock.connectors.postgres").joinpath("cases.toml").read_text("utf-8"))
WATCH = "SELECT coalesce(sum(calls), 0) FROM pg_catalog.pg_stat_xact_user_functions WHERE funcid >= 16384"


def test_what_passes_only_reads(fresh_db: PgDatabase) -> None:
    fresh_db.psql(SHOP)
    catalog = read(fresh_db)
    ran = 0
    for _, _, sql in (case for group in CASES.values() for case in group):
        (info,) = classify(sql, catalog)
        if (
            info.way is not Way.PASS
            or "$1" in sql
            or info.copy
            or info.node in ("ClosePortalStmt", "DeallocateStmt")
        ):
            continue
        with fresh_db.connect() as connection:
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute("SET track_functions = 'all'")
            before = _one(connection, WATCH)
            try:
                connection.execute(sql.encode())
            except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.FeatureNotSupported):
                continue  # currval before nextval; a server built without XML
            assert _one(connection, WATCH) == before, sql
        ran += 1
    assert ran > 40


def test_the_watch_works(fresh_db18: PgDatabase) -> None:
    fresh_db18.psql(SHOP)
    with fresh_db18.connect() as connection:
        connection.execute("SET track_functions = 'all'")
        before = _one(connection, WATCH)
        connection.execute("SELECT reset_ids()")
        assert _one(connection, WATCH) != before


def _one(connection: psycopg.Connection, sql: str) -> object:
    row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]
