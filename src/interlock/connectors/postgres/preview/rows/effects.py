"""Effects on rows, and the frames of their before-image."""

from collections.abc import Iterable, Iterator, Sequence

from interlock.connectors.postgres.image import Frame, Row, Table, row_frames
from interlock.connectors.postgres.preview.context import Loss
from interlock.connectors.postgres.preview.ddl.names import relation_kind
from interlock.connectors.postgres.preview.first import Counts
from interlock.connectors.postgres.preview.rows.touched import Touched
from interlock.model.affected import affected as rows_affected
from interlock.model.base import canonical
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource


def table_resource(schema: str, name: str, kind: str = "r") -> Resource:
    return Resource(relation_kind(kind), f"{schema}.{name}", schema)


def row_effects(table: Touched) -> Iterator[Effect]:
    """What the counters say of a table, and whether the before-image covers it."""
    counts = table.counts
    what = table_resource(counts.schema, counts.name or str(counts.oid), counts.kind)
    parent = table.layout.parent if table.layout is not None else ""
    for change, count in (
        (ChangeKind.CREATED, counts.inserted),
        (ChangeKind.UPDATED, counts.updated),
        (ChangeKind.DELETED, counts.deleted),
    ):
        if not count:
            continue
        # A share that cannot be worked out is taken to be all of the table.
        before, bounded = table.before or (count, False)
        yield Effect(
            what,
            change,
            count,
            Unit.ROWS,
            reversible=not table.reason,
            reason=table.reason,
            before=None if change is ChangeKind.CREATED else before,
            before_at_least=change is not ChangeKind.CREATED and bounded,
            columns=changed_columns(table) if change is ChangeKind.UPDATED else (),
            detail=f"partition of {parent}" if parent else "",
        )


def rows_of_created(counts: Counts) -> Iterator[Effect]:
    """Rows of a table that the transaction made go with the table."""
    if counts.inserted:
        what = table_resource(counts.schema, counts.name or str(counts.oid), counts.kind)
        yield Effect(
            what,
            ChangeKind.CREATED,
            counts.inserted,
            Unit.ROWS,
            reversible=True,
            detail="in a table of this change",
        )


def rows_lost(
    what: Resource, rows: int, detail: str, *, exact: bool, reversible: bool = False, reason: str = ""
) -> Iterator[Effect]:
    """All rows of a dropped or emptied table. Without an exact count it is the statistics' (at least one: doubt means no)."""
    count = rows if exact else max(1, rows)
    if count:
        yield Effect(
            what,
            ChangeKind.DELETED,
            count,
            Unit.ROWS,
            Evidence.MEASURED if exact else Evidence.PREDICTED,
            reversible,
            reason,
            before=count,
            detail=detail if exact else f"{detail}; number of rows estimated",
        )


def foreign(counts: Counts) -> Effect:
    """A foreign table that was locked for writing: what happened behind it is not known."""
    what = table_resource(counts.schema, counts.name or str(counts.oid), counts.kind)
    return Effect(
        what, ChangeKind.DELETED, 1, Unit.ROWS, Evidence.UNKNOWN, reason="it lies on another server"
    )


def advanced(counts: Counts, *, given_back: bool) -> Effect:
    """A sequence from which values were taken. Of no consequence, but not undone by a rollback."""
    detail = "values taken, which a revert gives back if nobody has taken one since"
    if not given_back:
        detail = "values taken, which a revert does not give back"
    what = table_resource(counts.schema, counts.name or str(counts.oid), counts.kind)
    return Effect(what, ChangeKind.UPDATED, 0, Unit.OBJECTS, reversible=True, detail=detail)


def hindrance(table: Touched) -> str:
    """Why the rows could not be put back though their image is there; empty when they can. The observer was asked for the table
    by the name that the transaction knows: it must be the same one."""
    layout = table.layout
    if layout is None:
        return f"{table.label} is not visible to the observer"
    if (layout.schema, layout.name) != (table.counts.schema, table.counts.name):
        return f"{table.label} was renamed in the same transaction"
    if layout.unchecked and table.replaced:
        return f"{table.label} has constraints that are not validated: what was there could not be put back"
    if layout.ruled:
        return f"{table.label} has rules, which would act on the way back as well"
    if set(layout.numbered) & set(changed_columns(table)):
        return f"identity values of {table.label} were changed, which only an INSERT may set"
    return ""


def changed_columns(table: Touched) -> tuple[str, ...]:
    """The columns in which some updated row differs; empty when there is no image."""
    if table.layout is None or table.reason:
        return ()
    pairs = table.updated()
    return tuple(
        column.name
        for place, column in enumerate(table.layout.columns)
        if any(old[place] != new[place] for old, new in pairs)
    )


def frames(table: Touched) -> Iterator[Frame]:
    """The before-image of a table without `reason`."""
    layout = table.layout
    assert layout is not None
    yield Table(layout.oid, layout.schema, layout.name, layout.columns, layout.key)
    yield from row_frames(layout.oid, table.inserted(), table.deleted(), table.updated())


def loss_frames(table: Touched, loss: Loss, inserted: Sequence[Row]) -> Iterator[Frame]:
    """The before-image of an emptied table: everything it held, and what is in it now."""
    layout = table.layout
    assert layout is not None
    yield Table(layout.oid, layout.schema, layout.name, layout.columns, layout.key)
    yield from row_frames(layout.oid, inserted, loss.image or ())


def affected(tables: Iterable[Touched], most: int) -> str:
    """Which rows are updated or deleted (`model.affected`): their keys as they were. Empty when an image is missing or they are
    too many.

    New values are not part of it: they may hold the time or the next value of a sequence, which differ each time, and the
    statements that make them are bound by the content.
    """
    keys: list[bytes] = []
    for table in sorted(tables, key=lambda t: t.label):
        if not table.replaced:
            continue
        if table.reason or table.layout is None:
            return ""
        # A NULL is told from the empty text.
        keys += (canonical([table.label, *table.layout.key_of(row)]) for row in table.old.values())
    return rows_affected(keys) if 0 < len(keys) <= most else ""
