"""What is in the tables now, compared with what the change left there, row by row and column by column.

A row of which somebody since has set other columns than the change had is no conflict: the change's columns are set back, theirs
stay. A conflict is a column that both have set, a row that is gone, a new row that somebody has worked on, a key used again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.preview.rows.layout import Layout, layout_statements, read_layouts
from interlock.connectors.postgres.queries import Ask, Steps, array, ask
from interlock.connectors.postgres.undo import statements
from interlock.connectors.postgres.undo.load import Image, Stored
from interlock.model.conflict import ConflictKind, RowConflict
from interlock.model.errors import Rejected

_LONGEST_NAME = 200
_BY_NAME = """
SELECT pg_catalog.to_regclass(r.name)::pg_catalog.oid::pg_catalog.text
  FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS r(name, place) ORDER BY r.place
"""
_WORDS = {
    ConflictKind.MODIFIED: "modified",
    ConflictKind.DELETED: "deleted",
    ConflictKind.TAKEN: "with their key used again",
    ConflictKind.BLOCKED: "held by other rows",
}


@dataclass(frozen=True, slots=True)
class Restore:
    """A row to set back: as it was, as the change left it, where it is now, and how it is now when someone modified it since."""

    old: Row
    new: Row
    ctid: str
    now: Row

    @property
    def changed(self) -> list[int]:
        """The columns that the change set."""
        return [n for n, (old, new) in enumerate(zip(self.old, self.new, strict=True)) if old != new]

    @property
    def compared(self) -> list[int]:
        """The columns that must be as they were afterwards: what others set since is theirs."""
        return self.changed if self.now != self.new else list(range(len(self.old)))

    @property
    def contested(self) -> list[int]:
        """The columns that the change set and somebody has set differently since (not: back to what they were)."""
        return [n for n in self.changed if self.now[n] not in (self.new[n], self.old[n])]


@dataclass(slots=True)
class Todo:
    """What is to be done to one table, and what someone did to its rows since. `remove` (with where they are now), `restore` and
    `insert` are the rows to delete, to set back, and to put back."""

    stored: Stored
    remove: list[tuple[Row, str]] = field(default_factory=list)
    restore: list[Restore] = field(default_factory=list)
    insert: list[Row] = field(default_factory=list)
    conflicts: list[RowConflict] = field(default_factory=list)

    def conflict(self, row: Row, kind: ConflictKind, places: Iterable[int] = (), *, left: bool) -> None:
        """Note one."""
        self.conflicts.append(conflict(self.stored, row, kind, places, left=left))

    def leave_out(self, row: Row) -> None:
        """Other rows keep this one from being put back."""
        self.insert.remove(row)
        self.conflict(row, ConflictKind.BLOCKED, left=True)

    def leave(self, restore: Restore) -> None:
        """Other rows keep this one from being set back."""
        self.restore.remove(restore)
        self.conflict(restore.new, ConflictKind.BLOCKED, restore.changed, left=True)

    def leave_there(self, found: tuple[Row, str]) -> None:
        """Other rows keep this new one from being taken away."""
        self.remove.remove(found)
        self.conflict(found[0], ConflictKind.BLOCKED, left=True)

    @property
    def summary(self) -> str:
        """The conflicts in words, with numbers and columns and without values; empty when there are none."""
        said: list[str] = []
        for kind, words in _WORDS.items():
            found = [one for one in self.conflicts if one.kind is kind]
            columns = list(dict.fromkeys(column for one in found for column in one.columns))
            if found:
                said.append(f"{len(found)} {words}" + (f" ({', '.join(columns)})" if columns else ""))
        return f"{self.stored.label}: {', '.join(said)}" if said else ""


def conflict(
    stored: Stored, row: Row, kind: ConflictKind, places: Iterable[int] = (), *, left: bool
) -> RowConflict:
    """A conflict about a row of a table."""
    named = stored.key_places if stored.key else range(len(row))
    values = ((stored.table.columns[n].name, row[n]) for n in named)
    name = ", ".join(
        f"{column} = {value}" if value is not None else f"{column} is NULL" for column, value in values
    )
    name = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    columns = tuple(stored.table.columns[n].name for n in places)
    return RowConflict(stored.label, name, kind, columns, left)


def resolve(image: Image) -> Steps[None]:
    """Find the tables as they are now: they may have been renamed, or dropped and made again (another revert does so; then the
    name and the columns tell). Raises Rejected when one is gone or has other columns."""
    if not image.tables:
        return
    layouts = yield from _layouts(list(image.tables))
    again = yield from _made_again([stored for oid, stored in image.tables.items() if oid not in layouts])
    if again:
        image.tables = {again.get(oid, oid): stored for oid, stored in image.tables.items()}
        layouts.update((yield from _layouts(list(again.values()))))
    for oid, stored in image.tables.items():
        stored.table = structs.replace(stored.table, oid=oid)
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
        stored.leave_out_generated()


def _layouts(oids: Sequence[int]) -> Steps[dict[int, Layout]]:
    return read_layouts((yield from ask(Ask("maintainer", layout_statements(oids)))))


def _made_again(gone: Sequence[Stored]) -> Steps[dict[int, int]]:
    """The tables that now have the names of those which are gone: oid by oid."""
    if not gone:
        return {}
    [rows] = yield from ask(Ask("maintainer", ((_BY_NAME, (array([stored.sql for stored in gone]),)),)))
    return {stored.table.oid: int(oid) for stored, (oid,) in zip(gone, rows, strict=True) if oid is not None}


def compare(stored: Stored, *, force: bool) -> Steps[Todo]:
    """Lock and read the rows in question and decide what to do with each. Raises QueryFailed, Rejected."""
    todo = Todo(stored)
    if stored.key:
        yield from _by_key(todo, force)
    else:
        yield from _by_value(todo)
    return todo


def _by_key(todo: Todo, force: bool) -> Steps[None]:
    stored = todo.stored
    inserted, deleted, updated = by_keys(stored)
    keys = [*map(stored.key_of, inserted), *(stored.key_of(new) for _, new in updated)]
    left = yield from rows_by_key(stored, keys)
    for row in inserted:
        _take_away(todo, row, left.get(stored.key_of(row)), force)
    for old, new in updated:
        _set_back(todo, old, new, left.get(stored.key_of(new)), force)
    there = yield from rows_by_key(stored, [stored.key_of(row) for row in deleted])
    for row in deleted:
        present = there.get(stored.key_of(row))
        if present is None:
            todo.insert.append(row)
        elif present[1] != row:
            todo.conflict(row, ConflictKind.TAKEN, _differing(present[1], row), left=True)


def _take_away(todo: Todo, row: Row, present: tuple[str, Row] | None, force: bool) -> None:
    if present is None:
        return  # as it should be
    different = _differing(present[1], row)
    if different:
        # Whatever somebody wrote into a row that the change had made would be lost with it.
        todo.conflict(row, ConflictKind.MODIFIED, different, left=False)
    if force or not different:
        todo.remove.append((row, present[0]))


def _set_back(todo: Todo, old: Row, new: Row, present: tuple[str, Row] | None, force: bool) -> None:
    if present is None:
        todo.conflict(new, ConflictKind.DELETED, left=True)
        return
    restore = Restore(old, new, *present)
    if restore.contested:
        todo.conflict(new, ConflictKind.MODIFIED, restore.contested, left=False)
    if force or not restore.contested:
        todo.restore.append(restore)


def _differing(one: Row, other: Row) -> list[int]:
    return [n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


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


def rows_by_key(stored: Stored, keys: Sequence[Row]) -> Steps[dict[Row, tuple[str, Row]]]:
    """The present rows with these keys: ctid and values. Keys are compared by the index's equality, rows are told apart by text."""
    found: dict[Row, tuple[str, Row]] = {}
    for chunk in statements.chunks(keys, len(stored.key)):
        [rows] = yield from ask(Ask("maintainer", (statements.find(stored, chunk),)))
        for ctid, *values in rows:
            found[stored.key_of(tuple(values))] = ctid or "", tuple(values)
    return found


def _by_value(todo: Todo) -> Steps[None]:
    """Without a key a row is its values: one that is not there any more was modified or deleted, nobody can tell which."""
    stored = todo.stored
    yield from ask(Ask("maintainer", (statements.lock(stored),)))
    present = yield from rows_by_value(stored, [*stored.inserted, *(new for _, new in stored.updated)])
    places: dict[Row, list[str]] = {}
    for ctid, row in present:
        places.setdefault(row, []).append(ctid)
    for row in stored.inserted:
        if places.get(row):
            todo.remove.append((row, places[row].pop()))
        else:
            todo.conflict(row, ConflictKind.DELETED, left=True)
    for old, new in stored.updated:
        if places.get(new):
            todo.restore.append(Restore(old, new, places[new].pop(), new))
        else:
            todo.conflict(new, ConflictKind.DELETED, left=True)
    todo.insert = list(stored.deleted)


def rows_by_value(stored: Stored, wanted: Sequence[Row]) -> Steps[list[tuple[str, Row]]]:
    """The rows of a table without a key that have these values: ctid and values. The table is read once; what is sent is only what
    was asked for."""
    if not wanted:
        return []
    [rows] = yield from ask(Ask("maintainer", (statements.find_values(stored, wanted),)))
    return [(ctid or "", tuple(values)) for ctid, *values in rows]


def concerned(todo: Todo) -> list[Row]:
    """All rows, by value, whose number a revert of a table without a key changes."""
    rows = [row for row, _ in todo.remove] + todo.insert
    return [*rows, *(r for restore in todo.restore for r in (restore.old, restore.new))]


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
    if stored.refilled:
        gone = []  # their keys may be those of rows that came back
    left = yield from rows_by_key(stored, gone)
    return different, lost + len(left)


def expected(todo: Todo, before: Counter[Row]) -> Counter[Row]:
    """How often each of the concerned rows of a table without a key should be there afterwards."""
    after = before.copy()
    after.subtract(row for row, _ in todo.remove)
    after.subtract(restore.new for restore in todo.restore)
    after.update(restore.old for restore in todo.restore)
    after.update(todo.insert)
    return +after
