"""The reviewed tables: every statement, object, alteration, expression and built-in function, and what each means.

What has no row is unknown, and unknown is refused. Tests compare the tables with libpg_query's node types and with the catalogs of
real servers, so that a new version of either fails them until someone has read what is new and written its row.
"""

from interlock.connectors.postgres.verbs.rules import (
    AlterRule,
    FunctionKind,
    FunctionRule,
    ObjectRule,
    Part,
    StatementRule,
    Way,
)

__all__ = ["AlterRule", "FunctionKind", "FunctionRule", "ObjectRule", "Part", "StatementRule", "Way"]
