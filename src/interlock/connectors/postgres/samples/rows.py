"""From the frames of a before-image to a sample. Frames of a table of which there is enough are passed over unread."""

from collections.abc import Iterator, Sequence

import msgspec

from interlock.connectors.postgres import image
from interlock.connectors.postgres.image import Deleted, Frame, Inserted, Kept, KeptRows, Table, Updated
from interlock.connectors.postgres.samples.texts import text_of
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource
from interlock.model.sample import ROWS, Cell, Column, Part, Row, Rows, Sample, Text, cell

_Values = Sequence[str | None]


class _Peek(msgspec.Struct):
    type: str
    table: int = 0


_PEEK = msgspec.msgpack.Decoder(_Peek)
_CHANGES = {
    "inserted": ChangeKind.CREATED,
    "updated": ChangeKind.UPDATED,
    "deleted": ChangeKind.DELETED,
    "kept_rows": ChangeKind.DELETED,
}


class _Gathered:
    """Rows of one table and kind of change."""

    def __init__(self, table: Table | Kept, change: ChangeKind) -> None:
        self.table, self.change = table, change
        self.pairs: list[tuple[_Values | None, _Values | None]] = []

    @property
    def enough(self) -> bool:
        return len(self.pairs) >= ROWS

    def take(self, pairs: Iterator[tuple[_Values | None, _Values | None]]) -> None:
        for pair in pairs:
            if self.enough:
                return
            self.pairs.append(pair)


def samples(parts: Sequence[bytes]) -> Sample:
    """See `sdk.connector.Samples`. Raises Rejected (Damaged)."""
    tables: dict[int, Table] = {}
    found: dict[tuple[int, ChangeKind], _Gathered] = {}
    shown: list[Part] = []
    kept: Kept | None = None
    for data in image.frames_of(parts, whole=False):
        peek = image.read_as(_PEEK, data)
        change = _CHANGES.get(peek.type)
        oid = kept.oid if change is not None and peek.type == "kept_rows" and kept is not None else peek.table
        if change is not None and (oid, change) in found and found[oid, change].enough:
            continue
        frame = image.read_frame(data)
        match frame:
            case Table():
                tables[frame.oid] = frame
            case Kept():
                kept = frame
                if frame.trash:
                    shown.append(_in_trash(frame))
            case image.Definition():
                shown += [text] if (text := text_of(frame)) is not None else []
            case Inserted() | Deleted() | Updated() | KeptRows() if change is not None:
                about = kept if isinstance(frame, KeptRows) else tables.get(oid)
                if about is not None:
                    found.setdefault((oid, change), _Gathered(about, change)).take(_pairs(frame))
            case _:
                pass
    rows = [_rows(gathered) for gathered in found.values()]
    texts = sorted((p for p in shown if isinstance(p, Text)), key=_gravest)
    return Sample((*rows, *(p for p in shown if isinstance(p, Rows)), *texts))


def _gravest(text: Text) -> tuple[bool, str]:
    """What goes away comes first."""
    return (bool(text.after), text.resource.name)


def _pairs(frame: Frame) -> Iterator[tuple[_Values | None, _Values | None]]:
    match frame:
        case Inserted(_, rows):
            yield from ((None, row) for row in rows)
        case Updated(_, pairs):
            yield from pairs
        case Deleted(_, rows) | KeptRows(rows):
            yield from ((row, None) for row in rows)
        case _:
            return


def _resource(table: Table | Kept) -> Resource:
    return Resource("table", f"{table.schema}.{table.name}", table.schema)


def _in_trash(kept: Kept) -> Rows:
    note = f"they are copied into the target's trash ({kept.rows:,} rows), and not kept here"
    return Rows(_resource(kept), ChangeKind.DELETED, of=kept.rows, note=note)


def _rows(found: _Gathered) -> Rows:
    table = found.table
    key = {part.name for part in table.key}
    lost = set(table.lost) if isinstance(table, Kept) else set()
    columns = list(enumerate(table.columns))
    if found.change is ChangeKind.UPDATED:
        differ = {n for old, new in found.pairs if old and new for n, _ in columns if old[n] != new[n]}
        columns = [(n, column) for n, column in columns if n in differ or column.name in key]
    elif lost:
        columns = [(n, column) for n, column in columns if column.name in lost | key]
    rows = tuple(_row(old, new, columns) for old, new in found.pairs)
    shown = tuple(Column(column.name, column.type, column.name in key) for _, column in columns)
    of = table.rows if isinstance(table, Kept) else 0
    return Rows(_resource(table), found.change, shown, rows, of)


def _row(old: _Values | None, new: _Values | None, columns: Sequence[tuple[int, image.Column]]) -> Row:
    def cells(values: _Values | None) -> tuple[Cell | None, ...]:
        return () if values is None else tuple(cell(column.name, values[n]) for n, column in columns)

    if old is None or new is None:
        return Row(cells(old), cells(new))
    return Row(cells(old), cells(new), tuple(column.name for n, column in columns if old[n] != new[n]))
