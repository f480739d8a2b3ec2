"""Which catalog rows the open transaction made, changed and removed.

As for tables, but by xid alone: the transaction's own view has the new versions (xmin not older than its xid), the observer's
committed view the old ones (xmax not older than it). Each catalog must account for its counters, else it is `unexplained`.
Reading the catalogs takes no lock on what they describe (`pg_get_indexdef` and its like would: they wait for the transaction).
"""

from dataclasses import dataclass, field

import msgspec

from interlock.connectors.postgres.preview.ddl.catalogs import CATALOGS, IGNORED, OID
from interlock.connectors.postgres.preview.first import Counts, Facts
from interlock.connectors.postgres.preview.rows.touched import still_seen
from interlock.connectors.postgres.queries import (
    Ask,
    QueryFailed,
    Rows,
    Statement,
    Steps,
    answered,
    array,
    ask,
    together,
)

_MOST = 200_000

UNREADABLE = frozenset(OID[n] for n in ("pg_authid", "pg_user_mapping", "pg_largeobject", "pg_subscription"))
"""Catalogs that only a superuser may read: what changed in them is known by its number alone."""

_KEYS: dict[str, tuple[str, ...]] = {
    "pg_aggregate": ("aggfnoid::pg_catalog.oid",),
    "pg_attribute": ("attrelid", "attnum"),
    "pg_auth_members": ("roleid", "member", "grantor"),
    "pg_db_role_setting": ("setdatabase", "setrole"),
    "pg_description": ("classoid", "objoid", "objsubid"),
    "pg_foreign_table": ("ftrelid",),
    "pg_index": ("indexrelid",),
    "pg_inherits": ("inhrelid", "inhseqno"),
    "pg_replication_origin": ("roident",),
    "pg_seclabel": ("classoid", "objoid", "objsubid", "provider"),
    "pg_sequence": ("seqrelid",),
    "pg_shdescription": ("classoid", "objoid"),
    "pg_shseclabel": ("classoid", "objoid", "provider"),
    "pg_subscription_rel": ("srsubid", "srrelid"),
    "pg_ts_config_map": ("mapcfg", "maptokentype", "mapseqno"),
}
"""Catalogs without an oid column."""

# What a row of these is about: class, oid, column number.
_ADDRESS: dict[str, tuple[str, str, str]] = {
    "pg_aggregate": ("1255", "c.aggfnoid::pg_catalog.oid", "0"),
    "pg_attribute": (
        "1259",
        "c.attrelid",
        "CASE WHEN c.attisdropped THEN 0 ELSE c.attnum::pg_catalog.int4 END",
    ),
    "pg_description": ("c.classoid", "c.objoid", "c.objsubid"),
    "pg_foreign_table": ("1259", "c.ftrelid", "0"),
    "pg_index": ("1259", "c.indexrelid", "0"),
    "pg_inherits": ("1259", "c.inhrelid", "0"),
    "pg_largeobject_metadata": ("2613", "c.oid", "0"),
    "pg_seclabel": ("c.classoid", "c.objoid", "c.objsubid"),
    "pg_sequence": ("1259", "c.seqrelid", "0"),
    "pg_shdescription": ("c.classoid", "c.objoid", "0"),
    "pg_shseclabel": ("c.classoid", "c.objoid", "0"),
    "pg_subscription_rel": ("1259", "c.srrelid", "0"),
    "pg_ts_config_map": ("3602", "c.mapcfg", "0"),
    "pg_enum": ("1247", "c.enumtypid", "0"),
    "pg_attrdef": ("1259", "c.adrelid", "c.adnum::pg_catalog.int4"),
}
_NO_ADDRESS = frozenset({"pg_auth_members", "pg_db_role_setting", "pg_replication_origin"})

_DEPENDS = """
SELECT d.classid::pg_catalog.text, d.objid::pg_catalog.text, d.refclassid::pg_catalog.text, d.refobjid::pg_catalog.text,
       d.refobjsubid::pg_catalog.text
  FROM pg_catalog.pg_depend AS d
 WHERE d.objid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[]) AND d.classid OPERATOR(pg_catalog.>=) 1::pg_catalog.oid
   AND d.deptype OPERATOR(pg_catalog.=) ANY ('{i,a,e,P,S}'::pg_catalog."char"[])
"""

_PERMITTING = """
SELECT DISTINCT p.polrelid::pg_catalog.text FROM pg_catalog.pg_policy AS p
 WHERE p.polpermissive AND p.polrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
"""

_USERS = """
SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r
 WHERE r.rolname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[])
   AND r.rolname OPERATOR(pg_catalog.<>) SESSION_USER
"""

_ESTIMATES = """
SELECT c.oid::pg_catalog.text,
       pg_catalog.greatest(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid))::pg_catalog.text
  FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
""".replace("pg_catalog.greatest", "GREATEST")


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One version of a catalog row. `kind`, `schema` and `identity` are `pg_identify_object`'s, `names` the unquoted parts of its
    name."""

    catalog: str
    key: str
    ctid: str
    values: dict[str, object]
    kind: str
    schema: str
    identity: str
    names: tuple[str, ...]

    @property
    def oid(self) -> int:
        """The row's oid; of a catalog without, the relation's that the row belongs to."""
        return int(self.key.split("/", 1)[0])

    @property
    def address(self) -> tuple[int, int]:
        return OID[self.catalog], self.oid


@dataclass(slots=True)
class CatalogDiff:
    """The transaction's DDL. `depends` leads from an address (class, oid) to what it is a part of
    (class, oid, column number); `permitting` are the changed relations with a policy that lets rows be seen, `users` the other
    roles that are called like a new schema.
    """

    created: list[CatalogRow] = field(default_factory=list)
    deleted: list[CatalogRow] = field(default_factory=list)
    updated: list[tuple[CatalogRow, CatalogRow]] = field(default_factory=list)
    unexplained: list[Counts] = field(default_factory=list)
    unreadable: list[Counts] = field(default_factory=list)
    depends: dict[tuple[int, int], set[tuple[int, int, int]]] = field(default_factory=dict)
    estimates: dict[int, int] = field(default_factory=dict)
    permitting: set[int] = field(default_factory=set)
    users: set[str] = field(default_factory=set)

    def shadowing(self) -> list[CatalogRow]:
        """New schemas that come first in the search path of a role of their name, for what it does not qualify."""
        schemas = [row for row in _named_anew(self) if row.catalog == "pg_namespace"]
        return [row for row in schemas if row.values.get("nspname") in self.users]

    @property
    def empty(self) -> bool:
        return not (self.created or self.deleted or self.updated or self.unexplained or self.unreadable)


def diff(facts: Facts) -> Steps[CatalogDiff]:
    """Compare the transaction's view of the catalogs with the committed one."""
    result = CatalogDiff()
    own = str(int(facts.xid or 0) & 0xFFFFFFFF)
    counts = [c for oid, c in sorted(facts.catalogs.items()) if oid not in IGNORED]
    result.unreadable = [c for c in counts if c.oid in UNREADABLE]
    readable = [c for c in counts if c.oid not in UNREADABLE]
    yield from together([_compare(c, own, result) for c in readable])
    if not result.empty:
        yield from _details(result)
    return result


def _compare(counts: Counts, own: str, result: CatalogDiff) -> Steps[None]:
    name = CATALOGS[counts.oid]
    observer, agent = yield (Ask("observer", (_old(name, own),)), Ask("agent", (_new(name),)))
    try:
        (old_rows,), (new_rows,) = answered(observer), answered(agent)
        new, unsure = _read(name, new_rows, own)
        old, _ = _read(name, old_rows, own)
        yield from _drop_foreign(name, new, unsure)
        yield from _drop_kept(name, old, new)
    except QueryFailed:
        result.unexplained.append(counts)
        return
    net = len(new) - len(old) == counts.inserted - counts.deleted
    if not net or len(new) > counts.inserted + counts.updated or len(old) > counts.updated + counts.deleted:
        result.unexplained.append(counts)
    for key, row in new.items():
        if key in old:
            result.updated.append((old[key], row))
        else:
            result.created.append(row)
    result.deleted += [row for key, row in old.items() if key not in new]


def _drop_foreign(name: str, new: dict[str, CatalogRow], unsure: set[str]) -> Steps[None]:
    """Forget new versions of other transactions: those that the observer sees as well."""
    if unsure:
        [seen] = yield from ask(Ask("observer", (still_seen(_table(name), sorted(unsure)),)))
        committed = {row[0] for row in seen}
        for key in [key for key, row in new.items() if row.ctid in committed]:
            del new[key]


def _drop_kept(name: str, old: dict[str, CatalogRow], new: dict[str, CatalogRow]) -> Steps[None]:
    """Forget old versions that the transaction still sees: somebody else is changing them."""
    doubtful = sorted(row.ctid for key, row in old.items() if key not in new)
    if doubtful:
        [seen] = yield from ask(Ask("agent", (still_seen(_table(name), doubtful),)))
        kept = {row[0] for row in seen}
        for key in [key for key, row in old.items() if row.ctid in kept]:
            del old[key]


def _details(result: CatalogDiff) -> Steps[None]:
    made = [str(row.oid) for row in result.created if row.catalog not in _KEYS]
    gone = [str(row.oid) for row in result.deleted if row.catalog not in _KEYS]
    changed = [str(old.oid) for old, _ in result.updated if old.catalog == "pg_class"]
    schemas = [str(r.values.get("nspname")) for r in _named_anew(result) if r.catalog == "pg_namespace"]
    asked = [
        Ask("observer", ((_DEPENDS, (array(gone),)), (_ESTIMATES, (array(gone + changed),)))),
        Ask(
            "agent",
            ((_DEPENDS, (array(made),)), (_PERMITTING, (array(changed),)), (_USERS, (array(schemas),))),
        ),
    ]
    [(observer, agent)] = yield from together([_both(*asked)])
    for rows in (observer[0], agent[0]):
        for cls, oid, ref_class, ref, sub in rows:
            to = result.depends.setdefault((int(cls or 0), int(oid or 0)), set())
            to.add((int(ref_class or 0), int(ref or 0), int(sub or 0)))
    result.users = {str(name) for (name,) in agent[2]}
    result.permitting = {int(oid or 0) for (oid,) in agent[1]}
    result.estimates = {int(oid or 0): int(number or 0) for oid, number in observer[1]}


def _named_anew(result: CatalogDiff) -> list[CatalogRow]:
    """The new versions of what was made, or may have been renamed."""
    return [*result.created, *(new for _, new in result.updated)]


def _both(first: Ask, second: Ask) -> Steps[tuple[list[Rows], list[Rows]]]:
    one, two = yield (first, second)
    return answered(one), answered(two)


def _table(name: str) -> str:
    return f'pg_catalog."{name}"'


def _select(name: str) -> str:
    keys = _KEYS.get(name, ("oid",))
    key = ", ".join(f"c.{k}" for k in keys)
    if name in _NO_ADDRESS:
        identity, source = "NULL, NULL, NULL, NULL", ""
    else:
        address = ", ".join(_ADDRESS.get(name, ("c.tableoid", "c.oid", "0")))
        identity = "i.type, i.schema, i.identity, pg_catalog.to_jsonb(n.object_names)::pg_catalog.text"
        source = (
            f" LEFT JOIN LATERAL pg_catalog.pg_identify_object({address}) AS i ON true"
            f" LEFT JOIN LATERAL pg_catalog.pg_identify_object_as_address({address}) AS n ON true"
        )
    return (
        f"SELECT pg_catalog.concat_ws('/', {key}), c.ctid::pg_catalog.text, c.xmin::pg_catalog.text,"
        f" pg_catalog.to_jsonb(c)::pg_catalog.text, {identity}"
        f" FROM {_table(name)} AS c{source}"
    )


def _new(name: str) -> Statement:
    return f"{_select(name)} WHERE pg_catalog.age(c.xmin) OPERATOR(pg_catalog.<=) 0 LIMIT {_MOST}", ()


def _old(name: str, own: str) -> Statement:
    return (
        f"{_select(name)} WHERE c.xmax OPERATOR(pg_catalog.<>) 0"
        f" AND pg_catalog.age(c.xmax) OPERATOR(pg_catalog.<=) pg_catalog.age($1::pg_catalog.xid) LIMIT {_MOST}",
        (own,),
    )


def _read(name: str, rows: Rows, own: str) -> tuple[dict[str, CatalogRow], set[str]]:
    found: dict[str, CatalogRow] = {}
    unsure: set[str] = set()
    for key, ctid, xmin, values, kind, schema, identity, names in rows:
        row = CatalogRow(
            name,
            key or "",
            ctid or "",
            msgspec.json.decode(values or "{}", type=dict[str, object]),
            kind or "",
            schema or "",
            identity or "",
            tuple(msgspec.json.decode(names or "[]", type=list[str])),
        )
        found[row.key] = row
        if xmin != own:
            unsure.add(row.ctid)
    return found, unsure
