"""What is asked before a statement that may change definitions: what the objects are like that it may touch."""

import re
from typing import TYPE_CHECKING

from interlock.connectors.postgres import definitions
from interlock.connectors.postgres.queries import QueryFailed
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.conversation.steps import run_steps

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker

_MAKES = frozenset(
    {
        "CompositeTypeStmt",
        "CreateEnumStmt",
        "CreateRangeStmt",
        "CreateSchemaStmt",
        "CreateSeqStmt",
        "CreateStatsStmt",
        "CreateTableAsStmt",
        "IndexStmt",
    }
)
"""Statements that only make what was not there: to undo them nothing else needs to be known."""
_CODE = frozenset(
    {"CallStmt", "DoStmt", "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "ExecuteStmt"}
)
_DEEP = re.compile(r"\b(cascade|schema|owned)\b", re.IGNORECASE)


async def before(worker: "Worker", item: Item) -> None:
    """Ask, when there is reason to. Raises QueryFailed when the transaction is lost."""
    info, tx = item.info, worker.tx
    if info is None or tx is None or tx.read_only or not worker.channel.server.has_observer:
        return
    code = info.node in _CODE
    if not info.changes_catalog or info.node in _MAKES or tx.captures.too_many:
        return
    if not await control.begin_now(worker):
        raise QueryFailed("25P02")
    deep = code or bool(_DEEP.search(info.text))
    asked = definitions.capture(tx.captures, info.text, info.functions, deep=deep, opaque=code)
    await run_steps(worker.channel, asked)
