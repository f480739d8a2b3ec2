"""The whole state of a database, by means that are none of the product's: pg_dump, all rows, sequences and rights.

Physical ids are left out: oids do not occur in it, and columns are told by their order.
"""

import difflib
import re
import subprocess
from collections.abc import Sequence

from interlock.testing.peers.pg import PgDatabase

_NOISE = re.compile(r"\\(un)?restrict |--|$|SELECT pg_catalog\.set_config|SET ")
_TABLES = """
SELECT c.oid::regclass::text, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'S') AND c.relpersistence <> 't' AND (c.relkind <> 'm' OR c.relispopulated)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'interlock', 'interlock_trash') ORDER BY 1
"""
# What pg_dump leaves out or orders by oid: statistics targets of indexes, attached indexes, membership, who granted what.
_MORE = """
SELECT 'attribute', a.attrelid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
       a.attislocal::text, a.attinhcount::text, coalesce(a.attstattarget, -1)::text, a.attstorage::text, a.attcompression::text,
       row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum)::text
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'interlock', 'interlock_trash')
UNION ALL
SELECT 'constraint', k.conrelid::regclass::text, k.conname::text, pg_get_constraintdef(k.oid), k.convalidated::text,
       k.conislocal::text, k.coninhcount::text, k.condeferrable::text, k.condeferred::text, k.connoinherit::text
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'interlock', 'interlock_trash')
   AND n.nspname !~ '^pg_temp'
UNION ALL
SELECT 'index', i.indexrelid::regclass::text, i.indisvalid::text, i.indisclustered::text, i.indisreplident::text,
       (SELECT string_agg(h.inhparent::regclass::text, ',') FROM pg_inherits h WHERE h.inhrelid = i.indexrelid),
       pg_get_indexdef(i.indexrelid), NULL, NULL, NULL
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'interlock', 'interlock_trash')
   AND c.relpersistence <> 't'
"""


def state(database: PgDatabase) -> list[str]:
    """Lines that are equal when nothing that anybody sees differs."""
    done = subprocess.run(
        [str(database.cluster.bin("pg_dump")), "--schema-only", database.dsn()],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if not _NOISE.match(line)]
    # Blocks come in the order of names and dependencies; lines within one keep theirs by what precedes them.
    lines += [" | ".join(str(value) for value in row) for row in database.psql(_MORE)]
    lines += _contents(database)
    return sorted(lines)


def _contents(database: PgDatabase) -> list[str]:
    lines: list[str] = []
    with database.connect(autocommit=True) as connection:
        connection.execute("SET extra_float_digits = 3; SET datestyle = ISO; SET timezone = UTC")
        for name, kind in connection.execute(_TABLES).fetchall():
            what = "t.last_value::text || t.is_called::text" if kind == "S" else "t::text"
            only = "" if kind == "S" else "ONLY "
            sql = (
                f"SELECT count(*)::text || ' ' || coalesce(md5(string_agg(r, chr(10) ORDER BY r COLLATE \"C\")), '')"
                f" FROM (SELECT {what} AS r FROM {only}{name} AS t) AS x"
            )
            [(digest,)] = connection.execute(sql.encode()).fetchall()
            lines.append(f"{'value' if kind == 'S' else 'rows'} {name} {digest}")
    return lines


def different(before: Sequence[str], after: Sequence[str], most: int = 12) -> list[str]:
    """What differs, shortened."""
    found = difflib.unified_diff(before, after, lineterm="", n=0)
    return [line for line in found if not line.startswith(("---", "+++", "@@"))][:most]
