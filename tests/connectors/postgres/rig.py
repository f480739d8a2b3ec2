"""Drives the connector's sans-io parts against real servers, as a session does."""

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import TypeVar

import psycopg
from psycopg import pq

from interlock.connectors.postgres import definitions, preview, undo
from interlock.connectors.postgres.preview.rows.layout import Layout
from interlock.connectors.postgres.queries import (
    CANONICAL_SETTINGS,
    OBSERVER_SETTINGS,
    Ask,
    QueryFailed,
    Reply,
    Rows,
    Statement,
    Steps,
)
from interlock.connectors.postgres.setup.roles import RoleNames, grants_sql
from interlock.connectors.postgres.undo.schema import proof
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.sdk.connector import Preview
from interlock.testing.peers.pg import PgDatabase

T = TypeVar("T")


class Connection:
    """A connection on which each statement is run as the gateway runs it: text format, extended protocol."""

    def __init__(
        self, database: PgDatabase, user: str = "postgres", settings: dict[str, str] | None = None
    ) -> None:
        self.rows_sent = 0
        self.psycopg = psycopg.connect(database.dsn(user), autocommit=True)
        for name, value in (settings or {}).items():
            self.psycopg.execute("SELECT set_config(%s, %s, false)", (name, value))

    def run(self, sql: str, params: Sequence[str | None] = ()) -> Rows:
        """One statement; raises QueryFailed."""
        values = [None if p is None else p.encode() for p in params]
        result = self.psycopg.pgconn.exec_params(sql.encode(), values)
        self.rows_sent += result.ntuples
        return _rows(result)

    def script(self, sql: str) -> None:
        """Several statements by the simple protocol."""
        result = self.psycopg.pgconn.exec_(sql.encode())
        _rows(result)

    def ask(self, statements: Sequence[Statement]) -> Reply:
        try:
            return [self.run(sql, params) for sql, params in statements]
        except QueryFailed as failed:
            return failed

    def close(self) -> None:
        self.psycopg.close()


def _rows(result: pq.abc.PGresult) -> Rows:
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
        raise QueryFailed(state.decode(), (result.error_message or b"").decode())
    return [
        tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
        for row in range(result.ntuples)
    ]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


class Rig:
    """An agent, an observer and a maintainer on one database, and what the session does between them."""

    def __init__(
        self,
        database: PgDatabase,
        *,
        agent: str = "postgres",
        observer: str = "postgres",
        maintainer: str = "postgres",
    ) -> None:
        self.database = database
        self.agent_role = agent
        self.agent = Connection(
            database, agent, {"default_transaction_read_only": "on", "search_path": "public"}
        )
        self.observer = Connection(database, observer, OBSERVER_SETTINGS)
        self.maintainer = Connection(database, maintainer, CANONICAL_SETTINGS)
        self.identity = preview.read_identity(self.step(preview.identity()))
        self.captured: list[preview.Captured] = []
        self.losses: tuple[preview.Loss, ...] = ()
        self.captures = definitions.Captures()
        self.rounds = 0
        self.layouts: dict[tuple[int, str], Layout] = {}
        self.measured: Preview

    def step(self, question: Ask) -> list[Rows]:
        reply = self._connection(question).ask(question.statements)
        if isinstance(reply, QueryFailed):
            raise reply
        return reply

    def _connection(self, question: Ask) -> Connection:
        return {"agent": self.agent, "observer": self.observer, "maintainer": self.maintainer}[question.on]

    def drive(self, steps: Steps[T], *, agent: Connection | None = None) -> T:
        """Answer a part's questions. `agent` stands in for the agent's connection."""
        try:
            asked = next(steps)
            while True:
                self.rounds += 1
                assert len({question.on for question in asked}) == len(asked)
                replies = [
                    (agent if agent is not None and q.on == "agent" else self._connection(q)).ask(
                        q.statements
                    )
                    for q in asked
                ]
                asked = steps.send(tuple(replies))
        except StopIteration as done:
            result: T = done.value
            return result

    def script(self, sql: str) -> None:
        """Statements in autocommit as the agent's role, past the gateway."""
        with self.database.connect(self.agent_role, autocommit=True) as owner:
            owner.execute(sql.encode())

    # -- an agent's transaction

    def begin(self, options: str = "") -> None:
        self.captured, self.losses = [], ()
        self.captures = definitions.Captures()
        self.agent.run(f"BEGIN {options} READ WRITE".replace("  ", " "))

    def run(self, sql: str, params: Sequence[str | None] = ()) -> Rows:
        return self.agent.run(sql, params)

    def capture(self, target: preview.Predicate, sql: str, params: Sequence[str | None] = ()) -> Rows:
        """A simple UPDATE or DELETE with its before-image by way 1."""
        rows = self.agent.run(preview.image_before(target, preview.Limits()), params)
        self.captured.append(preview.Captured(tuple((oid or "", ctid or "") for oid, ctid in rows)))
        return self.agent.run(sql, params)

    def lose(self, target: preview.Losing, sql: str) -> None:
        """A TRUNCATE or DROP with what is asked before it."""
        self.losses += self.drive(preview.losing(target, preview.Limits()))
        self.agent.run(sql)

    def define(self, sql: str) -> None:
        """A statement with what is asked before one that may change definitions."""
        code = sql.startswith(("DO", "SELECT", "CALL"))
        deep = code or bool(re.search("cascade|schema|owned", sql, re.IGNORECASE))
        self.drive(definitions.capture(self.captures, sql, (), deep=deep, opaque=code))
        self.agent.run(sql)

    def measure(self, limits: preview.Limits | None = None, *, observer: bool = True) -> Preview:
        """The end of the transaction up to the decision."""
        self.agent.run("SET CONSTRAINTS ALL IMMEDIATE")
        rows = self.step(preview.first())
        if self.captures.asked:
            self.agent.run(f"SAVEPOINT {proof.SAVEPOINT}")
        self.agent.run("SET TRANSACTION READ ONLY")
        assert preview.tampered(rows) == ""
        context = preview.Context(
            self.identity,
            captured=tuple(self.captured),
            losses=self.losses,
            observer=observer,
            definitions=tuple(self.captures.facets.values()),
            provable=self.captures.asked,
            limits=limits or preview.Limits(),
            layouts=self.layouts,
        )
        self.rounds = 0
        measured, wished = self.drive(preview.examine_definitions(rows, context))
        return measured if wished is None else self.drive(proof.prove(measured, wished))

    def commit(self) -> None:
        self.agent.run("COMMIT")

    def rollback(self) -> None:
        self.agent.run("ROLLBACK")
        self.agent.run(preview.FLUSH)

    def work(self, *statements: str) -> Preview:
        """A whole transaction, measured and rolled back."""
        self.begin()
        for statement in statements:
            self.run(statement)
        result = self.measure()
        self.rollback()
        return result

    def applied(self, *statements: str) -> Preview:
        """A whole transaction, measured and committed."""
        self.begin()
        for statement in statements:
            self.run(statement)
        result = self.measure()
        self.commit()
        return result

    # -- undo

    def revert(self, result: Preview, *, force: bool = False) -> undo.Reverted:
        """Revert a committed change, measured like any work, and commit it."""
        try:
            reverted = self.drive(
                undo.revert(result.undo, force=force, fingerprint=self.identity.fingerprint)
            )
            [*rows] = [self.maintainer.run(sql) for sql, _ in preview.first().statements]
            context = preview.Context(self.identity, captured=reverted.captured)
            self.measured = self.drive(preview.examine(rows, context), agent=self.maintainer)
            self.maintainer.run("COMMIT")
        except BaseException:
            self.maintainer.run("ROLLBACK")
            raise
        return reverted

    def close(self) -> None:
        for connection in (self.agent, self.observer, self.maintainer):
            connection.close()


@contextlib.contextmanager
def rig(database: PgDatabase, setup: str = "", *, schemas: Sequence[str] = ("public",)) -> Iterator[Rig]:
    """A rig with the three roles that `grants_sql` makes, on a database in which the agent's role has run `setup`: it owns
    everything, and is no superuser."""
    names = RoleNames(*(f"{database.name}_{part}" for part in ("agent", "observer", "maintainer")))
    roles = (names.upstream, names.observer, names.maintainer)
    database.psql(f"CREATE ROLE {names.upstream} LOGIN; GRANT ALL ON SCHEMA public TO {names.upstream};")
    database.psql(f"GRANT ALL ON DATABASE {database.name} TO {names.upstream}")
    with database.connect(names.upstream, autocommit=True) as owner:
        if setup:
            owner.execute(setup.encode())
    database.psql(grants_sql("plain", names, schemas))
    made = Rig(database, agent=roles[0], observer=roles[1], maintainer=roles[2])
    try:
        yield made
    finally:
        made.close()
        for role in reversed(roles):
            database.psql(f"DROP OWNED BY {role} CASCADE")
            database.psql(f"DROP ROLE {role}")


def told(result: Preview) -> set[str]:
    """The effects in short: `deleted 3 rows public.t` with `!` when it is not reversible and `?` when it is not measured."""
    return {short(effect) for effect in result.measurement.effects if effect.count}


def short(effect: Effect) -> str:
    """One effect in short; objects with their kind."""
    name = (
        effect.resource.name if effect.unit is Unit.ROWS else f"{effect.resource.kind} {effect.resource.name}"
    )
    number = (
        f"{effect.count} rows "
        if effect.unit is Unit.ROWS
        else ""
        if effect.count == 1
        else f"{effect.count} "
    )
    marks = ("" if effect.reversible else "!") + ("" if effect.evidence.value == "measured" else "?")
    return f"{effect.change.value} {number}{name}{marks}"


def effect(result: Preview, change: ChangeKind, name: str) -> Effect:
    """The one effect of that kind on that resource."""
    (found,) = [e for e in result.measurement.effects if e.change is change and e.resource.name == name]
    return found


def dump(database: PgDatabase) -> str:
    """Schema and content, as pg_dump gives them, sorted, without what differs each time."""
    done = subprocess.run(
        [str(database.cluster.bin("pg_dump")), "--inserts", "--no-owner", database.dsn()],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if not re.match(r"\\(un)?restrict|--|$", line)]
    return "\n".join(sorted(line for line in lines if not line.startswith("SELECT pg_catalog.setval")))
