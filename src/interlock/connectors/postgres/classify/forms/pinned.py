"""`set_config(name, 'value', false) FROM pg_settings WHERE name = 'setting'`: pg_dump's way to set what older servers do not have.

The name is a column's, but the condition says which one it is.
"""

import dataclasses

from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.parse import Call, Facts, Name, Node
from interlock.connectors.postgres.parse.walk import constant, strings


def pin(ctx: Context, body: Node, facts: Facts) -> None:
    """Put the literal in the place of the column in the calls of a SELECT of this very form; leave all others as they are."""
    literal = _literal(ctx, body)
    if literal is not None:
        # A column of the same name in a subquery is another one: only what is selected itself is meant.
        columns = [c for c in map(_first_argument, body.get("targetList") or []) if _is_name(c)]
        facts.calls[:] = [_pinned(call, columns, literal) for call in facts.calls]


def _first_argument(target: Node) -> Node:
    call: Node = target.get("ResTarget", {}).get("val", {}).get("FuncCall", {})
    first: Node = (call.get("args") or [{}])[0]
    return first


def _pinned(call: Call, columns: list[Node], literal: Node) -> Call:
    if call.name.name != "set_config" or not any(call.args and call.args[0] is c for c in columns):
        return call
    return dataclasses.replace(call, args=(literal, *call.args[1:]))


def _literal(ctx: Context, body: Node) -> Node | None:
    tables = body.get("fromClause") or []
    where: Node = (body.get("whereClause") or {}).get("A_Expr", {})
    if "withClause" in body or _may_be_another(ctx):
        return None
    if len(tables) != 1 or where.get("kind") != "AEXPR_OP" or strings(where.get("name")) != ("=",):
        return None
    if not _is_pg_settings(ctx, tables[0].get("RangeVar", {})) or not _is_name(where.get("lexpr", {})):
        return None
    literal: Node = where.get("rexpr", {})
    return literal if "A_Const" in literal and constant(literal) is not None else None


def _may_be_another(ctx: Context) -> bool:
    """Whether the operator may be somebody's own: found before the server's where the search path says so, or is not known."""
    if ctx.search_path is None:
        return bool(ctx.catalog.operators_named.get("="))
    return "pg_catalog" in ctx.search_path[1:]


def _is_name(node: Node) -> bool:
    return strings(node.get("ColumnRef", {}).get("fields")) == ("name",)


def _is_pg_settings(ctx: Context, table: Node) -> bool:
    """The server's own, and no other of its name that could come first: a user's or a temporary one may hold any names."""
    name = Name(table.get("schemaname", ""), table.get("relname", ""))
    if name.name != "pg_settings" or table.get("alias"):
        return False
    return name.schema == "pg_catalog" or not (name.schema or ctx.temp or ctx.catalog.named_relations(name))
