"""The statement that removes a created object."""

from collections.abc import Sequence

from interlock.connectors.postgres.queries import ident, qualified

_NAMED = {
    "table": "TABLE",
    "view": "VIEW",
    "materialized view": "MATERIALIZED VIEW",
    "sequence": "SEQUENCE",
    "index": "INDEX",
    "collation": "COLLATION",
    "statistics object": "STATISTICS",
    "text search configuration": "TEXT SEARCH CONFIGURATION",
    "text search dictionary": "TEXT SEARCH DICTIONARY",
    "conversion": "CONVERSION",
    "foreign table": "FOREIGN TABLE",
}
_BY_IDENTITY = {
    "function": "FUNCTION",
    "procedure": "PROCEDURE",
    "aggregate": "AGGREGATE",
    "type": "TYPE",
    "extension": "EXTENSION",
    "schema": "SCHEMA",
}
_WITH_METHOD = {"operator class": "OPERATOR CLASS", "operator family": "OPERATOR FAMILY"}
_BY_IDENTITY |= {
    "domain": "DOMAIN",
    "publication": "PUBLICATION",
    "event trigger": "EVENT TRIGGER",
    "language": "LANGUAGE",
}
_ON_TABLE = {"trigger": "TRIGGER", "rule": "RULE", "policy": "POLICY"}


def drop_statement(kind: str, identity: str, names: Sequence[str]) -> str:
    """DROP … RESTRICT for an object as `pg_identify_object` (kind, identity) and `pg_identify_object_as_address` (names) call
    it; an empty string for kinds whose creation is not undone."""
    if kind in _NAMED and len(names) == 2:
        return f"DROP {_NAMED[kind]} {qualified(*names)} RESTRICT"
    if kind in _BY_IDENTITY:
        return f"DROP {_BY_IDENTITY[kind]} {identity} RESTRICT"
    if kind in _ON_TABLE and len(names) == 3:
        return f"DROP {_ON_TABLE[kind]} {ident(names[2])} ON {qualified(*names[:2])} RESTRICT"
    if kind == "cast":
        return f"DROP CAST {identity} RESTRICT"
    if kind == "operator":
        # `identity` has its arguments' types, NONE for a missing one; the name has its schema.
        return f"DROP OPERATOR {identity} RESTRICT"
    if kind in _WITH_METHOD:
        name, _, method = identity.rpartition(" USING ")
        return f"DROP {_WITH_METHOD[kind]} {name} USING {method} RESTRICT" if name else ""
    if kind == "domain constraint":
        name, _, domain = identity.rpartition(" on ")
        return f"ALTER DOMAIN {domain} DROP CONSTRAINT {name} RESTRICT" if name else ""
    if kind == "table constraint" and len(names) == 3:
        return f"ALTER TABLE {qualified(*names[:2])} DROP CONSTRAINT {ident(names[2])} RESTRICT"
    if kind == "table column" and len(names) == 3:
        return f"ALTER TABLE {qualified(*names[:2])} DROP COLUMN {ident(names[2])} RESTRICT"
    if kind == "default value" and len(names) == 3:
        return f"ALTER TABLE {qualified(*names[:2])} ALTER COLUMN {ident(names[2])} DROP DEFAULT"
    return ""
