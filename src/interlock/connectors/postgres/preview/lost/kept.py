"""What was kept of tables and columns that a transaction took away (`losing`): whether it is still there, and its frames.

The copies in the trash are the gateway's own work inside the agent's transaction: they are no effects of the change.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from interlock.connectors.postgres import trash
from interlock.connectors.postgres.image import Frame, Kept, KeptRows
from interlock.connectors.postgres.preview.context import Loss
from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogDiff, CatalogRow
from interlock.connectors.postgres.preview.ddl.catalogs import OID
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps

_ROWS_PER_FRAME = 500
_RELATION = OID["pg_class"]
_ABOUT_RELATION = frozenset({"pg_attribute", "pg_index", "pg_inherits", "pg_sequence"})


@dataclass(slots=True)
class Keepings:
    """What was kept, by table: the newest of whole tables, and all of columns. `copies` are the oids of the tables in the trash."""

    whole: dict[int, Loss] = field(default_factory=dict)
    columns: dict[int, list[Loss]] = field(default_factory=dict)
    copies: frozenset[int] = frozenset()

    def lost(self, oid: int) -> frozenset[str]:
        """The columns of a table that can be given back."""
        return frozenset(name for loss in self.columns.get(oid, ()) if loss.kept for name in loss.lost)


def keepings(losses: Sequence[Loss]) -> Steps[Keepings]:
    """Ask which copies are still there: a savepoint that was rolled back took those made after it along."""
    names = [loss.trash for loss in losses if loss.trash]
    there: dict[str, int] = {}
    if names:
        (reply,) = yield (Ask("agent", (trash.found(names),)),)
        if not isinstance(reply, QueryFailed):
            there = {name or "": int(oid or 0) for name, oid in reply[0]}
    found = Keepings(copies=frozenset(there.values()))
    for loss in losses:
        if loss.trash and loss.trash not in there:
            loss = replace(loss, trash="", reason="the copy of the rows was rolled back")
        if loss.lost:
            found.columns.setdefault(loss.oid, []).append(loss)
        else:
            found.whole[loss.oid] = loss
    return found


def frames(loss: Loss, *, anew: bool, xid: str = "") -> Iterator[Frame]:
    """The before-image of what was kept; `anew` and `xid` as in `Kept`."""
    yield Kept(
        loss.oid,
        loss.schema,
        loss.name,
        loss.columns,
        loss.numbers,
        loss.rows,
        loss.trash,
        loss.lost,
        loss.key,
        xid,
        anew,
    )
    rows = loss.image or ()
    for start in range(0, len(rows), _ROWS_PER_FRAME):
        yield KeptRows(tuple(rows[start : start + _ROWS_PER_FRAME]))


def gone_columns(diff: CatalogDiff) -> dict[int, dict[str, CatalogRow]]:
    """The columns that lost their values: dropped, or given another type. By table and name as they were."""
    gone: dict[int, dict[str, CatalogRow]] = {}
    for old, new in diff.updated:
        if old.catalog != "pg_attribute" or old.values.get("attisdropped"):
            continue
        if new.values.get("attisdropped") or any(
            old.values.get(f) != new.values.get(f) for f in ("atttypid", "atttypmod")
        ):
            gone.setdefault(old.oid, {})[str(old.values.get("attname"))] = old
    return gone


def rewriters(tables: Sequence[tuple[int, str]]) -> Steps[dict[int, str]]:
    """The xmin of the rows of tables (oid, name) that the transaction has rewritten: all rows of one have the same. (A part for
    `queries.together`.)"""
    statements = tuple(
        (f"SELECT t.xmin::pg_catalog.text FROM ONLY {sql} AS t LIMIT 1", ()) for _, sql in tables
    )
    (reply,) = yield (Ask("agent", statements),)
    if isinstance(reply, QueryFailed):
        return {}
    return {oid: rows[0][0] or "" for (oid, _), rows in zip(tables, reply, strict=True) if rows}


def copies_made(diff: CatalogDiff) -> frozenset[int]:
    """Tables that a transaction has made in the trash: nobody but the gateway can."""
    rows = (row for row in diff.created if row.catalog == "pg_class" and row.names[:1] == (trash.SCHEMA,))
    return frozenset(row.oid for row in rows)


def without(diff: CatalogDiff, copies: frozenset[int]) -> None:
    """Take the copies, and all that belongs to them, out of a diff."""
    own = {(_RELATION, oid) for oid in copies}
    for rows in (diff.created, diff.deleted):
        mine = _belonging(rows, diff, own)
        rows[:] = [row for row in rows if id(row) not in mine]


def _belonging(rows: Iterable[CatalogRow], diff: CatalogDiff, own: set[tuple[int, int]]) -> set[int]:
    found: set[int] = set()
    progress = True
    while progress:
        progress = False
        for row in rows:
            if id(row) not in found and own & _addresses(row, diff):
                found.add(id(row))
                if row.catalog not in _ABOUT_RELATION and "/" not in row.key:
                    own.add(row.address)
                progress = True
    return found


def _addresses(row: CatalogRow, diff: CatalogDiff) -> set[tuple[int, int]]:
    """What a catalog row is about, or a part of."""
    if row.catalog in _ABOUT_RELATION:
        return {(_RELATION, row.oid)}
    if row.catalog == "pg_description":
        return {(int(str(row.values["classoid"])), int(str(row.values["objoid"])))}
    parents = {(catalog, oid) for catalog, oid, _ in diff.depends.get(row.address, ())}
    return {row.address, *parents} if "/" not in row.key else set()
