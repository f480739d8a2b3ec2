"""Whether what changed was in the measured effect: each change of the state must be covered by an effect recorded before it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.real.oracle.catalog_names import Row
from tests.real.oracle.state import Difference, TableChange

from interlock.model.effect import ChangeKind, Effect, Evidence, Unit

DERIVED = frozenset(
    ["pg_shdepend", "pg_init_privs", "pg_partitioned_table", "pg_range", "pg_aggregate", "pg_shdescription"]
)
"""Catalogs whose rows only repeat what the row of the object says: some effect must be there, of whatever object."""

NO_NAME = ("pg_authid", "pg_user_mapping", "pg_subscription", "pg_largeobject", "pg_largeobject_metadata")
"""What only a superuser may read, so that an effect can name nothing but the catalog."""

VALUES_TAKEN = ": values taken"
"""Of no consequence alone, and not undone by any rollback."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`missing` is what no effect covers. `over` are tables of which more was measured than changed (allowed: rows touched twice,
    savepoints rolled back)."""

    missing: tuple[str, ...]
    over: tuple[str, ...]


def explain(difference: Difference, effects: Sequence[Effect]) -> Verdict:
    """Look for what the effects do not cover."""
    missing = [*_rows(difference, effects), *_catalogs(difference, effects), *_beyond(difference, effects)]
    if not effects:
        missing = [what for what in missing if not what.endswith(VALUES_TAKEN)]
    return Verdict(tuple(missing), tuple(_over(difference, effects)))


# -- rows


def _of_table(table: TableChange, effects: Sequence[Effect]) -> list[Effect]:
    return [e for e in effects if e.resource.name in table.names]


def _number(effects: Iterable[Effect], *kinds: ChangeKind) -> int:
    return sum(e.count for e in effects if e.unit is Unit.ROWS and e.change in kinds)


def _rows(difference: Difference, effects: Sequence[Effect]) -> Iterator[str]:
    for table in difference.tables:
        found = _of_table(table, effects)
        if _whole(found) or any(e.evidence is Evidence.UNKNOWN for e in found):
            continue
        updated = _number(found, ChangeKind.UPDATED, ChangeKind.REPLACED)
        created = _number(found, ChangeKind.CREATED) + updated
        deleted = _number(found, ChangeKind.DELETED) + updated
        guessed = any(e.evidence is not Evidence.MEASURED for e in found)
        if table.gained > created:
            yield f"{table.names[-1]}: {table.gained} rows came, {created} were measured"
        if table.dropped and any(e.resource.kind == "materialized view" for e in found):
            continue  # its rows are other tables'
        if table.lost > deleted and not (guessed and deleted):
            yield f"{table.names[-1]}: {table.lost} rows went, {deleted} were measured"


def _whole(found: Sequence[Effect]) -> bool:
    """All rows are said to be stored anew, whatever is in them now."""
    words = ("rewritten", "stored anew", "refreshed")
    return any(e.unit is Unit.OBJECTS and any(w in e.detail for w in words) for e in found)


def _over(difference: Difference, effects: Sequence[Effect]) -> Iterator[str]:
    changed = {name: table for table in difference.tables for name in table.names}
    for effect in effects:
        if effect.unit is not Unit.ROWS or effect.change not in (ChangeKind.CREATED, ChangeKind.DELETED):
            continue
        table = changed.get(effect.resource.name)
        really = 0 if table is None else table.gained if effect.change is ChangeKind.CREATED else table.lost
        if effect.count > really:
            yield effect.resource.name


# -- catalogs


def _catalogs(difference: Difference, effects: Sequence[Effect]) -> Iterator[str]:
    objects = [e for e in effects if e.unit is Unit.OBJECTS or e.resource.kind == "large object"]
    lost = [e for e in objects if e.change is not ChangeKind.CREATED]
    whole = {row.address for row in difference.created} | {row.address for row in difference.deleted}
    for row in difference.created:
        yield from _row("+", row, difference, objects, whole)
    for row in difference.deleted:
        yield from _row("-", row, difference, lost, whole)
    for old, new in difference.updated:
        if effects and _only_follows(old, new):
            continue
        yield from _row("~", new, difference, objects, whole)


def _only_follows(old: Row, new: Row) -> bool:
    """Rows that are renamed, moved or given away with the table or type that they belong to, which its own row says."""
    changed = {k for k in new.values if old.values.get(k) != new.values[k]}
    if changed <= {"coninhcount", "attinhcount", "conislocal", "attislocal", "conparentid", "tgparentid"}:
        return bool({"coninhcount", "attinhcount"} & changed)
    kind = str(new.values.get("relkind", ""))
    return (new.catalog == "pg_type" and changed <= {"typname", "typnamespace", "typowner", "typacl"}) or (
        new.catalog == "pg_class" and kind in "tiI" and changed <= {"relowner", "relnamespace", "relname"}
    )


def _row(
    sign: str, row: Row, difference: Difference, effects: Sequence[Effect], whole: set[tuple[str, str]]
) -> Iterator[str]:
    names = difference.names
    if row.catalog == "pg_namespace" and row.name.startswith(("pg_temp_", "pg_toast_temp_")):
        return
    if names.temporary(row) or (effects and _stored(row, difference)):
        return
    if row.catalog in ("pg_depend", "pg_shdepend") and row.values["deptype"] not in "ex":
        return
    if row.catalog in DERIVED:
        if not effects:
            yield f"{sign} {names.label(row)}"
        return
    if not any(_covers(effect, row, difference, whole) for effect in effects):
        yield f"{sign} {names.label(row)}"


def _stored(row: Row, difference: Difference) -> bool:
    """Part of a TOAST table: how values are stored, which follows from its table's columns. (Its options do not.)"""
    if row.catalog == "pg_class" and row.address not in {
        r.address for r in (*difference.created, *difference.deleted)
    }:
        return False
    closure = difference.names.closure(row).values()
    return any(
        one.catalog == "pg_class" and "pg_toast" in difference.names.schemas(one)
        for rows in closure
        for one in rows
    )


def _covers(effect: Effect, row: Row, difference: Difference, whole: set[tuple[str, str]]) -> bool:
    said = f"{effect.resource.kind} {effect.resource.name} {effect.resource.group}"
    if row.catalog in said.replace(" ", "_") or effect.resource.name == row.catalog:
        # An effect on a catalog that could not be attributed, or on one that only superusers read.
        return effect.resource.name == row.catalog or row.key in said or row.catalog == effect.resource.kind
    if row.catalog.startswith("pg_largeobject") and effect.resource.kind == "large object":
        return True  # its number is another one each time
    names = difference.names
    for address, versions in names.closure(row).items():
        if address[0] in NO_NAME and effect.resource.name in NO_NAME:
            return True
        for one in versions:
            if _named(one.name or one.key, said):
                return True
    return False


def _named(name: str, said: str) -> bool:
    at = said.find(name)
    while at >= 0:
        before, after = said[at - 1 : at], said[at + len(name) : at + len(name) + 1]
        if not (before and _WORD.match(before)) and not (after and _WORD.match(after)):
            return True
        at = said.find(name, at + 1)
    return False


# -- beyond


_WORDS = {
    "notification": ("channel",),
    "slot": ("replication",),
    "advisory lock": ("advisory_lock",),
    "session": ("server_process",),
    "setting": ("pg_db_role_setting",),
    "file": (),
}


def _beyond(difference: Difference, effects: Sequence[Effect]) -> Iterator[str]:
    unknown = any(e.evidence is Evidence.UNKNOWN for e in effects)
    for sequence in difference.sequences:
        known = any(
            e.resource.kind == "sequence"
            for e in effects
            if _named(sequence.name.split(".")[-1], e.resource.name)
        )
        any_sequence = any(e.resource.kind == "sequence" and e.resource.name in ("", "*") for e in effects)
        if not (known or any_sequence or unknown) and not sequence.forward:
            yield f"sequence {sequence.name} set back"
        elif not (known or any_sequence or unknown):
            yield f"sequence {sequence.name}{VALUES_TAKEN}"
    for kind, name in difference.beyond:
        if kind == "prepared transaction":
            continue  # what it does was measured when it was prepared, and shows when it is committed
        kinds = _WORDS.get(kind, ())
        if not unknown and not any({e.resource.kind, e.resource.name} & set(kinds) for e in effects):
            yield f"{kind} {name}"
