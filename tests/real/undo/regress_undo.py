"""Runs PostgreSQL's regression scripts through a gateway and reverts every change at once: is everything as it was?

    python -m tests.real.undo.regress_undo [--version 18] [--seconds 600] [--json FILE] [SCRIPT …]

After a revert the statement is run again past the gateway, so that the script goes on. What is declared not reversible stays done.
A change that was declared reversible and does not come back is a broken promise: each is printed, and the exit status is 1.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from tests.real import regress
from tests.real.undo.states import different, state

from interlock.model.change import Change, ChangeFilter
from interlock.model.errors import InterlockError
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

_MOST_WAITS = 200


@dataclass(slots=True)
class Tally:
    """What became of the statements, why changes were declared not reversible, and the broken promises."""

    count: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    broken: list[dict[str, Any]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the changes that took effect, those that reverted exactly."""
        return self.count["exact"] / max(1, self.count["exact"] + self.count["declared"] + len(self.broken))


class Script:
    """One script on a database of its own."""

    def __init__(self, cluster: PgCluster, name: str, tally: Tally, until: float) -> None:
        self.cluster, self.name, self.tally, self.until = cluster, name, tally, until
        self.pending: list[str] = []
        self.before: list[str] | None = None
        self.latest = ""

    def run(self, scripts: Path) -> None:
        database = self.cluster.create_database(f"undo_{self.name}")
        prepare(database)
        with tempfile.TemporaryDirectory() as folder:
            gateway = Gateway(database, Path(folder), top={"guardrails": "none"})
            with (
                gateway,
                gateway.connect() as agent,
                database.connect(ROLES.upstream, autocommit=True) as direct,
            ):
                for statement in regress.statements(scripts, self.name):
                    if time.monotonic() > self.until or agent.closed:
                        break
                    if statement.text and not statement.data:
                        self.one(gateway, database, agent, direct, statement.text)
        database.drop()

    def one(
        self,
        gateway: Gateway,
        database: PgDatabase,
        agent: psycopg.Connection[Any],
        direct: psycopg.Connection[Any],
        text: str,
    ) -> None:
        if self.before is None and agent.info.transaction_status == pq.TransactionStatus.IDLE:
            self.before = state(database)
        error = _run(agent, text)
        self.pending.append(text)
        if agent.info.transaction_status != pq.TransactionStatus.IDLE:
            return
        asked, self.pending = self.pending, []
        self.tally.count["statements"] += len(asked)
        change = _newest(gateway)
        if change is None or change.id == self.latest:
            self.tally.count["refused" if error.startswith("IL") else "failed" if error else "no change"] += 1
            if not error:
                for sql in asked:
                    _run(direct, sql)
            return
        self.latest = change.id
        lost = [e for e in change.measurement.effects if not e.reversible and e.count]
        if lost:
            self.tally.count["declared"] += 1
            self.tally.why[lost[0].reason[:120]] += 1
            self.before = None
            return
        self._revert(gateway, database, change, asked)
        for sql in asked:
            _run(direct, sql)
        if direct.info.transaction_status != pq.TransactionStatus.IDLE:
            direct.rollback()
        gateway.reread()
        self.before = None

    def _revert(self, gateway: Gateway, database: PgDatabase, change: Change, asked: list[str]) -> None:
        try:
            answer = gateway.revert(change.id)
            why = "" if isinstance(answer, Permitted) else str(answer)
        except InterlockError as error:
            why = str(error)
        self.latest = (_newest(gateway) or change).id
        assert self.before is not None
        wrong = [why] if why else different(self.before, state(database), most=1000)
        ahead = [line for line in wrong if line[1:].startswith("value ")]
        if ahead and len(ahead) == len(wrong):
            # Values that were taken stay taken (docs/undo.md): statements that failed have taken some, too.
            self.tally.count["exact but for values of sequences taken"] += 1
            wrong = []
        if not wrong:
            self.tally.count["exact"] += 1
            return
        broken = {"script": self.name, "statements": asked, "wrong": wrong[:12]}
        self.tally.broken.append(broken)
        print(json.dumps(broken, indent=1), flush=True)


def _run(connection: psycopg.Connection[Any], text: str) -> str:
    """The SQLSTATE of the last result, empty when all went well."""
    result = connection.pgconn.exec_(text.encode("utf-8", "surrogateescape"))
    if result.status == pq.ExecStatus.COPY_IN:
        connection.pgconn.put_copy_end(b"no data")
        result = connection.pgconn.get_result() or result
    while connection.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
        if connection.pgconn.get_result() is None:
            break
    return (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()


def _newest(gateway: Gateway) -> Change | None:
    async def ask() -> Change | None:
        await gateway.runtime.core.tasks.drain(_MOST_WAITS)
        found = list(await gateway.runtime.changes.list(ChangeFilter(states=(), limit=1)))
        return found[0] if found else None

    return gateway.run(ask())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*")
    parser.add_argument("--version", default="18")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    folder = regress.fetch()
    tally = Tally()
    until = time.monotonic() + given.seconds
    with PgCluster.start(given.version, fsync=False) as cluster:
        for name in given.scripts or regress.names(folder):
            if time.monotonic() > until:
                break
            Script(cluster, name, tally, until).run(folder)
            print(
                f"{name}: {dict(tally.count)} share {tally.share:.3f} broken {len(tally.broken)}", flush=True
            )
    for reason, number in tally.why.most_common(40):
        print(f"{number:6} {reason}")
    if given.json:
        given.json.write_text(
            json.dumps(
                {"counts": tally.count, "share": tally.share, "why": tally.why, "broken": tally.broken},
                indent=1,
            )
        )
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
