"""P9 Nobody touches the guard alone: no agent can change or read what decides, neither by SQL (the store may lie in the very
database that it works on) nor by the API."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.real.conftest import FILL, SETUP, Shop, fails

from interlock.console.operations import Access
from interlock.console.routes import OPERATIONS
from interlock.model.change import ChangeState
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.process import GatewayProcess

HELD, FORBIDDEN = "IL001", "IL002"
OPEN = """
GRANT USAGE, CREATE ON SCHEMA interlock TO il_agent; GRANT ALL ON ALL TABLES IN SCHEMA interlock TO il_agent;
CREATE VIEW public.peek AS SELECT name FROM interlock.people;
CREATE VIEW public.switches AS SELECT scope, doc FROM interlock.breakers;
GRANT ALL ON public.peek, public.switches TO il_agent;
CREATE FUNCTION public.helper() RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
  $$ BEGIN UPDATE interlock.breakers SET doc = doc; END $$;
CREATE FUNCTION public.indirect() RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
  $$ BEGIN PERFORM helper(); END $$;
CREATE FUNCTION public.winding(what text) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; END $$;
CREATE FUNCTION public.on_insert() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS
  $$ BEGIN DELETE FROM interlock.grants; RETURN NEW; END $$;
CREATE TABLE public.trap (a int); ALTER TABLE public.trap OWNER TO il_agent;
CREATE TRIGGER spring AFTER INSERT ON public.trap FOR EACH ROW EXECUTE FUNCTION public.on_insert();
"""
"""The worst that could have been set up: all rights on the store's tables, and code with a superuser's rights that uses them."""


@pytest.fixture(scope="module")
def inside(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A gateway whose store lies in the database that its agents work on."""
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    with Gateway(database, tmp_path_factory.mktemp("inside"), agents=(), store=database.dsn()) as gateway:
        database.psql(OPEN)
        gateway.reread()
        yield Shop(gateway)
    database.drop()


@pytest.fixture
def shop(inside: Shop) -> Shop:
    inside.fill()
    return inside


READS = [
    "SELECT * FROM interlock.credentials",
    'SELECT * FROM "interlock"."credentials"',
    "TABLE interlock.grants",
    "SELECT count(*) FROM interlock.people",
    "SELECT doc FROM interlock.in_force",
    "SELECT 1 FROM ten WHERE EXISTS (SELECT FROM interlock.agents)",
    "WITH p AS (SELECT * FROM interlock.people) SELECT * FROM p",
    "SELECT (SELECT doc FROM interlock.agents LIMIT 1)",
    "COPY interlock.credentials TO STDOUT",
    "COPY (SELECT * FROM interlock.credentials) TO STDOUT",
    "SELECT * FROM interlock.people FOR UPDATE",
    "EXPLAIN ANALYZE SELECT * FROM interlock.people",
    "PREPARE p AS SELECT * FROM interlock.people; EXECUTE p",
    "SELECT query_to_xml('SELECT * FROM interlock.people', true, false, '')",
    "SELECT table_to_xml('interlock.people', true, false, '')",
    "SELECT * FROM peek",
    "SET search_path = interlock, public; SELECT * FROM credentials",
    "INSERT INTO notes (body) SELECT doc FROM interlock.credentials",
    "CREATE TABLE mine AS SELECT * FROM interlock.credentials",
    "CREATE VIEW mine AS SELECT * FROM interlock.credentials",
    "CREATE MATERIALIZED VIEW mine AS SELECT * FROM interlock.credentials",
    "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM interlock.credentials",
]
WRITES = [
    "UPDATE interlock.breakers SET doc = doc",
    "INSERT INTO interlock.grants SELECT * FROM interlock.grants",
    "DELETE FROM interlock.people",
    "DELETE FROM interlock.in_force",
    "UPDATE interlock.in_force SET doc = ''",
    "TRUNCATE interlock.approvals",
    "MERGE INTO interlock.breakers b USING ten ON false WHEN NOT MATCHED THEN INSERT VALUES ('x', '{}')",
    "COPY interlock.grants FROM STDIN",
    "BEGIN; LOCK TABLE interlock.ledger_head IN ACCESS EXCLUSIVE MODE; COMMIT",
    "UPDATE switches SET doc = doc",
    "DO $$ BEGIN UPDATE interlock.breakers SET doc = doc; END $$",
    "SELECT helper()",
    "SELECT indirect()",
    "INSERT INTO trap VALUES (1)",
    "WITH gone AS (DELETE FROM interlock.grants RETURNING *) SELECT count(*) FROM gone",
    "BEGIN; UPDATE interlock.breakers SET doc = doc; COMMIT",
    "SET search_path = interlock; DELETE FROM grants",
    "VACUUM interlock.people",
    "ANALYZE interlock.people",
]
DEFINITIONS = [
    "DROP SCHEMA interlock CASCADE",
    "DROP SCHEMA public, interlock CASCADE",
    "ALTER SCHEMA interlock RENAME TO other",
    "ALTER SCHEMA interlock OWNER TO il_agent",
    "DROP TABLE interlock.ledger_entries",
    "DROP TABLE ten, interlock.ledger_entries",
    "ALTER TABLE interlock.ledger_entries DISABLE TRIGGER ALL",
    "ALTER TABLE interlock.people ADD COLUMN x int",
    "ALTER TABLE interlock.people RENAME TO persons",
    "ALTER TABLE interlock.people SET SCHEMA public",
    "ALTER TABLE ten SET SCHEMA interlock",
    "DROP TRIGGER ledger_entries_no_update ON interlock.ledger_entries",
    "DROP FUNCTION interlock.refuse_rewriting CASCADE",
    "CREATE OR REPLACE FUNCTION interlock.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TABLE interlock.mine (a int)",
    "CREATE TABLE mine (a text REFERENCES interlock.people)",
    "CREATE TABLE mine () INHERITS (interlock.people)",
    "CREATE TABLE mine (LIKE interlock.people)",
    "CREATE INDEX mine ON interlock.people (name)",
    "CREATE TRIGGER mine BEFORE INSERT ON interlock.changes FOR EACH ROW EXECUTE FUNCTION on_insert()",
    "CREATE RULE mine AS ON INSERT TO interlock.ledger_entries DO INSTEAD NOTHING",
    "CREATE POLICY mine ON interlock.people USING (false)",
    "GRANT ALL ON interlock.people TO PUBLIC",
    "GRANT USAGE ON SCHEMA interlock TO PUBLIC",
    "REVOKE ALL ON ALL TABLES IN SCHEMA interlock FROM postgres",
    "COMMENT ON TABLE interlock.people IS 'mine'",
    "CREATE STATISTICS mine ON name, doc FROM interlock.people",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA interlock GRANT ALL ON TABLES TO PUBLIC",
]

_DECIDES = """SELECT (SELECT json_agg(p ORDER BY name) FROM interlock.people p),
 (SELECT json_agg(a ORDER BY name) FROM interlock.agents a),
 (SELECT json_agg(g ORDER BY id) FROM interlock.grants g),
 (SELECT json_agg(c ORDER BY agent) FROM interlock.credentials c),
 (SELECT json_agg(b ORDER BY scope) FROM interlock.breakers b WHERE scope !~ '^(session|group|change)/|/agent/'),
 (SELECT json_agg(i ORDER BY name) FROM interlock.in_force i),
 (SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
   WHERE relnamespace = 'interlock'::regnamespace AND tgenabled = 'O'),
 (SELECT md5(string_agg(prosrc, '')) FROM pg_proc WHERE pronamespace = 'interlock'::regnamespace),
 (SELECT json_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'interlock'::regnamespace),
 (SELECT nspacl::text FROM pg_namespace WHERE nspname = 'interlock'),
 (SELECT relacl::text FROM pg_class WHERE oid = 'interlock.people'::regclass)"""


def what_decides(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.database.psql(_DECIDES)


def tried(agent: psycopg.Connection[Any], sql: str) -> str:
    """What came of it."""
    try:
        agent.execute(sql.encode())
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    finally:
        if agent.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            agent.execute("ROLLBACK")
    return ""


@pytest.mark.parametrize("kind", ["reads", "writes", "definitions"])
def test_an_agent_gets_nowhere_near_the_store(shop: Shop, kind: str) -> None:
    """Refused for good: not held, so that not even people could let it pass."""
    statements = {"reads": READS, "writes": WRITES, "definitions": DEFINITIONS}[kind]
    before = what_decides(shop)
    with shop.connect() as agent:
        came = {sql: tried(agent, sql) for sql in statements}
        agent.execute("RESET ALL")
        assert {sql: code for sql, code in came.items() if code != FORBIDDEN} == {}
    assert shop.changes(ChangeState.HELD, ChangeState.APPLIED) == []
    assert what_decides(shop) == before
    assert shop.database.psql("SELECT to_regclass('mine')") == [(None,)]
    assert shop.gateway.ledger_ok()


@pytest.mark.parametrize(
    "what",
    [
        "UPDATE interlock.breakers SET doc = doc || ' '",
        "DELETE FROM interlock.grants",
        "DROP SCHEMA interlock CASCADE",
        "GRANT ALL ON interlock.people TO PUBLIC",
        "UPDATE public.switches SET doc = doc || ' '",
    ],
)
def test_not_even_people_let_it_pass_unseen(shop: Shop, what: str) -> None:
    """Code that puts its statements together cannot be looked through, so people are asked; what it does is still found out."""
    before = what_decides(shop)
    with shop.connect() as agent:
        sql = "SELECT winding(" + " || ".join(f"$x${part}$x$" for part in re.split("(?<=inter)", what)) + ")"
        with fails(HELD, FORBIDDEN) as error:
            agent.execute(sql.encode())
        if error.sqlstate == HELD:
            shop.approve_held()
            with pytest.raises(psycopg.Error):
                agent.execute(sql.encode())
    assert what_decides(shop) == before
    assert shop.changes(ChangeState.APPLIED) == []
    assert shop.gateway.ledger_ok()


def test_a_role_with_rights_on_the_store_is_not_served(pg18: PgCluster, tmp_path: Path) -> None:
    """What was given away after the start is policy's to refuse. At the start it is not served at all."""
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path, store=database.dsn()) as gateway:
        assert gateway.runtime.statuses()[0].serving
        gateway.stop()
        database.psql("GRANT USAGE ON SCHEMA interlock TO il_agent")
        gateway.start()
        (status,) = gateway.runtime.statuses()
        assert not status.serving
        assert "schema interlock" in status.why
    database.drop()


def test_ordinary_work_beside_the_store_passes(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        agent.execute("CREATE TABLE interlocked (a int)")
        agent.execute(
            "CREATE FUNCTION tell() RETURNS text LANGUAGE plpgsql AS"
            " $$ DECLARE people text; grants text := 'changes'; BEGIN RETURN grants || ' meta'; END $$"
        )
        agent.execute("SELECT tell(), 'interlock.people', length('interlock')")
        assert agent.execute("SELECT b FROM ten WHERE a = 1").fetchone() == ("x",)
    shop.make("DROP TABLE interlocked; DROP FUNCTION tell")


# -- the API


@pytest.fixture(scope="module")
def process(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    database: PgDatabase = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    gateway = Gateway(database, tmp_path_factory.mktemp("api") / "gateway")
    gateway.start().stop()
    with GatewayProcess(gateway) as process:
        yield process
    database.drop()


@pytest.fixture(scope="module")
def doors(process: GatewayProcess) -> tuple[str, str]:
    """The admin socket and the API's address."""
    socket, tcp = process.wait_for("ready")["api"]
    return socket, tcp


def held_change(process: GatewayProcess) -> str:
    with process.connect() as agent, fails(HELD) as error:
        agent.execute("DELETE FROM ten")
    words = str(error.caught).split()
    return next(word.rstrip(":;,.") for word in words if word.startswith("CHG-"))


def test_an_agents_token_opens_its_own_change_and_nothing_else(
    process: GatewayProcess, doors: tuple[str, str]
) -> None:
    token = process.gateway.tokens["bot"]
    change = held_change(process)
    names = {"{id}": change, "{name}": "bot", "{path:path}": "0/000"}
    bodies: dict[str, Any] = {
        "addPerson": {"name": "mallory", "groups": ["sre"], "public_key": "A" * 43 + "="},
        "addAgent": {"name": "mallory", "owner": "olga"},
        "addGrant": {"agent": "bot", "target": "shop", "actions": ["delete"], "seconds": 3600},
        "freeze": {"reason": "x"},
        "thaw": {"reason": "x"},
        "moveBreaker": {"scope": "global", "move": "open", "reason": "x"},
    }
    headers = [
        {"authorization": f"Bearer {token}"},
        {"authorization": f"bearer {token}", "x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"},
        {"authorization": f"Bearer {token}", "x-remote-user": "ann", "x-uid": "0", "host": "localhost"},
    ]
    opened = set()
    with httpx.Client(base_url=f"http://{doors[1]}") as client:
        for operation in OPERATIONS:
            path = operation.path
            for name, value in names.items():
                path = path.replace(name, value)
            for sent in headers:
                answer = client.request(operation.method, path, headers=sent, json=bodies.get(operation.id))
                if answer.status_code != 404:
                    opened.add(operation.id)
        mine = client.get(f"/changes/{change}", headers=headers[0]).json()
    public = {o.id for o in OPERATIONS if o.access in (Access.PUBLIC, Access.AGENT)}
    assert opened <= public
    assert mine["id"] == change
    assert "statement" not in json.dumps(mine)


def test_an_agent_cannot_speak_about_its_own_change(process: GatewayProcess, doors: tuple[str, str]) -> None:
    """Neither by its token nor by saying that it is someone, nor by the admin socket: it is not of this user."""
    change = held_change(process)
    token = process.gateway.tokens["bot"]
    with httpx.Client(base_url=f"http://{doors[1]}") as client:
        for sent in ({}, {"authorization": f"Bearer {token}"}, {"authorization": "Basic YW5uOg=="}):
            for path in (f"/api/v1/changes/{change}/approvals", f"/api/v1/changes/{change}/apply"):
                answer = client.post(path, headers=sent, json={})
                assert answer.status_code in (401, 404), answer.text
    with process.connect() as agent, fails(HELD):
        agent.execute("DELETE FROM ten")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_does_not_get_to_the_admin_socket(doors: tuple[str, str]) -> None:
    command = ["/bin/sh", "-c", '[ -e "$1" ] && echo reached || echo kept out', "sh", doors[0]]
    nobody = subprocess.run(
        command, user=65534, group=65534, cwd="/", capture_output=True, text=True, check=True
    )
    assert nobody.stdout == "kept out\n"
    root = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    assert root.stdout == "reached\n"
    assert Path(doors[0]).stat().st_mode & 0o077 == 0
    assert Path(doors[0]).parent.stat().st_mode & 0o077 == 0
