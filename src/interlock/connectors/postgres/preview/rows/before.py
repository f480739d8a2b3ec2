"""What is asked just before a simple UPDATE or DELETE, so that what it takes away can be brought back (way 1): lock and name the
rows that it will touch. What goes with whole tables and columns is `losing`'s.
"""

from dataclasses import dataclass

from interlock.connectors.postgres.preview.context import Limits
from interlock.connectors.postgres.queries import ident, qualified


@dataclass(frozen=True, slots=True)
class Predicate:
    """The target of a simple single-table UPDATE or DELETE whose predicate is stable. `where` is the text of its WHERE condition
    with the client's `$n` in place (empty: all rows); `schema` and `alias` as the client wrote them, or empty."""

    schema: str
    name: str
    where: str = ""
    alias: str = ""
    only: bool = False
    deletes: bool = False


def image_before(target: Predicate, limits: Limits) -> str:
    """The query to pipeline just before the statement, under the agent's own settings (the condition may depend on them). The
    client's parameters are bound to it with their types: all of them, used or not.

    Its rows (table oid, ctid) go into `Captured`. It needs what the statement needs, and SELECT and UPDATE rights besides: ask
    only where the agent has them, because an error ends the client's transaction.
    """
    name = qualified(target.schema, target.name) if target.schema else ident(target.name)
    source = f"{'ONLY ' if target.only else ''}{name}"
    reference = ident(target.alias) if target.alias else ident(target.name)
    if target.alias:
        source += f" AS {reference}"
    # The newline ends a comment that the condition may end with.
    condition = f" WHERE ({target.where}\n)" if target.where else ""
    strength = "UPDATE" if target.deletes else "NO KEY UPDATE"
    return (
        f"SELECT {reference}.tableoid::pg_catalog.text, {reference}.ctid::pg_catalog.text FROM {source}{condition}"
        f" LIMIT {limits.predicate_rows + 1} FOR {strength} OF {reference}"
    )
