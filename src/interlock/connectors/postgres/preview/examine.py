"""From the measuring query's reply to effects and a before-image."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from interlock.connectors.postgres import history
from interlock.connectors.postgres.definitions.facet import Facet
from interlock.connectors.postgres.image import Definition, Frame, Head, Kept, Row, encode
from interlock.connectors.postgres.preview.context import Context
from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogDiff, diff
from interlock.connectors.postgres.preview.ddl.catalogs import IGNORED, OID
from interlock.connectors.postgres.preview.ddl.effects import Ddl, objects, restarted, wishes
from interlock.connectors.postgres.preview.ddl.leaning import leaning
from interlock.connectors.postgres.preview.ddl.names import resource
from interlock.connectors.postgres.preview.ddl.ties import ties
from interlock.connectors.postgres.preview.first import Counts, Facts, read
from interlock.connectors.postgres.preview.lost import kept
from interlock.connectors.postgres.preview.rows import effects as row_effects
from interlock.connectors.postgres.preview.rows.images import count_before, image, plan
from interlock.connectors.postgres.preview.rows.layout import (
    definition_statement,
    layout_statements,
    read_layouts,
)
from interlock.connectors.postgres.preview.rows.touched import Touched, at_most
from interlock.connectors.postgres.preview.sequences.advances import Advances
from interlock.connectors.postgres.preview.sequences.stored import restarts
from interlock.connectors.postgres.queries import Ask, QueryFailed, Rows, Steps, together
from interlock.model.base import digest_of
from interlock.model.change import Measurement
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Resource
from interlock.sdk.connector import Preview

UNPROVEN = "that it can be undone is not proven"
"""The reason of effects whose rows are kept: reversible once undoing the definitions they belong to has been tried."""
_ROWS = frozenset("rm")
_MOST_LAYOUTS = 5_000


def examine(first_rows: Sequence[Rows], context: Context) -> Steps[Preview]:
    """What the transaction did. It must stay open and idle meanwhile; it is left as it was.

    Raises QueryFailed when its connection (not the observer's) can no longer be asked: the transaction must be rolled back then.
    """
    measured, _ = yield from examine_definitions(first_rows, context)
    return measured


def examine_definitions(
    first_rows: Sequence[Rows], context: Context
) -> Steps[tuple[Preview, Preview | None]]:
    """As `examine`; and what could be said if the definitions that were captured can be brought back, which is to be proved
    (`undo.proof`). None when there is nothing to prove."""
    facts = read(first_rows)
    work = _Work(facts, context)
    yield from work.look_at_kept()
    if any(oid not in IGNORED for oid in facts.catalogs):
        yield from work.look_at_catalogs()
    if OID["pg_depend"] in facts.catalogs:
        work.ddl.effects += yield from ties(facts)
    yield from work.look_at_history()
    yield from work.look_at_rows()
    yield from work.look_at_emptied()
    measured = work.preview()
    return measured, work.wished() if measured.measurement.effects else None


class _Work:
    """One examination. The order matters: the catalogs first, because they tell which tables are new or altered."""

    def __init__(self, facts: Facts, context: Context) -> None:
        self.facts = facts
        self.context = context
        self.ddl = Ddl()
        self.diff = CatalogDiff()
        self.kept = kept.Keepings()
        self.rewriters: dict[int, str] = {}
        self.wishing = False
        self.links: history.Links = {}
        self.advances = Advances((), ())
        self.written = [c for c in facts.relations if c.any and not c.temporary and c.kind in _ROWS]
        self.tables: dict[int, Touched] = {}
        self.definitions = ""
        self.emptied: dict[int, tuple[bool, list[Row] | None]] = {}

    # -- what was kept aside

    def look_at_kept(self) -> Steps[None]:
        self.kept = yield from kept.keepings(self.context.losses)
        copies = self.kept.copies
        if copies:
            left = tuple(c for c in self.facts.relations if c.oid not in copies)
            self.facts = replace(self.facts, relations=left)
            self.written = [c for c in self.written if c.oid not in copies]

    # -- catalogs

    def look_at_catalogs(self) -> Steps[None]:
        self.diff = yield from diff(self.facts)
        kept.without(self.diff, self.kept.copies | self.context.copies)
        history.refuse_tampering(self.diff)
        contents = {c.oid: c.inserted - c.deleted for c in self.facts.relations}
        self.ddl = objects(self.diff, contents)
        if self.facts.temp_schema:
            self.ddl.effects += yield from leaning()
        if self.ddl.restarted:
            found = yield from restarts(self.ddl.restarted)
            self.ddl.effects += [restarted(self.ddl.restarted[oid], each) for oid, each in found.items()]

    # -- rows

    def look_at_history(self) -> Steps[None]:
        """What history triggers wrote down. Their table is Interlock's own: that they wrote to it is no effect of the change."""
        if not any(_is_history(c) for c in self.facts.relations):
            return
        self.facts = replace(
            self.facts, relations=tuple(c for c in self.facts.relations if not _is_history(c))
        )
        self.written = [c for c in self.written if not _is_history(c)]
        [links] = yield from together([history.touched(self.context.limits.candidates)])
        self.links = links or {}

    def look_at_rows(self) -> Steps[None]:
        written = [c for c in self.written if c.oid not in self.ddl.made]
        self.tables = {c.oid: plan(c, self.context, self.links.get(c.oid, ())) for c in written}
        for oid in self.ddl.rewritten:
            if oid not in self.tables and oid not in self.ddl.made:
                self.tables[oid] = self._unwritten(oid)
        if not self.tables and not self.ddl.effects:
            return
        self.advances = Advances(self.facts.relations, self.ddl.made)
        parts: list[Steps[None]] = [self._layouts(), self.advances.look()]
        for table in self.tables.values():
            parts += [image(table, self.facts, self.context), count_before(table)]
        yield from together(parts)
        for table in self.tables.values():
            table.reason = table.reason or row_effects.hindrance(table)

    def _unwritten(self, oid: int) -> Touched:
        row, _ = self.ddl.rewritten[oid]
        counts = Counts(oid, str(row.names[0]), row.names[1], "r", False, 0, 0, 0, alone=True)
        return plan(counts, self.context)

    def _layouts(self) -> Steps[None]:
        # Without an observer this asks as the upstream role, outside the transaction: the catalogs are anyone's to read.
        definitions = definition_statement(list(self.tables), self.context.functions, self.context.relations)
        (reply,) = yield (Ask("observer", (definitions,)),)
        if isinstance(reply, QueryFailed):
            for table in self.tables.values():
                table.reason = table.reason or "the observer may not read the catalogs"
            return
        digests = {int(oid or 0): digest or "" for oid, digest in reply[0]}
        self.definitions = digest_of(sorted(digests.values()))
        if not self.context.observer:
            return
        yield from self._learn({(oid, digest) for oid, digest in digests.items() if oid})
        for oid, table in self.tables.items():
            table.layout = self.context.layouts.get((oid, digests.get(oid, "")))

    def _learn(self, wanted: set[tuple[int, str]]) -> Steps[None]:
        """Ask for layouts that are not known yet. Nobody can alter a table that the transaction has written to."""
        known = self.context.layouts
        missing = sorted(wanted - known.keys())
        if not missing:
            return
        (reply,) = yield (Ask("observer", layout_statements([oid for oid, _ in missing])),)
        if isinstance(reply, QueryFailed):
            return
        if len(known) > _MOST_LAYOUTS:
            known.clear()
        layouts = read_layouts(reply)
        known.update({(oid, digest): layouts[oid] for oid, digest in missing if oid in layouts})

    # -- tables that were emptied or rewritten

    def look_at_emptied(self) -> Steps[None]:
        oids = [oid for oid in self.ddl.rewritten if oid in self.tables]
        found = yield from together([self._emptied(self.tables[oid]) for oid in oids])
        self.emptied = dict(zip(oids, found, strict=True))
        altered = [(oid, self.tables[oid].sql) for oid in oids if oid in self.kept.columns]
        if altered:
            [self.rewriters] = yield from together([kept.rewriters(altered)])

    def _emptied(self, table: Touched) -> Steps[tuple[bool, list[Row] | None]]:
        """Whether all rows in the table are the transaction's own, and these rows (None when they cannot be told)."""
        inserted = table.counts.inserted
        (reply,) = yield (Ask("agent", (at_most(table.sql, inserted + 1),)),)
        if isinstance(reply, QueryFailed):
            return True, None
        left = int(reply[0][0][0] or 0)
        if left > inserted:
            return False, None
        if left > self.context.limits.predicate_rows:
            return True, None
        (reply,) = yield (Ask("agent", ((f"SELECT t.* FROM ONLY {table.sql} AS t", ()),)),)
        return True, None if isinstance(reply, QueryFailed) else list(reply[0])

    # -- the result

    def wished(self) -> Preview | None:
        """The same, with all definitions brought back from what was captured."""
        if not (self.context.provable and self.ddl.effects and self.context.observer):
            return None
        if self.diff.unexplained:
            return None
        # What was made is undone by dropping it: that is tried as well.
        self.ddl.effects = wishes(self.ddl.effects, set(self._values_lost()))
        self.wishing = True
        role = self.facts.current_user
        rights = [row for row in self.diff.created if row.catalog == "pg_default_acl"]
        return self.preview(
            [
                *(Definition(role, facet) for facet in self.context.definitions),
                *(
                    Definition(role, None, Facet(row.address, row.kind, (), (), row.identity, {}))
                    for row in rights
                ),
            ]
        )

    def _values_lost(self) -> Iterator[Resource]:
        """Columns of which the definition may come back, but not the values."""
        partitioned = {facet.address[1] for facet in self.context.definitions if facet.sort == "p"}
        for oid, gone in kept.gone_columns(self.diff).items():
            if oid not in self.ddl.made | partitioned:
                here = self.kept.lost(oid)
                yield from (
                    resource(row)
                    for name, row in gone.items()
                    if name not in here and row.kind == "table column"
                )

    def preview(self, definitions: Sequence[Frame] = ()) -> Preview:
        effects: list[Effect] = list(self.ddl.effects)
        frames: list[Frame] = list(definitions)
        ways: set[str] = {"definitions"} if definitions else set()
        effects += self._dropped(frames)
        self._columns(frames)
        for oid, table in self.tables.items():
            if oid in self.emptied and self.emptied[oid][0] and not self._was_empty(oid):
                effects += self._truncated(table, frames, ways)
            else:
                effects += self._rewritten(table)
                effects += row_effects.row_effects(table)
                if table.counts.any and not table.reason:
                    frames += row_effects.frames(table)
                    ways.add(table.way)
        advances = self.advances.frames(self.tables)
        frames += advances
        given_back = {frame.sequence for frame in advances}
        for counts in self.facts.relations:
            if counts.oid in self.ddl.made and counts.any and not counts.temporary:
                effects += row_effects.rows_of_created(counts)
            elif counts.kind == "f":
                effects.append(row_effects.foreign(counts))
            elif counts.kind == "S" and not counts.temporary:
                effects.append(row_effects.advanced(counts, given_back=counts.oid in given_back))
            elif counts.any and counts.kind not in ("r", "m", "t", "S") and not counts.temporary:
                effects.append(row_effects.foreign(counts))
        if self.ddl.created:
            frames += self.ddl.created
            ways.add("drop")
        parts = encode([Head(self.context.identity.fingerprint), *frames]) if frames else ()
        if sum(map(len, parts)) > self.context.limits.image_bytes:
            effects, parts, ways = [_irreversible(e) for e in effects], (), set()
        measurement = Measurement(
            tuple(effects),
            row_effects.affected(self.tables.values(), self.context.limits.digest_rows),
            self.definitions,
            "+".join(sorted(ways)) or "none",
        )
        needed = [frame.trash for frame in frames if isinstance(frame, Kept) and frame.trash]
        return Preview(measurement, parts, self._marker(needed if parts else ()))

    def _marker(self, copies: Sequence[str]) -> dict[str, str]:
        identity = self.context.identity
        if not self.facts.xid:
            return {}
        return {
            "xid": self.facts.xid,
            "system": identity.system,
            "timeline": identity.timeline,
            "database": identity.database,
            **({"kept": " ".join(copies)} if copies else {}),
        }

    def _dropped(self, frames: list[Frame]) -> list[Effect]:
        """The rows of dropped tables: kept, they come back if their table does."""
        effects: list[Effect] = []
        for oid, row in self.ddl.dropped.items():
            loss = self.kept.whole.get(oid)
            rows = loss.rows if loss is not None else self.diff.estimates.get(oid, 0)
            covered, why = False, "the rows of the table were not kept"
            if loss is not None and loss.kept:
                frames += kept.frames(loss, anew=True)
                covered, why = self.wishing, "" if self.wishing else UNPROVEN
            elif loss is not None:
                why = loss.reason or why
            effects += row_effects.rows_lost(
                resource(row), rows, "with the table", exact=loss is not None, reversible=covered, reason=why
            )
        return effects

    def _columns(self, frames: list[Frame]) -> None:
        """The values of dropped and altered columns."""
        for oid, gone in kept.gone_columns(self.diff).items():
            for loss in self.kept.columns.get(oid, ()):
                if loss.kept and gone.keys() & set(loss.lost):
                    frames += kept.frames(loss, anew=True, xid=self.rewriters.get(oid, ""))

    def _truncated(self, table: Touched, frames: list[Frame], ways: set[str]) -> list[Effect]:
        counts, loss = table.counts, self.kept.whole.get(table.counts.oid)
        what = row_effects.table_resource(counts.schema, counts.name or "", counts.kind)
        own = self.emptied[counts.oid][1]
        layout = table.layout
        known = layout is not None and not (layout.unchecked or layout.ruled)
        covered = loss is not None and loss.kept and own is not None and known
        reason = "" if covered else "the rows were not copied before the table was emptied"
        if loss is not None and covered:
            frames += row_effects.loss_frames(table, loss, own or ())
            frames += kept.frames(loss, anew=False) if loss.trash else ()
            ways.add("trash" if loss.trash else "copy")
        rows = loss.rows if loss is not None else self.diff.estimates.get(counts.oid, 0)
        effects = list(
            row_effects.rows_lost(
                what, rows, "emptied", exact=loss is not None, reversible=covered, reason=reason
            )
        )
        if counts.inserted:
            effects.append(
                Effect(
                    what, ChangeKind.CREATED, counts.inserted, Unit.ROWS, reversible=covered, reason=reason
                )
            )
        return effects

    def _was_empty(self, oid: int) -> bool:
        """Whether a table without rows was given other columns: nothing was lost of it."""
        return self.ddl.rewritten[oid][1] and any(loss.rows == 0 for loss in self.kept.columns.get(oid, ()))

    def _rewritten(self, table: Touched) -> list[Effect]:
        if table.counts.oid not in self.emptied:
            return []
        _, altered = self.ddl.rewritten[table.counts.oid]
        what = row_effects.table_resource(table.counts.schema, table.counts.name or "", table.counts.kind)
        if altered:
            oid = table.counts.oid
            gone = kept.gone_columns(self.diff).get(oid, {})
            whole = bool(gone) and gone.keys() <= self.kept.lost(oid)
            why = UNPROVEN if whole else "values that ALTER TABLE rewrote were not kept"
            covered = whole and self.wishing
            return [
                Effect(
                    what,
                    ChangeKind.REPLACED,
                    1,
                    Unit.OBJECTS,
                    reversible=covered,
                    reason="" if covered else why,
                    detail="all rows rewritten",
                )
            ]
        return [
            Effect(
                what,
                ChangeKind.UPDATED,
                1,
                Unit.OBJECTS,
                reversible=True,
                detail="stored anew, values unchanged",
            )
        ]


def _is_history(counts: Counts) -> bool:
    """Only rows added, as the triggers do: whatever else happens to that table is an effect like any other."""
    own = (counts.schema, counts.name, counts.kind) == (history.SCHEMA, history.TABLE, "r")
    return own and not (counts.updated or counts.deleted or counts.alone)


def _irreversible(effect: Effect) -> Effect:
    return structs.replace(effect, reversible=False, reason="the before-image is too large")
