"""Says what an SQL message is: which statements, what each may do to what, and which way it may go."""

from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import held_back
from interlock.connectors.postgres.classify.engine import classify
from interlock.connectors.postgres.classify.info import Control, Declared, DmlTarget, Setting, StatementInfo
from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex, SqlTooLarge
from interlock.connectors.postgres.parse.tree import MAX_SQL
from interlock.connectors.postgres.verbs.rules import Way

__all__ = [
    "MAX_SQL",
    "Context",
    "Control",
    "Declared",
    "DmlTarget",
    "Setting",
    "SqlSyntax",
    "SqlTooComplex",
    "SqlTooLarge",
    "StatementInfo",
    "Way",
    "classify",
    "held_back",
]
