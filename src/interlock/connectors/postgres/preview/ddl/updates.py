"""What a changed catalog row means: which of its fields changed, and what that does to whoever uses the object.

Fields that follow from other changes are `_NOISE`. What has no rule of its own makes its object replaced: doubt means no.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogRow
from interlock.connectors.postgres.preview.ddl.ends import Meaning
from interlock.model.effect import ChangeKind

_NOISE: Mapping[str, frozenset[str]] = {
    "pg_class": frozenset(
        [
            "relnatts",
            "relchecks",
            "relhasrules",
            "relhastriggers",
            "relhassubclass",
            "relhasindex",
            "reltuples",
            "relpages",
            "relallvisible",
            "relallfrozen",
            "relfrozenxid",
            "relminmxid",
            "reltoastrelid",
            "relrewrite",
            "relispartition",
            "relpartbound",
            "relfilenode",
        ]
    ),
    "pg_attribute": frozenset(
        [
            "attinhcount",
            "attislocal",
            "atthasdef",
            "atthasmissing",
            "attmissingval",
            "attlen",
            "attalign",
            "attbyval",
            "attndims",
            "attcacheoff",
        ]
    ),
    "pg_constraint": frozenset(["coninhcount", "connamespace", "conparentid", "conindid"]),
    "pg_database": frozenset(("datfrozenxid", "datminmxid")),
    "pg_index": frozenset(("indcheckxmin", "indisready", "indislive")),
    "pg_trigger": frozenset(("tgparentid", "tgconstrindid")),
    "pg_type": frozenset(("typarray",)),
}

_AS_A_WHOLE: Mapping[str, tuple[ChangeKind, str]] = {
    "pg_auth_members": (ChangeKind.PERMISSION, "membership of a role"),
    "pg_database": (ChangeKind.PERMISSION, "settings of the database"),
    "pg_db_role_setting": (ChangeKind.PERMISSION, "settings of a role or database"),
    "pg_default_acl": (ChangeKind.PERMISSION, "default rights"),
    "pg_description": (ChangeKind.UPDATED, "comment"),
    "pg_foreign_data_wrapper": (ChangeKind.PERMISSION, "foreign-data wrapper"),
    "pg_foreign_server": (ChangeKind.PERMISSION, "foreign server"),
    "pg_foreign_table": (ChangeKind.SETTING, "options"),
    "pg_inherits": (ChangeKind.HIDDEN, "being detached"),
    "pg_largeobject_metadata": (ChangeKind.PERMISSION, "rights"),
    "pg_parameter_acl": (ChangeKind.PERMISSION, "rights"),
    "pg_policy": (ChangeKind.PERMISSION, "row security policy"),
    "pg_publication_namespace": (ChangeKind.REPLICATION, "what is published of the schema"),
    "pg_publication_rel": (ChangeKind.REPLICATION, "which rows and columns are published"),
    "pg_replication_origin": (ChangeKind.REPLICATION, "origin of replication"),
    "pg_seclabel": (ChangeKind.PERMISSION, "security label"),
    "pg_shdescription": (ChangeKind.UPDATED, "comment"),
    "pg_shseclabel": (ChangeKind.PERMISSION, "security label"),
    "pg_statistic_ext": (ChangeKind.SETTING, "statistics"),
    "pg_subscription_rel": (ChangeKind.REPLICATION, "subscription of the table"),
    "pg_tablespace": (ChangeKind.SETTING, "parameters"),
}


@dataclass(frozen=True, slots=True)
class Around:
    """What else is known of the relation that a row belongs to. `has_policy`: it has a policy that lets rows be seen now;
    `rewritten`: its rows were stored anew."""

    has_policy: bool = False
    rewritten: bool = False


def changed_fields(old: CatalogRow, new: CatalogRow) -> frozenset[str]:
    """The fields that differ, without those that only follow from other changes."""
    noise = _NOISE.get(old.catalog, frozenset())
    names = (old.values.keys() | new.values.keys()) - noise - {"oid"}
    return frozenset(name for name in names if old.values.get(name) != new.values.get(name))


def follows(old: CatalogRow, new: CatalogRow) -> bool:
    """Row types and array types change their name and owner with what they belong to (their rights they have for themselves)."""
    if old.catalog != "pg_type" or changed_fields(old, new) - {"typname", "typnamespace", "typowner"}:
        return False
    return old.identity.endswith("[]") or str(old.values.get("typrelid", "0")) != "0"


def meanings(old: CatalogRow, new: CatalogRow, around: Around) -> Iterator[Meaning]:
    """What the update of a catalog row means."""
    fields = set(changed_fields(old, new))
    if old.values.get("coninhcount") != new.values.get("coninhcount"):
        fields.discard("conislocal")  # it follows from a parent that came or went
    if old.catalog == "pg_attribute" and "attisdropped" in fields:
        yield Meaning(ChangeKind.DELETED, "column dropped with its values")
        return
    if old.catalog in _AS_A_WHOLE:
        if fields:
            change, detail = _AS_A_WHOLE[old.catalog]
            yield Meaning(change, f"{detail} changed")
        return
    if old.catalog == "pg_class" and old.values.get("relkind") in ("i", "I"):
        # An index follows its table: it has no owner, rights, schema or persistence of its own.
        fields &= {"relname", "reloptions", "reltablespace"}
    rights = {f for f in fields if f.endswith(("acl", "owner"))}
    if rights:
        yield Meaning(
            ChangeKind.PERMISSION,
            "owner changed" if any(f.endswith("owner") for f in rights) else "rights changed",
        )
    names = {f for f in fields if f.endswith(("name", "namespace")) and isinstance(new.values.get(f), str)}
    if names:
        yield Meaning(ChangeKind.MOVED, f"now {new.identity}")
    yield from _RULES.get(old.catalog, _replaced)(old, new, fields - rights - names, around)


def _replaced(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if fields:
        yield Meaning(ChangeKind.REPLACED, "definition replaced")


def _relation(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    view = old.values.get("relkind") == "v"
    if fields & {"relrowsecurity", "relforcerowsecurity"}:
        yield _row_security(old, new, around)
    if "relpersistence" in fields:
        if new.values.get("relpersistence") == "u":
            yield Meaning(ChangeKind.WEAKENED, "unlogged: a crash empties it")
        else:
            yield Meaning(ChangeKind.UPDATED, "logged")
    if "relispopulated" in fields:
        if new.values.get("relispopulated"):
            yield Meaning(ChangeKind.UPDATED, "filled")
        else:
            yield Meaning(ChangeKind.HIDDEN, "emptied until it is refreshed")
    if "relreplident" in fields:
        yield Meaning(ChangeKind.REPLICATION, "replica identity changed")
    if "reloptions" in fields:
        yield Meaning(ChangeKind.WEAKENED if view else ChangeKind.SETTING, "options changed")
    if fields & {"reltablespace", "relam"}:
        yield Meaning(ChangeKind.SETTING, "storage changed")
    known = {
        "relrowsecurity", "relforcerowsecurity", "relpersistence", "relispopulated", "relreplident", "reloptions",
        "reltablespace", "relam",
    }  # fmt: skip
    yield from _replaced(old, new, fields - known, around)


def _row_security(old: CatalogRow, new: CatalogRow, around: Around) -> Meaning:
    on, was = new.values.get("relrowsecurity"), old.values.get("relrowsecurity")
    if was and not on:
        return Meaning(ChangeKind.WEAKENED, "row security disabled")
    if old.values.get("relforcerowsecurity") and not new.values.get("relforcerowsecurity"):
        return Meaning(ChangeKind.WEAKENED, "row security no longer binds the owner")
    who = "nobody" if new.values.get("relforcerowsecurity") else "nobody but the owner"
    if not around.has_policy:
        return Meaning(ChangeKind.HIDDEN, f"row security without a policy: {who} sees rows")
    return Meaning(ChangeKind.HIDDEN, f"row security: {who} sees rows that no policy allows")


def _column(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if fields & {"atttypid", "atttypmod"}:
        yield _retyped(old, around)
    elif "attcollation" in fields:
        yield Meaning(ChangeKind.REPLACED, "collation changed: other texts are equal, and sorted otherwise")
    if "attnotnull" in fields:
        if new.values.get("attnotnull"):
            yield Meaning(ChangeKind.UPDATED, "NOT NULL set")
        else:
            yield Meaning(ChangeKind.WEAKENED, "NOT NULL dropped")
    if fields & {"attidentity", "attgenerated"}:
        yield Meaning(ChangeKind.WEAKENED, "generation of values changed")
    settings = {"attstattarget", "attoptions", "attstorage", "attcompression", "attfdwoptions"}
    if fields & settings and "atttypid" not in fields:
        yield Meaning(ChangeKind.SETTING, "storage or statistics changed")
    known = {"atttypid", "attcollation", "atttypmod", "attnotnull", "attidentity", "attgenerated"} | settings
    yield from _replaced(old, new, fields - known, around)


def _retyped(old: CatalogRow, around: Around) -> Meaning:
    """The server leaves the rows alone when each value of the old type is one of the new (`ATColumnChangeRequiresRewrite`)."""
    if old.kind == "table column" and not around.rewritten:
        return Meaning(ChangeKind.UPDATED, "type changed, stored values as they were")
    return Meaning(ChangeKind.NARROWED, "type changed: values or their precision may be lost")


def _constraint(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if fields == {"convalidated"} and new.values.get("convalidated"):
        yield Meaning(ChangeKind.UPDATED, "validated")
    elif fields == {"conislocal"}:
        yield Meaning(ChangeKind.UPDATED, "the table's own now, or its parent's only")
    elif fields == {"connoinherit"} and not new.values.get("connoinherit"):
        yield Meaning(ChangeKind.UPDATED, "inherited by the table's children")
    elif fields:
        yield Meaning(ChangeKind.WEAKENED, "constraint changed")


def _trigger(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if old.values.get("rulename") == "_RETURN" and "ev_action" in fields:
        yield Meaning(
            ChangeKind.HIDDEN, "its query was replaced: rows that it showed may not be shown any more"
        )
        fields = fields - {"ev_action"}
    enabled = (
        "tgenabled"
        if old.catalog == "pg_trigger"
        else "evtenabled"
        if old.catalog == "pg_event_trigger"
        else "ev_enabled"
    )
    if enabled in fields:
        if new.values.get(enabled) in ("O", "A"):
            yield Meaning(ChangeKind.UPDATED, "enabled")
        else:
            yield Meaning(ChangeKind.WEAKENED, "disabled")
    yield from _replaced(old, new, fields - {enabled}, around)


def _type(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if "typnotnull" in fields and not new.values.get("typnotnull"):
        yield Meaning(ChangeKind.WEAKENED, "NOT NULL dropped")
    elif fields & {"typdefault", "typdefaultbin", "typnotnull"}:
        yield Meaning(ChangeKind.UPDATED, "default or NOT NULL changed")
    yield from _replaced(old, new, fields - {"typdefault", "typdefaultbin", "typnotnull"}, around)


def _enum(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if "enumlabel" in fields:
        yield Meaning(ChangeKind.MOVED, "value of the enumeration renamed")
    elif fields:
        yield Meaning(ChangeKind.UPDATED, "values of the enumeration sorted otherwise")


_FEW = 1_000_000
"""Numbers: a sequence that has no more than these in all may be used up soon."""


def _sequence(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if new.values.get("seqcycle") and "seqcycle" in fields:
        yield Meaning(ChangeKind.REWOUND, "begins anew at its end: numbers come again")
    was, now = _span(old), _span(new)
    if (was[0] > 0) != (now[0] > 0):
        yield Meaning(ChangeKind.REWOUND, "counts the other way: numbers come again")
    elif now[1] < was[1] or _numbers(now) < min(_numbers(was), _FEW):
        yield Meaning(ChangeKind.WEAKENED, "ends sooner: whoever needs a number after that fails")
    elif fields:
        yield Meaning(ChangeKind.SETTING, "parameters changed")


def _span(row: CatalogRow) -> tuple[int, int, int]:
    """The step of a sequence, and how far it goes in the direction of it: its end, and its beginning."""
    step, low, high = (int(str(row.values.get(name) or 0)) for name in ("seqincrement", "seqmin", "seqmax"))
    return (step, high, low) if step > 0 else (step, -low, -high)


def _numbers(span: tuple[int, int, int]) -> int:
    step, end, begin = span
    return (end - begin) // max(1, abs(step))


def _index(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if "indisreplident" in fields:
        yield Meaning(ChangeKind.REPLICATION, "replica identity changed")
    if fields & {"indisvalid", "indisunique"}:
        yield Meaning(ChangeKind.WEAKENED, "validity of the index changed")
    if fields - {"indisreplident", "indisvalid", "indisunique"}:
        yield Meaning(ChangeKind.SETTING, "role of the index changed")


def _publication(old: CatalogRow, new: CatalogRow, fields: set[str], around: Around) -> Iterator[Meaning]:
    if fields:
        yield Meaning(ChangeKind.REPLICATION, "what is published, or how, changed")


_RULES = {
    "pg_enum": _enum,
    "pg_index": _index,
    "pg_publication": _publication,
    "pg_sequence": _sequence,
    "pg_class": _relation,
    "pg_attribute": _column,
    "pg_constraint": _constraint,
    "pg_trigger": _trigger,
    "pg_event_trigger": _trigger,
    "pg_rewrite": _trigger,
    "pg_type": _type,
}
