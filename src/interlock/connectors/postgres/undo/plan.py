"""Reverting an applied change from its before-image, inside one open transaction.

Foreign keys and triggers stay on: what the change's own cascades and triggers did is in the before-image like everything else, and
is undone like it. Therefore the order is found by trying, and afterwards every row is read again: one that a trigger set to
something else is set once more, and what then still differs refuses the revert (unless forced). What triggers add because
of the revert (a line in an audit table) stays, and shows when the revert is measured as any other work.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.preview.context import Captured
from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, ask
from interlock.connectors.postgres.undo import statements
from interlock.connectors.postgres.undo.attempt import Group, in_some_order
from interlock.connectors.postgres.undo.load import Image, Stored, load
from interlock.connectors.postgres.undo.objects import drops
from interlock.connectors.postgres.undo.present import (
    Todo,
    astray,
    compare,
    expected,
    resolve,
    rows_by_value,
)
from interlock.model.errors import Rejected

_FOREIGN_KEYS = """
SELECT k.conrelid::pg_catalog.text, k.confrelid::pg_catalog.text FROM pg_catalog.pg_constraint AS k
 WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.conrelid OPERATOR(pg_catalog.<>) k.confrelid
   AND k.conrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
"""
DEFAULT_PATH = '"$user", public'
_PASSES = 3
_UPDATES = 100


@dataclass(frozen=True, slots=True)
class TableReverted:
    """What was done to one table: rows put back, set back, removed; and those that could not be (only when forced)."""

    table: str
    inserted: int
    updated: int
    removed: int
    conflicts: str = ""
    inexact: int = 0


@dataclass(frozen=True, slots=True)
class Reverted:
    """What was done. `captured` names the touched rows for the preview's way 1; `dropped` are the objects that were created by the
    change; `gone` is how many of those did not exist any more."""

    tables: tuple[TableReverted, ...]
    dropped: tuple[str, ...]
    gone: int
    captured: tuple[Captured, ...]

    @property
    def complete(self) -> bool:
        """Whether everything is as it was before the change."""
        return not any(table.conflicts or table.inexact for table in self.tables)


def plan(
    parts: Sequence[bytes], *, force: bool, fingerprint: str = "", search_path: str = DEFAULT_PATH
) -> Steps[Reverted]:
    """Undo, on the `maintainer` connection: in an open read-write transaction of isolation READ COMMITTED under
    `queries.CANONICAL_SETTINGS`. The caller measures it and commits, or rolls back. `search_path` is the one that the change ran
    under: triggers may depend on it.

    Raises Rejected, naming tables and numbers, when rows were modified, deleted or made anew since (unless `force`: then the
    columns that the change had set are set back all the same, and what cannot be is left and reported), or when something
    else stands in the way; QueryFailed for other errors; undo.image.Damaged.
    """
    image = load(parts)
    if fingerprint and image.fingerprint != fingerprint:
        raise Rejected("the change was made in another database")
    yield from resolve(image)
    todos: list[Todo] = []
    for stored in image.tables.values():
        todos.append((yield from _compare(stored, force)))
    conflicts = [todo.conflicts for todo in todos if todo.conflicts]
    if conflicts and not force:
        raise Rejected(f"rows were changed since: {'; '.join(conflicts)}")
    objects, gone = yield from drops(image.created, force=force)
    contents = yield from _contents(todos)
    yield from in_some_order([*(yield from _row_stages(image, todos)), objects], search_path)
    inexact = yield from _verify(todos, contents, search_path)
    if sum(inexact) and not force:
        labels = [f"{n} of {todo.stored.label}" for n, todo in zip(inexact, todos, strict=True) if n]
        raise Rejected(f"triggers or cascades keep rows from being as they were: {', '.join(labels)}")
    return Reverted(
        tuple(_report(todo, n) for todo, n in zip(todos, inexact, strict=True)),
        tuple(group.label for group in objects),
        gone,
        tuple(_captured(todo) for todo in todos),
    )


def _compare(stored: Stored, force: bool) -> Steps[Todo]:
    try:
        return (yield from compare(stored, force=force))
    except QueryFailed as failed:
        raise Rejected(f"{stored.label} cannot be read or locked ({failed.sqlstate})") from failed


def _report(todo: Todo, inexact: int) -> TableReverted:
    return TableReverted(
        todo.stored.label, len(todo.insert), len(todo.restore), len(todo.remove), todo.conflicts, inexact
    )


def _captured(todo: Todo) -> Captured:
    oid = str(todo.stored.table.oid)
    ctids = [ctid for _, ctid in todo.remove] + [restore.ctid for restore in todo.restore]
    return Captured(tuple((oid, ctid) for ctid in ctids))


# ---- order ------------------------------------------------------------------------------------------------------------


def _row_stages(image: Image, todos: Sequence[Todo]) -> Steps[list[list[Group]]]:
    """Rows come back parents first, and changed ones are set back; when all that is done, new ones go, children first.
    (Earlier they might take with them, by a cascade, what has yet to be set back.)"""
    order = yield from _parents_first(image)
    ranked = sorted(todos, key=lambda todo: order.get(todo.stored.table.oid, 0))
    back = [group for todo in ranked for group in _inserts(todo)]
    back += [group for todo in ranked for group in _updates(todo)]
    return [back, [group for todo in reversed(ranked) for group in _deletes(todo)]]


def _parents_first(image: Image) -> Steps[dict[int, int]]:
    """A rank for each table: higher than those of the tables it refers to (as far as there is no cycle)."""
    oids = list(image.tables)
    if not oids:
        return {}
    given = ("{" + ",".join(map(str, oids)) + "}",)
    [rows] = yield from ask(Ask("maintainer", ((_FOREIGN_KEYS, given),)))
    edges = [(int(child or 0), int(parent or 0)) for child, parent in rows]
    rank = dict.fromkeys(oids, 0)
    for _ in oids:
        for child, parent in edges:
            if child in rank and parent in rank and rank[child] <= rank[parent] < len(oids):
                rank[child] = rank[parent] + 1
    return rank


def _inserts(todo: Todo) -> list[Group]:
    stored = todo.stored
    width = len(stored.table.columns)
    return [
        Group(stored.label, (statements.insert(stored, chunk),))
        for chunk in statements.chunks(todo.insert, width)
    ]


def _updates(todo: Todo) -> list[Group]:
    """Rows of which the same columns changed are set back together, but those with another key one by one: their order matters."""
    stored = todo.stored
    alike: dict[tuple[int, ...], list[tuple[Row, Row]]] = {}
    single: list[Statement] = []
    for restore in todo.restore:
        places = _settable(stored, restore.changed)
        values = tuple(restore.old[place] for place in places)
        if not places:
            continue
        if not stored.key:
            single.append(statements.update_at(stored, places, values, restore.ctid))
        elif set(places) & set(stored.key_places):
            single.append(statements.update(stored, places, values, stored.key_of(restore.new)))
        else:
            alike.setdefault(tuple(places), []).append((values, stored.key_of(restore.new)))
    groups = [Group(stored.label, (statement,)) for statement in _together(stored, alike)]
    for start in range(0, len(single), _UPDATES):
        groups.append(Group(stored.label, tuple(single[start : start + _UPDATES])))
    return groups


def _together(stored: Stored, alike: dict[tuple[int, ...], list[tuple[Row, Row]]]) -> Iterator[Statement]:
    for places, rows in alike.items():
        for chunk in statements.chunks(rows, len(places) + len(stored.key)):
            yield statements.update_many(stored, places, chunk)


def _settable(stored: Stored, places: Sequence[int]) -> list[int]:
    return [place for place in places if not stored.table.columns[place].generated]


def _deletes(todo: Todo) -> list[Group]:
    stored = todo.stored
    if not todo.remove:
        return []
    if not stored.key:
        return [Group(stored.label, (statements.delete_at(stored, [ctid for _, ctid in todo.remove]),))]
    keys = [stored.key_of(row) for row, _ in todo.remove]
    return [
        Group(stored.label, (statements.delete(stored, chunk),))
        for chunk in statements.chunks(keys, len(stored.key))
    ]


# ---- exactness --------------------------------------------------------------------------------------------------------


def _contents(todos: Sequence[Todo]) -> Steps[dict[int, Counter[Row]]]:
    """What the tables without a key hold before anything is done."""
    contents: dict[int, Counter[Row]] = {}
    for todo in todos:
        if not todo.stored.key:
            rows = yield from rows_by_value(todo.stored)
            contents[todo.stored.table.oid] = Counter(row for _, row in rows)
    return contents


def _verify(todos: Sequence[Todo], contents: dict[int, Counter[Row]], search_path: str) -> Steps[list[int]]:
    """Read everything again, and set once more what triggers set differently. How many rows of each table are not as they were."""
    inexact = [0] * len(todos)
    for attempt in range(_PASSES):
        again: list[Group] = []
        for place, todo in enumerate(todos):
            if not todo.stored.key:
                inexact[place] = yield from _verify_contents(todo, contents[todo.stored.table.oid])
                continue
            different, lost = yield from astray(todo)
            inexact[place] = len(different) + lost
            again += _fix(todo, different)
        if not again or attempt == _PASSES - 1:
            break
        yield from in_some_order([again], search_path)
    return inexact


def _fix(todo: Todo, different: Sequence[tuple[Row, list[int]]]) -> list[Group]:
    stored = todo.stored
    single = [
        statements.update(stored, settable, tuple(row[place] for place in settable), stored.key_of(row))
        for row, places in different
        if (settable := _settable(stored, places))
    ]
    return [Group(stored.label, tuple(single))] if single else []


def _verify_contents(todo: Todo, before: Counter[Row]) -> Steps[int]:
    rows = yield from rows_by_value(todo.stored)
    wanted = expected(todo, before)
    # Rows that triggers add because of the revert are no fault; rows that are missing are.
    wanted.subtract(row for _, row in rows)
    return sum((+wanted).values())
