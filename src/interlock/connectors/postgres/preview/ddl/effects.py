"""From catalog rows to effects: which objects were created, lost, replaced, hidden, moved, weakened, or changed hands."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from interlock.connectors.postgres.image import Created
from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogDiff, CatalogRow
from interlock.connectors.postgres.preview.ddl.catalogs import CATALOGS, OID
from interlock.connectors.postgres.preview.ddl.drop import drop_statement
from interlock.connectors.postgres.preview.ddl.ends import meaning_of_gone, meaning_of_new
from interlock.connectors.postgres.preview.ddl.names import is_internal, resource
from interlock.connectors.postgres.preview.ddl.updates import Around, follows, meanings
from interlock.connectors.postgres.preview.sequences.stored import Restart
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource

_OWN_OBJECTS = frozenset("rpvmf")
_PARTS = frozenset({"pg_aggregate", "pg_index", "pg_sequence", "pg_foreign_table"})
_RIGHTS = frozenset(
    [
        "pg_default_acl",
        "pg_db_role_setting",
        "pg_auth_members",
        "pg_parameter_acl",
        "pg_seclabel",
        "pg_shseclabel",
    ]
)
_RIGHTS_WHEN_CREATED = _RIGHTS | {"pg_event_trigger", "pg_foreign_server"}
_CONSTRAINT_MEANING = [
    "contype",
    "condeferrable",
    "condeferred",
    "convalidated",
    "conenforced",
    "conkey",
    "confkey",
    "confrelid",
    "confupdtype",
    "confdeltype",
    "confmatchtype",
    "confdelsetcols",
    "conbin",
    "conexclop",
    "conperiod",
]
_INDEX_MEANING = [
    "indkey",
    "indcollation",
    "indexprs",
    "indpred",
    "indisunique",
    "indisprimary",
    "indisexclusion",
    "indimmediate",
    "indnkeyatts",
    "indisvalid",
    "indnullsnotdistinct",
]
REMADE = "dropped and made anew"
NOT_UNDONE = "this kind of change cannot be undone yet"
SHADOWS = "the role of this name finds here first what it does not qualify"
VALUES_LOST = "the values of the column were not kept"

Address = tuple[int, int, int]


@dataclass(slots=True)
class Ddl:
    """The objects' effects; the steps that drop what was created; tables by oid that were made, dropped, and whose storage was
    replaced (with whether their columns were altered); sequences by oid that were stored anew, old and new."""

    effects: list[Effect] = field(default_factory=list)
    created: list[Created] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    dropped: dict[int, CatalogRow] = field(default_factory=dict)
    rewritten: dict[int, tuple[CatalogRow, bool]] = field(default_factory=dict)
    restarted: dict[int, tuple[CatalogRow, CatalogRow]] = field(default_factory=dict)


def objects(diff: CatalogDiff, contents: dict[int, int]) -> Ddl:
    """Judge a diff. `contents`: how many rows the transaction left in tables, by oid (for those it made)."""
    ddl = Ddl()
    made, gone = _addresses(diff.created), _addresses(diff.deleted) | set(_dropped_columns(diff))
    ddl.made = {row.oid for row in diff.created if row.catalog == "pg_class"}
    same = _recreated_alike(diff)
    for row in diff.created:
        if (row.catalog, row.key) not in same and not is_internal(row) and not _part(row, made, diff):
            _create(row, ddl, made, contents)
    for row in diff.deleted:
        if (row.catalog, row.key) not in same and not is_internal(row) and not _part(row, gone, diff):
            _delete(row, ddl, gone)
    _update(diff, ddl)
    for row in diff.shadowing():
        ddl.effects.append(_effect(resource(row), ChangeKind.HIDDEN, SHADOWS, reversible=True))
    ddl.effects = _replacements(ddl.effects)
    for counts in diff.unreadable:
        ddl.effects += _unreadable(counts.oid, counts.inserted, counts.updated, counts.deleted)
    ddl.effects += [
        _unknown(counts.oid, counts.inserted + counts.updated + counts.deleted) for counts in diff.unexplained
    ]
    return ddl


# ---- what is a part of what -------------------------------------------------------------------------------------------


def _addresses(rows: Iterable[CatalogRow]) -> set[Address]:
    return {_address(row) for row in rows if row.catalog == "pg_attribute" or "/" not in row.key}


def _address(row: CatalogRow) -> Address:
    if row.catalog == "pg_attribute":
        relation, number = row.key.split("/")
        return OID["pg_class"], int(relation), int(number)
    return OID[row.catalog], row.oid, 0


def _dropped_columns(diff: CatalogDiff) -> Iterator[Address]:
    for old, new in diff.updated:
        if (
            old.catalog == "pg_attribute"
            and new.values.get("attisdropped")
            and not old.values.get("attisdropped")
        ):
            yield _address(old)


def _part(row: CatalogRow, among: set[Address], diff: CatalogDiff) -> bool:
    """Whether the row belongs to something that is reported itself."""
    if row.catalog == "pg_attribute":
        return (OID["pg_class"], row.oid, 0) in among or int(str(row.values.get("attnum"))) < 0
    if row.catalog == "pg_class" and row.values.get("relkind") in _OWN_OBJECTS:
        return False
    if row.catalog in _PARTS:
        return True
    if row.catalog == "pg_ts_config_map":
        return (OID["pg_ts_config"], row.oid, 0) in among
    if row.catalog == "pg_enum":
        return (OID["pg_type"], int(str(row.values.get("enumtypid"))), 0) in among
    return any(
        parent in among or (*parent[:2], 0) in among
        for parent in diff.depends.get((OID[row.catalog], row.oid), ())
        if "/" not in row.key
    )


def _recreated_alike(diff: CatalogDiff) -> set[tuple[str, str]]:
    """Indexes and constraints that ALTER COLUMN TYPE dropped and made again with the same name and meaning."""
    made = dict(_signatures(diff.created))
    keys: set[tuple[str, str]] = set()
    for signature, row in _signatures(diff.deleted):
        again = made.get(signature)
        if again is not None:
            keys |= {(row.catalog, row.key), (row.catalog, again.key)}
    return keys


def _signatures(rows: Iterable[CatalogRow]) -> Iterator[tuple[str, CatalogRow]]:
    indexes = {row.key: row for row in rows if row.catalog == "pg_index"}
    for row in rows:
        if row.catalog == "pg_constraint":
            yield _signature(row, row, _CONSTRAINT_MEANING), row
        elif row.catalog == "pg_class" and row.key in indexes:
            yield _signature(row, indexes[row.key], _INDEX_MEANING), row


def _signature(row: CatalogRow, source: CatalogRow, fields: Sequence[str]) -> str:
    return repr((row.catalog, row.identity, [source.values.get(field) for field in fields]))


# ---- created and deleted ----------------------------------------------------------------------------------------------


def _create(row: CatalogRow, ddl: Ddl, made: set[Address], contents: dict[int, int]) -> None:
    if _about_another(row, made) or row.values.get("attisdropped"):
        return
    what = resource(row)
    if row.catalog == "pg_trigger" and row.values.get("tgisinternal"):
        return
    if row.catalog == "pg_constraint" and row.values.get("contype") == "n" and meaning_of_new(row) is None:
        return
    change, detail = ChangeKind.CREATED, ""
    if (meaning := meaning_of_new(row)) is not None:
        change, detail = meaning.change, meaning.detail
    elif row.catalog in _RIGHTS_WHEN_CREATED:
        change, detail = ChangeKind.PERMISSION, f"{row.kind or row.catalog} created"
    elif row.catalog in _ABOUT:
        change, detail = ChangeKind.UPDATED, _ABOUT[row.catalog] + " set"
    drop = drop_statement(row.kind, row.identity, row.names) if change is not ChangeKind.UPDATED else ""
    inherited = _inherited(row)
    if drop and not inherited:
        ddl.created.append(_created(row, drop, contents))
    ddl.effects.append(_effect(what, change, detail, reversible=bool(drop) or inherited))


def _inherited(row: CatalogRow) -> bool:
    """Whether it came with the same on a parent, and goes with it."""
    values = row.values
    if row.catalog == "pg_constraint":
        return bool(values.get("coninhcount")) and not values.get("conislocal")
    if row.catalog == "pg_attribute":
        return bool(values.get("attinhcount")) and not values.get("attislocal")
    return row.catalog == "pg_trigger" and str(values.get("tgparentid", 0)) != "0"


_ABOUT = {
    "pg_attrdef": "default",
    "pg_description": "comment",
    "pg_shdescription": "comment",
    "pg_enum": "value of the enumeration",
    "pg_inherits": "parent",
    "pg_ts_config_map": "dictionaries of a kind of token",
}


def _created(row: CatalogRow, drop: str, contents: dict[int, int]) -> Created:
    table = row.catalog == "pg_class" and row.values.get("relkind") == "r"
    return Created(row.kind, row.identity, _address(row), drop, contents.get(row.oid, 0) if table else None)


def _about_another(row: CatalogRow, among: set[Address]) -> bool:
    """Comments, defaults, labels and parents of what was itself created (or dropped)."""
    values = row.values
    match row.catalog:
        case "pg_attrdef":
            subject = (OID["pg_class"], int(str(values["adrelid"])), int(str(values["adnum"])))
        case "pg_description" | "pg_seclabel":
            subject = (int(str(values["classoid"])), int(str(values["objoid"])), int(str(values["objsubid"])))
        case "pg_shdescription" | "pg_shseclabel":
            subject = (int(str(values["classoid"])), int(str(values["objoid"])), 0)
        case "pg_inherits":
            subject = (OID["pg_class"], int(str(values["inhrelid"])), 0)
        case _:
            return False
    return subject in among or (*subject[:2], 0) in among


def _delete(row: CatalogRow, ddl: Ddl, gone: set[Address]) -> None:
    if _about_another(row, gone):
        return
    if row.catalog == "pg_constraint" and row.values.get("contype") == "n":
        return
    change, detail = ChangeKind.DELETED, ""
    if (meaning := meaning_of_gone(row)) is not None:
        change, detail = meaning.change, meaning.detail
    elif row.catalog in _RIGHTS:
        change, detail = ChangeKind.PERMISSION, f"{row.kind or row.catalog} dropped"
    elif row.catalog == "pg_inherits":
        change, detail = ChangeKind.HIDDEN, "detached from its parent"
    elif row.catalog in _ABOUT:
        change, detail = ChangeKind.UPDATED, _ABOUT[row.catalog] + " dropped"
    if row.catalog == "pg_class" and row.values.get("relkind") == "r":
        ddl.dropped[row.oid] = row
    ddl.effects.append(_effect(resource(row), change, detail))


# ---- updated ----------------------------------------------------------------------------------------------------------


def _update(diff: CatalogDiff, ddl: Ddl) -> None:
    altered = _altered_columns(diff)
    rewritten = {
        old.oid
        for old, new in diff.updated
        if old.catalog == "pg_class" and old.values.get("relfilenode") != new.values.get("relfilenode")
    }
    for old, new in diff.updated:
        if old.values.get("relkind") == "t" and old.values.get("reloptions") != new.values.get("reloptions"):
            ddl.effects.append(_effect(resource(old), ChangeKind.SETTING, "options of a TOAST table changed"))
        if is_internal(old) or follows(old, new):
            continue
        stored = old.values.get("relfilenode") != new.values.get("relfilenode")
        if old.catalog == "pg_class" and stored and old.values.get("relkind") in ("r", "m", "S"):
            _stored_anew(old, new, altered, ddl)
        around = Around(has_policy=old.oid in diff.permitting, rewritten=old.oid in rewritten)
        for meaning in meanings(old, new, around):
            ddl.effects.append(_effect(_subject(old, new), meaning.change, meaning.detail))


def _stored_anew(old: CatalogRow, new: CatalogRow, altered: set[int], ddl: Ddl) -> None:
    kind = old.values.get("relkind")
    if kind == "r":
        ddl.rewritten[old.oid] = (new, old.oid in altered)
    elif kind == "m":
        ddl.effects.append(_effect(resource(old), ChangeKind.UPDATED, "refreshed", why="refresh it again"))
    else:
        ddl.restarted[old.oid] = old, new


def _altered_columns(diff: CatalogDiff) -> set[int]:
    """Tables of which a column that stays was altered: ALTER COLUMN … TYPE always writes its catalog row, even when nothing in it
    differs. So a rewrite without one keeps all values."""
    columns = {
        old.oid
        for old, new in diff.updated
        if old.catalog == "pg_attribute" and not new.values.get("attisdropped")
    }
    generated = {int(str(row.values["adrelid"])) for row in diff.deleted if row.catalog == "pg_attrdef"} | {
        int(str(new.values["adrelid"])) for _, new in diff.updated if new.catalog == "pg_attrdef"
    }
    return columns | generated


def _subject(old: CatalogRow, new: CatalogRow) -> Resource:
    if old.catalog == "pg_rewrite" and old.values.get("rulename") == "_RETURN":
        *names, _ = old.names
        return Resource("view", ".".join(names), names[0] if names else "")
    return resource(old)


def restarted(rows: tuple[CatalogRow, CatalogRow], found: Restart) -> Effect:
    """The effect of a sequence that was stored anew."""
    change = ChangeKind.REWOUND if found.back else ChangeKind.WEAKENED if found.spent else ChangeKind.UPDATED
    return _effect(_subject(*rows), change, found.words)


def wishes(effects: Sequence[Effect], without: Container[Resource]) -> list[Effect]:
    """The effects if definitions are brought back from what was captured (`without` those)."""
    return [
        structs.replace(e, reversible=True, reason="")
        if _restorable(e) and e.resource not in without
        else structs.replace(e, reason=VALUES_LOST)
        if _restorable(e)
        else e
        for e in effects
    ]


def _restorable(effect: Effect) -> bool:
    return effect.reason == NOT_UNDONE and effect.evidence is not Evidence.UNKNOWN


# ---- effects ----------------------------------------------------------------------------------------------------------


def _effect(
    what: Resource, change: ChangeKind, detail: str = "", *, reversible: bool = False, why: str = NOT_UNDONE
) -> Effect:
    return Effect(
        what, change, 1, Unit.OBJECTS, reversible=reversible, reason="" if reversible else why, detail=detail
    )


def _replacements(effects: list[Effect]) -> list[Effect]:
    """What was dropped and made again under its name is replaced; what is said twice is said once."""
    deleted = {e.resource for e in effects if e.change is ChangeKind.DELETED}
    both = {e.resource for e in effects if e.change is ChangeKind.CREATED} & deleted
    result: dict[tuple[Resource, ChangeKind], Effect] = {}
    for effect in effects:
        if effect.resource in both and effect.change is ChangeKind.CREATED:
            continue
        if effect.resource in both and effect.change is ChangeKind.DELETED:
            effect = structs.replace(effect, change=ChangeKind.REPLACED, detail=REMADE)
        known = result.setdefault((effect.resource, effect.change), effect)
        if known is not effect and effect.detail and effect.detail not in known.detail.split("; "):
            joined = "; ".join(filter(None, (known.detail, effect.detail)))
            result[effect.resource, effect.change] = structs.replace(known, detail=joined)
    return list(result.values())


def _unreadable(oid: int, inserted: int, updated: int, deleted: int) -> Iterator[Effect]:
    name = CATALOGS[oid]
    if name == "pg_largeobject":
        what = Resource("large object", "pg_largeobject", "")
        numbers = {ChangeKind.CREATED: inserted, ChangeKind.UPDATED: updated, ChangeKind.DELETED: deleted}
        for kind, count in numbers.items():
            if count:
                yield Effect(what, kind, count, Unit.ROWS, reason=NOT_UNDONE, before=count, detail="pages")
        return
    word = {"pg_authid": "role", "pg_user_mapping": "user mapping"}.get(name, "subscription")
    change = ChangeKind.REPLICATION if word == "subscription" else ChangeKind.PERMISSION
    detail = ", ".join(
        f"{n} {verb}" for n, verb in ((inserted, "created"), (updated, "altered"), (deleted, "dropped")) if n
    )
    yield Effect(
        Resource(word, name, ""),
        change,
        inserted + updated + deleted,
        Unit.OBJECTS,
        reason=NOT_UNDONE,
        detail=detail,
    )
    if deleted:
        yield Effect(Resource(word, name, ""), ChangeKind.DELETED, deleted, Unit.OBJECTS, reason=NOT_UNDONE)


def _unknown(oid: int, count: int) -> Effect:
    return Effect(
        Resource("catalog", CATALOGS[oid], "pg_catalog"),
        ChangeKind.DELETED,
        max(1, count),
        Unit.OBJECTS,
        evidence=Evidence.UNKNOWN,
        reason=NOT_UNDONE,
        detail="catalog rows changed that could not be attributed",
    )
