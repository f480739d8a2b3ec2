"""What is asked of objects that are no part of a relation: functions, types, schemas and the rest. See `relations`."""

from interlock.connectors.postgres.definitions.relations import OWN, RIGHTS, mine, rights

_FUNCTIONS = f"""
SELECT p.oid, jsonb_build_object(
    'schema', n.nspname, 'name', p.proname, 'owner', o.rolname, 'sort', p.prokind,
    'rights', {rights("p.proacl", "'f'", "p.proowner")},
    'signature', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    'types', format('(%s)', (SELECT string_agg(format_type(u, NULL), ', ' ORDER BY k)
                               FROM unnest(p.proargtypes) WITH ORDINALITY AS a(u, k))),
    'arguments', pg_get_function_arguments(p.oid), 'returns', pg_get_function_result(p.oid),
    'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
    'comment', obj_description(p.oid, 'pg_proc'),
    'aggregate', (SELECT jsonb_strip_nulls(jsonb_build_object(
        'SFUNC', nullif(g.aggtransfn::oid, 0)::pg_catalog.regproc::text, 'STYPE', format_type(g.aggtranstype, NULL),
        'SSPACE', nullif(g.aggtransspace, 0), 'FINALFUNC', nullif(g.aggfinalfn::oid, 0)::pg_catalog.regproc::text,
        'FINALFUNC_EXTRA', nullif(g.aggfinalextra, false),
        'FINALFUNC_MODIFY', CASE g.aggfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END,
        'COMBINEFUNC', nullif(g.aggcombinefn::oid, 0)::pg_catalog.regproc::text,
        'SERIALFUNC', nullif(g.aggserialfn::oid, 0)::pg_catalog.regproc::text,
        'DESERIALFUNC', nullif(g.aggdeserialfn::oid, 0)::pg_catalog.regproc::text,
        'INITCOND', quote_literal(g.agginitval), 'MSFUNC', nullif(g.aggmtransfn::oid, 0)::pg_catalog.regproc::text,
        'MINVFUNC', nullif(g.aggminvtransfn::oid, 0)::pg_catalog.regproc::text,
        'MSTYPE', CASE WHEN g.aggmtranstype <> 0 THEN format_type(g.aggmtranstype, NULL) END,
        'MSSPACE', nullif(g.aggmtransspace, 0), 'MFINALFUNC', nullif(g.aggmfinalfn::oid, 0)::pg_catalog.regproc::text,
        'MFINALFUNC_EXTRA', nullif(g.aggmfinalextra, false),
        'MFINALFUNC_MODIFY', CASE WHEN g.aggmtransfn <> 0 THEN
            CASE g.aggmfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
        'MINITCOND', quote_literal(g.aggminitval), 'PARALLEL', CASE p.proparallel WHEN 's' THEN 'SAFE'
            WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END, 'HYPOTHETICAL', nullif(g.aggkind = 'h', false),
        'SORTOP', CASE WHEN g.aggsortop <> 0 THEN (SELECT format('OPERATOR(%I.%s)', sn.nspname, so.oprname)
            FROM pg_catalog.pg_operator AS so JOIN pg_catalog.pg_namespace AS sn ON sn.oid = so.oprnamespace
           WHERE so.oid = g.aggsortop) END))
      FROM pg_catalog.pg_aggregate AS g WHERE g.aggfnoid = p.oid)) AS v, ({mine("p")}) AS dirty
  FROM pg_catalog.pg_proc AS p CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = p.proowner WHERE p.oid = ANY ($1::pg_catalog.oid[])
"""

# Row types of tables and array types go with what they are types of.
_TYPES = f"""
SELECT t.oid, jsonb_build_object(
    'schema', n.nspname, 'name', t.typname, 'owner', o.rolname, 'sort', t.typtype,
    'rights', CASE WHEN t.typtype <> 'm' THEN {rights("t.typacl", "'T'", "t.typowner")} END,
    'labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid),
    'attributes', CASE WHEN t.typtype = 'c' THEN (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type',
        format_type(a.atttypid, a.atttypmod), 'comment', col_description(a.attrelid, a.attnum), 'collation',
        CASE WHEN a.attcollation <> 0 AND a.attcollation <> b.typcollation
             THEN (SELECT format('%I.%I', kn.nspname, k.collname) FROM pg_catalog.pg_collation AS k
                     JOIN pg_catalog.pg_namespace AS kn ON kn.oid = k.collnamespace WHERE k.oid = a.attcollation) END)
        ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS b ON b.oid = a.atttypid
       WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
    'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
    'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> 0 THEN
        (SELECT format('%I.%I', kn.nspname, k.collname) FROM pg_catalog.pg_collation AS k
           JOIN pg_catalog.pg_namespace AS kn ON kn.oid = k.collnamespace
           JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype AND b.typcollation <> k.oid WHERE k.oid = t.typcollation) END,
    'default', CASE WHEN t.typtype = 'd' THEN coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault) END,
    'notnull', t.typnotnull,
    'range', (SELECT jsonb_strip_nulls(jsonb_build_object('SUBTYPE', format_type(r.rngsubtype, NULL),
        'SUBTYPE_OPCLASS', (SELECT format('%I.%I', cn.nspname, c.opcname) FROM pg_catalog.pg_opclass AS c
            JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.opcnamespace WHERE c.oid = r.rngsubopc),
        'COLLATION', (SELECT format('%I.%I', kn.nspname, k.collname) FROM pg_catalog.pg_collation AS k
            JOIN pg_catalog.pg_namespace AS kn ON kn.oid = k.collnamespace WHERE k.oid = r.rngcollation),
        'SUBTYPE_DIFF', nullif(r.rngsubdiff::oid, 0)::pg_catalog.regproc::text,
        'MULTIRANGE_TYPE_NAME', r.rngmultitypid::pg_catalog.regtype::text,
        'CANONICAL', nullif(r.rngcanonical::oid, 0)::pg_catalog.regproc::text))
      FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid),
    'comment', obj_description(t.oid, 'pg_type')) AS v,
    ({mine("t")} OR EXISTS (SELECT FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid AND ({mine("e")}))
     OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS e WHERE e.attrelid = t.typrelid AND ({mine("e")}))) AS dirty
  FROM pg_catalog.pg_type AS t CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = t.typowner
 WHERE t.oid = ANY ($1::pg_catalog.oid[]) AND t.typelem = 0
   AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
"""

_SCHEMAS = f"""
SELECT n.oid, jsonb_build_object('name', n.nspname, 'owner', o.rolname, 'rights', {rights("n.nspacl", "'n'", "n.nspowner")},
    'comment', obj_description(n.oid, 'pg_namespace')) AS v, ({mine("n")}) AS dirty
  FROM pg_catalog.pg_namespace AS n CROSS JOIN {OWN} LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
 WHERE n.oid = ANY ($1::pg_catalog.oid[]) AND n.nspname !~ '^pg_'
"""

_USUAL = "acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)"

_DEFAULT_RIGHTS = f"""
SELECT d.oid, jsonb_build_object('owner', o.rolname, 'schema', coalesce(n.nspname, ''), 'sort', d.defaclobjtype,
    'rights', {RIGHTS.format(acl="d.defaclacl")},
    'usual', CASE WHEN d.defaclnamespace = 0 THEN {RIGHTS.format(acl=_USUAL)} END) AS v,
    ({mine("d")}) AS dirty
  FROM pg_catalog.pg_default_acl AS d CROSS JOIN {OWN} LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = d.defaclrole
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace WHERE d.oid = ANY ($1::pg_catalog.oid[])
"""  # fmt: skip

_PUBLICATIONS = f"""
SELECT p.oid, jsonb_build_object('name', p.pubname, 'owner', o.rolname, 'all', p.puballtables, 'root', p.pubviaroot,
    'publish', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                         CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
    'tables', (SELECT jsonb_agg(jsonb_build_array(r.prrelid::pg_catalog.regclass::text,
        (SELECT jsonb_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)), pg_get_expr(r.prqual, r.prrelid))
        ORDER BY r.prrelid::pg_catalog.regclass::text) FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = p.oid),
    'schemas', (SELECT jsonb_agg(quote_ident(n.nspname) ORDER BY n.nspname) FROM pg_catalog.pg_publication_namespace AS s
        JOIN pg_catalog.pg_namespace AS n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid),
    'comment', obj_description(p.oid, 'pg_publication')) AS v,
    ({mine("p")} OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = p.oid AND ({mine("r")}))
     OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS s WHERE s.pnpubid = p.oid AND ({mine("s")}))) AS dirty
  FROM pg_catalog.pg_publication AS p CROSS JOIN {OWN} LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = p.pubowner
 WHERE p.oid = ANY ($1::pg_catalog.oid[])
"""

_CASTS = f"""
SELECT c.oid, jsonb_build_object('source', format_type(c.castsource, NULL), 'target', format_type(c.casttarget, NULL),
    'function', CASE WHEN c.castfunc <> 0 THEN c.castfunc::pg_catalog.regprocedure::text END, 'context', c.castcontext,
    'method', c.castmethod, 'comment', obj_description(c.oid, 'pg_cast')) AS v, ({mine("c")}) AS dirty
  FROM pg_catalog.pg_cast AS c CROSS JOIN {OWN} WHERE c.oid = ANY ($1::pg_catalog.oid[])
"""

_COLLATIONS = f"""
SELECT c.oid, jsonb_build_object('schema', n.nspname, 'name', c.collname, 'owner', o.rolname,
    'row', to_jsonb(c) - 'oid' - 'collnamespace' - 'collowner', 'comment', obj_description(c.oid, 'pg_collation')) AS v,
    ({mine("c")}) AS dirty
  FROM pg_catalog.pg_collation AS c CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = c.collowner WHERE c.oid = ANY ($1::pg_catalog.oid[])
"""

_OPERATORS = f"""
SELECT p.oid, jsonb_build_object('schema', n.nspname, 'name', p.oprname, 'owner', o.rolname,
    'signature', format('%I.%s (%s, %s)', n.nspname, p.oprname, CASE p.oprleft WHEN 0 THEN 'NONE'
                        ELSE format_type(p.oprleft, NULL) END, format_type(p.oprright, NULL)),
    'parts', jsonb_strip_nulls(jsonb_build_object('FUNCTION', nullif(p.oprcode::oid, 0)::pg_catalog.regproc::text,
        'LEFTARG', CASE WHEN p.oprleft <> 0 THEN format_type(p.oprleft, NULL) END, 'RIGHTARG', format_type(p.oprright, NULL),
        'COMMUTATOR', (SELECT format('OPERATOR(%I.%s)', kn.nspname, k.oprname) FROM pg_catalog.pg_operator AS k
            JOIN pg_catalog.pg_namespace AS kn ON kn.oid = k.oprnamespace WHERE k.oid = p.oprcom),
        'NEGATOR', (SELECT format('OPERATOR(%I.%s)', kn.nspname, k.oprname) FROM pg_catalog.pg_operator AS k
            JOIN pg_catalog.pg_namespace AS kn ON kn.oid = k.oprnamespace WHERE k.oid = p.oprnegate),
        'RESTRICT', nullif(p.oprrest::oid, 0)::pg_catalog.regproc::text,
        'JOIN', nullif(p.oprjoin::oid, 0)::pg_catalog.regproc::text,
        'HASHES', nullif(p.oprcanhash, false), 'MERGES', nullif(p.oprcanmerge, false))),
    'comment', obj_description(p.oid, 'pg_operator')) AS v, ({mine("p")}) AS dirty
  FROM pg_catalog.pg_operator AS p CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = p.oprnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = p.oprowner WHERE p.oid = ANY ($1::pg_catalog.oid[])
"""

_DICTIONARIES = f"""
SELECT d.oid, jsonb_build_object('schema', n.nspname, 'name', d.dictname, 'owner', o.rolname, 'options', d.dictinitoption,
    'template', (SELECT format('%I.%I', tn.nspname, t.tmplname) FROM pg_catalog.pg_ts_template AS t
        JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate),
    'comment', obj_description(d.oid, 'pg_ts_dict')) AS v, ({mine("d")}) AS dirty
  FROM pg_catalog.pg_ts_dict AS d CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = d.dictnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = d.dictowner WHERE d.oid = ANY ($1::pg_catalog.oid[])
"""

_SEARCHES = f"""
SELECT c.oid, jsonb_build_object('schema', n.nspname, 'name', c.cfgname, 'owner', o.rolname,
    'parser', (SELECT format('%I.%I', pn.nspname, p.prsname) FROM pg_catalog.pg_ts_parser AS p
        JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.prsnamespace WHERE p.oid = c.cfgparser),
    'mappings', (SELECT jsonb_agg(jsonb_build_array(x.alias, x.dicts) ORDER BY x.alias) FROM (
        SELECT t.alias, jsonb_agg(format('%I.%I', dn.nspname, d.dictname) ORDER BY m.mapseqno) AS dicts
          FROM pg_catalog.pg_ts_config_map AS m JOIN pg_catalog.pg_ts_dict AS d ON d.oid = m.mapdict
          JOIN pg_catalog.pg_namespace AS dn ON dn.oid = d.dictnamespace
          JOIN LATERAL ts_token_type(c.cfgparser) AS t ON t.tokid = m.maptokentype WHERE m.mapcfg = c.oid GROUP BY t.alias) AS x),
    'comment', obj_description(c.oid, 'pg_ts_config')) AS v,
    ({mine("c")} OR EXISTS (SELECT FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = c.oid AND ({mine("m")}))) AS dirty
  FROM pg_catalog.pg_ts_config AS c CROSS JOIN {OWN} JOIN pg_catalog.pg_namespace AS n ON n.oid = c.cfgnamespace
  LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = c.cfgowner WHERE c.oid = ANY ($1::pg_catalog.oid[])
"""

QUESTIONS: dict[int, str] = {
    1255: _FUNCTIONS,
    1247: _TYPES,
    2615: _SCHEMAS,
    826: _DEFAULT_RIGHTS,
    6104: _PUBLICATIONS,
    2605: _CASTS,
    3456: _COLLATIONS,
    2617: _OPERATORS,
    3600: _DICTIONARIES,
    3602: _SEARCHES,
}
