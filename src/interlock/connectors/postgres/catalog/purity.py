"""Whether what a statement names does nothing but read: pure only when every possible meaning of every name is known to be.

The server picks among functions, operators and types of one name by search path and argument types; all of that name must be
harmless here, so that neither matters. Reasons are short phrases; an empty one means pure.
"""

from interlock.connectors.postgres.catalog.model import FIRST_USER_OID, Catalog, Function, Relation
from interlock.connectors.postgres.parse import Call, Facts, Name, collect, parse
from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex, SqlTooLarge
from interlock.connectors.postgres.verbs.functions import ROWS, TRUSTED_EXTENSIONS, rule_of
from interlock.connectors.postgres.verbs.operators import OPERATORS
from interlock.connectors.postgres.verbs.relations import SECRET, SYSTEM_SCHEMAS
from interlock.connectors.postgres.verbs.rules import FunctionKind

_NOT_READS = frozenset(name for name, rule in ROWS.items() if rule.kind is not FunctionKind.READ)
_PENDING = "refers to itself"
_NEVER_ON_READ = ("default", "statistics")


def impurity(catalog: Catalog, facts: Facts, *, temp: bool = False) -> str:
    """Why a statement is no pure read; empty when it is one. `temp` tells that the session has temporary objects, which come
    before all others of the same name."""
    if facts.unknown:
        return f"{facts.unknown[0]} is not in the reviewed table"
    if facts.writes:
        return f"{facts.writes[0].verb} changes {facts.writes[0].relation}"
    if facts.impure:
        return facts.impure[0]
    if facts.definitions:
        return "changes definitions"
    if hostile_cast(catalog):
        return "a cast between built-in types is user-defined"
    for call in facts.calls:
        if why := _call(catalog, call):
            return why
    for name in facts.operators:
        if why := _operator(catalog, name):
            return why
    for name in facts.types:
        if why := _type_name(catalog, name, temp):
            return why
    for name in facts.reads:
        if why := _relation_name(catalog, name, facts.ctes, temp):
            return why
    called = facts.attributes & (catalog.attributes | _NOT_READS)
    return f"{min(called)} may be a function" if called else ""


def impure_type(catalog: Catalog, oid: int) -> str:
    """Why values of a type cannot be read in and compared without running somebody's code; for the types of parameters."""
    if oid < FIRST_USER_OID:
        return ""
    key = ("type", oid)
    known: str | None = catalog.memo.get(key)
    if known is None:
        catalog.memo[key] = _PENDING
        known = catalog.memo[key] = _type(catalog, oid)
    return known


def hostile_cast(catalog: Catalog) -> bool:
    """Whether any value of built-in types may run a function of somebody's."""
    known: bool | None = catalog.memo.get("hostile_cast")
    if known is None:
        known = catalog.memo["hostile_cast"] = any(
            source < FIRST_USER_OID and target < FIRST_USER_OID and not _harmless(catalog, function)
            for source, target, function in catalog.casts
        )
    return known


def _harmless(catalog: Catalog, oid: int, builtin: str = "") -> bool:
    """A function by id; of a built-in one the name tells."""
    if oid < FIRST_USER_OID:
        rule = rule_of(builtin)
        return rule is not None and rule.kind is FunctionKind.READ
    found = catalog.functions.get(oid)
    return found is not None and found.trusted


def _cast_types(catalog: Catalog) -> frozenset[int]:
    known: frozenset[int] | None = catalog.memo.get("cast_types")
    if known is None:
        known = catalog.memo["cast_types"] = frozenset(
            oid
            for source, target, function in catalog.casts
            if not _harmless(catalog, function)
            for oid in (source, target)
            if oid >= FIRST_USER_OID
        )
    return known


def _call(catalog: Catalog, call: Call) -> str:
    # `json_object(a, b)` comes out as pg_catalog's, but a server before 16 takes it for any function of that name.
    name = Name("", call.name.name) if call.syntax or call.name.name == "json_object" else call.name
    others: tuple[Function, ...] = catalog.named_functions(name)
    for other in others:
        if not other.trusted:
            return f"{other.label} is user-defined"
    if name.schema == "information_schema" and name.name.startswith("_pg_"):
        return ""
    if name.schema in ("", "pg_catalog"):
        rule = rule_of(name.name, len(call.args))
        if rule is None and not others and not call.syntax:
            return f"{name}() is not known"
        if rule is not None and rule.kind is not FunctionKind.READ:
            return f"{name}() {rule.reason}"
    elif not others:
        return f"{name}() is not known"
    # With one argument the name may be taken for a type's: lower('x') makes a value of the domain "lower".
    if len(call.args) == 1 and not call.star and not name.schema and _is_type(catalog, name):
        return _type_name(catalog, name, temp=False)
    return ""


def _is_type(catalog: Catalog, name: Name) -> bool:
    return bool(catalog.named_types(name) or catalog.named_relations(name))


def _operator(catalog: Catalog, name: Name) -> str:
    for other in catalog.named_operators(name):
        if not _harmless(catalog, other.function, other.builtin):
            return f"the operator {other.schema}.{other.name} is user-defined"
    builtin = name.schema in ("", "pg_catalog") and name.name in OPERATORS
    if not builtin and not catalog.named_operators(name):
        return f"the operator {name} is not known"
    return ""


def _type_name(catalog: Catalog, name: Name, temp: bool) -> str:
    if name.schema.startswith("pg_temp") or (temp and not name.schema):
        return f"the type {name} may be temporary"
    # An array type is called like its element type with underscores in front.
    names = [name] if not name.name.startswith("_") else [name, Name(name.schema, name.name.lstrip("_"))]
    found = False
    for one in names:
        for other in catalog.named_types(one):
            found = True
            if why := impure_type(catalog, other.oid):
                return why
        for relation in catalog.named_relations(one):
            found = True
            if why := _row_type(catalog, relation):
                return why
    builtin = name.schema in ("", *SYSTEM_SCHEMAS) and name.name in catalog.builtin_types
    return "" if found or builtin else f"the type {name} is not known"


def _type(catalog: Catalog, oid: int) -> str:
    if oid in catalog.row_types:
        return _row_type(catalog, catalog.relations[catalog.row_types[oid]])
    found = catalog.types.get(oid)
    if found is None:
        return "a type is not known"
    label = f"the type {found.schema}.{found.name}"
    if oid in _cast_types(catalog):
        return f"{label} has a user-defined cast"
    if any(not _harmless(catalog, *pair) for pair in found.support):
        return f"{label} has user-defined support functions"
    match found.kind:
        case "e":
            return ""
        case "b":
            return "" if found.extension in TRUSTED_EXTENSIONS else f"{label} is a user-defined base type"
        case "r" | "m":
            return impure_type(catalog, found.base)
        case "d":
            for text in catalog.domains.get(oid, ()):
                if why := _text(catalog, f"SELECT {text}"):
                    return f"{label} has a check: {why}"
            return impure_type(catalog, found.base)
        case _:
            return f"{label} is of an unknown kind"


def _row_type(catalog: Catalog, relation: Relation) -> str:
    if relation.row_type in _cast_types(catalog):
        return f"the type {relation.label} has a user-defined cast"
    for oid in catalog.columns.get(relation.oid, ()):
        if why := impure_type(catalog, oid):
            return why
    return ""


def _relation_name(catalog: Catalog, name: Name, ctes: set[str], temp: bool) -> str:
    if name.schema.startswith("pg_temp"):
        return f"{name} is temporary"
    if temp and not name.schema:
        return f"{name} may be temporary"
    found = catalog.named_relations(name)
    for relation in found:
        if why := impure_relation(catalog, relation):
            return why
    if (system := catalog.system_relation(name)) is not None:
        return f"{system} holds secrets" if system.name in SECRET else ""
    if found or (not name.schema and name.name in ctes):
        return ""
    return f"{name} is not known"


def impure_relation(catalog: Catalog, relation: Relation) -> str:
    """Why reading a relation may do more than read."""
    key = ("relation", relation.oid)
    known: str | None = catalog.memo.get(key)
    if known is None:
        catalog.memo[key] = f"{relation.label} {_PENDING}"
        known = catalog.memo[key] = _relation(catalog, relation)
    return known


def _relation(catalog: Catalog, relation: Relation) -> str:
    if relation.kind == "f":
        return f"{relation.label} is a foreign table"
    if why := _row_type(catalog, relation):
        return f"{relation.label}: {why}"
    if relation.kind == "v" and (why := _text(catalog, relation.definition)):
        return f"the view {relation.label}: {why}"
    for kind, text in catalog.expressions.get(relation.oid, ()):
        # The planner folds constants in checks, index expressions and policies even when it only reads.
        if kind in _NEVER_ON_READ or (kind == "policy" and not relation.row_security):
            continue
        if why := _text(catalog, f"SELECT {text}"):
            return f"{relation.label} has an expression ({kind}): {why}"
    for child in catalog.children.get(relation.oid, ()):
        below = catalog.relations.get(child)
        if below is None:
            return f"{relation.label} has a part that is not known"
        if why := impure_relation(catalog, below):
            return why
    return ""


def _text(catalog: Catalog, sql: str) -> str:
    """The impurity of an expression or query that the server deparsed."""
    try:
        (statement,) = parse(sql)
    except (SqlSyntax, SqlTooComplex, SqlTooLarge, ValueError):
        return "its definition cannot be read"
    return impurity(catalog, collect(statement.tag, statement.body))
