"""A stored before-image, table by table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from interlock.connectors.postgres.image import (
    Created,
    Damaged,
    Deleted,
    Head,
    Inserted,
    KeyColumn,
    Row,
    Table,
    Updated,
    decode,
)
from interlock.connectors.postgres.queries import ident, qualified


@dataclass(slots=True)
class Stored:
    """What one change did to a table. `schema`, `name` and `key` are set to what they are now before use."""

    table: Table
    inserted: list[Row] = field(default_factory=list)
    deleted: list[Row] = field(default_factory=list)
    updated: list[tuple[Row, Row]] = field(default_factory=list)
    schema: str = ""
    name: str = ""
    key: tuple[KeyColumn, ...] = ()

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def columns(self) -> str:
        """All recorded columns, as a list for SELECT."""
        return ", ".join(f"t.{ident(column.name)}" for column in self.table.columns)

    @property
    def key_places(self) -> list[int]:
        """Where the key's columns stand in a row."""
        names = [column.name for column in self.table.columns]
        return [names.index(part.name) for part in self.key]

    def key_of(self, row: Row) -> Row:
        """The key's values; the whole row when there is no key."""
        return tuple(row[place] for place in self.key_places) if self.key else row


@dataclass(slots=True)
class Image:
    """A whole before-image."""

    fingerprint: str
    tables: dict[int, Stored] = field(default_factory=dict)
    created: list[Created] = field(default_factory=list)


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
            case Created():
                image.created.append(frame)
            case _:
                assert_never(frame)
    return image


def _table(image: Image, oid: int) -> Stored:
    stored = image.tables.get(oid)
    if stored is None:
        raise Damaged("a stored before-image has rows of no table")
    return stored
