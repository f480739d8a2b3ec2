"""What is asked just before a client's statement, so that what it takes away can be brought back.

    image_before()   way 1: lock and name the rows that a simple UPDATE or DELETE will touch
    losing()         TRUNCATE and DROP: count (and copy) what is in the tables while it can still be read

Once the statement has run, an ACCESS EXCLUSIVE lock keeps the observer out, and the transaction itself no longer sees the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.preview.context import Limits, Loss
from interlock.connectors.postgres.queries import (
    Ask,
    QueryFailed,
    Statement,
    Steps,
    array,
    ask,
    ident,
    qualified,
)


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


@dataclass(frozen=True, slots=True)
class Losing:
    """What a TRUNCATE or DROP names: `relations` and `schemas` as the client wrote them (quoted where needed). `cascade` as in the
    statement; `copy` when the rows are wanted too (TRUNCATE), not only their number."""

    relations: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    cascade: bool = False
    copy: bool = False


_RESOLVE = """
SELECT pg_catalog.to_regclass(r)::pg_catalog.oid::pg_catalog.text
  FROM pg_catalog.unnest($1::pg_catalog.text[]) AS r
"""

# Partitions and inheritance children go with their parents; TRUNCATE … CASCADE takes the tables that refer to one as well.
_CLOSURE = """
WITH RECURSIVE lost(oid) AS (
  SELECT o FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS o
  UNION
  SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
   WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[])
     AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[])
  UNION
  SELECT next.oid FROM lost CROSS JOIN LATERAL (
      SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) lost.oid
      UNION ALL
      SELECT k.conrelid FROM pg_catalog.pg_constraint AS k
       WHERE $3::bool AND k.confrelid OPERATOR(pg_catalog.=) lost.oid AND k.contype OPERATOR(pg_catalog.=) 'f') AS next)
SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       pg_catalog.int8larger(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid))::pg_catalog.text,
       (c.relpages::pg_catalog.int8
        OPERATOR(pg_catalog.*) pg_catalog.current_setting('block_size')::pg_catalog.int8)::pg_catalog.text
  FROM lost JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) lost.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
 ORDER BY c.oid
"""

_SAVEPOINT = '"interlock lock"'
_MOST_TABLES = 1_000


def losing(target: Losing, limits: Limits) -> Steps[tuple[Loss, ...]]:
    """Run before the statement, in the agent's open read-write transaction. Locks the tables against writers (SHARE ROW
    EXCLUSIVE, as long as the transaction lasts; readers go on), so that what the observer then counts and copies is exactly
    what will be lost.

    A table that cannot be locked or read, or is beyond the limits, is left out: its rows are estimated later, and not
    reversible. Raises QueryFailed when the agent's transaction is lost.
    """
    tables = yield from _tables(target)
    if not tables or len(tables) > _MOST_TABLES:
        return ()
    locked = yield from _lock([table for table in tables if _within(table, limits)])
    losses: list[Loss] = []
    size = 0
    for table in locked:
        loss = yield from _lose(table, limits, copy=target.copy and size <= limits.image_bytes)
        if loss is not None:
            losses.append(loss)
            size += sum(len(value or "") for row in loss.image or () for value in row)
    return tuple(losses)


@dataclass(frozen=True, slots=True)
class _Table:
    oid: int
    schema: str
    name: str
    rows: int
    size: int

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)


def _within(table: _Table, limits: Limits) -> bool:
    return table.rows <= limits.scan_rows and table.size <= limits.scan_bytes


def _tables(target: Losing) -> Steps[list[_Table]]:
    oids: list[str] = []
    if target.relations:
        # In the agent's session: its search_path says what a name means.
        [rows] = yield from ask(Ask("agent", ((_RESOLVE, (array(target.relations),)),)))
        oids = [row[0] for row in rows if row[0] is not None]
    truncates_more = "true" if target.copy and target.cascade else "false"
    (reply,) = yield (Ask("observer", ((_CLOSURE, (array(oids), array(target.schemas), truncates_more)),)),)
    if isinstance(reply, QueryFailed):
        return []
    return [
        _Table(int(oid or 0), schema or "", name or "", int(rows or 0), int(size or 0))
        for oid, schema, name, rows, size in reply[0]
    ]


def _lock(tables: Sequence[_Table]) -> Steps[list[_Table]]:
    if not tables:
        return []
    names = ", ".join(f"ONLY {table.sql}" for table in tables)
    lock: tuple[Statement, ...] = (
        (f"SAVEPOINT {_SAVEPOINT}", ()),
        (f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE", ()),
        (f"RELEASE SAVEPOINT {_SAVEPOINT}", ()),
    )
    (reply,) = yield (Ask("agent", lock),)
    if not isinstance(reply, QueryFailed):
        return list(tables)
    back = (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ()), (f"RELEASE SAVEPOINT {_SAVEPOINT}", ())
    yield from ask(Ask("agent", back))
    if len(tables) == 1:
        return []
    locked: list[_Table] = []
    for table in tables:
        locked += yield from _lock([table])
    return locked


def _lose(table: _Table, limits: Limits, *, copy: bool) -> Steps[Loss | None]:
    count = (f"SELECT pg_catalog.count(*)::pg_catalog.text FROM ONLY {table.sql} AS t", ())
    (reply,) = yield (Ask("observer", (count,)),)
    if isinstance(reply, QueryFailed):
        return None
    rows = int(reply[0][0][0] or 0)
    if not copy or rows > limits.predicate_rows:
        return Loss(table.oid, table.schema, table.name, rows)
    (reply,) = yield (Ask("observer", ((f"SELECT t.* FROM ONLY {table.sql} AS t", ()),)),)
    if isinstance(reply, QueryFailed) or len(reply[0]) != rows:
        return Loss(table.oid, table.schema, table.name, rows)
    return Loss(table.oid, table.schema, table.name, rows, tuple(reply[0]))
