"""Scripts through an observing gateway, with the state carried on: after each piece of work that ended, what changed in the
database must be in the effects that were recorded, and nothing may have changed when there are none.

What the gateway refused is run past it, so that the statements after it find what they build on; what it would have done is not
looked at here (see `clone`).
"""

import contextlib
import re
import select
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from tests.real.oracle.explain import explain
from tests.real.oracle.state import Difference, Watcher
from tests.real.regress import Statement

from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.effect import Effect, Evidence
from interlock.testing.gateway import Gateway

REFUSED = ("IL001", "IL002", "IL003", "IL004", "IL005")
DONE = (ChangeState.APPLIED, ChangeState.EXECUTING, ChangeState.IN_DOUBT)
PATIENCE_S = 60.0
_PREPARE = re.compile(r"prepare\s+transaction\s+'([^']*)'", re.IGNORECASE)
_COMMIT_PREPARED = re.compile(r"commit\s+prepared\s+'([^']*)'", re.IGNORECASE)


def done_by(changes: Iterable[Change]) -> tuple[Effect, ...]:
    """The effects of what was done. A statement that failed may have done what no rollback undoes, if that was foretold."""
    lasting = (Evidence.PREDICTED, Evidence.UNKNOWN)
    return tuple(
        effect
        for change in changes
        for effect in change.measurement.effects
        if change.state in DONE or (change.state is ChangeState.FAILED and effect.evidence in lasting)
    )


@dataclass(slots=True)
class Tally:
    """Numbers of one run, and what was found. `found` holds (where, statement, what no effect covers)."""

    statements: int = 0
    units: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    found: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    over: int = 0
    changed: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    scripts: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """The numbers of another run on top."""
        self.statements += other.statements
        self.units += other.units
        self.outcomes += other.outcomes
        self.found += other.found
        self.over += other.over
        self.changed += other.changed
        self.refusals += other.refusals
        self.seconds += other.seconds

    def as_json(self) -> dict[str, Any]:
        return {
            "statements": self.statements,
            "units": self.units,
            "changed": self.changed,
            "outcomes": dict(sorted(self.outcomes.items())),
            "more_measured_than_changed": self.over,
            "refusals": dict(self.refusals.most_common(40)),
            "scripts": len(self.scripts),
            "found": [
                {"where": where, "statement": text, "missing": list(what)} for where, text, what in self.found
            ],
        }


class Session:
    """One agent's connection that speaks libpq's simple protocol, so that messages stay as they are."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._open()

    def _open(self) -> None:
        self.connection = psycopg.connect(self._dsn, autocommit=True)
        self.pg = self.connection.pgconn

    def close(self) -> None:
        self.connection.close()

    def again(self) -> None:
        self.close()
        self._open()

    @property
    def idle(self) -> bool:
        return self.pg.transaction_status == pq.TransactionStatus.IDLE

    def send(self, statement: Statement, *, extended: bool = False) -> tuple[str, str]:
        """SQLSTATE (empty when it went well) and the message of the first error."""
        text = statement.text.encode("utf-8", "surrogateescape")
        try:
            if extended:
                self.pg.send_query_params(text, None)
            else:
                self.pg.send_query(text)
            self._flush()
            return self._results(statement.data)
        except psycopg.OperationalError as error:
            return "lost", str(error)

    def _flush(self) -> None:
        while self.pg.flush():
            self._wait(writing=True)

    def _wait(self, *, writing: bool = False) -> None:
        """libpq's own waiting would keep Python's lock, which the gateway's thread needs to answer."""
        ready = select.select([self.pg.socket], [self.pg.socket] if writing else [], [], PATIENCE_S)
        if not any(ready):
            raise psycopg.OperationalError("no answer")
        self.pg.consume_input()

    def _result(self) -> Any:
        while self.pg.is_busy():
            self._wait()
        return self.pg.get_result()

    def _results(self, data: bytes) -> tuple[str, str]:
        failed = ("", "")
        while (result := self._result()) is not None:
            match result.status:
                case pq.ExecStatus.COPY_IN:
                    if data:
                        self.pg.put_copy_data(data)
                    self.pg.put_copy_end()
                    self._flush()
                case pq.ExecStatus.COPY_OUT:
                    while (size := self.pg.get_copy_data(1)[0]) >= 0:
                        if not size:
                            self._wait()
                case pq.ExecStatus.FATAL_ERROR:
                    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b"lost"
                    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
                    failed = failed if failed[0] else (state.decode(), message.decode(errors="replace"))
                    if self.pg.status == pq.ConnStatus.BAD:
                        return failed
        return failed


class Carry:
    """Runs statements one after the other. `database` is served by `gateway`, which observes."""

    def __init__(self, gateway: Gateway, watcher: Watcher, role: str, *, folder: Path | None = None) -> None:
        self.gateway, self.watcher, self.folder = gateway, watcher, folder
        self.tally = Tally()
        self._past = gateway.database.connect(user=role, autocommit=True)
        self._past.pgconn.nonblocking = 0
        self._session = Session(gateway.dsn())
        self._last = ""
        self._prepared: dict[str, tuple[Effect, ...]] = {}
        self._pending: list[Statement] = []
        self._refused = ""
        self.changes_since()

    def close(self) -> None:
        self._session.close()
        self._past.close()

    def run(self, statements: Iterable[Statement]) -> None:
        """All statements of one script."""
        began = time.monotonic()
        for statement in statements:
            if not statement.text:
                self._renew()
                continue
            self.tally.statements += 1
            self._pending.append(statement)
            state, message = self._session.send(statement)
            self._count(state, message)
            if state == "lost":
                self._renew()
            elif self._session.idle:
                self._check()
        self._renew()
        self.tally.seconds += time.monotonic() - began

    def _count(self, state: str, message: str) -> None:
        if state in REFUSED:
            self._refused = self._refused or state
            self.tally.refusals[re.sub(r'"[^"]*"|\d+|CHG-\w+', "…", message)[:120]] += 1
        self.tally.outcomes["refused" if state in REFUSED else "error" if state else "done"] += 1

    def _renew(self) -> None:
        """A new session: what the old one left (temporary objects, an open transaction) ends."""
        with contextlib.suppress(psycopg.Error):
            self._session.again()
        self._pending.append(Statement("", 0, "(end of the session)"))
        self._check(settings=True)

    def changes_since(self) -> list[Change]:
        """What was recorded since this was asked last, oldest first."""
        runtime = self.gateway.runtime

        async def ask() -> list[Change]:
            await runtime.core.tasks.drain(30.0)
            return list(await runtime.changes.list(ChangeFilter(limit=50)))

        found = [c for c in self.gateway.run(ask()) if c.id > self._last]
        if found:
            self._last = max(c.id for c in found)
        return sorted(found, key=lambda c: c.id)

    def _check(self, *, settings: bool = False) -> None:
        pending, self._pending = self._pending, []
        refused, self._refused = self._refused, ""
        self.tally.units += 1
        difference = self.watcher.look(settings=settings)
        changes = self.changes_since()
        effects = done_by(changes)
        effects = self._two_phase(pending[-1].text, effects)
        self._judge(pending, difference, effects)
        if refused:
            self._run_past(pending)

    def _two_phase(self, text: str, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        if (found := _PREPARE.search(text)) is not None:
            self._prepared[found.group(1)] = effects
        elif (found := _COMMIT_PREPARED.search(text)) is not None:
            return effects + self._prepared.pop(found.group(1), ())
        return effects

    def _judge(self, pending: list[Statement], difference: Difference, effects: tuple[Effect, ...]) -> None:
        if pending[-1].text[:7].upper() == "REINDEX":
            difference.without_indexes()  # made anew, or left invalid: how things are stored
        if difference.empty:
            return
        self.tally.changed += 1
        verdict = explain(difference, effects)
        self.tally.over += bool(verdict.over)
        if verdict.missing:
            last = pending[-1]
            text = "; ".join(s.text for s in pending)
            self.tally.found.append((f"{last.script}:{last.line}", text[:2000], verdict.missing))

    def _run_past(self, pending: list[Statement]) -> None:
        """So that what follows finds what it builds on. A new baseline is taken."""
        for statement in pending:
            with contextlib.suppress(psycopg.Error):
                self._past.pgconn.exec_(statement.text.encode("utf-8", "surrogateescape"))
                self._past.pgconn.put_copy_end()
                while self._past.pgconn.get_result() is not None:
                    pass
        if self._past.closed:
            self._past = psycopg.connect(self._past.info.dsn, autocommit=True)
        elif self._past.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            self._past.pgconn.exec_(b"ROLLBACK")
        if not self.watcher.look().empty:
            self.gateway.reread()


def only(statements: Iterable[Statement], limit: int) -> Iterator[Statement]:
    """The first of them."""
    for number, statement in enumerate(statements):
        if number >= limit:
            return
        yield statement
