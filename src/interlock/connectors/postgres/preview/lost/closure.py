"""Which tables and columns a statement takes away, with all that goes with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps, array, ask, qualified


@dataclass(frozen=True, slots=True)
class Losing:
    """What a statement names, as the client wrote it (quoted where needed).

    `relations` with the `columns` that they lose, or, without columns, whole; `schemas`; `objects` of other kinds (kind and bare
    name, whatever their schema: one too many does no harm); `owners` whose things are dropped (empty: the role that asks).
    `cascade` as in the statement; `truncates` when the tables stay, empty; `only` without the tables that inherit.
    """

    relations: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    cascade: bool = False
    truncates: bool = False
    columns: tuple[str, ...] = ()
    objects: tuple[tuple[str, str], ...] = ()
    owners: tuple[str, ...] = ()
    only: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A plain table that is lost `whole`, or else some of its columns (names or attribute numbers). `rows` and `size` (bytes) are
    the statistics'."""

    oid: int
    schema: str
    name: str
    rows: int
    size: int
    columns: frozenset[int | str] = frozenset()

    @property
    def whole(self) -> bool:
        return not self.columns

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)


_RESOLVE = """
SELECT pg_catalog.to_regclass(r)::pg_catalog.oid::pg_catalog.text
  FROM pg_catalog.unnest($1::pg_catalog.text[]) AS r
"""

_CURRENT_USER = "SELECT current_user::pg_catalog.text"

_ROWS_AND_SIZE = """
       pg_catalog.int8larger(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid))::pg_catalog.text,
       (c.relpages::pg_catalog.int8
        OPERATOR(pg_catalog.*) pg_catalog.current_setting('block_size')::pg_catalog.int8)::pg_catalog.text
"""

# Partitions and inheritance children go with their parents; TRUNCATE … CASCADE takes the tables that refer to one as well.
_TREE = f"""
WITH RECURSIVE lost(oid) AS (
  SELECT o FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS o
  UNION
  SELECT next.oid FROM lost CROSS JOIN LATERAL (
      SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits AS i
       WHERE i.inhparent OPERATOR(pg_catalog.=) lost.oid AND $3::bool
      UNION ALL
      SELECT k.conrelid FROM pg_catalog.pg_constraint AS k
       WHERE $2::bool AND k.confrelid OPERATOR(pg_catalog.=) lost.oid AND k.contype OPERATOR(pg_catalog.=) 'f') AS next)
SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, {_ROWS_AND_SIZE}, NULL
  FROM lost JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) lost.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
 ORDER BY c.oid
"""

# What depends on something goes with it (pg_depend: manual 53.18); without CASCADE only what is a part of it.
_DEPENDENTS = f"""
WITH RECURSIVE lost(class, oid, sub) AS (
  SELECT 1259::pg_catalog.oid, o, 0 FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS o
  UNION
  SELECT 2615, n.oid, 0 FROM pg_catalog.pg_namespace AS n
   WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[])
  UNION
  SELECT b.class, b.oid, 0
    FROM (SELECT 'type' AS kind, 1247::pg_catalog.oid AS class, t.oid, t.typname::pg_catalog.text AS name
            FROM pg_catalog.pg_type AS t
          UNION ALL
          SELECT 'function', 1255, p.oid, p.proname::pg_catalog.text FROM pg_catalog.pg_proc AS p
          UNION ALL
          SELECT 'extension', 3079, e.oid, e.extname::pg_catalog.text FROM pg_catalog.pg_extension AS e
          UNION ALL
          SELECT 'collation', 3456, l.oid, l.collname::pg_catalog.text FROM pg_catalog.pg_collation AS l
          UNION ALL
          SELECT 'relation', 1259, r.oid, r.relname::pg_catalog.text FROM pg_catalog.pg_class AS r) AS b
    JOIN ROWS FROM (pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[])) AS o(kind, name)
      ON o.kind OPERATOR(pg_catalog.=) b.kind AND o.name OPERATOR(pg_catalog.=) b.name
   WHERE b.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  UNION
  SELECT s.classid, s.objid, s.objsubid
    FROM pg_catalog.pg_shdepend AS s JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.refobjid
   WHERE s.refclassid OPERATOR(pg_catalog.=) 1260::pg_catalog.oid AND s.deptype OPERATOR(pg_catalog.=) 'o'
     AND r.rolname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($5::pg_catalog.text[])
     AND s.dbid OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d
                                         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  UNION
  SELECT d.classid, d.objid, d.objsubid
    FROM lost JOIN pg_catalog.pg_depend AS d
      ON d.refclassid OPERATOR(pg_catalog.=) lost.class AND d.refobjid OPERATOR(pg_catalog.=) lost.oid
     AND (lost.sub OPERATOR(pg_catalog.=) 0 OR d.refobjsubid OPERATOR(pg_catalog.=) lost.sub)
   WHERE $6::bool OR d.deptype OPERATOR(pg_catalog.<>) 'n')
SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, {_ROWS_AND_SIZE}, l.columns
  FROM (SELECT lost.oid, CASE WHEN pg_catalog.bool_and(lost.sub OPERATOR(pg_catalog.<>) 0)
                              THEN pg_catalog.string_agg(lost.sub::pg_catalog.text, ' ') END AS columns
          FROM lost WHERE lost.class OPERATOR(pg_catalog.=) 1259::pg_catalog.oid GROUP BY lost.oid) AS l
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) l.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
 ORDER BY c.oid
"""


def lost_tables(target: Losing) -> Steps[list[Lost]]:
    """The tables with rows to lose: rather one too many than one too few. Empty when they cannot be found out."""
    oids: list[str] = []
    if target.relations:
        # In the agent's session: its search_path says what a name means.
        [rows] = yield from ask(Ask("agent", ((_RESOLVE, (array(target.relations),)),)))
        oids = [row[0] for row in rows if row[0] is not None]
    owners = target.owners
    if "" in owners:
        [rows] = yield from ask(Ask("agent", ((_CURRENT_USER, ()),)))
        owners = tuple(owner or rows[0][0] or "" for owner in owners)
    if target.columns or target.truncates:
        follows = "true" if target.truncates and target.cascade else "false"
        (reply,) = yield (
            Ask("observer", ((_TREE, (array(oids), follows, "false" if target.only else "true")),)),
        )
    else:
        (reply,) = yield (Ask("observer", ((_DEPENDENTS, _given(target, oids, owners)),)),)
    if isinstance(reply, QueryFailed):
        return []
    return [_lost(target, row) for row in reply[0]]


def _given(target: Losing, oids: Sequence[str], owners: Sequence[str]) -> tuple[str, ...]:
    kinds, names = [kind for kind, _ in target.objects], [name for _, name in target.objects]
    lists = (oids, target.schemas, kinds, names, owners)
    return (*(array(items) for items in lists), "true" if target.cascade else "false")


def _lost(target: Losing, row: Sequence[str | None]) -> Lost:
    oid, schema, name, rows, size, columns = row
    lost: frozenset[int | str] = frozenset(target.columns)
    if columns:
        lost = frozenset(int(number) for number in columns.split())
    return Lost(int(oid or 0), schema or "", name or "", int(rows or 0), int(size or 0), lost)
