"""Which objects a statement may touch: those with a name that occurs in it, and their parts.

Names are matched wherever they occur, whatever the schema: too many cost a little time, and what was really touched is told by the
catalogs afterwards. What is missing makes the change not reversible, no more.
"""

import re

MOST = 2_000
"""The most objects asked about before one statement."""

_TOKEN = re.compile(r'"(?:[^"]|"")+"|[^\W\d][\w$]*|[-+*/<>=~!@#%^&|`?]+')
_LONGEST_NAME = 63


def tokens(text: str) -> list[str]:
    """What may be names in a statement, folded as the server folds them (manual, 4.1.1)."""
    found: dict[str, None] = {}
    for match in _TOKEN.finditer(text):
        token = match[0]
        name = token[1:-1].replace('""', '"') if token.startswith('"') else _folded(token)
        found[name.encode()[:_LONGEST_NAME].decode(errors="ignore")] = None
        if token.startswith('"'):
            # Quotes mean something else within a string constant.
            found |= dict.fromkeys(_folded(word) for word in re.findall(r"[^\W\d][\w$]*", token))
    return list(found)


def _folded(token: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in token)


_SEEDS = [
    "SELECT 1259 AS c, oid FROM pg_catalog.pg_class WHERE relname = ANY (w.names) AND relkind NOT IN ('t', 'c')"
    " AND relpersistence <> 't'",
    "SELECT 1247, oid FROM pg_catalog.pg_type WHERE typname = ANY (w.names) AND typelem = 0",
    "SELECT 1255, oid FROM pg_catalog.pg_proc WHERE proname = ANY (w.names)",
    "SELECT 2615, oid FROM pg_catalog.pg_namespace WHERE nspname = ANY (w.names)",
    "SELECT 2617, oid FROM pg_catalog.pg_operator WHERE oprname = ANY (w.names)",
    "SELECT 3381, oid FROM pg_catalog.pg_statistic_ext WHERE stxname = ANY (w.names)",
    "SELECT 3456, oid FROM pg_catalog.pg_collation WHERE collname = ANY (w.names)",
    "SELECT 3600, oid FROM pg_catalog.pg_ts_dict WHERE dictname = ANY (w.names)",
    "SELECT 3602, oid FROM pg_catalog.pg_ts_config WHERE cfgname = ANY (w.names)",
    "SELECT 6104, oid FROM pg_catalog.pg_publication WHERE pubname = ANY (w.names)",
    "SELECT 2605, oid FROM pg_catalog.pg_cast WHERE 'cast' = ANY (w.names)",
    "SELECT 826, oid FROM pg_catalog.pg_default_acl WHERE 'privileges' = ANY (w.names)",
]
_OF_ROLES = """
SELECT s.classid::int, s.objid FROM pg_catalog.pg_shdepend AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.refobjid
  JOIN pg_catalog.pg_database AS b ON b.oid = s.dbid AND b.datname = current_database()
 WHERE $2::bool AND 'owned' = ANY (w.names) AND s.refclassid = 1260 AND (r.rolname = ANY (w.names) OR r.rolname = current_user)
"""
# The rule of a view is the view, a default is its table, a member of a publication is the publication, the type of a composite
# type's attributes is the type.
_DEPENDENTS = """
SELECT CASE d.classid WHEN 2604 THEN 1259 WHEN 2618 THEN CASE WHEN r.rulename = '_RETURN' THEN 1259 ELSE 2618 END
                      WHEN 6106 THEN 6104 WHEN 6237 THEN 6104 ELSE d.classid::int END,
       CASE d.classid WHEN 2604 THEN t.adrelid WHEN 2618 THEN CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE d.objid END
                      WHEN 6106 THEN p.prpubid WHEN 6237 THEN s.pnpubid ELSE d.objid END
  FROM pg_catalog.pg_depend AS d
  LEFT JOIN pg_catalog.pg_attrdef AS t ON d.classid = 2604 AND t.oid = d.objid
  LEFT JOIN pg_catalog.pg_rewrite AS r ON d.classid = 2618 AND r.oid = d.objid
  LEFT JOIN pg_catalog.pg_publication_rel AS p ON d.classid = 6106 AND p.oid = d.objid
  LEFT JOIN pg_catalog.pg_publication_namespace AS s ON d.classid = 6237 AND s.oid = d.objid
 WHERE d.refclassid = f.c::pg_catalog.oid AND d.refobjid = f.oid AND d.deptype <> 'e' AND d.deptype <> 'x'
   AND (d.deptype <> 'n' OR $2::bool OR d.classid = 2606)
"""

CLOSURE = f"""
WITH RECURSIVE w AS MATERIALIZED (
  SELECT ARRAY(SELECT unnest($1::pg_catalog.text[])
               UNION SELECT lower(m[1]) FROM pg_catalog.pg_proc AS p
                 CROSS JOIN LATERAL regexp_matches(p.prosrc, '[[:alpha:]_][[:alnum:]_$]*', 'g') AS m
                WHERE p.oid = ANY ($3::pg_catalog.oid[]))::pg_catalog.text[] AS names),
found(c, oid) AS (
  SELECT q.c, q.oid FROM w CROSS JOIN LATERAL ({" UNION ALL ".join(_SEEDS)} UNION ALL {_OF_ROLES}) AS q
   WHERE q.oid >= 16384 OR q.oid = 2200
  UNION
  SELECT n.c, n.oid FROM found AS f CROSS JOIN LATERAL ({_DEPENDENTS}
    UNION ALL
    SELECT 1259, i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE f.c = 1259 AND i.inhparent = f.oid) AS n(c, oid)
   WHERE n.oid IS NOT NULL AND n.oid >= 16384
)
SELECT c::pg_catalog.text, oid::pg_catalog.text FROM found LIMIT {MOST + 1}
"""
"""`$1` names, `$2` whether to go deep (dependents of all kinds, members of schemas, what a role owns), `$3` functions that may run.
Runs with `search_path = pg_catalog, pg_temp`."""
