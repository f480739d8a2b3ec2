"""From SQL to classifications: which function refines which row, and what is remembered."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import definitions, maintenance, query, rights, session
from interlock.connectors.postgres.classify.info import StatementInfo
from interlock.connectors.postgres.parse.errors import SqlTooComplex
from interlock.connectors.postgres.parse.tree import MAX_SQL, RawStatement, decode, outline, shape
from interlock.connectors.postgres.verbs.rules import Way
from interlock.connectors.postgres.verbs.statements import ROWS, UNKNOWN
from interlock.model.operation import Action, Operation

T = TypeVar("T")
Refine: TypeAlias = Callable[[Context, RawStatement, Draft], None]

REMEMBERED = 4096
"""How many texts, and how many shapes, are remembered for each snapshot."""

LONGEST_REMEMBERED = 8192
"""Texts of more characters are classified each time."""

_DEEPEST = 20

_SELECT = '"stmts":[{"stmt":{"SelectStmt":'
"""How the tree of a message begins whose first statement is a SELECT."""

_ROWS: dict[str, Refine] = {
    "SelectStmt": query.rows,
    "InsertStmt": query.rows,
    "UpdateStmt": query.rows,
    "DeleteStmt": query.rows,
    "MergeStmt": query.rows,
    "CopyStmt": query.copy,
    "TruncateStmt": query.truncate,
    "LockStmt": query.lock,
    "CallStmt": query.call,
    "DoStmt": query.do,
    "RefreshMatViewStmt": query.refresh,
    "DeclareCursorStmt": query.declare,
    "FetchStmt": query.fetch,
    "ExplainStmt": query.explain,
    "ExecuteStmt": query.execute,
    "CreateTableAsStmt": query.create_as,
    "PrepareStmt": session.prepare,
    "DeallocateStmt": session.deallocate,
    "ListenStmt": session.listen,
    "UnlistenStmt": session.listen,
    "NotifyStmt": session.notify,
    "DiscardStmt": session.discard,
    "VariableSetStmt": session.set_variable,
    "VariableShowStmt": session.show,
    "ConstraintsSetStmt": session.constraints,
    "TransactionStmt": session.transaction,
    "VacuumStmt": maintenance.maintenance,
    "ReindexStmt": maintenance.maintenance,
    "ClusterStmt": maintenance.maintenance,
    "CheckPointStmt": maintenance.checkpoint,
}

_DDL: dict[str, Refine] = {
    "CreateStmt": definitions.create_relation,
    "ViewStmt": definitions.create_relation,
    "CreateSeqStmt": definitions.create_relation,
    "CreateForeignTableStmt": definitions.create_relation,
    "CompositeTypeStmt": definitions.create_relation,
    "IndexStmt": definitions.create_index,
    "AlterTableStmt": definitions.alter,
    "AlterTableMoveAllStmt": definitions.move_all,
    "DropStmt": definitions.drop,
    "RenameStmt": definitions.rename,
    "AlterObjectSchemaStmt": definitions.about,
    "AlterObjectDependsStmt": definitions.about,
    "AlterOwnerStmt": definitions.about,
    "CommentStmt": definitions.about,
    "SecLabelStmt": definitions.about,
    "GrantStmt": rights.grant,
    "AlterDefaultPrivilegesStmt": rights.grant,
    "CreateFunctionStmt": definitions.create_function,
    "AlterFunctionStmt": definitions.alter_function,
    "CreateEnumStmt": definitions.create_type,
    "CreateRangeStmt": definitions.create_type,
    "CreateDomainStmt": definitions.create_type,
    "AlterEnumStmt": definitions.create_type,
    "AlterTypeStmt": definitions.create_type,
    "AlterDomainStmt": definitions.create_type,
    "DefineStmt": definitions.define,
    "CreateSchemaStmt": definitions.create_schema,
    "CreateExtensionStmt": definitions.extension,
    "AlterExtensionStmt": definitions.extension,
    "AlterExtensionContentsStmt": definitions.extension,
    "ImportForeignSchemaStmt": definitions.import_schema,
    "GrantRoleStmt": rights.roles,
    "CreateRoleStmt": rights.roles,
    "AlterRoleStmt": rights.roles,
    "DropRoleStmt": rights.roles,
    "DropOwnedStmt": rights.roles,
    "ReassignOwnedStmt": rights.roles,
    "AlterRoleSetStmt": rights.role_setting,
    "AlterDatabaseSetStmt": rights.role_setting,
    "AlterDatabaseStmt": rights.database,
}


def classify(
    sql: str,
    catalog: Catalog,
    *,
    prepared: Mapping[str, StatementInfo] | None = None,
    temp: bool = False,
    search_path: tuple[str, ...] | None = None,
    user: str = "",
    limit: int = MAX_SQL,
) -> tuple[StatementInfo, ...]:
    """Classify each statement of a message; an empty one gives ().

    `prepared` are the session's prepared statements by name (for EXECUTE). `temp` tells that the session has temporary objects.
    `search_path` is the session's, resolved, for naming resources; whether a statement is safe never depends on it. `user` is the
    role the session runs as. `limit` is in bytes. Raises SqlSyntax, SqlTooLarge.
    """
    key = (sql, temp, search_path, user)
    texts: dict[object, tuple[StatementInfo, ...]] = catalog.memo.setdefault("texts", {})
    known = texts.get(key)
    if known is not None:
        return known
    try:
        tree = outline(sql, limit)
        made, lasting = _made(sql, tree, Context(catalog, prepared or {}, temp, search_path, user, _one))
    except SqlTooComplex as error:
        return (_too_complex(sql, str(error)),)
    if lasting and len(sql) <= LONGEST_REMEMBERED:
        _remember(texts, key, made)
    return made


def _made(sql: str, tree: str, ctx: Context) -> tuple[tuple[StatementInfo, ...], bool]:
    """The classifications, and whether they hold without the session's prepared statements.

    A pure read is a pure read whatever its constants are, so those of one shape are looked through once.
    """
    shapes: dict[object, StatementInfo] = ctx.catalog.memo.setdefault("shapes", {})
    key = None
    if len(sql) <= LONGEST_REMEMBERED and tree.find(_SELECT, 0, 80) > 0:
        key = (shape(tree), ctx.temp, ctx.search_path, ctx.user, sql.isascii())
    known = shapes.get(key) if key is not None else None
    if known is not None:
        (text, offset) = _only(sql, tree)
        return (dataclasses.replace(known, text=text, offset=offset),), True
    made = tuple(_one(ctx, statement) for statement in decode(tree, sql))
    if key is not None and len(made) == 1 and made[0].node == "SelectStmt" and made[0].way is Way.PASS:
        _remember(shapes, key, made[0])
    return made, all(info.executes is None for info in made)


def _only(sql: str, tree: str) -> tuple[str, int]:
    """Text and place of the only statement of a message."""
    (statement,) = decode(tree, sql)
    return statement.text, statement.offset


def _remember(memory: dict[object, T], key: object, value: T) -> None:
    if len(memory) >= REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value


def _one(ctx: Context, raw: RawStatement) -> StatementInfo:
    rule = ROWS.get(raw.tag, UNKNOWN)
    draft = Draft(rule.verb)
    if ctx.depth > _DEEPEST:
        raise SqlTooComplex("statements inside statements are nested too deeply")
    ctx.depth += 1
    outer, ctx.unresolved = ctx.unresolved, []
    refine = _ROWS.get(raw.tag)
    if refine is not None:
        refine(ctx, raw, draft)
    elif rule.way is Way.GATED:
        definitions.any_ddl(ctx, raw, draft, rule)
        _DDL.get(raw.tag, definitions.by_name)(ctx, raw, draft)
    elif raw.tag in ROWS:
        if rule.way is Way.REFUSED:
            definitions.refused(ctx, raw, draft)
        draft.at_least(rule.way, rule.reason)
    else:
        draft.need(Action.UNKNOWN, ())
        draft.refuse(f"{raw.tag}: {UNKNOWN.reason}")
    if draft.way is Way.PASS and not raw.text.isascii() and ctx.catalog.encoding != "UTF8":
        draft.at_least(Way.GATED, "names outside ASCII are folded differently by this database's encoding")
    unresolved, ctx.unresolved = ctx.unresolved, [*outer, *ctx.unresolved]
    ctx.depth -= 1
    return draft.finish(raw, unresolved)


def _too_complex(sql: str, why: str) -> StatementInfo:
    operation = Operation(Action.UNKNOWN, "SQL", (), sql)
    return StatementInfo(sql, 0, "", "SQL", (operation,), Way.REFUSED, why)
