"""Samples: a few rows, definitions or settings as they were and as they would be, for people to judge a change by.

A sample is small by construction (`bounded`), and what must never be shown is not in it: the value of a column whose name says that
it holds a secret is left out when the sample is made (`cell`), not when it is shown.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from interlock.model.base import Value
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Resource

ROWS = 20
"""Most rows of one resource that are kept."""
PARTS = 50
"""Most resources of which something is kept."""
BYTES = 64 * 1024
"""Most bytes of a whole sample, as it is stored."""
_SECRET = re.compile(
    r"passw|passphrase|passcode|secret|token|credential|private.?key|api.?key|access.?key|(?:^|_)(?:pwd|pin|otp|cvv|cvc)(?:_|$)",
    re.IGNORECASE,
)
_STEPS = ((ROWS, 256), (ROWS, 64), (10, 64), (5, 64), (3, 32), (1, 16))
"""What a sample that is too large is cut to, one after the other: rows of each resource, characters of each value."""
_TEXT = 64
"""How many times longer than a value a definition may be."""


class Cell(Value, frozen=True):
    """A value: its text, perhaps cut, and how many characters it has in all. `kept` is False for what must not be shown; `masked`
    tells that `text` stands in its place."""

    text: str = ""
    length: int = 0
    kept: bool = True
    masked: bool = False


class Column(Value, frozen=True):
    """A column of a table: `key` tells that rows are found by it."""

    name: str
    type: str = ""
    key: bool = False


class Row(Value, frozen=True):
    """One row, its cells in the order of the columns (None: NULL). A row that is new has no `before`, one that goes no `after`.
    `changed` are the columns that differ."""

    before: tuple[Cell | None, ...] = ()
    after: tuple[Cell | None, ...] = ()
    changed: tuple[str, ...] = ()


class Rows(Value, frozen=True, tag="rows"):
    """Some of the rows of a table that are created, updated or deleted; of updated ones only the key and the columns that change.
    `of` is how many there are in all (0: not known); `note` says why none is here."""

    resource: Resource
    change: ChangeKind
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    of: int = 0
    note: str = ""


class Text(Value, frozen=True, tag="text"):
    """A definition or settings, as text before and after; empty where there is none. `language` is `sql` for what may have literals
    in it, else empty: settings, in which connectors leave secrets out."""

    resource: Resource
    before: str = ""
    after: str = ""
    language: str = ""


Part: TypeAlias = Rows | Text


class Sample(Value, frozen=True):
    """All of it. `more` counts resources of which there was something as well, and is nothing here."""

    parts: tuple[Part, ...] = ()
    more: int = 0


def cell(column: str, text: str | None) -> Cell | None:
    """A value of a column for a sample, unless its name says that it is a secret."""
    if text is None:
        return None
    longest = _STEPS[0][1]
    return Cell("", len(text), kept=False) if _SECRET.search(column) else Cell(text[:longest], len(text))


def encode(sample: Sample) -> bytes:
    """As it is stored: at most `BYTES`, however much was given. Nothing at all comes out empty."""
    if not sample.parts:
        return b""
    parts = sample.parts[:PARTS]
    more = sample.more + len(sample.parts) - len(parts)
    for rows, characters in _STEPS:
        data = _encoded(tuple(_cut(part, rows, characters) for part in parts), more)
        if len(data) <= BYTES:
            return data
    while len(data) > BYTES:
        parts, more = parts[:-1], more + 1
        data = _encoded(tuple(_cut(part, *_STEPS[-1]) for part in parts), more)
    return data


def decode(data: bytes) -> Sample:
    """Inverse of `encode`. Raises msgspec.DecodeError for what it did not make."""
    return msgspec.json.decode(data, type=Sample) if data else Sample()


def counted(sample: Sample, effects: Sequence[Effect]) -> Sample:
    """A sample with how many rows there are in all, as the effects count them."""
    return msgspec.structs.replace(sample, parts=tuple(_counted(part, effects) for part in sample.parts))


def _counted(part: Part, effects: Sequence[Effect]) -> Part:
    if not isinstance(part, Rows) or part.of:
        return part
    same = (e for e in effects if (e.resource.name, e.change) == (part.resource.name, part.change))
    of = sum(e.count for e in same if e.unit is not Unit.OBJECTS)
    return msgspec.structs.replace(part, of=max(of, len(part.rows)))


def _encoded(parts: tuple[Part, ...], more: int) -> bytes:
    return msgspec.json.encode(Sample(parts, more))


def _cut(part: Part, rows: int, characters: int) -> Part:
    if isinstance(part, Text):
        longest = characters * _TEXT
        return msgspec.structs.replace(
            part, before=_short(part.before, longest), after=_short(part.after, longest)
        )
    kept = tuple(_cut_row(row, characters) for row in part.rows[:rows])
    return msgspec.structs.replace(part, rows=kept)


def _cut_row(row: Row, characters: int) -> Row:
    return Row(
        tuple(_cut_cells(row.before, characters)), tuple(_cut_cells(row.after, characters)), row.changed
    )


def _cut_cells(cells: Sequence[Cell | None], characters: int) -> Iterator[Cell | None]:
    for one in cells:
        yield one if one is None else msgspec.structs.replace(one, text=one.text[:characters])


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}\n…"
