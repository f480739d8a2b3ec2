"""The one table that a statement changes, and its predicate as text."""

from pglast import parser

from interlock.connectors.postgres.catalog import Relation, impurity
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.info import DmlTarget
from interlock.connectors.postgres.parse import Name, Node, RawStatement, collect, parse
from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.parse.tree import without_places
from interlock.connectors.postgres.verbs.functions import VALUE_CHANGES
from interlock.model.operation import Action

_ACTIONS = {
    "InsertStmt": Action.CREATE,
    "UpdateStmt": Action.UPDATE,
    "DeleteStmt": Action.DELETE,
    "MergeStmt": Action.DELETE,
}
_LONGEST = 256 << 10
"""Characters of a statement whose predicate is looked for."""

_MOST_WIDE = 4096
"""Bytes beyond ASCII in a statement whose predicate is looked for (the scanner is quadratic in them)."""


def dml_target(ctx: Context, raw: RawStatement) -> DmlTarget:
    """The target of INSERT, UPDATE, DELETE, MERGE."""
    node = raw.body["relation"]
    name, oid, found = _table(ctx, node)
    action = _ACTIONS[raw.tag]
    upserts = raw.body.get("onConflictClause", {}).get("action") == "ONCONFLICT_UPDATE"
    where = ""
    simple = False
    if raw.tag in ("UpdateStmt", "DeleteStmt"):
        text = _where(raw)
        where = text or ""
        simple = text is not None and _plain(ctx, raw, found)
    return DmlTarget(
        action=Action.UPDATE if upserts else action,
        schema=name.schema,
        table=name.name,
        only="inh" not in node,
        alias=node.get("alias", {}).get("aliasname", ""),
        where_sql=where,
        simple=simple,
        has_returning="returningClause" in raw.body,
        oid=oid,
        columns=tuple(
            item["ResTarget"].get("name", "")
            for item in raw.body.get("targetList" if raw.tag == "UpdateStmt" else "cols", ())
        ),
    )


def copy_target(ctx: Context, body: Node) -> DmlTarget:
    """The target of COPY … FROM STDIN."""
    name, oid, _ = _table(ctx, body["relation"])
    columns = tuple(item["String"].get("sval", "") for item in body.get("attlist", ()))
    return DmlTarget(Action.CREATE, name.schema, name.name, oid=oid, columns=columns)


def _table(ctx: Context, node: Node) -> tuple[Name, int, Relation | None]:
    name = relation(node)
    found = ctx.relations(name)
    if len(found) == 1 and not ctx.temp:
        return Name(found[0].schema, found[0].name), found[0].oid, found[0]
    return name, 0, None


def _plain(ctx: Context, raw: RawStatement, found: Relation | None) -> bool:
    """Whether asking the predicate again selects the same rows."""
    body = raw.body
    if found is None or found.kind not in "rp" or found.oid in ctx.catalog.rules:
        return False
    if body.get("withClause") or body.get("fromClause") or body.get("usingClause"):
        return False
    if "whereClause" not in body:
        return True
    ((tag, node),) = body["whereClause"].items()
    facts = collect(tag, node)
    if any(call.name.name in VALUE_CHANGES for call in facts.calls):
        return False
    return not impurity(ctx.catalog, facts)


def _where(raw: RawStatement) -> str | None:
    """The text after WHERE, up to RETURNING; empty without one, None when it cannot be told for sure."""
    if "whereClause" not in raw.body:
        return ""
    if len(raw.text) > _LONGEST:
        return None
    if not raw.text.isascii() and len(raw.text.encode()) - len(raw.text) > _MOST_WIDE:
        return None
    depth = start = end = 0
    for token in parser.scan(raw.text):
        if token.name in ("SQL_COMMENT", "C_COMMENT"):
            continue
        if token.name == "ASCII_40":
            depth += 1
        elif token.name == "ASCII_41":
            depth -= 1
        elif depth == 0 and token.name == "WHERE":
            start = token.end + 1
        elif depth == 0 and token.name == "RETURNING" and start:
            break
        end = token.end + 1
    text = raw.text[start:end].strip()
    return text if start and _same(raw.body["whereClause"], text) else None


def _same(node: Node, text: str) -> bool:
    """Whether a text parses to the very predicate."""
    try:
        (statement,) = parse(f"SELECT WHERE {text}")
        if set(statement.body) - {"whereClause", "limitOption", "op"}:
            return False
        return without_places(statement.body["whereClause"]) == without_places(node)
    except (SqlSyntax, SqlTooComplex, RecursionError, ValueError):
        return False
