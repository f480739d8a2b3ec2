"""One case on two databases of the same content: with the gate out of the way on the one, and through the gateway on the other.

1. Directly: what does it do?
2. Through a gateway that enforces: what was not applied must have changed nothing; what was applied must be in its effects; and the
   effects for which it was held must cover what it did directly.
3. When it was held, through a gateway that observes: now it is applied, and what changed must be in its effects.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from tests.real.oracle.carry import DONE, Session, done_by
from tests.real.oracle.cases import RESET, SUPER_SETUP, SUPER_UNDO, Case
from tests.real.oracle.explain import explain
from tests.real.oracle.state import Difference, Watcher
from tests.real.regress import Statement

from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.effect import Evidence
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

CHANNELS = ("bell",)
_numbers = itertools.count(1)


@dataclass(slots=True)
class Found:
    """What came of a case. `wrong` is empty when all is well."""

    outcome: str = ""
    wrong: list[str] = field(default_factory=list)
    direct: list[str] = field(default_factory=list)


class Side:
    """One database, and what changes in it."""

    def __init__(self, database: PgDatabase, role: str) -> None:
        self.database, self.role = database, role
        self.watcher = Watcher(database, role, channels=CHANNELS)
        self._conn = database.connect(autocommit=True)

    def reset(self, setup: str) -> None:
        """To the first state, then as the case has it. The watcher looks, so that the next look tells what a case did."""
        self._conn.execute("SET SESSION AUTHORIZATION DEFAULT; RESET ALL")
        for (gid,) in self._conn.execute(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        ).fetchall():
            self._conn.execute(f"ROLLBACK PREPARED '{gid}'".encode())
        if self.role == "postgres":
            setup = SUPER_SETUP + setup
            for statement in SUPER_UNDO:
                with contextlib.suppress(psycopg.Error):
                    self._conn.execute(statement.encode())
        undo = (
            "ALTER ROLE il_agent RESET ALL; ALTER ROLE il_agent PASSWORD NULL;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE il_agent REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE il_agent GRANT EXECUTE ON FUNCTIONS TO PUBLIC;"
            "SELECT lo_unlink(oid) FROM pg_largeobject_metadata;"
            f"GRANT CREATE, TEMP ON DATABASE {self.database.name} TO il_agent; GRANT ALL ON SCHEMA public TO il_agent;"
            "DROP SCHEMA IF EXISTS w CASCADE; DROP SCHEMA IF EXISTS base CASCADE; DROP SCHEMA IF EXISTS w2 CASCADE;"
        )
        self._conn.execute(undo.encode())
        self._conn.execute(f"SET SESSION AUTHORIZATION {self.role}; {RESET} {setup}".encode())
        self._conn.execute("SET SESSION AUTHORIZATION DEFAULT; RESET ALL")
        self.watcher.renew()
        self.watcher.look(settings=True)

    def close(self) -> None:
        self.watcher.close()
        self._conn.close()


class Clones:
    """The two databases and the two gateways. `role` is what agents run as."""

    def __init__(self, direct: Side, gated: Side, enforcing: Gateway, observing: Gateway) -> None:
        self.direct, self.gated = direct, gated
        self.enforcing, self.observing = enforcing, observing
        self.outcomes: Counter[str] = Counter()

    def run(self, case: Case) -> Found:
        """Try one case."""
        found = Found()
        try:
            self.direct.reset(case.setup)
            states, really = self._direct(case)
            self.gated.reset(case.setup)  # and what both share: roles, their settings
        except psycopg.Error as error:
            found.outcome = f"no such case ({error.sqlstate})"
            self.outcomes["no such case"] += 1
            return found
        if not case.stale:
            self.enforcing.reread()
        found.direct = really.words()
        changes = self._gated(self.enforcing, case, found)
        if not any(states):
            self._held(changes, really, found)
        if found.outcome == "held":
            if not case.stale:
                self.observing.reread()
            self._gated(self.observing, case, found, "observed: ")
        self.outcomes[found.outcome] += 1
        return found

    def _direct(self, case: Case) -> tuple[list[str], Difference]:
        states = _send(self.direct.database.dsn(user=self.direct.role), case)
        return states, self.direct.watcher.look(settings=True)

    def _gated(self, gateway: Gateway, case: Case, found: Found, which: str = "") -> list[Change]:
        agent = f"o{next(_numbers)}"
        gateway.add_agent(agent)
        states = _send(gateway.dsn(agent), case)
        difference = self.gated.watcher.look(settings=True)
        changes = _changes(gateway, agent)
        said = "not measured" if changes else "changed, nothing recorded"
        missing = explain(difference, done_by(changes)).missing
        found.wrong += [f"{which}{said}: {what}" for what in missing]
        if not which:
            found.outcome = _outcome(states, changes)
        for change in changes:
            if change.state is ChangeState.HELD:
                gateway.withdraw(change.id)
        return changes

    def _held(self, changes: list[Change], really: Difference, found: Found) -> None:
        """The people who are asked must be told of everything that would happen."""
        held = [c for c in changes if c.state is ChangeState.HELD]
        effects = [e for c in changes if c.state in (ChangeState.HELD, *DONE) for e in c.measurement.effects]
        if held and not any(e.evidence is Evidence.UNKNOWN for e in effects):
            found.wrong += [f"held without a word of: {what}" for what in explain(really, effects).missing]


def _send(dsn: str, case: Case) -> list[str]:
    states: list[str] = []
    session = Session(dsn)
    try:
        for message in case.messages:
            state, _ = session.send(
                Statement("", 0, message, b"5\n" if "FROM STDIN" in message else b""), extended=case.extended
            )
            states.append(state)
            if state == "lost":
                break
    finally:
        session.close()
    return states


def _changes(gateway: Gateway, agent: str) -> list[Change]:
    async def ask() -> list[Change]:
        await gateway.runtime.core.tasks.drain(30.0)
        return list(await gateway.runtime.changes.list(ChangeFilter(agent=agent, limit=50)))

    return gateway.run(ask())


def _outcome(states: list[str], changes: list[Change]) -> str:
    if any(c.state is ChangeState.HELD for c in changes):
        return "held"
    if any(s.startswith("IL") for s in states):
        return "refused"
    if any(c.state in DONE for c in changes):
        return "measured and passed"
    return "failed" if any(states) else "passed as a read, or nothing happened"


@contextmanager
def clones(cluster: PgCluster, folder: Path, *, superuser: bool = False) -> Iterator[Clones]:
    """Make the databases and gateways. With `superuser` agents run as one: relaxed, since a strict target would not be served."""
    direct, gated = cluster.create_database("oracle_direct"), cluster.create_database("oracle_gated")
    keys: dict[str, Any] = {"limits": {"statement_timeout_s": 20}}
    top: dict[str, Any] = {}
    role = ROLES.upstream
    if superuser:
        role = "postgres"
        keys["upstream"] = {
            "dsn": f"postgresql://postgres@127.0.0.1:{cluster.port}/oracle_gated?sslmode=disable"
        }
        top = {"environments": {"production": {"protection": "relaxed"}}}
    with contextlib.ExitStack() as stack:
        for database in (direct, gated):
            prepare(database)
            stack.callback(database.drop)
        enforcing = stack.enter_context(Gateway(gated, folder / "enforcing", keys=keys, top=top))
        observing = stack.enter_context(
            Gateway(gated, folder / "observing", keys={**keys, "mode": "observe"}, top=top)
        )
        sides = [Side(database, role) for database in (direct, gated)]
        for side in sides:
            stack.callback(side.close)
        yield Clones(sides[0], sides[1], enforcing, observing)
