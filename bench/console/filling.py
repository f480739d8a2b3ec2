"""A store with very many changes, put there in bulk: rows as the store itself makes them, in its real schema."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from interlock.model import ids
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Decision, Forbid, Hold, Permit
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.runtime.stores.rows.writing import change_row
from interlock.runtime.stores.shape.schema import PG_SCHEMA, changes

DAY = timedelta(days=1)
AGENTS = [f"agent-{number:02d}" for number in range(40)]
TARGETS = [("shop", "production"), ("billing", "production"), ("search", "production"), ("lab", "staging")]
TABLES = [
    f"{schema}.{noun}_{number}"
    for schema in ("public", "sales", "audit")
    for noun in ("orders", "items", "events")
    for number in range(40)
]
FORMER, RARE_TABLE = "agent-former", "public.once_upon"
"""An agent that worked only in the first half of the time; a table that one change touched, long ago."""
_STATES: dict[ChangeState, int] = {
    ChangeState.APPLIED: 860,
    ChangeState.REFUSED: 70,
    ChangeState.REVERTED: 25,
    ChangeState.FAILED: 20,
    ChangeState.EXPIRED: 12,
    ChangeState.DENIED: 8,
    ChangeState.WITHDRAWN: 5,
}
_COLUMNS = tuple(column.name for column in changes.columns)
_PURPOSES = (
    "tidy up what the last release left behind", "backfill the new column", "fix the totals of ticket OPS-{}",
    "remove test data", "rename a status as agreed in review {}", "archive what is older than a year",
)  # fmt: skip


def drafts(number: int, now: datetime, seed: int = 5) -> Iterator[Change]:
    """So many changes, oldest first, evenly over the day before `now`; the last few hundred wait for people."""
    chance = random.Random(seed)  # the same changes each time
    works = [_work(chance) for _ in range(4_000)]
    states = chance.choices(list(_STATES), list(_STATES.values()), k=10_007)
    for place in range(number):
        at = now - DAY * ((number - place) / number)
        waits = number - place <= 300
        state = ChangeState.HELD if waits else states[place % len(states)]
        operations, effects, purpose = works[chance.randrange(len(works))]
        if place == number // 5:
            operations = (Operation(Action.DELETE, "DELETE", (Resource("table", RARE_TABLE, "public"),)),)
        former = (
            place < number // 2 and place % 3 and Action.ADMIN not in {each.action for each in operations}
        )
        agent = FORMER if former else AGENTS[int(chance.paretovariate(1)) % len(AGENTS)]
        target, environment = TARGETS[int(chance.paretovariate(1.2)) % len(TARGETS)]
        change = Change(
            id=ids.change_id(ids.change_number(at)),
            agent=agent,
            owner=f"owner-{len(agent) % 7}",
            target=target,
            environment=environment,
            fingerprint=f"7/{target}",
            state=state,
            version=1 if waits else 3,
            content=f"{place:064x}",
            operations=operations,
            measurement=Measurement(effects, f"{place:064x}", "d" * 64, "predicate"),
            decision=_decision(state),
            requested_at=ids.time_of(ids.change_id(ids.change_number(at))),
            updated_at=at,
            expires_at=now + DAY if waits else None,
            session=f"S{place % 900}",
            reason=purpose.format(place % 5_000),
            marker={"xid": str(place + 700), "system": "7300000000000000001", "timeline": "1"},
        )
        yield change


def rows(number: int, now: datetime) -> Iterator[dict[str, Any]]:
    """The same as they are stored."""
    return (change_row(change) for change in drafts(number, now))


def _work(chance: random.Random) -> tuple[tuple[Operation, ...], tuple[Effect, ...], str]:
    made, effects = [], []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        table = Resource("table", name := chance.choice(TABLES), name.partition(".")[0])
        action, verb, kind = chance.choice(
            (
                (Action.UPDATE, "UPDATE", ChangeKind.UPDATED),
                (Action.UPDATE, "UPDATE", ChangeKind.UPDATED),
                (Action.CREATE, "INSERT", ChangeKind.CREATED),
                (Action.DELETE, "DELETE", ChangeKind.DELETED),
            )
        )
        made.append(Operation(action, verb, (table,)))
        count = int(chance.paretovariate(0.8)) % 500
        effects.append(
            Effect(table, kind, count, Unit.ROWS, reversible=True, before=10_000, columns=("status", "note"))
        )
    if chance.random() < 0.02:
        made.append(Operation(Action.ADMIN, "GRANT", (Resource("role", "reporting"),)))
    return tuple(made), tuple(effects), chance.choice(_PURPOSES)


def _decision(state: ChangeState) -> Decision:
    if state is ChangeState.REFUSED:
        return Forbid("the agent has no right to that", ("no-grant",))
    if state in (ChangeState.HELD, ChangeState.DENIED, ChangeState.EXPIRED):
        return Hold(("quorum:two-sre",), ("rows-need-two",))
    return Permit(("grant-1",))


def fill_sqlite(file: Path, number: int) -> None:
    """Into a store that nobody has open."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        marks = ", ".join("?" * len(_COLUMNS))
        made = rows(number, datetime.now(UTC))
        with connection:
            connection.executemany(
                f"INSERT INTO changes ({', '.join(_COLUMNS)}) VALUES ({marks})",
                (tuple(row[name] for name in _COLUMNS) for row in made),
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_postgres(dsn: str, number: int) -> None:
    """As autovacuum leaves it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET search_path TO {PG_SCHEMA}")
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY changes ({', '.join(_COLUMNS)}) FROM STDIN") as copy,
        ):
            for row in rows(number, datetime.now(UTC)):
                copy.write_row([row[name] for name in _COLUMNS])
        connection.execute("VACUUM ANALYZE changes")
        connection.execute("VACUUM ANALYZE activity")
