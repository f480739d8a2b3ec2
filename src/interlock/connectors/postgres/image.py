"""The before-image as it is stored.

A sequence of frames, each a msgpack value behind its length (four bytes, big-endian), cut into parts wherever a part is full. Row
values are the text that the type's output function gives under `queries.CANONICAL_SETTINGS`; its input function gives the value
back. The first frame is a `Head`.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import msgspec

from interlock.connectors.postgres.definitions.facet import Facet
from interlock.model.errors import Rejected

T = TypeVar("T")
VERSION = 1
PART_BYTES = 4 << 20
"""The size of a part (the sdk's limit)."""
_ROWS_PER_FRAME = 500

Row: TypeAlias = tuple[str | None, ...]
"""The values of one row, in the order of its table's columns."""


class Column(msgspec.Struct, frozen=True):
    """A column: its name, its type as `format_type` names it without modifiers, whether it is generated (and so is never
    restored)."""

    name: str
    type: str
    generated: bool = False


class KeyColumn(msgspec.Struct, frozen=True):
    """A column of the key by which rows are found, and the equality operator of the unique index, ready for OPERATOR(…)."""

    name: str
    operator: str


class Head(msgspec.Struct, frozen=True, tag="head"):
    """What is undone, where."""

    fingerprint: str
    version: int = VERSION


class Table(msgspec.Struct, frozen=True, tag="table"):
    """A table whose rows follow. Without `key` a row is found by all of its values."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[KeyColumn, ...] = ()


class Inserted(msgspec.Struct, frozen=True, tag="inserted"):
    """Rows that the change left new in a table (by oid)."""

    table: int
    rows: tuple[Row, ...]


class Deleted(msgspec.Struct, frozen=True, tag="deleted"):
    """Rows that the change removed."""

    table: int
    rows: tuple[Row, ...]


class Updated(msgspec.Struct, frozen=True, tag="updated"):
    """Rows that the change altered: as they were, and as it left them."""

    table: int
    rows: tuple[tuple[Row, Row], ...]


class Created(msgspec.Struct, frozen=True, tag="created"):
    """An object that the change created, in the order of creation. `kind` and `identity` as `pg_identify_object` gives them,
    `address` its catalog, oid and column number; `drop` is the statement that removes it. `content` is what tells
    whether it got data since: for a table how many rows the change left in it, for a column None."""

    kind: str
    identity: str
    address: tuple[int, int, int]
    drop: str
    content: int | None = None


class Kept(msgspec.Struct, frozen=True, tag="kept"):
    """What a table lost that a statement dropped, emptied or altered; it is found again by its name, because made anew it has
    another oid.

    The values of `columns` in so many `rows` are in the table `trash` of the trash, there called `c` and the attribute number
    (`numbers`); or, when that is empty, in the `KeptRows` that follow. `lost` are the columns to set back in rows that stayed
    (found by `key`, where the table has one), none when whole rows are to come back; `xid` is the xmin of all rows if the
    change has rewritten them: another one tells that somebody changed the row since. `anew`: the table or the columns must be
    made again first (as definitions are undone), else the rows have no place.
    """

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    numbers: tuple[int, ...]
    rows: int
    trash: str = ""
    lost: tuple[str, ...] = ()
    key: tuple[KeyColumn, ...] = ()
    xid: str = ""
    anew: bool = False


class KeptRows(msgspec.Struct, frozen=True, tag="kept_rows"):
    """Rows of the `Kept` before it."""

    rows: tuple[Row, ...]


class Definition(msgspec.Struct, frozen=True, tag="definition"):
    """An object as it `was` before the change and as the change `left` it (None: it was not there). `role` is whose it was to
    change it: the one that changes it back."""

    role: str
    was: Facet | None = None
    left: Facet | None = None


class Advanced(msgspec.Struct, frozen=True, tag="advanced"):
    """A sequence of which the change took the values `first` to `last`, all of them in rows that it made, in `column` of `table`
    (both `table` and `sequence` by oid). `start` and `step` are the sequence's own."""

    sequence: int
    schema: str
    name: str
    table: int
    column: str
    first: int
    last: int
    start: int
    step: int


Frame: TypeAlias = (
    Advanced | Head | Table | Inserted | Deleted | Updated | Created | Kept | KeptRows | Definition
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_LENGTH = struct.Struct("!I")


class Damaged(Rejected):
    """The parts are not what `encode` made."""


def encode(frames: Iterable[Frame]) -> tuple[bytes, ...]:
    """Frames to parts of at most `PART_BYTES`."""
    parts: list[bytes] = []
    buffer = bytearray()
    for frame in frames:
        data = _ENCODER.encode(frame)
        buffer += _LENGTH.pack(len(data)) + data
        while len(buffer) >= PART_BYTES:
            parts.append(bytes(buffer[:PART_BYTES]))
            del buffer[:PART_BYTES]
    if buffer:
        parts.append(bytes(buffer))
    return tuple(parts)


def decode(parts: Iterable[bytes]) -> Iterator[Frame]:
    """Parts to frames. Raises Damaged."""
    return map(read_frame, frames_of(parts))


def read_frame(data: bytes) -> Frame:
    """One frame of `frames_of`. Raises Damaged."""
    return read_as(_DECODER, data)


def read_as(decoder: "msgspec.msgpack.Decoder[T]", data: bytes) -> T:
    """The same with a decoder that reads less of it."""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Damaged("a stored before-image cannot be read") from error


def frames_of(parts: Iterable[bytes], *, whole: bool = True) -> Iterator[bytes]:
    """Parts to frames that are still encoded. Raises Damaged when they are not all that there were, unless not the `whole` is
    wanted."""
    buffer = bytearray()
    for part in parts:
        buffer += part
        while len(buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer)
            end = _LENGTH.size + length
            if len(buffer) < end:
                break
            yield bytes(buffer[_LENGTH.size : end])
            del buffer[:end]
    if buffer and whole:
        raise Damaged("a stored before-image is cut short")


def row_frames(
    table: int,
    inserted: Sequence[Row] = (),
    deleted: Sequence[Row] = (),
    updated: Sequence[tuple[Row, Row]] = (),
) -> Iterator[Frame]:
    """The rows of a table, a few hundred in a frame."""
    step = _ROWS_PER_FRAME
    for start in range(0, len(inserted), step):
        yield Inserted(table, tuple(inserted[start : start + step]))
    for start in range(0, len(deleted), step):
        yield Deleted(table, tuple(deleted[start : start + step]))
    for start in range(0, len(updated), step):
        yield Updated(table, tuple(updated[start : start + step]))
