"""Relations of the server's own (`pg_catalog`, `information_schema`): all are reads, but for those listed here."""

from interlock.connectors.postgres.verbs.rules import words

SECRET = words(
    """pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_subscription pg_hba_file_rules pg_ident_file_mappings
    pg_file_settings pg_largeobject pg_statistic pg_statistic_ext_data _pg_user_mappings user_mapping_options"""
)
"""Hold credentials, the server's files, or the contents of tables and large objects apart from those tables' rights. Reading them
is `admin`, and goes through the gate."""

SYSTEM_SCHEMAS = words("pg_catalog information_schema")
