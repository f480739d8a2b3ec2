"""The SQL that sets up the trash of a database: part of `interlock postgres grants-sql`, and may be run again."""

from collections.abc import Sequence

from interlock.connectors.postgres.queries import CANONICAL_SETTINGS, ident, literal
from interlock.connectors.postgres.trash import GATE, KEY_BYTES, SCHEMA

_SIGNATURES = {
    "mac": f"{SCHEMA}.mac(text)",
    "keep": f"{GATE}.keep(text, oid, int2[], text)",
}

_MAC = f"""CREATE OR REPLACE FUNCTION {SCHEMA}.mac(message text) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
  inside bytea; outside bytea;
BEGIN
  -- HMAC-SHA-256 (RFC 2104); the key is as long as a block.
  SELECT k.key, k.key INTO STRICT inside, outside FROM {SCHEMA}.key AS k;
  FOR i IN 0..{KEY_BYTES - 1} LOOP
    inside := set_byte(inside, i, get_byte(inside, i) # 54);
    outside := set_byte(outside, i, get_byte(outside, i) # 92);
  END LOOP;
  RETURN encode(sha256(outside || sha256(inside || convert_to(message, 'UTF8'))), 'hex');
END $fn$;"""

# Values of types and collations that the change may drop with the table are kept as text, of a collation of the server's.
# `format` calls the type's output function: a cast to text could be somebody's own, and would run here as the maintainer.
# `IS NULL` is true of a composite value of NULLs, `num_nulls` is not.
_KEEP = f"""CREATE OR REPLACE FUNCTION {GATE}.keep(token text, source oid, picked int2[], name text) RETURNS int8
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SETTINGS
  SET default_tablespace = '' SET default_table_access_method = 'heap' AS $fn$
DECLARE
  wanted text; what jsonb; kept int8;
BEGIN
  IF token IS DISTINCT FROM {SCHEMA}.mac(concat_ws('/', 'keep', pg_backend_pid(), pg_current_xact_id(), source,
                                         array_to_string(picked, ','), name)) THEN
    RAISE insufficient_privilege USING MESSAGE = 'rows are kept by the gateway only';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE feature_not_supported USING MESSAGE = 'the snapshot of this transaction may be older than the rows';
  END IF;
  IF pg_stat_get_xact_tuples_inserted(source) + pg_stat_get_xact_tuples_updated(source)
     + pg_stat_get_xact_tuples_deleted(source) > 0 THEN
    RAISE object_in_use USING MESSAGE = 'this transaction has changed rows of the table before';
  END IF;
  SELECT string_agg(CASE WHEN a.atttypid < 16384 AND a.attcollation < 16384 THEN format('t.%I AS c%s', a.attname, a.attnum)
                    ELSE format('CASE WHEN num_nulls(t.%1$I) = 0 THEN format(''%%s'', t.%1$I) END COLLATE pg_catalog."C" AS c%2$s',
                                     a.attname, a.attnum) END, ', ' ORDER BY a.attnum) INTO wanted
    FROM pg_attribute AS a
   WHERE a.attrelid = source AND a.attnum = ANY (picked) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
  EXECUTE format('CREATE TABLE {SCHEMA}.%I AS SELECT %s FROM ONLY %s AS t', name, coalesce(wanted, ''), source::regclass);
  GET DIAGNOSTICS kept = ROW_COUNT;
  SELECT jsonb_build_object('schema', n.nspname, 'table', c.relname, 'oid', c.oid::int8, 'rows', kept,
                            'at', date_part('epoch', clock_timestamp()), 'xid', pg_current_xact_id()::text) INTO STRICT what
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = source;
  EXECUTE format('COMMENT ON TABLE {SCHEMA}.%I IS %L', name, what::text);
  RETURN kept;
END $fn$;"""


def trash_sql(maintainer: str, callers: Sequence[str], *, plain: bool) -> list[str]:
    """Statements for the trash of `maintainer`; `callers` are the roles that agents run as."""
    owner = ident(maintainer)
    lines = ["-- The trash: rows that a change of definitions takes away, out of reach for agents."]
    if not plain:
        lines.append(f"GRANT {owner} TO CURRENT_USER;")  # else what is made here could not be given to it
    for schema in (SCHEMA, GATE):
        lines += [
            f"CREATE SCHEMA IF NOT EXISTS {schema};",
            f"ALTER SCHEMA {schema} OWNER TO {owner};",
            f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;",
        ]
    random = " || ".join(
        ["pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(" + _RANDOM + "), 'UTF8'))"] * 2
    )
    lines += [
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.key (only_one bool PRIMARY KEY DEFAULT true CHECK (only_one), key bytea NOT NULL);",
        f"ALTER TABLE {SCHEMA}.key OWNER TO {owner};",
        f"REVOKE ALL ON {SCHEMA}.key FROM PUBLIC;",
        f"INSERT INTO {SCHEMA}.key (key) SELECT {random} ON CONFLICT DO NOTHING;",
        _MAC,
        _KEEP.replace("SETTINGS", _settings()),
    ]
    for signature in _SIGNATURES.values():
        lines += [
            f"ALTER FUNCTION {signature} OWNER TO {owner};",
            f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;",
        ]
    for caller in map(ident, dict.fromkeys(callers)):
        lines += [
            f"REVOKE ALL ON SCHEMA {SCHEMA} FROM {caller};",
            f"GRANT USAGE ON SCHEMA {GATE} TO {caller};",
            f"GRANT EXECUTE ON FUNCTION {_SIGNATURES['keep']} TO {caller};",
        ]
    return lines


# 122 random bits in each (RFC 9562, version 4).
_RANDOM = ", ".join(["pg_catalog.gen_random_uuid()"] * 3)


def _settings() -> str:
    """The same text for the same value, whatever the agent's session is set to; no name of the agent's is looked up."""
    fixed = {**CANONICAL_SETTINGS, "search_path": "pg_catalog, pg_temp"}
    return " ".join(
        f"SET {name} = {value if name == 'search_path' else literal(value)}" for name, value in fixed.items()
    )
