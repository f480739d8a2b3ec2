"""The steps that put rows back, in the order in which they are tried."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.queries import Ask, Statement, Steps, ask
from interlock.connectors.postgres.undo import statements
from interlock.connectors.postgres.undo.attempt import Group
from interlock.connectors.postgres.undo.load import Image, Stored
from interlock.connectors.postgres.undo.present import Restore, Todo

_FOREIGN_KEYS = """
SELECT k.conrelid::pg_catalog.text, k.confrelid::pg_catalog.text FROM pg_catalog.pg_constraint AS k
 WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.conrelid OPERATOR(pg_catalog.<>) k.confrelid
   AND k.conrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
"""
_UPDATES = 100

Single = tuple[Statement, Callable[[], None]]
"""What puts one row back, and what to do when it has to be left."""


def row_stages(image: Image, todos: Sequence[Todo]) -> Steps[list[list[Group]]]:
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


def _group(todo: Todo, together: Sequence[Statement], single: Callable[[], Iterator[Single]]) -> Group:
    """Statements about rows of one table; `single` are the same row by row, which only a forced revert wants."""
    label = todo.stored.label

    def split() -> tuple[Group, ...]:
        return tuple(Group(label, (statement,), leave=leave) for statement, leave in single())

    return Group(label, tuple(together), split)


def _inserts(todo: Todo) -> Iterator[Group]:
    stored = todo.stored

    def single(rows: Sequence[Row]) -> Iterator[Single]:
        return ((statements.insert(stored, [row]), partial(todo.leave_out, row)) for row in rows)

    for chunk in statements.chunks(todo.insert, len(stored.table.columns)):
        yield _group(todo, [statements.insert(stored, chunk)], partial(single, chunk))


def _updates(todo: Todo) -> Iterator[Group]:
    """Rows of which the same columns changed are set back together, but those with another key one by one: their order matters."""
    stored = todo.stored
    alike: dict[tuple[int, ...], list[Restore]] = {}
    alone: list[Restore] = []
    for restore in todo.restore:
        places = settable(stored, restore.changed)
        if places and (not stored.key or set(places) & set(stored.key_places)):
            alone.append(restore)
        elif places:
            alike.setdefault(tuple(places), []).append(restore)

    def single(restores: Sequence[Restore]) -> Iterator[Single]:
        return ((_update(stored, restore), partial(todo.leave, restore)) for restore in restores)

    for places_set, restores in alike.items():
        for chunk in statements.chunks(restores, len(places_set) + len(stored.key)):
            rows = [(tuple(r.old[place] for place in places_set), stored.key_of(r.new)) for r in chunk]
            yield _group(todo, [statements.update_many(stored, places_set, rows)], partial(single, chunk))
    for start in range(0, len(alone), _UPDATES):
        some = alone[start : start + _UPDATES]
        yield _group(todo, [_update(stored, restore) for restore in some], partial(single, some))


def _update(stored: Stored, restore: Restore) -> Statement:
    places = settable(stored, restore.changed)
    values = tuple(restore.old[place] for place in places)
    if not stored.key:
        return statements.update_at(stored, places, values, restore.ctid)
    return statements.update(stored, places, values, stored.key_of(restore.new))


def settable(stored: Stored, places: Sequence[int]) -> list[int]:
    """The columns that can be set."""
    return [place for place in places if not stored.table.columns[place].generated]


def _deletes(todo: Todo) -> Iterator[Group]:
    stored = todo.stored

    def delete(found: Sequence[tuple[Row, str]]) -> Statement:
        if stored.key:
            return statements.delete(stored, [stored.key_of(row) for row, _ in found])
        return statements.delete_at(stored, [ctid for _, ctid in found])

    def single(found: Sequence[tuple[Row, str]]) -> Iterator[Single]:
        return ((delete([each]), partial(todo.leave_there, each)) for each in found)

    for chunk in statements.chunks(todo.remove, len(stored.key)):
        yield _group(todo, [delete(chunk)], partial(single, chunk))
