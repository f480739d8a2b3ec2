"""Every kind of object (`ObjectType`): what it is called here, how libpg_query names it, what dropping and altering it needs."""

from interlock.connectors.postgres.verbs.rules import ObjectRule
from interlock.model.operation import Action

_ADMIN = Action.ADMIN

ROWS: dict[str, ObjectRule] = {
    "OBJECT_ACCESS_METHOD": ObjectRule("access_method", "plain", _ADMIN, _ADMIN),
    "OBJECT_AGGREGATE": ObjectRule("function", "callable"),
    "OBJECT_AMOP": ObjectRule("operator_family", "qualified"),
    "OBJECT_AMPROC": ObjectRule("operator_family", "qualified"),
    "OBJECT_ATTRIBUTE": ObjectRule("column", "inner"),
    "OBJECT_CAST": ObjectRule("cast", "typed"),
    "OBJECT_COLUMN": ObjectRule("column", "inner"),
    "OBJECT_COLLATION": ObjectRule("collation", "qualified"),
    "OBJECT_CONVERSION": ObjectRule("conversion", "qualified"),
    "OBJECT_DATABASE": ObjectRule("database", "plain", _ADMIN, _ADMIN),
    "OBJECT_DEFAULT": ObjectRule("column", "inner"),
    "OBJECT_DEFACL": ObjectRule("default_privileges", "plain", _ADMIN, _ADMIN),
    "OBJECT_DOMAIN": ObjectRule("type", "type"),
    "OBJECT_DOMCONSTRAINT": ObjectRule("constraint", "domain"),
    "OBJECT_EVENT_TRIGGER": ObjectRule("event_trigger", "plain", _ADMIN, _ADMIN),
    "OBJECT_EXTENSION": ObjectRule("extension", "plain"),
    "OBJECT_FDW": ObjectRule("foreign_data_wrapper", "plain", _ADMIN, _ADMIN),
    "OBJECT_FOREIGN_SERVER": ObjectRule("foreign_server", "plain", _ADMIN, _ADMIN),
    "OBJECT_FOREIGN_TABLE": ObjectRule("foreign_table", "qualified"),
    "OBJECT_FUNCTION": ObjectRule("function", "callable"),
    "OBJECT_INDEX": ObjectRule("index", "qualified"),
    "OBJECT_LANGUAGE": ObjectRule("language", "plain", _ADMIN, _ADMIN),
    "OBJECT_LARGEOBJECT": ObjectRule("large_object", "number"),
    "OBJECT_MATVIEW": ObjectRule("materialized_view", "qualified"),
    "OBJECT_OPCLASS": ObjectRule("operator_class", "am"),
    "OBJECT_OPERATOR": ObjectRule("operator", "callable"),
    "OBJECT_OPFAMILY": ObjectRule("operator_family", "am"),
    "OBJECT_PARAMETER_ACL": ObjectRule("parameter", "plain", _ADMIN, _ADMIN),
    "OBJECT_POLICY": ObjectRule("policy", "inner", _ADMIN, _ADMIN),
    "OBJECT_PROCEDURE": ObjectRule("function", "callable"),
    "OBJECT_PUBLICATION": ObjectRule("publication", "plain", _ADMIN, _ADMIN),
    "OBJECT_PUBLICATION_NAMESPACE": ObjectRule("publication", "plain", _ADMIN, _ADMIN),
    "OBJECT_PUBLICATION_REL": ObjectRule("publication", "plain", _ADMIN, _ADMIN),
    "OBJECT_ROLE": ObjectRule("role", "plain", _ADMIN, _ADMIN),
    "OBJECT_ROUTINE": ObjectRule("function", "callable"),
    "OBJECT_RULE": ObjectRule("rule", "inner"),
    "OBJECT_SCHEMA": ObjectRule("schema", "plain"),
    "OBJECT_SEQUENCE": ObjectRule("sequence", "qualified"),
    "OBJECT_SUBSCRIPTION": ObjectRule("subscription", "plain", _ADMIN, _ADMIN),
    "OBJECT_STATISTIC_EXT": ObjectRule("statistics", "qualified"),
    "OBJECT_TABCONSTRAINT": ObjectRule("constraint", "inner"),
    "OBJECT_TABLE": ObjectRule("table", "qualified"),
    "OBJECT_TABLESPACE": ObjectRule("tablespace", "plain", _ADMIN, _ADMIN),
    "OBJECT_TRANSFORM": ObjectRule("transform", "typed"),
    "OBJECT_TRIGGER": ObjectRule("trigger", "inner"),
    "OBJECT_TSCONFIGURATION": ObjectRule("text_search", "qualified"),
    "OBJECT_TSDICTIONARY": ObjectRule("text_search", "qualified"),
    "OBJECT_TSPARSER": ObjectRule("text_search", "qualified", _ADMIN, _ADMIN),
    "OBJECT_TSTEMPLATE": ObjectRule("text_search", "qualified", _ADMIN, _ADMIN),
    "OBJECT_TYPE": ObjectRule("type", "type"),
    "OBJECT_USER_MAPPING": ObjectRule("user_mapping", "plain", _ADMIN, _ADMIN),
    "OBJECT_VIEW": ObjectRule("view", "qualified"),
}

UNQUALIFIED = frozenset(rule.kind for rule in ROWS.values() if rule.naming in ("plain", "number"))
"""Resource kinds that lie in no schema."""
