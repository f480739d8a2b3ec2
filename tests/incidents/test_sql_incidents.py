"""Documented incidents and bypasses, replayed with real clients; what counts is the database afterwards.

`incidents.jsonl` lies beside this file; INTERLOCK_INCIDENTS may name another. For each payload a database is made in which it
would do what it says: every table, column, schema and role that it names is there and belongs to the role that agents run as.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pglast
import psycopg
import pytest
from pglast import ast, visitors

from interlock.model.change import ChangeState
from interlock.model.operation import Action
from interlock.testing.gateway import EVERYTHING, Gateway, prepare
from interlock.testing.pg import PgDatabase

FILE = Path(os.environ.get("INTERLOCK_INCIDENTS") or Path(__file__).with_name("incidents.jsonl"))
INCIDENTS: list[dict[str, Any]] = [
    found for line in FILE.read_text("utf-8").splitlines() if (found := json.loads(line))["surface"] == "sql"
]
REFUSED = ("IL001", "IL002", "IL004")
COMMON = ("public.orders", "public.payments", "public.customers", "public.users", "public.leads")
"""Tables that are there in any case: payloads hide names in strings."""
COLUMNS = {"status": "text", "amount": "numeric", "name": "text", "created_at": "timestamptz DEFAULT now()"}


class Named(visitors.Visitor):
    """Collects what a payload names."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.columns: dict[str, str] = {}
        self.roles: set[str] = set()
        self.texts: list[str] = []

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:
        self.tables.add(f"{node.schemaname or 'public'}.{node.relname}")

    def visit_DropStmt(self, ancestors: Any, node: Any) -> None:
        if node.removeType == pglast.enums.ObjectType.OBJECT_TABLE:
            for parts in node.objects:
                names = [part.sval for part in parts]
                self.tables.add(".".join(names if len(names) > 1 else ["public", *names]))

    def visit_ColumnRef(self, ancestors: Any, node: Any) -> None:
        if isinstance(node.fields[-1], ast.String):
            self.columns.setdefault(str(node.fields[-1].sval), "text")

    def visit_RoleSpec(self, ancestors: Any, node: Any) -> None:
        if node.rolename:
            self.roles.add(node.rolename)

    def visit_A_Const(self, ancestors: Any, node: Any) -> None:
        if isinstance(node.val, ast.String):
            self.texts.append(str(node.val.sval))


def setup_of(payload: str) -> tuple[str, set[str]]:
    """The SQL that makes what a payload names, and the roles it names."""
    named = Named()
    named(pglast.parse_sql(payload))
    columns = {**named.columns, **COLUMNS}
    columns.pop("id", None)
    texts = named.texts or ["x"]
    sql = []
    for table in sorted(named.tables | set(COMMON)):
        schema, name = table.split(".")
        sql.append(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        made = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        sql.append(f'CREATE TABLE "{schema}"."{name}" (id int PRIMARY KEY, {made})')
        filled = [column for column, kind in columns.items() if kind in ("text", "numeric")]
        values = ", ".join(
            f"(ARRAY[{', '.join(_literal(t) for t in texts)}])[1 + i % {len(texts)}]"
            if columns[c] == "text"
            else "i + 0.5"
            for c in filled
        )
        names = ", ".join(f'"{c}"' for c in filled)
        sql.append(
            f'INSERT INTO "{schema}"."{name}" (id, {names}) SELECT i, {values} FROM generate_series(1, 60) i'
        )
    return "; ".join(sql), named.roles


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def state_of(database: PgDatabase) -> list[Any]:
    """Every row of every table, and what the catalogs say of tables, columns, rights and schemas."""
    tables = database.psql(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname !~ '^pg_|^information_schema$' ORDER BY 1"
    )
    rows = [
        database.psql(f"SELECT '{t}', count(*), md5(string_agg(x::text, '|' ORDER BY id)) FROM {t} x")
        for (t,) in tables
    ]
    catalog = database.psql(
        "SELECT c.oid, c.relname, c.relacl::text, a.attname, a.atttypid FROM pg_class c"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.oid >= 16384 ORDER BY 1, 4"
    )
    return [rows, catalog]


@pytest.fixture(params=INCIDENTS, ids=lambda incident: incident["id"])
def incident(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.fixture
def gateway(incident: dict[str, Any], fresh_db: PgDatabase, tmp_path: Path) -> Iterator[Gateway]:
    setup, roles = setup_of(incident["payload"])
    for role in roles:
        fresh_db.psql(f'DO $$ BEGIN CREATE ROLE "{role}"; EXCEPTION WHEN duplicate_object THEN NULL; END $$')
    prepare(fresh_db)
    fresh_db.psql("ALTER SCHEMA public OWNER TO il_agent")
    fresh_db.psql(f"SET SESSION AUTHORIZATION il_agent; {setup}")
    with Gateway(fresh_db, tmp_path / "gateway", agents=()) as made:
        # What the incident's own words limit the agent to: the right it had been given for its task.
        scope = (Action.READ,) if "scope is read" in (incident["expected"] or "") else EVERYTHING
        made.add_agent("bot", scope)
        yield made


def by_psycopg(gateway: Gateway, payload: str) -> str:
    """The SQLSTATE that the agent sees; empty when there was no error."""
    with gateway.connect("bot") as agent:
        agent.autocommit = True
        try:
            agent.execute(payload.encode())
        except psycopg.Error as error:
            return error.sqlstate or "?"
    return ""


def by_psql(gateway: Gateway, payload: str) -> str:
    done = subprocess.run(
        [
            gateway.database.cluster.bin("psql"),
            "-X",
            "-v",
            "VERBOSITY=sqlstate",
            gateway.dsn("bot"),
            "-c",
            payload,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stderr.split("ERROR:")[1].split()[0] if "ERROR:" in done.stderr else ""


@pytest.mark.parametrize("client", [by_psycopg, by_psql])
def test_incident(incident: dict[str, Any], gateway: Gateway, client: Any) -> None:
    payload = incident["payload"]
    before = state_of(gateway.database)
    sqlstate = client(gateway, payload)
    held = gateway.changes(ChangeState.HELD)
    if incident["expected"] == "ALLOW":
        assert sqlstate == ""
        assert held == []
        return
    assert sqlstate in REFUSED
    assert state_of(gateway.database) == before
    assert len(held) == (1 if sqlstate == "IL001" else 0)
