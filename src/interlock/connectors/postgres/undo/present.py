"""What is in the tables now, compared with what the change left there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.preview.layout import layout_statements, read_layouts
from interlock.connectors.postgres.queries import Ask, Steps, ask
from interlock.connectors.postgres.undo import statements
from interlock.connectors.postgres.undo.load import Image, Stored
from interlock.model.errors import Rejected

MOST_WITHOUT_KEY = 200_000
"""The largest table without a key in which rows are looked for."""


@dataclass(frozen=True, slots=True)
class Restore:
    """A row to set back: as it was, as the change left it, where it is now, and whether someone modified it since."""

    old: Row
    new: Row
    ctid: str
    modified: bool = False

    @property
    def changed(self) -> list[int]:
        """The columns that the change set."""
        return [n for n, (old, new) in enumerate(zip(self.old, self.new, strict=True)) if old != new]

    @property
    def compared(self) -> list[int]:
        """The columns that must be as they were afterwards: what others set since is theirs."""
        return self.changed if self.modified else list(range(len(self.old)))


@dataclass(slots=True)
class Todo:
    """What is to be done to one table, and what someone did to its rows since. `remove` (with where they are now), `restore` and
    `insert` are the rows to delete, to set back, and to put back."""

    stored: Stored
    remove: list[tuple[Row, str]] = field(default_factory=list)
    restore: list[Restore] = field(default_factory=list)
    insert: list[Row] = field(default_factory=list)
    modified: int = 0
    missing: int = 0
    taken: int = 0

    @property
    def conflicts(self) -> str:
        """In words, with numbers and without values; empty when there are none."""
        said = [
            f"{number} {what}"
            for number, what in (
                (self.modified, "modified"),
                (self.missing, "deleted"),
                (self.taken, "with their key used again"),
            )
            if number
        ]
        return f"{self.stored.label}: {', '.join(said)}" if said else ""


def resolve(image: Image) -> Steps[None]:
    """Find the tables as they are now (they may have been renamed). Raises Rejected when one is gone or has other columns."""
    oids = list(image.tables)
    if not oids:
        return
    replies = yield from ask(Ask("maintainer", layout_statements(oids)))
    layouts = read_layouts(replies)
    for oid, stored in image.tables.items():
        layout = layouts.get(oid)
        if layout is None:
            raise Rejected(f"the table {stored.label} does not exist any more")
        stored.schema, stored.name = layout.schema, layout.name
        now = {(c.name, c.type, c.generated) for c in layout.columns}
        recorded = {(c.name, c.type, c.generated) for c in stored.table.columns}
        if not recorded <= now:
            raise Rejected(f"the columns of {stored.label} were altered since")
        names = {c.name for c in stored.table.columns}
        stored.key = layout.key if all(part.name in names for part in layout.key) else ()


def compare(stored: Stored, *, force: bool) -> Steps[Todo]:
    """Lock and read the rows in question and decide what to do with each. Raises QueryFailed, Rejected."""
    todo = Todo(stored)
    if stored.key:
        yield from _by_key(todo, force)
    else:
        yield from _by_value(todo, force)
    return todo


def _by_key(todo: Todo, force: bool) -> Steps[None]:
    stored = todo.stored
    inserted, deleted, updated = by_keys(stored)
    keys = [*map(stored.key_of, inserted), *(stored.key_of(new) for _, new in updated)]
    left = yield from rows_by_key(stored, keys)
    for row in inserted:
        present = left.get(stored.key_of(row))
        if _usable(todo, present, row, force):
            assert present is not None
            todo.remove.append((row, present[0]))
    for old, new in updated:
        present = left.get(stored.key_of(new))
        if _usable(todo, present, new, force):
            assert present is not None
            todo.restore.append(Restore(old, new, present[0], present[1] != new))
    there = yield from rows_by_key(stored, [stored.key_of(row) for row in deleted])
    for row in deleted:
        present = there.get(stored.key_of(row))
        if present is None:
            todo.insert.append(row)
        elif present[1] != row:
            todo.taken += 1


def by_keys(stored: Stored) -> tuple[list[Row], list[Row], list[tuple[Row, Row]]]:
    """What became of the keys: rows inserted, deleted and updated.

    A row that got another key stays the same row (whoever refers to it follows), unless its old or new key was another row's
    before or after: then keys, not rows, are put back, because those who refer to a key cannot be told apart.
    """
    key = stored.key_of
    before = {key(row) for row in stored.deleted} | {key(old) for old, _ in stored.updated}
    after = {key(row) for row in stored.inserted} | {key(new) for _, new in stored.updated}
    made = {key(row): row for row in stored.inserted}
    lost = {key(row): row for row in stored.deleted}
    updated: list[tuple[Row, Row]] = []
    for old, new in stored.updated:
        if key(old) != key(new) and (key(old) in after or key(new) in before):
            lost[key(old)] = old
            made[key(new)] = new
        else:
            updated.append((old, new))
    both = made.keys() & lost.keys()
    updated += [(lost[k], made[k]) for k in lost if k in both]
    return (
        [row for k, row in made.items() if k not in both],
        [row for k, row in lost.items() if k not in both],
        updated,
    )


def _usable(todo: Todo, present: tuple[str, Row] | None, expected: Row, force: bool) -> bool:
    if present is None:
        todo.missing += 1
        return False
    if present[1] != expected:
        todo.modified += 1
        return force
    return True


def rows_by_key(stored: Stored, keys: Sequence[Row]) -> Steps[dict[Row, tuple[str, Row]]]:
    """The present rows with these keys: ctid and values. Keys are compared by the index's equality, rows are told apart by text."""
    found: dict[Row, tuple[str, Row]] = {}
    for chunk in statements.chunks(keys, len(stored.key)):
        [rows] = yield from ask(Ask("maintainer", (statements.find(stored, chunk),)))
        for ctid, *values in rows:
            found[stored.key_of(tuple(values))] = ctid or "", tuple(values)
    return found


def _by_value(todo: Todo, force: bool) -> Steps[None]:
    stored = todo.stored
    present = yield from rows_by_value(stored)
    places: dict[Row, list[str]] = {}
    for ctid, row in present:
        places.setdefault(row, []).append(ctid)
    for row in stored.inserted:
        if places.get(row):
            todo.remove.append((row, places[row].pop()))
        else:
            todo.missing += 1
    for old, new in stored.updated:
        if places.get(new):
            todo.restore.append(Restore(old, new, places[new].pop()))
        else:
            todo.missing += 1
    todo.insert = list(stored.deleted)


def rows_by_value(stored: Stored) -> Steps[list[tuple[str, Row]]]:
    """All rows of a table without a key, which is locked against writers: ctid and values."""
    _, rows = yield from ask(Ask("maintainer", statements.everything(stored, MOST_WITHOUT_KEY)))
    if len(rows) > MOST_WITHOUT_KEY:
        raise Rejected(f"{stored.label} has no key and too many rows to find the changed ones")
    return [(ctid or "", tuple(values)) for ctid, *values in rows]


def astray(todo: Todo) -> Steps[tuple[list[tuple[Row, list[int]]], int]]:
    """After all was done: rows that are there but not as they were (as they should be, and the columns in which they differ),
    and how many are missing or should be gone."""
    stored = todo.stored
    wanted = [(restore.old, restore.compared) for restore in todo.restore]
    wanted += [(row, list(range(len(row)))) for row in todo.insert]
    present = yield from rows_by_key(stored, [stored.key_of(row) for row, _ in wanted])
    different: list[tuple[Row, list[int]]] = []
    lost = 0
    for row, places in wanted:
        now = present.get(stored.key_of(row))
        if now is None:
            lost += 1
        elif wrong := [place for place in places if now[1][place] != row[place]]:
            different.append((row, wrong))
    kept = {stored.key_of(row) for row, _ in wanted}
    gone = [stored.key_of(row) for row, _ in todo.remove if stored.key_of(row) not in kept]
    left = yield from rows_by_key(stored, gone)
    return different, lost + len(left)


def expected(todo: Todo, before: Counter[Row]) -> Counter[Row]:
    """What a table without a key should hold afterwards."""
    after = before.copy()
    after.subtract(row for row, _ in todo.remove)
    after.subtract(restore.new for restore in todo.restore)
    after.update(restore.old for restore in todo.restore)
    after.update(todo.insert)
    return +after
