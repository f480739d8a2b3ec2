"""What is asked just before a statement that takes whole tables or columns away: TRUNCATE, DROP, ALTER TABLE, DROP OWNED.

Once it has run, an ACCESS EXCLUSIVE lock keeps the observer out, and the transaction itself no longer sees the rows. So the tables
are locked against writers, and their rows are counted and kept while they can still be read: little as part of the
before-image, much as a table in the trash, which the agent's own transaction makes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.preview.context import Limits, Loss
from interlock.connectors.postgres.preview.ddl.parts import Parts, parts_of
from interlock.connectors.postgres.preview.lost.closure import Losing, Lost, lost_tables
from interlock.connectors.postgres.preview.lost.keep import keep
from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, array, ask, ident

_SAVEPOINT = '"interlock lock"'
_MOST_TABLES = 1_000
SMALL_BYTES = 32 << 20
"""Tables up to this size (and `Limits.predicate_rows`) are kept in the before-image, if that has room."""

Known = Mapping[int, frozenset[str]]
"""What this transaction has kept before: columns by table, an empty set for a whole table."""


def losing(
    target: Losing,
    limits: Limits,
    key: bytes | None = None,
    known: Known | None = None,
    *,
    purge: bool = False,
) -> Steps[tuple[Loss, ...]]:
    """Run before the statement, in the agent's open read-write transaction. Locks the tables against writers (SHARE ROW
    EXCLUSIVE, as long as the transaction lasts; readers go on), so that what is then counted and kept is exactly what will be lost.
    `key` is the trash's, None when there is no trash.

    A table that cannot be locked or read is left out: its rows are estimated later, and not reversible. What can be
    counted but not kept says why; with `purge` nothing is kept. Raises QueryFailed when the agent's transaction is lost, and
    NoRoom when the rows cannot be kept for want of room.
    """
    known = known or {}
    tables = [t for t in (yield from lost_tables(target)) if known.get(t.oid) != frozenset()]
    if not tables or len(tables) > _MOST_TABLES:
        return ()
    locked = yield from _lock([table for table in tables if _within(table, limits, key)])
    locked = yield from _measured(locked)
    parts = yield from parts_of([table.oid for table in locked])
    losses: list[Loss] = []
    room = limits.image_bytes
    for table in locked:
        if table.oid not in parts:
            continue  # made by this transaction: nobody loses it
        before = known.get(table.oid, frozenset())
        keeping = _Keeping(table, parts[table.oid], limits, before)
        loss = yield from (keeping.purged() if purge else keeping.run(key, room))
        if loss is not None:
            losses.append(loss)
            room -= sum(len(value or "") for row in loss.image or () for value in row)
    return tuple(losses)


def _within(table: Lost, limits: Limits, key: bytes | None) -> bool:
    if key is not None and table.size <= limits.trash_bytes:
        return True
    return table.rows <= limits.scan_rows and table.size <= limits.scan_bytes


def _lock(tables: Sequence[Lost]) -> Steps[list[Lost]]:
    if not tables:
        return []
    names = ", ".join(f"ONLY {table.sql}" for table in tables)
    lock: tuple[Statement, ...] = (
        (f"SAVEPOINT {_SAVEPOINT}", ()),
        (f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE", ()),
        (f"RELEASE SAVEPOINT {_SAVEPOINT}", ()),
    )
    (reply,) = yield (Ask("agent", lock),)
    if not isinstance(reply, QueryFailed):
        return list(tables)
    back = (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ()), (f"RELEASE SAVEPOINT {_SAVEPOINT}", ())
    yield from ask(Ask("agent", back))
    if len(tables) == 1:
        return []
    locked: list[Lost] = []
    for table in tables:
        locked += yield from _lock([table])
    return locked


_SIZES = """
SELECT o::pg_catalog.text, pg_catalog.pg_table_size(o::pg_catalog.regclass)::pg_catalog.text
  FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS o
"""


def _measured(tables: Sequence[Lost]) -> Steps[list[Lost]]:
    """With their real sizes: the statistics may be old. (Whoever has locked them need not wait to ask.)"""
    oids = array([str(table.oid) for table in tables])
    [rows] = yield from ask(Ask("agent", ((_SIZES, (oids,)),)))
    sizes = {int(oid or 0): int(size or 0) for oid, size in rows}
    return [replace(table, size=sizes.get(table.oid, table.size)) for table in tables]


@dataclass(slots=True)
class _Keeping:
    """One locked table whose rows are to be kept. `before` are columns of it that are kept already."""

    table: Lost
    parts: Parts
    limits: Limits
    before: frozenset[str]

    def run(self, key: bytes | None, room: int) -> Steps[Loss | None]:
        """What will be lost: from the observer, who sees what is committed, or else as the agent's transaction sees it."""
        lost = self._lost()
        if not self.table.whole and not lost:
            return None
        columns = self._columns(lost)
        rows = yield from self._count()
        if (
            rows is not None
            and rows <= self.limits.predicate_rows
            and self.table.size <= min(SMALL_BYTES, room)
        ):
            image = yield from self._image(columns)
            if image is not None and len(image) == rows:
                return self._kept(rows, columns, lost, image=image)
        if key is None or self.table.size > self.limits.trash_bytes:
            what = "and there is no trash" if key is None else "even for the trash"
            return None if rows is None else self._gone(rows, f"the rows are too many, {what}")
        columns = [n for n in columns if not self.parts.columns[n].generated]
        copied = yield from keep(key, self.table.oid, columns, lost)
        if rows is not None and copied.name and copied.rows != rows:
            return self._gone(rows, "the rows could not be told")
        if not copied.name:
            return None if rows is None else self._gone(rows, copied.why)
        return self._kept(copied.rows, columns, lost, trash=copied.name)

    def purged(self) -> Steps[Loss | None]:
        """Nothing is to be kept: how much goes."""
        rows = yield from self._count()
        return None if rows is None else self._gone(rows, "it is to be purged: no rows are kept")

    def _lost(self) -> list[int]:
        """Attribute numbers of the lost columns that are not kept yet; none when the whole table goes."""
        if self.table.whole:
            return []
        wanted = self.table.columns
        return [
            n
            for n, column in self.parts.columns.items()
            if (n in wanted or column.name in wanted)
            and not column.generated
            and column.name not in self.before
        ]

    def _columns(self, lost: Sequence[int]) -> list[int]:
        """What to keep: all, or of a table that stays the lost columns and those that tell its rows apart."""
        every = [n for n, column in self.parts.columns.items() if column.name not in self.before]
        if self.table.whole:
            return every
        keys = self.parts.key_numbers
        return sorted({*keys, *lost}) if keys and not set(keys) & set(lost) else every

    def _count(self) -> Steps[int | None]:
        count = (f"SELECT pg_catalog.count(*)::pg_catalog.text FROM ONLY {self.table.sql} AS t", ())
        (reply,) = yield (Ask("observer", (count,)),)
        return None if isinstance(reply, QueryFailed) else int(reply[0][0][0] or 0)

    def _image(self, columns: Sequence[int]) -> Steps[tuple[Row, ...] | None]:
        names = ", ".join(f"t.{ident(self.parts.columns[n].name)}" for n in columns)
        (reply,) = yield (Ask("observer", ((f"SELECT {names} FROM ONLY {self.table.sql} AS t", ()),)),)
        return None if isinstance(reply, QueryFailed) else tuple(reply[0])

    def _gone(self, rows: int, reason: str) -> Loss:
        return Loss(self.table.oid, self.table.schema, self.table.name, rows, reason=reason)

    def _kept(
        self,
        rows: int,
        columns: Sequence[int],
        lost: Sequence[int],
        *,
        image: tuple[Row, ...] | None = None,
        trash: str = "",
    ) -> Loss:
        usable = lost and self.parts.key and not set(self.parts.key_numbers) & set(lost)
        return Loss(
            self.table.oid,
            self.table.schema,
            self.table.name,
            rows,
            image,
            trash=trash,
            numbers=tuple(columns),
            columns=tuple(self.parts.columns[n] for n in columns),
            lost=tuple(self.parts.columns[n].name for n in lost),
            key=self.parts.key if usable else (),
        )
