"""Finding an object by its names, whatever its oid: a question for each catalog, which fails for none."""

from interlock.connectors.postgres.definitions import facet as f
from interlock.connectors.postgres.definitions.facet import Facet

_IN_SCHEMA = """
SELECT g.place::pg_catalog.text, o.oid::pg_catalog.text
  FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[], $3::pg_catalog.text[]) WITH ORDINALITY AS g(one, two, three, place)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.one
  JOIN pg_catalog.{catalog} AS o ON o.{namespace} = n.oid AND o.{name} = g.two AND ({more})
"""
_ON_TABLE = """
SELECT g.place::pg_catalog.text, o.oid::pg_catalog.text
  FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[], $3::pg_catalog.text[]) WITH ORDINALITY AS g(one, two, three, place)
  JOIN pg_catalog.{catalog} AS o ON o.{table} = to_regclass(g.one) AND o.{name} = g.two
"""
_ALONE = """
SELECT g.place::pg_catalog.text, o.oid::pg_catalog.text
  FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[], $3::pg_catalog.text[]) WITH ORDINALITY AS g(one, two, three, place)
  JOIN pg_catalog.{catalog} AS o ON {match}
"""


def _named(catalog: str, namespace: str, name: str, more: str = "true") -> str:
    return _IN_SCHEMA.format(catalog=catalog, namespace=namespace, name=name, more=more)


LOOKUPS: dict[int, str] = {
    f.RELATION: _named("pg_class", "relnamespace", "relname"),
    f.TYPE: _named("pg_type", "typnamespace", "typname"),
    f.STATISTICS: _named("pg_statistic_ext", "stxnamespace", "stxname"),
    f.COLLATION: _named(
        "pg_collation", "collnamespace", "collname", "o.collencoding::pg_catalog.text = g.three"
    ),
    f.TS_DICT: _named("pg_ts_dict", "dictnamespace", "dictname"),
    f.TS_CONFIG: _named("pg_ts_config", "cfgnamespace", "cfgname"),
    f.FUNCTION: _named(
        "pg_proc",
        "pronamespace",
        "proname",
        "format('(%s)', (SELECT string_agg(format_type(u, NULL), ', ' ORDER BY k)"
        " FROM unnest(o.proargtypes) WITH ORDINALITY AS a(u, k))) = g.three",
    ),
    f.OPERATOR: _named(
        "pg_operator",
        "oprnamespace",
        "oprname",
        "format('%I.%s (%s, %s)', n.nspname, o.oprname, CASE o.oprleft WHEN 0 THEN 'NONE'"
        " ELSE format_type(o.oprleft, NULL) END, format_type(o.oprright, NULL)) = g.three",
    ),
    f.SCHEMA: _ALONE.format(catalog="pg_namespace", match="o.nspname = g.two"),
    f.PUBLICATION: _ALONE.format(catalog="pg_publication", match="o.pubname = g.two"),
    f.CAST: _ALONE.format(
        catalog="pg_cast",
        match="format_type(o.castsource, NULL) = g.one AND format_type(o.casttarget, NULL) = g.two",
    ),
    f.DEFAULT_ACL: _ALONE.format(
        catalog="pg_default_acl",
        match="o.defaclrole = (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = g.two)"
        " AND o.defaclobjtype::pg_catalog.text = g.three AND o.defaclnamespace = coalesce("
        "(SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = g.one), 0::pg_catalog.oid)",
    ),
    f.CONSTRAINT: _ALONE.format(
        catalog="pg_constraint",
        match="o.conname = g.two AND CASE WHEN g.three = 'domain' THEN o.contypid = to_regtype(g.one)"
        " ELSE o.conrelid = to_regclass(g.one) END",
    ),
    f.TRIGGER: _ON_TABLE.format(catalog="pg_trigger", table="tgrelid", name="tgname"),
    f.RULE: _ON_TABLE.format(catalog="pg_rewrite", table="ev_class", name="rulename"),
    f.POLICY: _ON_TABLE.format(catalog="pg_policy", table="polrelid", name="polname"),
}


def lookup_keys(facet: Facet) -> tuple[str, str, str]:
    """The three texts by which a lookup finds an object: schema (or table, type), name, and what else tells it apart."""
    values = facet.values
    match facet.catalog:
        case f.CONSTRAINT:
            return str(values["table"] or values["domain"]), facet.name, "domain" if values["domain"] else ""
        case f.TRIGGER | f.RULE | f.POLICY:
            return str(values["table"]), facet.name, ""
        case f.CAST:
            return str(values["source"]), str(values["target"]), ""
        case f.DEFAULT_ACL:
            return facet.schema, str(values["owner"]), str(values["sort"])
        case f.COLLATION:
            return facet.schema, facet.name, str(values["row"]["collencoding"])
        case f.FUNCTION:
            return facet.schema, facet.name, str(values["types"])
        case f.OPERATOR:
            return facet.schema, facet.name, str(values["signature"])
        case _:
            return facet.schema, facet.name, ""
