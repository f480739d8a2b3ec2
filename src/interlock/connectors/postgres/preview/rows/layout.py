"""What is known of the tables that took part: names, columns, keys, and a digest of their definitions.

Asked of the observer: a table that the transaction writes to cannot be altered by anyone else meanwhile, and what the transaction
itself altered is an effect of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.image import Column, KeyColumn
from interlock.connectors.postgres.queries import Rows, Statement, array

_TABLES = """
SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
       (SELECT pg_catalog.format('%s.%s', pn.nspname, p.relname)
          FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS p ON p.oid OPERATOR(pg_catalog.=) i.inhparent
          JOIN pg_catalog.pg_namespace AS pn ON pn.oid OPERATOR(pg_catalog.=) p.relnamespace
         WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid AND c.relispartition LIMIT 1),
       EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
                WHERE NOT k.convalidated
                  AND (k.conrelid OPERATOR(pg_catalog.=) c.oid
                       OR k.contypid OPERATOR(pg_catalog.=) ANY (
                            SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                             WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped
                               AND k.contypid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid)))::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r
                WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid AND r.ev_enabled OPERATOR(pg_catalog.<>) 'D')::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
"""

_COLUMNS = """
SELECT a.attrelid::pg_catalog.text, a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, -1),
       (a.attgenerated OPERATOR(pg_catalog.<>) '')::pg_catalog.text,
       (a.attidentity OPERATOR(pg_catalog.=) 'a')::pg_catalog.text
  FROM pg_catalog.pg_attribute AS a
 WHERE a.attrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""

# The primary key, else the smallest unique index that identifies every row: no NULLs, no predicate, no expressions, not deferrable.
_KEYS = """
SELECT k.indrelid::pg_catalog.text, a.attname::pg_catalog.text,
       pg_catalog.format('%I.%s', n.nspname, o.oprname)
  FROM (SELECT DISTINCT ON (i.indrelid) i.indrelid, i.indexrelid, i.indkey, i.indclass, i.indnkeyatts
          FROM pg_catalog.pg_index AS i
         WHERE i.indrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
           AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
           AND NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts::int OPERATOR(pg_catalog.-) 1) AS g
                             JOIN pg_catalog.pg_attribute AS b ON b.attrelid OPERATOR(pg_catalog.=) i.indrelid
                              AND b.attnum OPERATOR(pg_catalog.=) i.indkey[g]
                            WHERE NOT b.attnotnull)
         ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid) AS k
 CROSS JOIN LATERAL pg_catalog.generate_series(0, k.indnkeyatts::int OPERATOR(pg_catalog.-) 1) AS g
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid OPERATOR(pg_catalog.=) k.indrelid AND a.attnum OPERATOR(pg_catalog.=) k.indkey[g]
  JOIN pg_catalog.pg_opclass AS c ON c.oid OPERATOR(pg_catalog.=) k.indclass[g]
  JOIN pg_catalog.pg_amop AS m
    ON m.amopfamily OPERATOR(pg_catalog.=) c.opcfamily AND m.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
   AND m.amoprighttype OPERATOR(pg_catalog.=) c.opcintype AND m.amopstrategy OPERATOR(pg_catalog.=) 3
   AND m.amoppurpose OPERATOR(pg_catalog.=) 's'
  JOIN pg_catalog.pg_operator AS o ON o.oid OPERATOR(pg_catalog.=) m.amopopr
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
 ORDER BY k.indrelid, g
"""

# What foreign keys of other tables do here shows in the internal triggers (pg_constraint has no index by confrelid).
_DEFINITIONS = """
SELECT d.rel::pg_catalog.text, pg_catalog.md5(pg_catalog.string_agg(d.what, E'\\n' ORDER BY d.what)) FROM (
  SELECT c.oid AS rel, pg_catalog.format('c %s %s %s %s %s %s', c.oid, c.relnamespace, c.relname, c.relispartition,
                                         c.relrowsecurity, c.relforcerowsecurity) AS what
    FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT a.attrelid, pg_catalog.format('a %s %s %s %s %s %s %s', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod,
                           a.attnotnull, a.attgenerated)
    FROM pg_catalog.pg_attribute AS a
   WHERE a.attrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[]) AND a.attnum OPERATOR(pg_catalog.>) 0
  UNION ALL
  SELECT d.adrelid, pg_catalog.format('d %s', d) FROM pg_catalog.pg_attrdef AS d
   WHERE d.adrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT t.tgrelid, pg_catalog.format('t %s %s', t, p) FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
   WHERE t.tgrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT r.ev_class, pg_catalog.format('r %s', r) FROM pg_catalog.pg_rewrite AS r
   WHERE r.ev_class OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT l.polrelid, pg_catalog.format('l %s', l) FROM pg_catalog.pg_policy AS l
   WHERE l.polrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT k.conrelid, pg_catalog.format('k %s', k) FROM pg_catalog.pg_constraint AS k
   WHERE k.conrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT i.indrelid, pg_catalog.format('i %s', i) FROM pg_catalog.pg_index AS i
   WHERE i.indrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT 0::pg_catalog.oid, pg_catalog.format('p %s', p) FROM pg_catalog.pg_proc AS p
   WHERE p.oid OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.oid[])
  UNION ALL
  SELECT 0::pg_catalog.oid, pg_catalog.format('r %s', r) FROM pg_catalog.pg_rewrite AS r
   WHERE r.ev_class OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.oid[])
  UNION ALL
  SELECT 0::pg_catalog.oid, pg_catalog.format('l %s', l) FROM pg_catalog.pg_policy AS l
   WHERE l.polrelid OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.oid[])) AS d GROUP BY d.rel ORDER BY d.rel
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as the observer sees it. `parent` is the partitioned table it is a part of; `unchecked`: it has constraints that
    are not validated, so rows may be in it that could not be put back; `ruled`: rules would act on what a revert does to it;
    `numbered` are the columns that only an INSERT may set (GENERATED ALWAYS AS IDENTITY)."""

    oid: int
    schema: str
    name: str
    kind: str
    parent: str
    columns: tuple[Column, ...]
    key: tuple[KeyColumn, ...]
    unchecked: bool = False
    ruled: bool = False
    numbered: tuple[str, ...] = ()

    def key_of(self, row: Sequence[str | None]) -> tuple[str | None, ...]:
        """The values of the key columns in a row; the whole row when there is no key."""
        if not self.key:
            return tuple(row)
        places = {column.name: place for place, column in enumerate(self.columns)}
        return tuple(row[places[part.name]] for part in self.key)


def layout_statements(oids: Sequence[int]) -> tuple[Statement, ...]:
    """Three statements; read their replies with `read_layouts`."""
    given = (array([str(oid) for oid in oids]),)
    return ((_TABLES, given), (_COLUMNS, given), (_KEYS, given))


def definition_statement(
    oids: Sequence[int], functions: Sequence[int], relations: Sequence[int]
) -> Statement:
    """A digest of what determines how each table behaves and what its `Layout` is, by oid; that of the functions, and of what views
    and policies of other `relations` say, under oid 0."""
    return (_DEFINITIONS, tuple(array([str(oid) for oid in given]) for given in (oids, functions, relations)))


def read_layouts(replies: Sequence[Rows]) -> dict[int, Layout]:
    """By oid; a table that the observer does not see (made in the transaction) is absent."""
    tables, columns, keys = replies
    of_columns: dict[str, list[Column]] = {}
    numbered: dict[str, list[str]] = {}
    for oid, name, kind, generated, always in columns:
        of_columns.setdefault(oid or "", []).append(Column(name or "", kind or "", generated == "true"))
        if always == "true":
            numbered.setdefault(oid or "", []).append(name or "")
    of_keys: dict[str, list[KeyColumn]] = {}
    for oid, name, operator in keys:
        of_keys.setdefault(oid or "", []).append(KeyColumn(name or "", operator or ""))
    return {
        int(oid or 0): Layout(
            int(oid or 0),
            schema or "",
            name or "",
            kind or "",
            parent or "",
            tuple(of_columns.get(oid or "", ())),
            tuple(of_keys.get(oid or "", ())),
            unchecked == "true",
            ruled == "true",
            tuple(numbered.get(oid or "", ())),
        )
        for oid, schema, name, kind, parent, unchecked, ruled in tables
    }
