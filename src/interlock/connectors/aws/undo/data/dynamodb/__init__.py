"""DynamoDB: items, tables, and what hangs on them."""

from interlock.connectors.aws.undo.data.dynamodb import items, tables
from interlock.connectors.aws.undo.data.settings import Setting
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.registry import Row, rows_of

_TAGS = Tags(
    "dynamodb", "ResourceArn", "ListTagsOfResource", "Tags", "TagResource", "Tags", "UntagResource", "TagKeys"
)
_POLICY = Setting(
    "dynamodb",
    "the policy of {}",
    "ResourceArn",
    "GetResourcePolicy",
    "PutResourcePolicy",
    "Policy",
    "Policy",
    delete="DeleteResourcePolicy",
)
_ITEM = "the item is read by its key first, and put back or deleted"

ROWS: tuple[Row, ...] = (
    *rows_of("dynamodb", "PutItem", items.put, "full", _ITEM),
    *rows_of("dynamodb", "UpdateItem DeleteItem", items.keyed, "full", _ITEM),
    *rows_of("dynamodb", "BatchWriteItem", items.batch, "full", f"{_ITEM}, one by one"),
    *rows_of("dynamodb", "TransactWriteItems", items.transact, "full", f"{_ITEM}, one by one"),
    *rows_of(
        "dynamodb",
        "ExecuteStatement",
        items.statement,
        "full",
        f"{_ITEM}, where the statement names its whole key",
    ),
    *rows_of(
        "dynamodb",
        "BatchExecuteStatement ExecuteTransaction",
        items.statements,
        "full",
        f"{_ITEM}, where each statement names its whole key",
    ),
    *rows_of(
        "dynamodb",
        "CreateTable RestoreTableFromBackup RestoreTableToPointInTime",
        tables.create,
        "full",
        "deleted, if nothing was put into it since",
    ),
    *rows_of(
        "dynamodb",
        "DeleteTable",
        tables.delete,
        "new_id",
        "backed up first, and restored with its settings and tags; where there are no backups, items are copied up to a limit",
    ),
    *rows_of("dynamodb", "UpdateTable", tables.update, "full", "each setting and index put as it was"),
    *rows_of("dynamodb", "UpdateTimeToLive", tables.ttl, "full", "put as it was; what expired is gone"),
    *rows_of(
        "dynamodb",
        "UpdateContinuousBackups",
        tables.backups,
        "full",
        "put as it was; restore points are lost",
    ),
    *rows_of("dynamodb", "CreateBackup", tables.create_backup, "full", "deleted"),
    *rows_of("dynamodb", "DeleteBackup", tables.delete_backup, "none", "the backup is gone"),
    *rows_of("dynamodb", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of(
        "dynamodb",
        "PutResourcePolicy DeleteResourcePolicy",
        _POLICY.plan,
        "full",
        "put as it was, or deleted",
    ),
)
