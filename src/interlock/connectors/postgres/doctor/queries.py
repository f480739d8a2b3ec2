"""What `doctor` asks a server. Each statement has named columns in one row, or a list of rows."""

BASICS = """
SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_encoding'),
       pg_catalog.pg_is_in_recovery()::pg_catalog.text, pg_catalog.current_setting('track_counts'),
       pg_catalog.current_setting('session_replication_role'), pg_catalog.current_setting('fsync'),
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::pg_catalog.text,
       pg_catalog.pg_backend_pid()::pg_catalog.text, session_user::pg_catalog.text
"""

PROBE = (
    "SELECT pg_catalog.set_config('interlock.probe', $1, false), pg_catalog.pg_backend_pid()::pg_catalog.text"
)
PROBED = (
    "SELECT pg_catalog.current_setting('interlock.probe', true), pg_catalog.pg_backend_pid()::pg_catalog.text"
)

ROLE = """
SELECT r.rolsuper::pg_catalog.text, r.rolreplication::pg_catalog.text, r.rolbypassrls::pg_catalog.text,
       r.rolcreaterole::pg_catalog.text, r.rolcreatedb::pg_catalog.text,
       (SELECT pg_catalog.pg_has_role(d.datdba, 'MEMBER') FROM pg_catalog.pg_database AS d
         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())::pg_catalog.text
  FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) session_user
"""

# Roles the upstream role may become, and so everything they may do.
MEMBERSHIPS = """
SELECT r.rolname::pg_catalog.text, r.rolsuper::pg_catalog.text
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname OPERATOR(pg_catalog.<>) session_user AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
 ORDER BY 1
"""

SETTINGS_RIGHTS = """
SELECT s FROM pg_catalog.unnest($1::pg_catalog.text[]) AS s
 WHERE pg_catalog.has_parameter_privilege(session_user, s, 'SET, ALTER SYSTEM')
"""

FUNCTION_RIGHTS = """
SELECT DISTINCT p.proname::pg_catalog.text
  FROM pg_catalog.pg_proc AS p
 WHERE p.proname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
   AND p.pronamespace OPERATOR(pg_catalog.=) 11::pg_catalog.oid
   AND pg_catalog.has_function_privilege(session_user, p.oid, 'EXECUTE')
 ORDER BY 1
"""

DEFINERS = """
SELECT pg_catalog.format('%s.%s', n.nspname, p.proname)
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
  JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) p.proowner
 WHERE p.prosecdef AND r.rolsuper AND p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
   AND pg_catalog.has_function_privilege(session_user, p.oid, 'EXECUTE')
   AND pg_catalog.has_schema_privilege(session_user, n.oid, 'USAGE')
 ORDER BY 1 LIMIT 20
"""

GUARDED_SCHEMAS = """
SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace AS n
 WHERE pg_catalog.starts_with(n.nspname::pg_catalog.text, 'interlock')
   AND (pg_catalog.pg_has_role(session_user, n.nspowner, 'MEMBER')
        OR pg_catalog.has_schema_privilege(session_user, n.oid, 'CREATE')
        OR (n.nspname OPERATOR(pg_catalog.<>) 'interlock_gate'
            AND pg_catalog.has_schema_privilege(session_user, n.oid, 'USAGE')))
"""

_USER_TABLES = """
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[])
   AND c.relpersistence OPERATOR(pg_catalog.<>) 't' AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
   AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'interlock')
"""

UNREAD_TABLES = f"""
SELECT pg_catalog.format('%s.%s', n.nspname, c.relname) {_USER_TABLES}
   AND NOT (pg_catalog.has_schema_privilege(session_user, n.oid, 'USAGE')
            AND pg_catalog.has_table_privilege(session_user, c.oid, 'SELECT'))
 ORDER BY 1 LIMIT 1000
"""

ROW_SECURITY = f"""
SELECT pg_catalog.format('%s.%s', n.nspname, c.relname) {_USER_TABLES} AND c.relrowsecurity
 ORDER BY 1 LIMIT 1000
"""

OWNERS = f"""
SELECT DISTINCT pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text {_USER_TABLES}
   AND NOT pg_catalog.pg_has_role(session_user, c.relowner, 'MEMBER')
 ORDER BY 1 LIMIT 100
"""

HBA = """
SELECT h.type, pg_catalog.array_to_string(h.database, ','), pg_catalog.array_to_string(h.user_name, ','), h.address,
       h.netmask, h.auth_method, h.line_number::pg_catalog.text
  FROM pg_catalog.pg_hba_file_rules AS h WHERE h.error IS NULL ORDER BY h.line_number
"""

MEMBERSHIP_OF = """
SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r
 WHERE r.rolname::pg_catalog.text OPERATOR(pg_catalog.=) $1
   AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
"""
