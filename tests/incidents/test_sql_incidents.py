"""Documented incidents and bypasses, replayed through the gateway by real clients; what counts is the database afterwards.

`incidents.jsonl` and `found.jsonl` have one a line; `INTERLOCK_INCIDENTS` may name another file of the same form. Only those of the
surface `sql` are for Postgres. Whatever a payload names is made first (`scene`); `given` is SQL that makes what cannot be told from
it. `expected` tells what must come of it: `ALLOW` passes without anyone asked; everything else must not take effect
unapproved, and so must what has no expectation.
"""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.connectors.postgres.rig import dump
from tests.incidents.scene import Scene, scene_of

from interlock.connectors.postgres.setup.roles import grants_sql
from interlock.model.change import ChangeState
from interlock.model.effect import Evidence
from interlock.model.operation import Action
from interlock.testing.gateway import EVERYTHING, ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

OWN = [Path(__file__).with_name(name) for name in ("incidents.jsonl", "found.jsonl")]
MISSING = (
    "42P01",
    "42703",
    "42883",
    "42704",
    "3F000",
    "42601",
    "42804",
    "42P13",
    "42P16",
    "42809",
    "42P17",
    "23503",
)
"""SQLSTATEs by which the server says that what is named is not there, or is something else: then the scene does not fit."""
_STATE = re.compile(r"(?:ERROR|FATAL):\s+(\w{5}):")


def read() -> list[dict[str, Any]]:
    files = [*OWN, *(Path(p) for p in [os.environ.get("INTERLOCK_INCIDENTS", "")] if p)]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    found = {item["id"]: item for item in map(json.loads, lines)}
    return [item for item in found.values() if item["surface"] == "sql"]


ALL = read()
BENIGN = [i for i in ALL if (i["expected"] or "").startswith("ALLOW")]
HARMFUL = [i for i in ALL if i not in BENIGN]


def ids(incidents: list[dict[str, Any]]) -> list[str]:
    return [incident["id"] for incident in incidents]


class Stage:
    """An incident's database behind a gateway, and the agent that an incident happens to."""

    def __init__(self, gateway: Gateway, incident: dict[str, Any]) -> None:
        self.gateway, self.incident = gateway, incident
        self.payload: str = incident["payload"]
        self.before = self.state()

    @property
    def database(self) -> PgDatabase:
        return self.gateway.database

    def state(self) -> tuple[Any, ...]:
        """All of it: definitions, rows, rights, roles, settings, what sequences give, and where tables are stored."""
        roles = self.database.psql(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconfig,"
            " rolpassword, rolvaliduntil FROM pg_authid LEFT JOIN LATERAL (SELECT setconfig AS rolconfig FROM pg_db_role_setting"
            " s WHERE s.setrole = pg_authid.oid) s ON true ORDER BY 1, 8"
        )
        members = self.database.psql(
            "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members ORDER BY 1, 2"
        )
        counts = self.database.psql(
            "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
        )
        stored = self.database.psql(
            "SELECT nspname, relname, relfilenode FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2"
        )
        return dump(self.database), tuple(roles), tuple(members), tuple(counts), tuple(stored)

    def by_psycopg(self) -> str:
        """What came of it: the SQLSTATE, or an empty text."""
        with self.gateway.connect() as agent:
            try:
                cursor = agent.execute(self.payload.encode())
                while cursor.nextset():
                    pass
            except psycopg.Error as error:
                return error.sqlstate or "lost"
        return ""

    def by_transaction(self) -> str:
        with self.gateway.connect() as agent:
            try:
                with agent.transaction():
                    agent.execute(self.payload.encode())
            except psycopg.Error as error:
                return error.sqlstate or "lost"
        return ""

    def by_psql(self) -> str:
        """Its script on standard input; as one transaction, for a small statement beside the harmful one may well pass."""
        return self._psql(
            "-1", "-v", "ON_ERROR_STOP=1", script=f"\\set VERBOSITY verbose\n{self.payload}\n;\n"
        )

    def by_psql_command(self) -> str:
        return self._psql("-v", "VERBOSITY=verbose", "-c", self.payload)

    def _psql(self, *arguments: str, script: str | None = None) -> str:
        done: subprocess.CompletedProcess[str] = self.gateway.psql(*arguments, script=script)
        found = _STATE.search(done.stderr)
        return found.group(1) if found else ""


IN_A_BLOCK = "25001"
"""The statement cannot run inside of a transaction block."""

WAYS = {
    "psycopg": Stage.by_psycopg,
    "psycopg in a transaction": Stage.by_transaction,
    "psql": Stage.by_psql,
    "psql -c": Stage.by_psql_command,
}


def actions(incident: dict[str, Any]) -> tuple[Action, ...]:
    """A task that was only to read has only that right."""
    return (Action.READ,) if "scope is read" in (incident["expected"] or "") else EVERYTHING


def build(database: PgDatabase, scene: Scene, *, rows: int) -> None:
    for role in sorted(scene.roles - {"public"}):
        with database.connect(autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
            if not exists:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    builtin = {
        name
        for (name,) in database.psql(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
        )
    }
    scene.functions = {n: c for n, c in scene.functions.items() if n.rpartition(".")[2] not in builtin}
    # Whoever may do harm must be able to.
    database.psql(f"{grants_sql('plain', ROLES, ['public'])}; ALTER SCHEMA public OWNER TO {ROLES.upstream}")
    prepare(database, scene.sql(rows=rows))


@pytest.fixture
def stage(request: pytest.FixtureRequest, pg: PgCluster, tmp_path: Path) -> Iterator[Stage]:
    incident = request.param
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    benign = incident in BENIGN
    # In a large table a small change is small; otherwise what is found is a large part of what is there.
    scene = scene_of(incident["payload"], incident.get("given", ""))
    found = max([len(v) for t in scene.tables.values() for v in t.wanted.values()], default=0)
    build(database, scene, rows=100 if benign else max(10, 2 * found))
    with Gateway(database, tmp_path, agents=()) as gateway:
        gateway.add_agent("bot", actions(incident))
        yield Stage(gateway, incident)
    database.drop()
    for role in sorted(scene.roles - {"public"}):
        pg.psql(f'DROP ROLE IF EXISTS "{role}"')


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", HARMFUL, ids=ids(HARMFUL), indirect=True)
def test_does_not_take_effect_unapproved(stage: Stage, way: str) -> None:
    came_of_it = WAYS[way](stage)
    assert stage.state() == stage.before, f"{came_of_it or 'it passed'}: {stage.payload}"
    assert came_of_it, "the client must hear of it"
    assert stage.gateway.changes(ChangeState.APPLIED) == []
    assert stage.gateway.ledger_ok()
    if way != "psycopg in a transaction":
        # The harm was possible: without the gateway it happens, or the role has no right to it.
        direct = by_itself(stage)
        assert direct not in MISSING, f"the scene does not fit the incident: {direct}"
        if not direct and stage.state() == stage.before:
            # Locks, signals and what is read leave no trace: it must be the gateway that said no.
            assert came_of_it.startswith("IL"), came_of_it


def by_itself(stage: Stage, *, block: bool = False) -> str:
    """Do what the incident does where nothing but the role's own rights stands in its way: the SQLSTATE, or an empty text. In a
    transaction `block` if wanted."""
    with stage.database.connect(user=ROLES.upstream, autocommit=not block) as connection:
        try:
            cursor = connection.execute(stage.payload.encode())
            while cursor.nextset():
                pass
        except psycopg.Error as error:
            return error.sqlstate or "lost"
    return ""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", BENIGN, ids=ids(BENIGN), indirect=True)
def test_passes_without_anyone_asked(stage: Stage, way: str) -> None:
    came_of_it = WAYS[way](stage)
    if came_of_it == IN_A_BLOCK and way in ("psycopg in a transaction", "psql"):
        assert by_itself(stage, block=True) == IN_A_BLOCK, "the server runs it in a transaction block"
    else:
        assert came_of_it == ""
    assert stage.gateway.changes(ChangeState.HELD, ChangeState.REFUSED) == []
    for change in stage.gateway.changes():
        assert change.state is ChangeState.APPLIED
    assert stage.gateway.ledger_ok()


@pytest.mark.parametrize("stage", HARMFUL, ids=ids(HARMFUL), indirect=True)
def test_what_was_held_takes_effect_when_people_approve(stage: Stage) -> None:
    """The gateway asks; it does not stand in the way of what people want."""
    if stage.by_psycopg() != "IL001":
        return
    change = stage.gateway.approve(stage.gateway.held().id)
    if any(effect.evidence is Evidence.UNKNOWN for effect in change.measurement.effects):
        return  # more than nothing was not approved
    refused = stage.by_psycopg()
    if refused:
        assert refused == by_itself(stage), "the server's own word about it"
    else:
        assert len(stage.gateway.changes(ChangeState.APPLIED)) == 1
        effects = change.measurement.effects  # of what is only predicted there may have been none
        assert stage.state() != stage.before or all(e.evidence is Evidence.PREDICTED for e in effects)


def test_there_are_incidents_and_controls() -> None:
    assert len(HARMFUL) >= 7
    assert len(BENIGN) >= 4
    assert len({i["id"] for i in ALL}) == len(ALL)
