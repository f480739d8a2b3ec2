"""Statements on their own, without any connection: what can be said of them by the grammar and the reviewed tables.

Not only sessions of ours run SQL (there are AWS APIs that do). There are no catalogs: relations are taken for tables, names of
functions, operators and types for the built-in ones of that name, and whatever else may run something is unknown. A read is said
only of what is one by that; of a change nobody knows how many rows it meets.
"""

from collections.abc import Iterable, Iterator

import msgspec

from interlock.connectors.postgres.catalog import Catalog, Relation, impurity
from interlock.connectors.postgres.classify.engine import classify
from interlock.connectors.postgres.classify.info import StatementInfo
from interlock.connectors.postgres.parse import Call, Facts, Name, RawStatement, collect, parse
from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex, SqlTooLarge
from interlock.connectors.postgres.verbs.functions import rule_of
from interlock.connectors.postgres.verbs.relations import SECRET, SYSTEM_SCHEMAS
from interlock.connectors.postgres.verbs.rules import FunctionKind, Way, words
from interlock.model.operation import Action, Operation

TYPES = words(
    """bit bool bpchar bytea char cidr date daterange float4 float8 inet int2 int4 int4range int8 int8range interval json
    jsonb macaddr money name numeric numrange oid point record regclass text time timestamp timestamptz timetz tsquery tsrange
    tstzrange tsvector uuid varbit varchar void xml"""
)
"""Built-in types whose values are read in without running anything (PostgreSQL manual, "Data Types")."""

_SEES = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")
_FIRST_OID = 1 << 24
_UNCOUNTED = "without a connection nothing tells how many rows it meets"
_UNREADABLE = "it cannot be read as PostgreSQL's SQL"


def reads_text(text: str) -> tuple[Operation, ...]:
    """The operations of a text, the statements' own in their order; what cannot be read, or looked through, is one of
    `Action.UNKNOWN`. An empty text has none. Never raises; no text is in what it says."""
    try:
        statements = parse(text)
        return tuple(o for one in statements for o in _operations(one))
    except (SqlSyntax, SqlTooLarge, SqlTooComplex):
        return (Operation(Action.UNKNOWN, "SQL", evidence_unknown=_UNREADABLE),)


def _operations(raw: RawStatement) -> Iterator[Operation]:
    facts = _facts(raw)
    catalog = _assumed(facts.reads)
    infos = classify(raw.text, catalog)
    for info in infos:
        why = _unclear(info, facts, catalog)
        for operation in info.operations:
            yield _alone(operation, why)


def _alone(operation: Operation, why: str) -> Operation:
    if why:
        unknown = Action.UNKNOWN
        return msgspec.structs.replace(operation, action=unknown, native="", evidence_unknown=why)
    if operation.action is Action.READ:
        return msgspec.structs.replace(operation, native="")
    evidence = operation.evidence_unknown or _UNCOUNTED
    return msgspec.structs.replace(operation, native="", evidence_unknown=evidence)


def _unclear(info: StatementInfo, facts: Facts, catalog: Catalog) -> str:
    """Why nobody can say what a statement does; empty when its operations tell."""
    if info.way is Way.PASS or info.node == "VariableShowStmt":
        return ""
    if info.way in (Way.REFUSED, Way.SETTING, Way.CONTROL, Way.OUTSIDE):
        return info.why or f"{info.verb} needs a session of its own"
    if info.escapes:
        return info.escapes[0]
    if all(operation.action is Action.READ for operation in info.operations):
        return info.why or "it may run what is not known here"
    return impurity(catalog, _besides(facts)) if info.node in _SEES else ""


def _besides(facts: Facts) -> Facts:
    """What a statement names besides what it changes itself, and functions whose effect the tables tell."""
    calls = [call for call in facts.calls if not _told(call)]
    return Facts(
        calls=calls,
        operators=facts.operators,
        types=facts.types,
        reads=facts.reads,
        ctes=facts.ctes,
        attributes=facts.attributes,
        unknown=facts.unknown,
    )


def _told(call: Call) -> bool:
    rule = rule_of(call.name.name, len(call.args))
    return call.name.schema in ("", "pg_catalog") and rule is not None and rule.kind is not FunctionKind.READ


def _facts(raw: RawStatement) -> Facts:
    if raw.tag in _SEES:
        return collect(raw.tag, raw.body)
    if raw.tag == "ExplainStmt":
        ((tag, body),) = raw.body["query"].items()
        return collect(tag, body)
    return Facts()


def _assumed(reads: Iterable[Name]) -> Catalog:
    """A database in which there are the tables that a statement reads, the server's own relations, and the built-in types."""
    names = list(reads)
    system = [Name(name.schema or "pg_catalog", name.name) for name in names if _is_system(name)]
    tables = [
        Relation(_FIRST_OID + place, name.schema or "public", name.name, "r", False, 0, "")
        for place, name in enumerate(name for name in names if not _is_system(name))
    ]
    return Catalog(
        fingerprint="",
        relations={table.oid: table for table in tables},
        relations_named=_by_name(tables),
        builtin_relations=frozenset((*system, *(Name("pg_catalog", name) for name in SECRET))),
        builtin_types=TYPES,
    )


def _is_system(name: Name) -> bool:
    return name.schema in SYSTEM_SCHEMAS or (not name.schema and name.name.startswith("pg_"))


def _by_name(tables: Iterable[Relation]) -> dict[str, tuple[Relation, ...]]:
    found: dict[str, tuple[Relation, ...]] = {}
    for table in tables:
        found[table.name] = (*found.get(table.name, ()), table)
    return found
