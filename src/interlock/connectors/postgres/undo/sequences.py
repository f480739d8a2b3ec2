"""Giving back the values that a change took from sequences; and, when its rows come back, seeing to it that none is given twice."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.image import Advanced
from interlock.connectors.postgres.queries import (
    Ask,
    QueryFailed,
    Statement,
    Steps,
    array,
    ask,
    ident,
    qualified,
)
from interlock.connectors.postgres.undo.present import Todo

_SAVEPOINT = '"interlock sequence"'
_BEGIN: Statement = (f"SAVEPOINT {_SAVEPOINT}", ())
_KEEP: Statement = (f"RELEASE SAVEPOINT {_SAVEPOINT}", ())
_BACK: Statement = (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ())

_PRESENT = """
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_sequence AS q ON q.seqrelid OPERATOR(pg_catalog.=) c.oid
 WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND q.seqstart OPERATOR(pg_catalog.=) $2::pg_catalog.int8
   AND q.seqincrement OPERATOR(pg_catalog.=) $3::pg_catalog.int8 AND q.seqcache OPERATOR(pg_catalog.=) 1
   AND pg_catalog.pg_has_role(session_user, c.relowner, 'USAGE')
"""
_OWNED = """
SELECT d.refobjid::pg_catalog.text, a.attname::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) d.objid AND c.relkind OPERATOR(pg_catalog.=) 'S'
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_sequence AS q ON q.seqrelid OPERATOR(pg_catalog.=) c.oid
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) d.refobjid
   AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid::pg_catalog.int2
 WHERE d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid AND d.refclassid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
   AND d.refobjid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
   AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[])
   AND q.seqincrement OPERATOR(pg_catalog.>) 0 AND pg_catalog.has_sequence_privilege(session_user, c.oid, 'UPDATE')
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sequence and its column are now."""

    name: str
    table: str
    column: str


def give_back(advanced: Sequence[Advanced], todos: Sequence[Todo]) -> Steps[frozenset[str]]:
    """Set each sequence back to where it was before the change, when the change took the last value that was given and no row
    holds one of its values any more. Runs after the rows, in the open transaction: ALTER SEQUENCE stores the sequence anew,
    and its lock keeps others from taking values until the end. Returns the names of those set back, `schema.name`."""
    done: list[str] = []
    for each in advanced:
        place = yield from _place(each, todos)
        if place is not None and (yield from _unused(each, place)):
            failed = yield from _set(each, place)
            if not failed:
                done.append(f"{each.schema}.{each.name}")
    return frozenset(done)


def _place(each: Advanced, todos: Sequence[Todo]) -> Steps[_Place | None]:
    stored = next((todo.stored for todo in todos if todo.stored.table.oid == each.table), None)
    given = (str(each.sequence), str(each.start), str(each.step))
    [rows] = yield from ask(Ask("maintainer", ((_PRESENT, given),)))
    if stored is None or not rows:
        return None
    schema, name = rows[0]
    return _Place(qualified(schema or "", name or ""), stored.sql, ident(each.column))


def _unused(each: Advanced, place: _Place) -> Steps[bool]:
    state = (f"SELECT s.last_value::pg_catalog.text, s.is_called::pg_catalog.text FROM {place.name} AS s", ())
    held = (
        f"SELECT EXISTS (SELECT FROM {place.table} AS t WHERE t.{place.column}"
        " OPERATOR(pg_catalog.>=) $1::pg_catalog.int8)::pg_catalog.text"
    )
    (reply,) = yield (Ask("maintainer", (_BEGIN, state, (held, (str(each.first),)), _KEEP)),)
    if isinstance(reply, QueryFailed):
        yield from ask(Ask("maintainer", (_BACK, _KEEP)))
        return False
    return reply[1] == [(str(each.last), "true")] and reply[2] == [("false",)]


def _set(each: Advanced, place: _Place) -> Steps[bool]:
    """True when it failed: somebody came first, and nothing is left of the attempt."""
    before = (str(each.start), "false") if each.first == each.start else (str(each.first - each.step), "true")
    lock = (f"ALTER SEQUENCE {place.name} CACHE 1", ())
    (reply,) = yield (Ask("maintainer", (_BEGIN, lock)),)
    if isinstance(reply, QueryFailed) or not (yield from _unused(each, place)):
        yield from ask(Ask("maintainer", (_BACK, _KEEP)))
        return True
    # After RESTART the storage is this transaction's own, so that setval goes with it whichever way it ends.
    restart = (f"ALTER SEQUENCE {place.name} RESTART", ())
    value = (
        "SELECT pg_catalog.setval($1::pg_catalog.regclass, $2::pg_catalog.int8, $3::bool)",
        (place.name, *before),
    )
    yield from ask(Ask("maintainer", (restart, value, _KEEP)))
    return False


def catch_up(todos: Sequence[Todo]) -> Steps[None]:
    """Rows came back with the values they had: where their sequence was set back meanwhile, it goes on behind them, or it would
    give these values once more."""
    back = {todo.stored.table.oid: todo for todo in todos if todo.insert}
    if not back:
        return
    [rows] = yield from ask(Ask("maintainer", ((_OWNED, (array([str(oid) for oid in back]),)),)))
    for oid, column, schema, name in rows:
        todo = back[int(oid or 0)]
        place = next((n for n, c in enumerate(todo.stored.table.columns) if c.name == column), None)
        values = (
            [] if place is None else [int(row[place] or 0) for row in todo.insert if row[place] is not None]
        )
        if values:
            sequence = qualified(schema or "", name or "")
            ahead = (
                f"SELECT pg_catalog.setval($1::pg_catalog.regclass, $2::pg_catalog.int8, true) FROM {sequence} AS s"
                " WHERE s.last_value OPERATOR(pg_catalog.<) $2::pg_catalog.int8"
            )
            yield from ask(Ask("maintainer", ((ahead, (sequence, str(max(values)))),)))
