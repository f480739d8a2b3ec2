"""Sequences that a transaction stored anew (ALTER SEQUENCE, ALTER COLUMN … RESTART, TRUNCATE … RESTART IDENTITY): do they go on,
or are they set back, so that numbers come again which were given before?

`nextval` and `setval` do not store a sequence anew; both escape a rollback, and are judged elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogRow
from interlock.connectors.postgres.queries import (
    Ask,
    QueryFailed,
    Rows,
    Statement,
    Steps,
    answered,
    array,
    qualified,
    together,
)

_CLOSED = """
SELECT l.relation::pg_catalog.text FROM pg_catalog.pg_locks AS l
 WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'
   AND l.relation OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[]) AND l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'
"""
_STATE = """
SELECT s.last_value::pg_catalog.text, s.is_called::pg_catalog.text, p.seqincrement::pg_catalog.text,
       p.seqmin::pg_catalog.text, p.seqmax::pg_catalog.text
  FROM {} AS s, pg_catalog.pg_sequence AS p WHERE p.seqrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
"""


@dataclass(frozen=True, slots=True)
class Restart:
    """The number that the sequence would have given next, and the one it gives now; `before` is None when it could not be told.
    `end` is the last one that it can give."""

    before: int | None
    now: int
    step: int
    end: int

    @property
    def back(self) -> bool:
        """Whether numbers come again, as far as can be told: doubt is yes."""
        if self.before is None:
            return True
        return self.now < self.before if self.step > 0 else self.now > self.before

    @property
    def spent(self) -> bool:
        """Whether most of the numbers that were left are skipped."""
        if self.before is None:
            return False
        return 2 * abs(self.end - self.now) < abs(self.end - self.before) or self._beyond

    @property
    def _beyond(self) -> bool:
        return self.now > self.end if self.step > 0 else self.now < self.end

    @property
    def words(self) -> str:
        """What happened, for people."""
        if self.before is None:
            return f"restarted at {self.now}"
        if self.before == self.now:
            return f"stored anew, goes on at {self.now}"
        way = (
            "set back"
            if self.back
            else "most of its numbers skipped: set forward"
            if self.spent
            else "set forward"
        )
        return f"{way} from {self.before} to {self.now}"


def state(name: Sequence[str], oid: int) -> Statement:
    """Asks for last value, whether it was given, and the step of one sequence."""
    return _STATE.format(qualified(*name)), (str(oid),)


def next_value(rows: Rows) -> tuple[int, int]:
    """The reply to `state`: the number that comes next, and the step."""
    ((last, called, step, *_),) = rows
    return int(last or 0) + (int(step or 0) if called == "true" else 0), int(step or 0)


def restarts(changed: Mapping[int, tuple[CatalogRow, CatalogRow]]) -> Steps[dict[int, Restart]]:
    """Compare each sequence, given as its old and new catalog row, with what is committed. The lock of ALTER SEQUENCE keeps others
    from taking numbers meanwhile. Under the lock of TRUNCATE nobody else can read it, so the old value is not known."""
    oids = sorted(changed)
    closed, *mine = (yield from together([_mine(changed, oids)]))[0]
    hidden = {int(oid or 0) for (oid,) in closed}
    found = yield from together([_old(changed[oid][0], oid, oid in hidden) for oid in oids])
    return {
        oid: Restart(before[0] if before else None, *_now(rows, before))
        for oid, rows, before in zip(oids, mine, found, strict=True)
    }


def _mine(changed: Mapping[int, tuple[CatalogRow, CatalogRow]], oids: Sequence[int]) -> Steps[list[Rows]]:
    (reply,) = yield (
        Ask(
            "agent",
            ((_CLOSED, (array([str(o) for o in oids]),)), *(state(changed[o][1].names, o) for o in oids)),
        ),
    )
    return answered(reply)


def _now(rows: Rows, before: tuple[int, int] | None) -> tuple[int, int, int]:
    now, step = next_value(rows)
    # The direction is that in which numbers were given: turning it round is no way to call a step back a step forward.
    step = before[1] if before else step
    ((*_, lowest, highest),) = rows
    return now, step, int((highest if step > 0 else lowest) or 0)


def _old(row: CatalogRow, oid: int, hidden: bool) -> Steps[tuple[int, int] | None]:
    if hidden:
        return None
    (reply,) = yield (Ask("observer", (state(row.names, oid),)),)
    return None if isinstance(reply, QueryFailed) or not reply[0] else next_value(reply[0])
