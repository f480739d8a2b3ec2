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
        facts.calls[:] = [_pinned(call, literal) for call in facts.calls]


def _pinned(call: Call, literal: Node) -> Call:
    if call.name.name != "set_config" or not call.args or not _is_name(call.args[0]):
        return call
    return dataclasses.replace(call, args=(literal, *call.args[1:]))


def _literal(ctx: Context, body: Node) -> Node | None:
    tables = body.get("fromClause") or []
    where: Node = (body.get("whereClause") or {}).get("A_Expr", {})
    if len(tables) != 1 or where.get("kind") != "AEXPR_OP" or strings(where.get("name")) != ("=",):
        return None
    if not _is_pg_settings(ctx, tables[0].get("RangeVar", {})) or not _is_name(where.get("lexpr", {})):
        return None
    literal: Node = where.get("rexpr", {})
    return literal if "A_Const" in literal and constant(literal) is not None else None


def _is_name(node: Node) -> bool:
    return strings(node.get("ColumnRef", {}).get("fields")) == ("name",)


def _is_pg_settings(ctx: Context, table: Node) -> bool:
    """The server's own, and no other of its name that could come first: a user's or a temporary one may hold any names."""
    name = Name(table.get("schemaname", ""), table.get("relname", ""))
    if name.name != "pg_settings" or table.get("alias"):
        return False
    return name.schema == "pg_catalog" or not (name.schema or ctx.temp or ctx.catalog.named_relations(name))
