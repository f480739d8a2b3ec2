"""What is asked of relations and of what hangs on them (manual, chapter 53).

Each question gives the object's oid, its values as one jsonb, and whether the transaction that asks has made a part of it what
it is (`dirty`). It runs with `search_path = pg_catalog, pg_temp`: nothing of the user's can stand in the place of a built-in, and
all that is the user's comes out with its schema. `$1` are oids; `own` is the transaction's id.
"""

RIGHTS = """(SELECT jsonb_agg(jsonb_build_array(coalesce(e.rolname, ''), g.rolname, x.privilege_type, x.is_grantable)
                    ORDER BY e.rolname, g.rolname, x.privilege_type)
          FROM aclexplode({acl}) AS x LEFT JOIN pg_catalog.pg_roles AS e ON e.oid = x.grantee
          LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = x.grantor)"""
"""An access list: grantee (empty for PUBLIC), grantor, privilege, with grant option."""


def rights(column: str, kind: str, owner: str) -> str:
    """The access list of an object; one that was never set is the default one (manual, 5.8)."""
    return RIGHTS.format(acl=f"coalesce({column}, acldefault({kind}, {owner}))")


def mine(*rows: str) -> str:
    """Whether one of these row versions is the transaction's own (or, to be safe, younger than its beginning)."""
    return " OR ".join(f"coalesce(age({row}.xmin) <= age(own.xid), false)" for row in rows)


OWN = "(SELECT pg_current_xact_id_if_assigned()::xid AS xid) AS own"

_COLUMNS = f"""
SELECT a.attrelid, bool_or({mine("a")} OR {mine("d")}) AS dirty,
       jsonb_agg(jsonb_build_object(
         'num', a.attnum, 'dropped', a.attisdropped, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
         'collation', CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
                           THEN (SELECT format('%I.%I', n.nspname, k.collname) FROM pg_catalog.pg_collation AS k
                                   JOIN pg_catalog.pg_namespace AS n ON n.oid = k.collnamespace WHERE k.oid = a.attcollation) END,
         'notnull', a.attnotnull,
         'notnull_as', (SELECT k.conname FROM pg_catalog.pg_constraint AS k
                         WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND a.attnum = ANY (k.conkey)),
         'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity,
         'generated', a.attgenerated, 'storage', nullif(a.attstorage, t.typstorage), 'usual', t.typstorage,
         'compression', a.attcompression,
         'statistics', nullif(a.attstattarget, -1), 'options', a.attoptions, 'fdw', a.attfdwoptions,
         'inherited', a.attinhcount, 'local', a.attislocal,
         'rights', CASE WHEN a.attacl IS NOT NULL THEN {RIGHTS.format(acl="a.attacl")} END,
         'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.attnum) AS columns
  FROM pg_catalog.pg_attribute AS a CROSS JOIN {OWN}
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
 WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 GROUP BY a.attrelid
"""

_RELATION_KIND = "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::pg_catalog.\"char\""

_RELATIONS = f"""
SELECT c.oid, jsonb_build_object(
    'relkind', c.relkind, 'schema', n.nspname, 'name', c.relname, 'owner', o.rolname,
    'rights', CASE WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                   THEN {rights("c.relacl", _RELATION_KIND, "c.relowner")} END,
    'options', c.reloptions, 'toast', (SELECT t.reloptions FROM pg_catalog.pg_class AS t WHERE t.oid = c.reltoastrelid),
    'persistence', c.relpersistence, 'method', CASE WHEN c.relkind IN ('r', 'm') THEN m.amname END, 'tablespace', s.spcname,
    'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity, 'replica', c.relreplident, 'filled', c.relispopulated,
    'partition', c.relispartition, 'bound', pg_get_expr(c.relpartbound, c.oid),
    'detaching', coalesce((SELECT bool_or(i.inhdetachpending) FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid), false),
    'key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
    'of', CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
    'parents', (SELECT jsonb_agg(format('%I.%I', pn.nspname, p.relname) ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits AS i
                  JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
                  JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid),
    'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid)
                       WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) END,
    'columns', CASE WHEN c.relkind <> 'S' THEN a.columns END, 'comment', obj_description(c.oid, 'pg_class'),
    'index', CASE WHEN x.indexrelid IS NOT NULL THEN jsonb_build_object('table', x.indrelid::pg_catalog.regclass::text,
        'constraint', (SELECT k.conname FROM pg_catalog.pg_constraint AS k
                        WHERE k.conindid = c.oid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')),
        'clustered', x.indisclustered, 'replica', x.indisreplident, 'valid', x.indisvalid) END,
    'by_default', EXISTS (SELECT FROM pg_catalog.pg_depend AS w JOIN pg_catalog.pg_attribute AS b
        ON b.attrelid = w.refobjid AND b.attnum = w.refobjsubid AND b.attidentity = 'd'
      WHERE c.relkind = 'S' AND w.classid = 1259 AND w.objid = c.oid AND w.refclassid = 1259 AND w.deptype = 'i'),
    'sequence', CASE WHEN q.seqrelid IS NOT NULL THEN jsonb_build_object('type', format_type(q.seqtypid, NULL),
        'start', q.seqstart, 'increment', q.seqincrement, 'min', q.seqmin, 'max', q.seqmax, 'cache', q.seqcache,
        'cycle', q.seqcycle) END,
    'owned', (SELECT jsonb_build_array(w.refobjid::pg_catalog.regclass::text, b.attname, w.deptype)
                FROM pg_catalog.pg_depend AS w JOIN pg_catalog.pg_attribute AS b
                  ON b.attrelid = w.refobjid AND b.attnum = w.refobjsubid
               WHERE c.relkind = 'S' AND w.classid = 1259 AND w.objid = c.oid AND w.refclassid = 1259
                 AND w.deptype IN ('a', 'i') LIMIT 1),
    'size', CASE WHEN c.relkind = 'm' THEN pg_relation_size(c.oid) END,
    'file', CASE WHEN c.relkind = 'S' THEN c.relfilenode END,
    'server', (SELECT jsonb_build_array(v.srvname, f.ftoptions) FROM pg_catalog.pg_foreign_table AS f
                 JOIN pg_catalog.pg_foreign_server AS v ON v.oid = f.ftserver WHERE f.ftrelid = c.oid)
  ) AS v, ({mine("c", "x", "q")} OR coalesce(a.dirty, false)) AS dirty
  FROM pg_catalog.pg_class AS c CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
  LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
  LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid LEFT JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = c.oid
  LEFT JOIN (""" + _COLUMNS + """) AS a ON a.attrelid = c.oid
 WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relkind NOT IN ('t', 'c') AND c.relpersistence <> 't'
   AND n.nspname <> 'pg_toast'
"""  # fmt: skip

_CONSTRAINTS = f"""
SELECT k.oid, jsonb_build_object(
    'name', k.conname, 'table', CASE WHEN k.conrelid <> 0 THEN k.conrelid::pg_catalog.regclass::text END,
    'domain', CASE WHEN k.contypid <> 0 THEN format_type(k.contypid, NULL) END, 'type', k.contype,
    'definition', pg_get_constraintdef(k.oid), 'valid', k.convalidated, 'local', k.conislocal, 'inherited', k.coninhcount,
    'child', k.conparentid <> 0,
    'column', CASE WHEN k.contype = 'n' THEN (SELECT a.attname FROM pg_catalog.pg_attribute AS a
                                               WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1]) END,
    'fires', (SELECT jsonb_agg(t.tgenabled ORDER BY t.tgfoid, t.tgrelid) FROM pg_catalog.pg_trigger AS t
               WHERE t.tgconstraint = k.oid AND t.tgisinternal),
    'comment', obj_description(k.oid, 'pg_constraint')) AS v, ({mine("k")}) AS dirty
  FROM pg_catalog.pg_constraint AS k CROSS JOIN {OWN}
 WHERE k.oid = ANY ($1::pg_catalog.oid[]) AND k.contype <> 't'
"""

_TRIGGERS = f"""
SELECT t.oid, jsonb_build_object(
    'name', t.tgname, 'table', t.tgrelid::pg_catalog.regclass::text, 'definition', pg_get_triggerdef(t.oid),
    'enabled', t.tgenabled, 'child', t.tgparentid <> 0, 'comment', obj_description(t.oid, 'pg_trigger')) AS v,
    ({mine("t")}) AS dirty
  FROM pg_catalog.pg_trigger AS t CROSS JOIN {OWN}
 WHERE t.oid = ANY ($1::pg_catalog.oid[]) AND NOT t.tgisinternal
"""

_RULES = f"""
SELECT r.oid, jsonb_build_object(
    'name', r.rulename, 'table', r.ev_class::pg_catalog.regclass::text, 'definition', pg_get_ruledef(r.oid),
    'enabled', r.ev_enabled, 'comment', obj_description(r.oid, 'pg_rewrite')) AS v, ({mine("r")}) AS dirty
  FROM pg_catalog.pg_rewrite AS r CROSS JOIN {OWN}
 WHERE r.oid = ANY ($1::pg_catalog.oid[]) AND r.rulename <> '_RETURN'
"""

_POLICIES = f"""
SELECT p.oid, jsonb_build_object(
    'name', p.polname, 'table', p.polrelid::pg_catalog.regclass::text, 'permissive', p.polpermissive, 'command', p.polcmd,
    'roles', (SELECT jsonb_agg(coalesce(quote_ident(r.rolname), 'PUBLIC') ORDER BY r.rolname)
                FROM unnest(p.polroles) AS u LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = u),
    'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
    'comment', obj_description(p.oid, 'pg_policy')) AS v, ({mine("p")}) AS dirty
  FROM pg_catalog.pg_policy AS p CROSS JOIN {OWN} WHERE p.oid = ANY ($1::pg_catalog.oid[])
"""

_STATISTICS = f"""
SELECT s.oid, jsonb_build_object(
    'schema', n.nspname, 'name', s.stxname, 'owner', o.rolname, 'definition', pg_get_statisticsobjdef(s.oid),
    'target', nullif(s.stxstattarget, -1), 'comment', obj_description(s.oid, 'pg_statistic_ext')) AS v, ({mine("s")}) AS dirty
  FROM pg_catalog.pg_statistic_ext AS s CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = s.stxowner WHERE s.oid = ANY ($1::pg_catalog.oid[])
"""

QUESTIONS: dict[int, str] = {
    1259: _RELATIONS,
    2606: _CONSTRAINTS,
    2620: _TRIGGERS,
    2618: _RULES,
    3256: _POLICIES,
    3381: _STATISTICS,
}
