"""Copying rows into the trash, on the agent's own connection and in its transaction: the copy is there if and only if the change
is committed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres import trash
from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, ask

_SAVEPOINT = '"interlock keep"'
_BACK: tuple[Statement, ...] = (
    (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ()),
    (f"RELEASE SAVEPOINT {_SAVEPOINT}", ()),
)
NO_ROOM = ("53", "54", "57", "58", "XX")
"""Classes of SQLSTATE that say nothing of rights or rows: no room, cancelled, a broken disk (manual, appendix A)."""

_REASONS = {
    "42501": "not everything in the table may be read (privileges or row security)",
    "55006": "rows of the table were changed before in the same transaction",
    "0A000": "the snapshot of the transaction may be older than the rows",
    "3F000": "the trash is not set up",
    "42883": "the trash is not set up",
}


class NoRoom(QueryFailed):
    """The rows cannot be kept for want of room (or of time, or of a sound disk): what would lose them must not run. The message is
    ours, and may be shown."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy's `name` in the trash (empty: none, and `why`), and how many rows it has."""

    name: str = ""
    rows: int = 0
    why: str = ""


def keep(key: bytes, table: int, columns: Sequence[int], lost: Sequence[int] = ()) -> Steps[Copied]:
    """Copy columns of a table. What cannot be kept is a reason; that there is no room raises NoRoom, with the agent's
    transaction as it was before."""
    [where] = yield from ask(Ask("agent", (trash.WHERE_WE_ARE,)))
    pid, xid = where[0][0] or "", where[0][1] or ""
    # One copy for each set of columns that a transaction takes away.
    what = hashlib.sha256(repr((sorted(columns), sorted(lost))).encode()).hexdigest()[:8]
    name = f"kept_{xid}_{table}_{what}"
    copy = trash.keep(key, pid, xid, table, columns, name)
    (reply,) = yield (
        Ask("agent", ((f"SAVEPOINT {_SAVEPOINT}", ()), copy, (f"RELEASE SAVEPOINT {_SAVEPOINT}", ()))),
    )
    if not isinstance(reply, QueryFailed):
        return Copied(name, int(reply[1][0][0] or 0))
    yield from ask(Ask("agent", _BACK))
    if reply.sqlstate.startswith(NO_ROOM):
        why = f"the rows that this would take away cannot be kept in the trash (SQLSTATE {reply.sqlstate})"
        raise NoRoom(reply.sqlstate, why)
    return Copied(why=_REASONS.get(reply.sqlstate, f"the rows could not be kept ({reply.sqlstate})"))
