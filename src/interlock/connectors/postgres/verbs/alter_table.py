"""Every subtype of ALTER TABLE (`AlterTableType`; also of views, indexes, sequences, foreign tables and composite types).

Those that only the server makes for itself while it works (`AT_ReAdd…`, `AT_Cooked…`) have no row but stand in :data:`INTERNAL`.
"""

from interlock.connectors.postgres.verbs.rules import AlterRule, words
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action

_CREATE, _UPDATE, _DELETE, _ADMIN = Action.CREATE, Action.UPDATE, Action.DELETE, Action.ADMIN
_CREATED, _UPDATED, _DELETED = ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.DELETED
_WEAKENED, _MOVED, _PERMISSION = ChangeKind.WEAKENED, ChangeKind.MOVED, ChangeKind.PERMISSION
_REPLACED, _SETTING = ChangeKind.REPLACED, ChangeKind.SETTING

ROWS: dict[str, AlterRule] = {
    # columns
    "AT_AddColumn": AlterRule(_CREATE, _CREATED, "ADD COLUMN", "column", rewrites=True),
    "AT_AddColumnToView": AlterRule(_CREATE, _CREATED, "ADD COLUMN", "column"),
    "AT_DropColumn": AlterRule(_DELETE, _DELETED, "DROP COLUMN", "column"),
    "AT_AlterColumnType": AlterRule(_DELETE, _REPLACED, "ALTER COLUMN TYPE", "column", rewrites=True),
    "AT_ColumnDefault": AlterRule(_UPDATE, _UPDATED, "ALTER COLUMN DEFAULT", "column"),
    "AT_SetExpression": AlterRule(_DELETE, _REPLACED, "ALTER COLUMN SET EXPRESSION", "column", rewrites=True),
    "AT_DropExpression": AlterRule(_UPDATE, _WEAKENED, "ALTER COLUMN DROP EXPRESSION", "column"),
    "AT_SetNotNull": AlterRule(_UPDATE, _UPDATED, "ALTER COLUMN SET NOT NULL", "column"),
    "AT_DropNotNull": AlterRule(_UPDATE, _WEAKENED, "ALTER COLUMN DROP NOT NULL", "column"),
    "AT_AddIdentity": AlterRule(_UPDATE, _UPDATED, "ALTER COLUMN ADD IDENTITY", "column"),
    "AT_SetIdentity": AlterRule(_UPDATE, _UPDATED, "ALTER COLUMN SET IDENTITY", "column"),
    "AT_DropIdentity": AlterRule(_UPDATE, _WEAKENED, "ALTER COLUMN DROP IDENTITY", "column"),
    "AT_SetStatistics": AlterRule(_UPDATE, _SETTING, "ALTER COLUMN SET STATISTICS", "column"),
    "AT_SetOptions": AlterRule(_UPDATE, _SETTING, "ALTER COLUMN SET", "column"),
    "AT_ResetOptions": AlterRule(_UPDATE, _SETTING, "ALTER COLUMN RESET", "column"),
    "AT_SetStorage": AlterRule(_UPDATE, _SETTING, "ALTER COLUMN SET STORAGE", "column"),
    "AT_SetCompression": AlterRule(_UPDATE, _SETTING, "ALTER COLUMN SET COMPRESSION", "column"),
    "AT_AlterColumnGenericOptions": AlterRule(_UPDATE, _SETTING, "ALTER COLUMN OPTIONS", "column"),
    # constraints
    "AT_AddConstraint": AlterRule(_CREATE, _CREATED, "ADD CONSTRAINT", "constraint", rewrites=True),
    "AT_AddIndexConstraint": AlterRule(_CREATE, _CREATED, "ADD CONSTRAINT", "constraint"),
    "AT_AlterConstraint": AlterRule(_UPDATE, _WEAKENED, "ALTER CONSTRAINT", "constraint"),
    "AT_ValidateConstraint": AlterRule(_UPDATE, _UPDATED, "VALIDATE CONSTRAINT", "constraint", rewrites=True),
    "AT_DropConstraint": AlterRule(_UPDATE, _WEAKENED, "DROP CONSTRAINT", "constraint"),
    # triggers and rules
    "AT_EnableTrig": AlterRule(_UPDATE, _UPDATED, "ENABLE TRIGGER", "trigger"),
    "AT_EnableAlwaysTrig": AlterRule(_UPDATE, _UPDATED, "ENABLE ALWAYS TRIGGER", "trigger"),
    "AT_EnableReplicaTrig": AlterRule(_UPDATE, _WEAKENED, "ENABLE REPLICA TRIGGER", "trigger"),
    "AT_DisableTrig": AlterRule(_UPDATE, _WEAKENED, "DISABLE TRIGGER", "trigger"),
    "AT_EnableTrigAll": AlterRule(_UPDATE, _UPDATED, "ENABLE TRIGGER ALL"),
    "AT_DisableTrigAll": AlterRule(_UPDATE, _WEAKENED, "DISABLE TRIGGER ALL"),
    "AT_EnableTrigUser": AlterRule(_UPDATE, _UPDATED, "ENABLE TRIGGER USER"),
    "AT_DisableTrigUser": AlterRule(_UPDATE, _WEAKENED, "DISABLE TRIGGER USER"),
    "AT_EnableRule": AlterRule(_UPDATE, _UPDATED, "ENABLE RULE", "rule"),
    "AT_EnableAlwaysRule": AlterRule(_UPDATE, _UPDATED, "ENABLE ALWAYS RULE", "rule"),
    "AT_EnableReplicaRule": AlterRule(_UPDATE, _WEAKENED, "ENABLE REPLICA RULE", "rule"),
    "AT_DisableRule": AlterRule(_UPDATE, _WEAKENED, "DISABLE RULE", "rule"),
    # row security and rights
    "AT_EnableRowSecurity": AlterRule(_ADMIN, _PERMISSION, "ENABLE ROW LEVEL SECURITY"),
    "AT_DisableRowSecurity": AlterRule(_ADMIN, _WEAKENED, "DISABLE ROW LEVEL SECURITY"),
    "AT_ForceRowSecurity": AlterRule(_ADMIN, _PERMISSION, "FORCE ROW LEVEL SECURITY"),
    "AT_NoForceRowSecurity": AlterRule(_ADMIN, _WEAKENED, "NO FORCE ROW LEVEL SECURITY"),
    "AT_ChangeOwner": AlterRule(_ADMIN, _PERMISSION, "OWNER TO"),
    # storage and the rest of the table
    "AT_ClusterOn": AlterRule(_UPDATE, _SETTING, "CLUSTER ON"),
    "AT_DropCluster": AlterRule(_UPDATE, _SETTING, "SET WITHOUT CLUSTER"),
    "AT_SetLogged": AlterRule(_UPDATE, _UPDATED, "SET LOGGED"),
    "AT_SetUnLogged": AlterRule(_UPDATE, _WEAKENED, "SET UNLOGGED"),
    "AT_DropOids": AlterRule(_UPDATE, _UPDATED, "SET WITHOUT OIDS"),
    "AT_SetAccessMethod": AlterRule(_UPDATE, _UPDATED, "SET ACCESS METHOD", rewrites=True),
    "AT_SetTableSpace": AlterRule(_UPDATE, _UPDATED, "SET TABLESPACE"),
    "AT_SetRelOptions": AlterRule(_UPDATE, _SETTING, "SET"),
    "AT_ResetRelOptions": AlterRule(_UPDATE, _SETTING, "RESET"),
    "AT_ReplaceRelOptions": AlterRule(_UPDATE, _SETTING, "SET"),
    "AT_GenericOptions": AlterRule(_ADMIN, _SETTING, "OPTIONS"),
    "AT_ReplicaIdentity": AlterRule(_ADMIN, _SETTING, "REPLICA IDENTITY"),
    "AT_AddIndex": AlterRule(_CREATE, _CREATED, "ADD INDEX"),
    # inheritance and partitions: rows appear in or vanish from other tables
    "AT_AddInherit": AlterRule(_UPDATE, _UPDATED, "INHERIT"),
    "AT_DropInherit": AlterRule(_DELETE, ChangeKind.HIDDEN, "NO INHERIT"),
    "AT_AddOf": AlterRule(_UPDATE, _UPDATED, "OF"),
    "AT_DropOf": AlterRule(_UPDATE, _UPDATED, "NOT OF"),
    "AT_AttachPartition": AlterRule(_UPDATE, _MOVED, "ATTACH PARTITION", rewrites=True),
    "AT_DetachPartition": AlterRule(_DELETE, ChangeKind.HIDDEN, "DETACH PARTITION"),
    "AT_DetachPartitionFinalize": AlterRule(_DELETE, ChangeKind.HIDDEN, "DETACH PARTITION FINALIZE"),
}

INTERNAL = words(
    "AT_CookedColumnDefault AT_ReAddIndex AT_ReAddConstraint AT_ReAddDomainConstraint AT_ReAddComment AT_ReAddStatistics"
)
"""Made by the server only; refused when they should ever come from the parser."""
