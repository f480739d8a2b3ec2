"""What a statement takes away as a whole, told from its text: tables and columns whose rows must be kept before it runs."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pglast
from pglast import ast
from pglast.enums import AlterTableType, DropBehavior, ObjectType, RoleSpecType

from interlock.connectors.postgres import preview
from interlock.connectors.postgres.classify import StatementInfo
from interlock.connectors.postgres.preview import Losing, Loss
from interlock.connectors.postgres.queries import QueryFailed, ident
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.conversation.steps import run_steps

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.transaction import Transaction
    from interlock.connectors.postgres.session.worker import Worker

PURGE = "interlock.purge"
"""The setting with which a client says that nothing of what it drops is to be kept."""

_NODES = frozenset({"TruncateStmt", "DropStmt", "AlterTableStmt", "DropOwnedStmt"})
_KINDS: dict[object, str] = {
    ObjectType.OBJECT_TYPE: "type",
    ObjectType.OBJECT_DOMAIN: "type",
    ObjectType.OBJECT_EXTENSION: "extension",
    ObjectType.OBJECT_FUNCTION: "function",
    ObjectType.OBJECT_PROCEDURE: "function",
    ObjectType.OBJECT_ROUTINE: "function",
    ObjectType.OBJECT_AGGREGATE: "function",
    ObjectType.OBJECT_COLLATION: "collation",
    ObjectType.OBJECT_VIEW: "relation",
    ObjectType.OBJECT_MATVIEW: "relation",
    ObjectType.OBJECT_SEQUENCE: "relation",
    ObjectType.OBJECT_FOREIGN_TABLE: "relation",
}
_TAKES_VALUES = (AlterTableType.AT_DropColumn, AlterTableType.AT_AlterColumnType)


async def keep(worker: "Worker", item: Item) -> tuple[Loss, ...] | None:
    """Before a statement: keep what it takes away. None when that is nothing. Raises QueryFailed when the transaction is lost, and
    NoRoom when there is no room to keep it."""
    server = worker.channel.server
    target = losing_of(item.info)
    if target is None or worker.tx is None or not server.has_observer:
        return None
    known = _known(worker.tx)
    if not await control.begin_now(worker):
        raise QueryFailed("25P02")
    purge = worker.channel.settings.get(PURGE) == "on"
    key = None if purge else await server.trash_key()
    steps = preview.losing(target, server.limits, key, known, purge=purge)
    return await run_steps(worker.channel, steps)


def _known(tx: "Transaction") -> dict[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for image in tx.images:
        for loss in image.losses:
            if loss.kept and not loss.lost:
                found[loss.oid] = frozenset()
            elif loss.kept and found.get(loss.oid) != frozenset():
                found[loss.oid] = found.get(loss.oid, frozenset()) | set(loss.lost)
    return found


def losing_of(info: StatementInfo | None) -> Losing | None:
    """What a statement takes away, or None."""
    if info is None or info.node not in _NODES:
        return None
    statement = pglast.parse_sql(info.text)[0].stmt
    match statement:
        case ast.TruncateStmt():
            names = tuple(_range(r) for r in statement.relations or ())
            return Losing(names, cascade=_cascades(statement.behavior), truncates=True)
        case ast.AlterTableStmt():
            return _altered(statement)
        case ast.DropOwnedStmt():
            roles = tuple(
                r.rolename if r.roletype == RoleSpecType.ROLESPEC_CSTRING else ""
                for r in statement.roles or ()
            )
            return Losing(owners=roles, cascade=_cascades(statement.behavior))
        case ast.DropStmt():
            return _dropped(statement)
        case _:
            return None


def _dropped(statement: ast.DropStmt) -> Losing | None:
    cascade = _cascades(statement.behavior)
    if statement.removeType == ObjectType.OBJECT_TABLE:
        return Losing(tuple(_name(*_texts(parts)) for parts in statement.objects or ()), cascade=cascade)
    if statement.removeType == ObjectType.OBJECT_SCHEMA:
        return Losing(schemas=tuple(_texts(statement.objects or ())), cascade=cascade)
    kind = _KINDS.get(statement.removeType)
    if kind is None or (not cascade and kind != "extension"):
        return None
    objects = tuple((kind, _last(each)) for each in statement.objects or ())
    return Losing(objects=objects, cascade=cascade)


def _altered(statement: ast.AlterTableStmt) -> Losing | None:
    relation = statement.relation
    if statement.objtype != ObjectType.OBJECT_TABLE or relation is None:
        return None
    taking = [command for command in statement.cmds or () if command.subtype in _TAKES_VALUES]
    columns = tuple(dict.fromkeys(command.name or "" for command in taking))
    if not columns:
        return None
    return Losing((_range(relation),), columns=columns, only=not relation.inh)


def _cascades(behavior: object) -> bool:
    return behavior == DropBehavior.DROP_CASCADE


def _last(each: object) -> str:
    """The bare name of an object of a DROP."""
    if isinstance(each, ast.ObjectWithArgs):
        each = each.objname
    elif isinstance(each, ast.TypeName):
        each = each.names
    return _texts(each if isinstance(each, tuple) else (each,))[-1]


def _texts(parts: Iterable[object]) -> list[str]:
    return [part.sval or "" for part in parts if isinstance(part, ast.String)]


def _range(relation: ast.RangeVar) -> str:
    return _name(relation.schemaname, relation.relname)


def _name(*parts: str | None) -> str:
    return ".".join(ident(part) for part in parts if part)
