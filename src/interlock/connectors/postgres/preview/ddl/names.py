"""How effects call the things of a database."""

import re

from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogRow
from interlock.model.operation import Resource

_OF_THE_SESSION = re.compile(r"(^|\s|\"|for )pg_(temp|toast)(_temp)?(_\d+)?(\.|$)")
_SHORT = {
    "table column": "column",
    "view column": "column",
    "materialized view column": "column",
    "foreign table column": "column",
    "composite type column": "column",
    "table constraint": "constraint",
    "domain constraint": "constraint",
    "default value": "column",
}
_RELATIONS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "f": "foreign table",
    "i": "index",
    "I": "index",
    "c": "type",
    "t": "toast table",
}


def relation_kind(relkind: str) -> str:
    """The word for a `pg_class.relkind`; a partitioned table is a table."""
    return _RELATIONS.get(relkind, "relation")


def is_internal(row: CatalogRow) -> bool:
    """Whether the row belongs to something of the session's own or of a table's TOAST, which nobody else ever sees."""
    if row.values.get("relpersistence") == "t" or row.values.get("relkind") == "t":
        return True
    if row.catalog == "pg_namespace":
        return str(row.values.get("nspname", "")).startswith(("pg_temp_", "pg_toast_temp_"))
    return bool(_OF_THE_SESSION.search(row.identity)) or row.schema.strip('"').startswith(
        ("pg_temp", "pg_toast")
    )


def resource(row: CatalogRow) -> Resource:
    """The resource of a catalog row: names joined by dots without quotes, functions with the types of their arguments."""
    if row.catalog == "pg_class":
        kind = relation_kind(str(row.values.get("relkind")))
    else:
        kind = _SHORT.get(row.kind, row.kind) or row.catalog
    schema = row.schema.strip('"')
    if kind in ("function", "procedure", "aggregate", "type", "operator", "cast") or not row.names:
        name = row.identity.replace("pg_catalog.", "") or row.key
    else:
        name = ".".join(part or "" for part in row.names)
    if not schema and len(row.names) > 1 and kind in ("column", "trigger", "policy", "rule", "constraint"):
        schema = row.names[0]
    return Resource(kind, name, schema)
