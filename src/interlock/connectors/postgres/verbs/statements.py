"""Every statement node type of libpg_query.

A row says what the statement is in the worst plain case; `classify` refines it from the fields (what DROP drops, what ALTER TABLE
alters, what a SELECT calls). `reason` is why the row says what it says, and for a refusal what the agent reads.
"""

from interlock.connectors.postgres.verbs.rules import StatementRule, Way, words
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action

_READ, _CREATE, _UPDATE, _DELETE = Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE
_ADMIN, _UNKNOWN = Action.ADMIN, Action.UNKNOWN
_PASS, _GATED, _CONTROL, _SETTING = Way.PASS, Way.GATED, Way.CONTROL, Way.SETTING
_OUTSIDE, _IMMEDIATE, _REFUSED = Way.OUTSIDE, Way.IMMEDIATE, Way.REFUSED
_CREATED, _UPDATED, _DELETED = ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.DELETED
_PERMISSION, _MOVED, _SETS = ChangeKind.PERMISSION, ChangeKind.MOVED, ChangeKind.SETTING


def _ddl(
    action: Action, verb: str, kind: str, change: ChangeKind, reason: str = "changes definitions"
) -> StatementRule:
    return StatementRule(action, verb, _GATED, reason, kind, change, ddl=True)


def _never(verb: str, reason: str, action: Action = _ADMIN) -> StatementRule:
    return StatementRule(action, verb, _REFUSED, reason)


_NO_BLOCK = "cannot run in a transaction, so its effect cannot be measured or undone; let a person run it outside the gate"

ROWS: dict[str, StatementRule] = {
    # -- rows
    "SelectStmt": StatementRule(
        _READ, "SELECT", _PASS, "a read if all it names is; see classify.query", "table"
    ),
    "InsertStmt": StatementRule(_CREATE, "INSERT", _GATED, "adds rows", "table"),
    "UpdateStmt": StatementRule(_UPDATE, "UPDATE", _GATED, "changes rows", "table"),
    "DeleteStmt": StatementRule(_DELETE, "DELETE", _GATED, "removes rows", "table"),
    "MergeStmt": StatementRule(_DELETE, "MERGE", _GATED, "adds, changes and removes rows", "table"),
    "CopyStmt": StatementRule(
        _CREATE, "COPY", _GATED, "adds rows, or reads them; files and programs are refused", "table"
    ),
    "TruncateStmt": StatementRule(_DELETE, "TRUNCATE", _GATED, "removes all rows", "table"),
    "LockStmt": StatementRule(_UPDATE, "LOCK", _GATED, "locks tables", "table"),
    "CallStmt": StatementRule(_READ, "CALL", _GATED, "runs a procedure, which is measured", "function"),
    "DoStmt": StatementRule(_READ, "DO", _GATED, "runs code, which is measured"),
    "RefreshMatViewStmt": StatementRule(
        _UPDATE,
        "REFRESH MATERIALIZED VIEW",
        _GATED,
        "runs the view's query and replaces its rows",
        "materialized_view",
        ChangeKind.UPDATED,
    ),
    # -- cursors, prepared statements, session
    "DeclareCursorStmt": StatementRule(
        _READ, "DECLARE CURSOR", _GATED, "runs its query piece by piece", "table"
    ),
    "FetchStmt": StatementRule(_READ, "FETCH", _GATED, "runs a cursor's query on"),
    "ClosePortalStmt": StatementRule(_READ, "CLOSE", _PASS, "drops a cursor of the session"),
    "PrepareStmt": StatementRule(_READ, "PREPARE", _PASS, "as what it prepares, but runs nothing yet"),
    "ExecuteStmt": StatementRule(_READ, "EXECUTE", _GATED, "as what was prepared"),
    "DeallocateStmt": StatementRule(_READ, "DEALLOCATE", _PASS, "drops a prepared statement of the session"),
    "ExplainStmt": StatementRule(_READ, "EXPLAIN", _GATED, "plans; with ANALYZE it runs the statement"),
    "ListenStmt": StatementRule(_READ, "LISTEN", _PASS, "subscribes the session", "channel"),
    "UnlistenStmt": StatementRule(_READ, "UNLISTEN", _PASS, "unsubscribes the session", "channel"),
    "NotifyStmt": StatementRule(
        _UPDATE,
        "NOTIFY",
        _GATED,
        "reaches listeners at the commit and cannot be taken back",
        "channel",
        ChangeKind.UPDATED,
    ),
    "DiscardStmt": StatementRule(_READ, "DISCARD", _SETTING, "drops state of the session"),
    "VariableSetStmt": StatementRule(_READ, "SET", _SETTING, "see settings"),
    "VariableShowStmt": StatementRule(_READ, "SHOW", _SETTING, "see settings"),
    "ConstraintsSetStmt": StatementRule(
        _READ, "SET CONSTRAINTS", _GATED, "may run deferred triggers, which are measured"
    ),
    "TransactionStmt": StatementRule(
        _READ, "TRANSACTION", _CONTROL, "the gateway begins and ends transactions itself"
    ),
    # -- maintenance
    "VacuumStmt": StatementRule(
        _UPDATE, "VACUUM", _OUTSIDE, "maintenance; runs read-only, because index expressions run", "table"
    ),
    "ReindexStmt": StatementRule(
        _UPDATE, "REINDEX", _OUTSIDE, "maintenance; runs read-only, because index expressions run", "index"
    ),
    "ClusterStmt": StatementRule(
        _UPDATE, "CLUSTER", _OUTSIDE, "maintenance; runs read-only, because index expressions run", "table"
    ),
    "CheckPointStmt": StatementRule(
        _ADMIN, "CHECKPOINT", _IMMEDIATE, "writes out the server's buffers", "server", ChangeKind.SETTING
    ),
    # -- tables and what belongs to them
    "CreateStmt": _ddl(_CREATE, "CREATE TABLE", "table", _CREATED),
    "CreateTableAsStmt": _ddl(
        _CREATE, "CREATE TABLE AS", "table", _CREATED, "makes a table and runs a query"
    ),
    "ViewStmt": _ddl(_CREATE, "CREATE VIEW", "view", _CREATED),
    "IndexStmt": _ddl(_CREATE, "CREATE INDEX", "index", _CREATED),
    "CreateSeqStmt": _ddl(_CREATE, "CREATE SEQUENCE", "sequence", _CREATED),
    "AlterSeqStmt": _ddl(_UPDATE, "ALTER SEQUENCE", "sequence", _UPDATED),
    "AlterTableStmt": _ddl(
        _DELETE, "ALTER TABLE", "table", _UPDATED, "as its parts say; see verbs.alter_table"
    ),
    "AlterTableMoveAllStmt": _ddl(_UPDATE, "ALTER TABLE ALL IN TABLESPACE", "tablespace", _MOVED),
    "CreateTrigStmt": _ddl(_CREATE, "CREATE TRIGGER", "trigger", _CREATED),
    "RuleStmt": _ddl(_CREATE, "CREATE RULE", "rule", _CREATED),
    "CreateStatsStmt": _ddl(_CREATE, "CREATE STATISTICS", "statistics", _CREATED),
    "AlterStatsStmt": _ddl(_UPDATE, "ALTER STATISTICS", "statistics", _SETS),
    "CreateForeignTableStmt": _ddl(_CREATE, "CREATE FOREIGN TABLE", "foreign_table", _CREATED),
    "ImportForeignSchemaStmt": _ddl(
        _CREATE, "IMPORT FOREIGN SCHEMA", "schema", _CREATED, "asks another server for definitions"
    ),
    # -- any object
    "DropStmt": _ddl(_DELETE, "DROP", "", _DELETED, "as the kind of object says; see verbs.objects"),
    "RenameStmt": _ddl(_UPDATE, "RENAME", "", _MOVED, "users no longer find it"),
    "AlterObjectSchemaStmt": _ddl(_UPDATE, "SET SCHEMA", "", _MOVED, "users no longer find it"),
    "AlterObjectDependsStmt": _ddl(_UPDATE, "DEPENDS ON EXTENSION", "", _SETS),
    "AlterOwnerStmt": _ddl(_ADMIN, "OWNER TO", "", _PERMISSION, "an owner has all rights"),
    "CommentStmt": _ddl(_UPDATE, "COMMENT", "", _SETS),
    "SecLabelStmt": _ddl(_ADMIN, "SECURITY LABEL", "", _PERMISSION, "labels decide access"),
    # -- schemas, types, functions, operators
    "CreateSchemaStmt": _ddl(_CREATE, "CREATE SCHEMA", "schema", _CREATED),
    "CompositeTypeStmt": _ddl(_CREATE, "CREATE TYPE", "type", _CREATED),
    "CreateEnumStmt": _ddl(_CREATE, "CREATE TYPE", "type", _CREATED),
    "CreateRangeStmt": _ddl(_CREATE, "CREATE TYPE", "type", _CREATED),
    "AlterEnumStmt": _ddl(_UPDATE, "ALTER TYPE", "type", _UPDATED),
    "AlterTypeStmt": _ddl(_UPDATE, "ALTER TYPE", "type", _UPDATED),
    "CreateDomainStmt": _ddl(_CREATE, "CREATE DOMAIN", "type", _CREATED),
    "AlterDomainStmt": _ddl(_UPDATE, "ALTER DOMAIN", "type", ChangeKind.WEAKENED, "may drop a constraint"),
    "CreateFunctionStmt": _ddl(
        _CREATE, "CREATE FUNCTION", "function", _CREATED, "runs later; its calls are looked through"
    ),
    "AlterFunctionStmt": _ddl(_UPDATE, "ALTER FUNCTION", "function", _UPDATED),
    "DefineStmt": _ddl(
        _CREATE, "CREATE", "", _CREATED, "an aggregate, operator, type, collation or text search object"
    ),
    "AlterCollationStmt": _ddl(_UPDATE, "ALTER COLLATION", "collation", _SETS),
    "AlterOperatorStmt": _ddl(_UPDATE, "ALTER OPERATOR", "operator", _UPDATED),
    "CreateCastStmt": _ddl(_CREATE, "CREATE CAST", "cast", _CREATED),
    "CreateConversionStmt": _ddl(_CREATE, "CREATE CONVERSION", "conversion", _CREATED),
    "CreateTransformStmt": _ddl(_CREATE, "CREATE TRANSFORM", "transform", _CREATED),
    "CreateOpClassStmt": _ddl(_CREATE, "CREATE OPERATOR CLASS", "operator_class", _CREATED),
    "CreateOpFamilyStmt": _ddl(_CREATE, "CREATE OPERATOR FAMILY", "operator_family", _CREATED),
    "AlterOpFamilyStmt": _ddl(_UPDATE, "ALTER OPERATOR FAMILY", "operator_family", _UPDATED),
    "AlterTSConfigurationStmt": _ddl(_UPDATE, "ALTER TEXT SEARCH CONFIGURATION", "text_search", _UPDATED),
    "AlterTSDictionaryStmt": _ddl(_UPDATE, "ALTER TEXT SEARCH DICTIONARY", "text_search", _UPDATED),
    # -- extensions and languages
    "CreateExtensionStmt": _ddl(
        _CREATE, "CREATE EXTENSION", "extension", _CREATED, "runs a script of the server's"
    ),
    "AlterExtensionStmt": _ddl(
        _UPDATE, "ALTER EXTENSION", "extension", _UPDATED, "runs a script of the server's"
    ),
    "AlterExtensionContentsStmt": _ddl(_UPDATE, "ALTER EXTENSION", "extension", _UPDATED),
    "CreatePLangStmt": _ddl(_ADMIN, "CREATE LANGUAGE", "language", _PERMISSION),
    "CreateAmStmt": _ddl(_ADMIN, "CREATE ACCESS METHOD", "access_method", _CREATED),
    # -- rights and roles
    "GrantStmt": _ddl(_ADMIN, "GRANT", "", _PERMISSION, "changes rights"),
    "GrantRoleStmt": _ddl(_ADMIN, "GRANT ROLE", "role", _PERMISSION, "changes rights"),
    "AlterDefaultPrivilegesStmt": _ddl(
        _ADMIN, "ALTER DEFAULT PRIVILEGES", "default_privileges", _PERMISSION, "changes rights"
    ),
    "CreateRoleStmt": _ddl(_ADMIN, "CREATE ROLE", "role", _PERMISSION, "changes rights"),
    "AlterRoleStmt": _ddl(_ADMIN, "ALTER ROLE", "role", _PERMISSION, "changes rights"),
    "AlterRoleSetStmt": _ddl(
        _ADMIN, "ALTER ROLE SET", "role", _SETS, "changes what sessions of the role begin with"
    ),
    "DropRoleStmt": _ddl(_ADMIN, "DROP ROLE", "role", _DELETED, "changes rights"),
    "DropOwnedStmt": _ddl(_ADMIN, "DROP OWNED", "role", _DELETED, "drops objects and rights"),
    "ReassignOwnedStmt": _ddl(_ADMIN, "REASSIGN OWNED", "role", _PERMISSION, "changes owners"),
    "CreatePolicyStmt": _ddl(_ADMIN, "CREATE POLICY", "policy", _PERMISSION, "row security decides access"),
    "AlterPolicyStmt": _ddl(_ADMIN, "ALTER POLICY", "policy", _PERMISSION, "row security decides access"),
    "CreateUserMappingStmt": _ddl(
        _ADMIN, "CREATE USER MAPPING", "user_mapping", _PERMISSION, "holds credentials"
    ),
    "AlterUserMappingStmt": _ddl(
        _ADMIN, "ALTER USER MAPPING", "user_mapping", _PERMISSION, "holds credentials"
    ),
    "DropUserMappingStmt": _ddl(_ADMIN, "DROP USER MAPPING", "user_mapping", _DELETED, "holds credentials"),
    "CreateFdwStmt": _ddl(_ADMIN, "CREATE FOREIGN DATA WRAPPER", "foreign_data_wrapper", _CREATED),
    "AlterFdwStmt": _ddl(_ADMIN, "ALTER FOREIGN DATA WRAPPER", "foreign_data_wrapper", _SETS),
    "CreateForeignServerStmt": _ddl(_ADMIN, "CREATE SERVER", "foreign_server", _CREATED),
    "AlterForeignServerStmt": _ddl(_ADMIN, "ALTER SERVER", "foreign_server", _SETS),
    "CreateEventTrigStmt": _ddl(_ADMIN, "CREATE EVENT TRIGGER", "event_trigger", _CREATED),
    "AlterEventTrigStmt": _ddl(_ADMIN, "ALTER EVENT TRIGGER", "event_trigger", ChangeKind.WEAKENED),
    # -- replication
    "CreatePublicationStmt": _ddl(_ADMIN, "CREATE PUBLICATION", "publication", _CREATED),
    "AlterPublicationStmt": _ddl(_ADMIN, "ALTER PUBLICATION", "publication", _SETS),
    "CreateSubscriptionStmt": _never("CREATE SUBSCRIPTION", _NO_BLOCK),
    "AlterSubscriptionStmt": _never("ALTER SUBSCRIPTION", _NO_BLOCK),
    "DropSubscriptionStmt": _never("DROP SUBSCRIPTION", _NO_BLOCK),
    # -- databases, tablespaces, the server
    "CreatedbStmt": _never("CREATE DATABASE", _NO_BLOCK),
    "DropdbStmt": _never("DROP DATABASE", _NO_BLOCK),
    "AlterDatabaseStmt": _ddl(_ADMIN, "ALTER DATABASE", "database", _SETS),
    "AlterDatabaseSetStmt": _ddl(
        _ADMIN, "ALTER DATABASE SET", "database", _SETS, "changes what sessions begin with"
    ),
    "AlterDatabaseRefreshCollStmt": _ddl(
        _ADMIN, "ALTER DATABASE REFRESH COLLATION VERSION", "database", _SETS
    ),
    "CreateTableSpaceStmt": _never("CREATE TABLESPACE", _NO_BLOCK),
    "DropTableSpaceStmt": _never("DROP TABLESPACE", _NO_BLOCK),
    "AlterTableSpaceOptionsStmt": _ddl(_ADMIN, "ALTER TABLESPACE", "tablespace", _SETS),
    "AlterSystemStmt": _never("ALTER SYSTEM", _NO_BLOCK),
    "LoadStmt": _never("LOAD", "loads a library into the server; let a person preload it"),
}

PARTS_ONLY = words("PLAssignStmt RawStmt ReplicaIdentityStmt ReturnStmt SetOperationStmt")
"""Statement nodes that never come alone from the parser: parts of others, or made by the server. Refused when they do."""

UNKNOWN = StatementRule(_UNKNOWN, "UNKNOWN", _REFUSED, "this statement is not in the reviewed table")
"""What stands for a row that is missing."""
