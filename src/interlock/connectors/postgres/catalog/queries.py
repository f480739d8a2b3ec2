"""What is read of the catalogs, as SQL. Run it with `search_path` empty, so that deparsed expressions come out qualified.

All columns are text. Objects that a server is born with have object ids below 16384 (`FirstNormalObjectId`); of those only names
are read. Temporary objects are left out: other sessions cannot reach them, and the session that has some is not trusted with reads.
"""

_USER = "OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid"
_BUILTIN = "OPERATOR(pg_catalog.<) '16384'::pg_catalog.oid"
_LASTING = "n.nspname OPERATOR(pg_catalog.!~) '^pg_(temp|toast)'"
_OWNED = """LEFT JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) {catalog}::pg_catalog.regclass
    AND d.objid OPERATOR(pg_catalog.=) {oid} AND d.deptype OPERATOR(pg_catalog.=) 'e'
LEFT JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid"""


def _owned(catalog: str, oid: str) -> str:
    return _OWNED.format(catalog=f"'pg_catalog.{catalog}'", oid=oid)


def _pairs(prefix: str, columns: str) -> str:
    """`oid:name` of the functions in some columns of type regproc."""
    return ", ".join(
        f"{prefix}{column}::pg_catalog.oid::pg_catalog.text OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||)"
        f" {prefix}{column}::pg_catalog.text"
        for column in columns.split()
    )


_AGGREGATE = (
    "aggtransfn aggfinalfn aggcombinefn aggserialfn aggdeserialfn aggmtransfn aggminvtransfn aggmfinalfn"
)

_IS_ARRAY = (
    "({0}.typtype OPERATOR(pg_catalog.=) 'b' AND {0}.typcategory OPERATOR(pg_catalog.=) 'A'"
    " AND {0}.typelem OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid)"
)
"""Of an array; a domain over one looks alike but for its `typtype`."""


QUERIES: dict[str, str] = {
    "server": """
SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.getdatabaseencoding()::pg_catalog.text,
    pg_catalog.current_database()::pg_catalog.text""",
    "functions": f"""
SELECT p.oid::pg_catalog.text, n.nspname::pg_catalog.text, p.proname::pg_catalog.text,
    pg_catalog.pg_get_function_identity_arguments(p.oid), l.lanname::pg_catalog.text,
    CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END,
    p.provolatile::pg_catalog.text, p.prokind::pg_catalog.text, p.prosecdef::pg_catalog.text,
    pg_catalog.array_to_string(p.proconfig, E'\\n'),
    ((t.typtype IN ('c', 'p', 'd') OR p.provariadic OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid)
        AND p.pronargs OPERATOR(pg_catalog.-) p.pronargdefaults OPERATOR(pg_catalog.<=) 1)::pg_catalog.text,
    e.extname::pg_catalog.text,
    pg_catalog.concat_ws(' ', {_pairs("a.", _AGGREGATE)})
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
LEFT JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) p.proargtypes[0]
LEFT JOIN pg_catalog.pg_aggregate AS a ON a.aggfnoid OPERATOR(pg_catalog.=) p.oid
{_owned("pg_proc", "p.oid")}
WHERE p.oid {_USER} AND {_LASTING}""",
    "relations": f"""
SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
    c.relrowsecurity::pg_catalog.text, c.reltype::pg_catalog.text,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid {_USER} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND {_LASTING}""",
    "inherits": """
SELECT i.inhrelid::pg_catalog.text, i.inhparent::pg_catalog.text FROM pg_catalog.pg_inherits AS i""",
    "columns": f"""
SELECT DISTINCT a.attrelid::pg_catalog.text,
    (CASE WHEN {_IS_ARRAY.format("t")} THEN t.typelem ELSE t.oid END)::pg_catalog.text
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
WHERE a.atttypid {_USER} AND a.attnum OPERATOR(pg_catalog.>) 0""",
    "expressions": f"""
SELECT x.relation::pg_catalog.text, x.kind, x.text FROM (
    SELECT d.adrelid AS relation, CASE WHEN a.attgenerated OPERATOR(pg_catalog.=) '' THEN 'default' ELSE 'generated' END AS kind,
        pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS text
    FROM pg_catalog.pg_attrdef AS d
    JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid OPERATOR(pg_catalog.=) d.adrelid AND a.attnum OPERATOR(pg_catalog.=) d.adnum
    UNION ALL
    SELECT k.conrelid, 'check', pg_catalog.pg_get_expr(k.conbin, k.conrelid)
    FROM pg_catalog.pg_constraint AS k
    WHERE k.contype OPERATOR(pg_catalog.=) 'c' AND k.conrelid {_USER}
    UNION ALL
    SELECT i.indrelid, 'index', pg_catalog.pg_get_expr(i.indexprs, i.indrelid)
    FROM pg_catalog.pg_index AS i WHERE i.indexprs IS NOT NULL
    UNION ALL
    SELECT i.indrelid, 'index', pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    FROM pg_catalog.pg_index AS i WHERE i.indpred IS NOT NULL
    UNION ALL
    SELECT p.polrelid, 'policy', pg_catalog.pg_get_expr(p.polqual, p.polrelid)
    FROM pg_catalog.pg_policy AS p
    UNION ALL
    SELECT p.polrelid, 'policy', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    FROM pg_catalog.pg_policy AS p
    UNION ALL
    SELECT p.partrelid, 'partition', pg_catalog.pg_get_expr(p.partexprs, p.partrelid)
    FROM pg_catalog.pg_partitioned_table AS p
    UNION ALL
    SELECT s.stxrelid, 'statistics', pg_catalog.array_to_string(pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), ', ')
    FROM pg_catalog.pg_statistic_ext AS s WHERE s.stxexprs IS NOT NULL
) AS x WHERE x.text IS NOT NULL AND x.relation {_USER}""",
    "triggers": f"""
SELECT t.tgrelid::pg_catalog.text, t.tgfoid::pg_catalog.text, t.tgname::pg_catalog.text, pg_catalog.pg_get_triggerdef(t.oid)
FROM pg_catalog.pg_trigger AS t
WHERE (NOT t.tgisinternal OR t.tgparentid OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid)
    AND t.tgenabled OPERATOR(pg_catalog.<>) 'D' AND t.oid {_USER}""",
    "rules": f"""
SELECT r.ev_class::pg_catalog.text, r.rulename::pg_catalog.text, pg_catalog.pg_get_ruledef(r.oid)
FROM pg_catalog.pg_rewrite AS r
WHERE r.rulename OPERATOR(pg_catalog.<>) '_RETURN' AND r.oid {_USER}""",
    "foreign_keys": f"""
SELECT k.confrelid::pg_catalog.text, k.conrelid::pg_catalog.text, k.confupdtype::pg_catalog.text, k.confdeltype::pg_catalog.text
FROM pg_catalog.pg_constraint AS k
WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.oid {_USER}""",
    "types": f"""
SELECT t.oid::pg_catalog.text, n.nspname::pg_catalog.text, t.typname::pg_catalog.text, t.typtype::pg_catalog.text,
    (CASE WHEN {_IS_ARRAY.format("b")} THEN b.typelem ELSE b.oid END)::pg_catalog.text,
    e.extname::pg_catalog.text,
    pg_catalog.concat_ws(' ', {_pairs("r.", "rngcanonical rngsubdiff")})
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
LEFT JOIN pg_catalog.pg_range AS r
    ON r.rngtypid OPERATOR(pg_catalog.=) t.oid OR r.rngmultitypid OPERATOR(pg_catalog.=) t.oid
LEFT JOIN pg_catalog.pg_type AS b
    ON b.oid OPERATOR(pg_catalog.=) COALESCE(r.rngsubtype, NULLIF(t.typbasetype, '0'::pg_catalog.oid))
{_owned("pg_type", "t.oid")}
WHERE t.oid {_USER} AND t.typtype IN ('b', 'd', 'e', 'r', 'm', 'p') AND NOT {_IS_ARRAY.format("t")} AND {_LASTING}""",
    "domains": f"""
SELECT x.type::pg_catalog.text, x.text FROM (
    SELECT k.contypid AS type, pg_catalog.pg_get_expr(k.conbin, '0'::pg_catalog.oid) AS text
    FROM pg_catalog.pg_constraint AS k
    WHERE k.contypid {_USER} AND k.conbin IS NOT NULL
    UNION ALL
    SELECT t.oid, pg_catalog.pg_get_expr(t.typdefaultbin, '0'::pg_catalog.oid)
    FROM pg_catalog.pg_type AS t
    WHERE t.oid {_USER} AND t.typdefaultbin IS NOT NULL
) AS x""",
    "casts": f"""
SELECT c.castsource::pg_catalog.text, c.casttarget::pg_catalog.text, c.castfunc::pg_catalog.text
FROM pg_catalog.pg_cast AS c
WHERE c.oid {_USER} AND c.castfunc OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid""",
    "operators": f"""
SELECT n.nspname::pg_catalog.text, o.oprname::pg_catalog.text, {_pairs("o.", "oprcode")}
FROM pg_catalog.pg_operator AS o
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
WHERE o.oid {_USER}""",
    "event_triggers": """
SELECT v.evtname::pg_catalog.text, v.evtfoid::pg_catalog.text
FROM pg_catalog.pg_event_trigger AS v
WHERE v.evtenabled OPERATOR(pg_catalog.<>) 'D'""",
    "builtin_functions": f"""
SELECT DISTINCT p.proname::pg_catalog.text FROM pg_catalog.pg_proc AS p
WHERE p.oid {_BUILTIN} AND p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace""",
    "builtin_relations": f"""
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid {_BUILTIN} AND c.relkind IN ('r', 'v') AND {_LASTING}""",
    "builtin_types": f"""
SELECT DISTINCT t.typname::pg_catalog.text FROM pg_catalog.pg_type AS t
WHERE t.oid {_BUILTIN} AND t.typtype OPERATOR(pg_catalog.<>) 'c'""",
}
"""Name → SQL of one part of the snapshot; `Catalog.from_rows` takes the rows under the same names."""


def _sum(catalog: str, key: str = "oid", where: str = "") -> str:
    """Count and sum of row versions: every change is made by a newer transaction."""
    condition = where or f"x.{key} {_USER}"
    return f"""(SELECT pg_catalog.concat_ws('/', pg_catalog.count(*), pg_catalog.sum((x.{key}::pg_catalog.int8
    OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.#) x.xmin::pg_catalog.text::pg_catalog.int8))
FROM pg_catalog.{catalog} AS x WHERE {condition})"""


_CLASS = f"""(SELECT pg_catalog.concat_ws('/', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(
    pg_catalog.concat_ws(' ', x.relname, x.relnamespace, x.relkind, x.relnatts, x.relrowsecurity, x.relhasrules, x.relhastriggers),
    x.oid::pg_catalog.int8)))
FROM pg_catalog.pg_class AS x WHERE x.oid {_USER} AND x.relpersistence OPERATOR(pg_catalog.<>) 't'
    AND x.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c'))"""

_TEMP_SCHEMAS = "SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname OPERATOR(pg_catalog.~) '^pg_(temp|toast_temp)'"

_PARTS = (
    _CLASS,
    *(
        _sum(catalog)
        for catalog in (
            "pg_proc",
            "pg_operator",
            "pg_cast",
            "pg_policy",
            "pg_trigger",
            "pg_event_trigger",
            "pg_rewrite",
            "pg_statistic_ext",
            "pg_enum",
            "pg_extension",
        )
    ),
    _sum("pg_constraint", where=f"x.oid {_USER} AND x.connamespace NOT IN ({_TEMP_SCHEMAS})"),
    _sum(
        "pg_attrdef",
        where=f"x.oid {_USER} AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) x.adrelid"
        " AND c.relpersistence OPERATOR(pg_catalog.=) 't')",
    ),
    _sum("pg_namespace", where=f"x.oid {_USER} AND x.oid NOT IN ({_TEMP_SCHEMAS})"),
    _sum(
        "pg_index",
        "indexrelid",
        f"x.indexrelid {_USER} AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)",
    ),
    _sum("pg_attribute", "attrelid", f"x.atttypid {_USER} AND x.attnum OPERATOR(pg_catalog.>) 0"),
    _sum("pg_inherits", "inhrelid"),
    _sum(
        "pg_type",
        "oid",
        f"x.oid {_USER} AND x.typtype IN ('b', 'd', 'e', 'r', 'm', 'p') AND NOT {_IS_ARRAY.format('x')}",
    ),
    _sum("pg_aggregate", "aggfnoid"),
)

FINGERPRINT_QUERY = "SELECT pg_catalog.md5(pg_catalog.concat_ws(',',\n" + ",\n".join(_PARTS) + "))"
"""One row, one text: differs when anything differs that :data:`QUERIES` would read, but for names of
columns (rows are told apart by the transaction that wrote them, tables by what matters of them, so that TRUNCATE and VACUUM
change nothing)."""
