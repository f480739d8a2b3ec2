"""A stored before-image, table by table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from msgspec import structs

from interlock.connectors.postgres.image import (
    Advanced,
    Created,
    Damaged,
    Definition,
    Deleted,
    Head,
    Inserted,
    Kept,
    KeptRows,
    KeyColumn,
    Row,
    Table,
    Updated,
    decode,
)
from interlock.connectors.postgres.queries import ident, qualified
from interlock.connectors.postgres.undo.kept import StoredKept
from interlock.connectors.postgres.undo.schema.definitions import Definitions


@dataclass(slots=True)
class Stored:
    """What one change did to a table; `refilled`: all that it held before comes back from the trash. `schema`, `name` and `key` are
    set to what they are now before use."""

    table: Table
    inserted: list[Row] = field(default_factory=list)
    deleted: list[Row] = field(default_factory=list)
    updated: list[tuple[Row, Row]] = field(default_factory=list)
    schema: str = ""
    name: str = ""
    key: tuple[KeyColumn, ...] = ()
    refilled: bool = False

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def columns(self) -> str:
        """The place of a row and all recorded columns, as a list for SELECT."""
        named = (f"t.{ident(column.name)}" for column in self.table.columns)
        return ", ".join(["t.ctid::pg_catalog.text", *named])

    @property
    def key_places(self) -> list[int]:
        """Where the key's columns stand in a row."""
        names = [column.name for column in self.table.columns]
        return [names.index(part.name) for part in self.key]

    def leave_out_generated(self) -> None:
        """Forget generated columns (but those of the key): they make themselves, are never set back, and say nothing of who changed
        what."""
        key = {part.name for part in self.key}
        columns = self.table.columns
        places = [n for n, column in enumerate(columns) if not column.generated or column.name in key]
        if len(places) == len(columns):
            return

        def picked(row: Row) -> Row:
            return tuple(row[n] for n in places)

        self.table = structs.replace(self.table, columns=tuple(columns[n] for n in places))
        self.inserted = [picked(row) for row in self.inserted]
        self.deleted = [picked(row) for row in self.deleted]
        pairs = [(picked(old), picked(new)) for old, new in self.updated]
        # Only a generated column changed (its definition did): nothing is left to set back.
        self.updated = [(old, new) for old, new in pairs if old != new]

    def key_of(self, row: Row) -> Row:
        """The key's values; the whole row when there is no key."""
        return tuple(row[place] for place in self.key_places) if self.key else row


@dataclass(slots=True)
class Image:
    """A whole before-image."""

    fingerprint: str
    tables: dict[int, Stored] = field(default_factory=dict)
    created: list[Created] = field(default_factory=list)
    advanced: list[Advanced] = field(default_factory=list)
    kept: list[StoredKept] = field(default_factory=list)

    @property
    def kept_rows(self) -> list[StoredKept]:
        """What can be given back: rows of tables and columns that are not made again have no place."""
        return [stored for stored in self.kept if not (stored.kept.anew and self.definitions.empty)]

    definitions: Definitions = field(default_factory=Definitions)


def load(parts: Iterable[bytes]) -> Image:
    """Read the parts of a before-image. Raises Damaged."""
    frames = decode(parts)
    head = next(frames, None)
    if not isinstance(head, Head):
        raise Damaged("a stored before-image has no head")
    image = Image(head.fingerprint)
    for frame in frames:
        match frame:
            case Head():
                raise Damaged("a stored before-image has two heads")
            case Table():
                image.tables[frame.oid] = Stored(frame, schema=frame.schema, name=frame.name, key=frame.key)
            case Inserted(table, rows):
                _table(image, table).inserted += rows
            case Deleted(table, rows):
                _table(image, table).deleted += rows
            case Updated(table, pairs):
                _table(image, table).updated += pairs
            case Advanced():
                image.advanced.append(frame)
            case Created():
                image.created.append(frame)
            case Definition():
                image.definitions.add(frame)
            case Kept():
                image.kept.append(StoredKept(frame))
                if not frame.anew and frame.oid in image.tables:
                    image.tables[frame.oid].refilled = True
            case KeptRows(rows):
                if not image.kept:
                    raise Damaged("a stored before-image has kept rows of no table")
                image.kept[-1].rows += rows
            case _:
                assert_never(frame)
    return image


def _table(image: Image, oid: int) -> Stored:
    stored = image.tables.get(oid)
    if stored is None:
        raise Damaged("a stored before-image has rows of no table")
    return stored
