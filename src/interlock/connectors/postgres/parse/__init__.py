"""From SQL text to a tree, and from a tree to facts. Knows PostgreSQL's grammar, no catalog and no policy."""

from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex, SqlTooLarge
from interlock.connectors.postgres.parse.facts import Call, Facts, Name, Write, collect
from interlock.connectors.postgres.parse.tree import Node, RawStatement, decode, outline, parse

__all__ = [
    "Call",
    "Facts",
    "Name",
    "Node",
    "RawStatement",
    "SqlSyntax",
    "SqlTooComplex",
    "SqlTooLarge",
    "Write",
    "collect",
    "decode",
    "outline",
    "parse",
]
