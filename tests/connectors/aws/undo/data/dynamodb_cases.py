"""Cases of DynamoDB."""

from typing import Any

from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Case

T = {"TableName": "orders"}
ARN = {"ResourceArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders"}
INDEX = {
    "IndexName": "by-who",
    "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
UNITS = {"ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}}
SHAPE = {
    **T,
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "at", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
}
DEFINITIONS = [*SHAPE["AttributeDefinitions"], {"AttributeName": "who", "AttributeType": "S"}]
MAKE = ("dynamodb", "CreateTable", {**SHAPE, "BillingMode": "PAY_PER_REQUEST"})
NOTES = (
    "dynamodb",
    "CreateTable",
    {
        "TableName": "notes",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
)
PROVISIONED = (
    "dynamodb",
    "CreateTable",
    {
        **SHAPE,
        **UNITS,
        "AttributeDefinitions": DEFINITIONS,
        "GlobalSecondaryIndexes": [{**INDEX, **UNITS}],
        "Tags": [{"Key": "team", "Value": "a"}, {"Key": "env", "Value": "${prod}"}],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    },
)


def key(name: str, at: int = 1) -> dict[str, Any]:
    return {"id": {"S": name}, "at": {"N": str(at)}}


def item(name: str, **more: Any) -> dict[str, Any]:
    rich = {
        "blob": {"B": b"\x00\xff"},
        "text": {"S": "${backup} $${"},
        "set": {"NS": ["1", "2"]},
        "nil": {"NULL": True},
    }
    return {**key(name), **rich, "deep": {"M": {"list": {"L": [{"BOOL": False}, {"S": ""}]}}}, **more}


def put(name: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    return ("dynamodb", "PutItem", {**T, "Item": item(name, **more)})


ITEMS = ("dynamodb", "Scan", T, "sort_by(Items, &id.S)")
GIVEN = (MAKE, put("a"), put("b"), put("o'x"))
NEW = {"who": {"S": "new"}}


def statement(text: str, *parameters: Any) -> dict[str, Any]:
    return {"Statement": text, **({"Parameters": list(parameters)} if parameters else {})}


WRITES = (
    ("put over", "PutItem", {**T, "Item": {**key("a"), **NEW}}),
    ("put new", "PutItem", {**T, "Item": {**key("z"), **NEW}}),
    (
        "update",
        "UpdateItem",
        {
            **T,
            "Key": key("a"),
            "UpdateExpression": "SET who = :w REMOVE nil",
            "ExpressionAttributeValues": {":w": {"S": "x"}},
        },
    ),
    (
        "update new",
        "UpdateItem",
        {
            **T,
            "Key": key("z"),
            "UpdateExpression": "SET who = :w",
            "ExpressionAttributeValues": {":w": {"S": "x"}},
        },
    ),
    ("delete", "DeleteItem", {**T, "Key": key("a")}),
    (
        "batch",
        "BatchWriteItem",
        {
            "RequestItems": {
                "orders": [
                    {"PutRequest": {"Item": {**key("a"), **NEW}}},
                    {"PutRequest": {"Item": {**key("z"), **NEW}}},
                    {"DeleteRequest": {"Key": key("b")}},
                    {"DeleteRequest": {"Key": key("nothing")}},
                ]
            }
        },
    ),
    (
        "transact",
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {**T, "Item": {**key("z"), **NEW}}},
                {"Delete": {**T, "Key": key("b")}},
                {
                    "Update": {
                        **T,
                        "Key": key("a"),
                        "UpdateExpression": "SET who = :w",
                        "ExpressionAttributeValues": {":w": {"S": "x"}},
                    }
                },
                {"ConditionCheck": {**T, "Key": key("o'x"), "ConditionExpression": "attribute_exists(id)"}},
            ]
        },
    ),
    (
        "insert",
        "ExecuteStatement",
        statement("INSERT INTO \"orders\" VALUE {'id': 'z', 'at': 1, 'who': 'w'}"),
    ),
    (
        "update by statement",
        "ExecuteStatement",
        statement("UPDATE orders SET who = ? WHERE id = ? AND at = ?", {"S": "w"}, {"S": "a"}, {"N": "1"}),
    ),
    (
        "statements",
        "BatchExecuteStatement",
        {
            "Statements": [
                statement(
                    "UPDATE orders SET who = ? WHERE id = ? AND at = ?", {"S": "w"}, {"S": "a"}, {"N": "1"}
                ),
                statement("INSERT INTO orders VALUE {'id': 'z', 'at': 1}"),
            ]
        },
    ),
    (
        "statements together",
        "ExecuteTransaction",
        {
            "TransactStatements": [
                statement(
                    "UPDATE orders SET who = ? WHERE id = ? AND at = ?", {"S": "w"}, {"S": "a"}, {"N": "1"}
                )
            ]
        },
    ),
)

DESCRIBED = (
    "Table.[KeySchema, AttributeDefinitions, BillingModeSummary.BillingMode || 'PROVISIONED', StreamSpecification,"
    " ProvisionedThroughput.ReadCapacityUnits, ProvisionedThroughput.WriteCapacityUnits, DeletionProtectionEnabled,"
    " GlobalSecondaryIndexes[].[IndexName, KeySchema, ProvisionedThroughput.ReadCapacityUnits]]"
)
TABLE = ("dynamodb", "DescribeTable", T, DESCRIBED)
TTL = ("dynamodb", "DescribeTimeToLive", T, "TimeToLiveDescription.TimeToLiveStatus")
PITR = (
    "dynamodb",
    "DescribeContinuousBackups",
    T,
    "ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus",
)
TAGS = ("dynamodb", "ListTagsOfResource", ARN, "sort_by(Tags, &Key)")
EXPIRE = (
    "dynamodb",
    "UpdateTimeToLive",
    {**T, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "until"}},
)
RECOVER = (
    "dynamodb",
    "UpdateContinuousBackups",
    {**T, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
)
UPDATES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("on demand", {"BillingMode": "PAY_PER_REQUEST"}),
    ("units", {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
    ("protected", {"DeletionProtectionEnabled": True}),
    ("index deleted", {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-who"}}]}),
    (
        "index made",
        {
            "AttributeDefinitions": DEFINITIONS,
            "GlobalSecondaryIndexUpdates": [
                {
                    "Create": {
                        **UNITS,
                        "IndexName": "by-at",
                        "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                }
            ],
        },
    ),
    (
        "index slowed",
        {
            "GlobalSecondaryIndexUpdates": [
                {
                    "Update": {
                        "IndexName": "by-who",
                        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
                    }
                }
            ]
        },
    ),
)
WHOLE = (TABLE, ITEMS, TTL, PITR, TAGS)
BACKUP = ("dynamodb", "CreateBackup", {**T, "BackupName": "one"}, {"backup": "BackupDetails.BackupArn"})
POLICY = '{"Version": "2012-10-17", "Statement": []}'

CASES = (
    *(
        Case(name=name, given=GIVEN, call=("dynamodb", operation, asked), state=(ITEMS,))
        for name, operation, asked in WRITES
    ),
    # Moto understands no number in a DELETE.
    Case(
        name="delete by statement",
        given=(
            NOTES,
            *(
                ("dynamodb", "PutItem", {"TableName": "notes", "Item": {"id": {"S": name}}})
                for name in ("a", "it's")
            ),
        ),
        call=("dynamodb", "ExecuteStatement", statement("DELETE FROM notes WHERE id = 'a'")),
        state=(("dynamodb", "Scan", {"TableName": "notes"}, "sort_by(Items, &id.S)"),),
    ),
    Case(name="create table", call=MAKE, state=(TABLE,)),
    Case(
        name="restore table",
        given=(MAKE, put("a"), BACKUP),
        call=("dynamodb", "RestoreTableFromBackup", {"TargetTableName": "two", "BackupArn": "${backup}"}),
        state=(("dynamodb", "ListTables", {}, "TableNames"),),
    ),
    Case(
        name="restore table to a point in time",
        given=(MAKE, put("a")),
        call=(
            "dynamodb",
            "RestoreTableToPointInTime",
            {"SourceTableName": "orders", "TargetTableName": "two", "UseLatestRestorableTime": True},
        ),
        state=(("dynamodb", "ListTables", {}, "TableNames"),),
    ),
    Case(
        name="delete table",
        kind="new_id",
        given=(PROVISIONED, put("a"), put("b"), EXPIRE, RECOVER),
        call=("dynamodb", "DeleteTable", T),
        state=WHOLE,
    ),
    Case(
        name="delete table on demand",
        kind="new_id",
        given=(MAKE, put("a")),
        call=("dynamodb", "DeleteTable", T),
        state=WHOLE,
    ),
    *(
        Case(
            name=f"update table: {name}",
            given=(PROVISIONED, put("a")),
            call=("dynamodb", "UpdateTable", {**T, **asked}),
            state=(TABLE, ITEMS),
        )
        for name, asked in UPDATES
    ),
    Case(
        name="update table: stream on",
        given=(MAKE,),
        call=(
            "dynamodb",
            "UpdateTable",
            {**T, "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}},
        ),
        state=(TABLE,),
    ),
    Case(name="expire", given=(MAKE,), call=EXPIRE, state=(TTL,)),
    Case(
        name="expire no more",
        given=(MAKE, EXPIRE),
        call=(
            "dynamodb",
            "UpdateTimeToLive",
            {**T, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "until"}},
        ),
        state=(TTL, ("dynamodb", "DescribeTimeToLive", T, "TimeToLiveDescription.AttributeName")),
    ),
    Case(name="keep restore points", given=(MAKE,), call=RECOVER, state=(PITR,)),
    Case(
        name="keep no restore points",
        kind="new_id",
        given=(MAKE, RECOVER),
        call=(
            "dynamodb",
            "UpdateContinuousBackups",
            {**T, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
        ),
        state=(PITR,),
    ),
    Case(
        name="back up",
        given=(MAKE,),
        call=BACKUP[:3],
        state=(("dynamodb", "ListBackups", T, "BackupSummaries[].BackupName"),),
    ),
    Case(
        name="tag",
        given=(PROVISIONED,),
        call=("dynamodb", "TagResource", {**ARN, "Tags": [{"Key": "new", "Value": "y"}]}),
        state=(TAGS,),
    ),
    Case(
        name="untag",
        given=(PROVISIONED,),
        call=("dynamodb", "UntagResource", {**ARN, "TagKeys": ["env", "nothing"]}),
        state=(TAGS,),
    ),
    Case(
        name="policy",
        given=(MAKE,),
        call=("dynamodb", "PutResourcePolicy", {**ARN, "Policy": POLICY}),
        state=(("dynamodb", "GetResourcePolicy", ARN, "Policy"),),
    ),
    Case(
        name="policy deleted",
        given=(MAKE, ("dynamodb", "PutResourcePolicy", {**ARN, "Policy": POLICY})),
        call=("dynamodb", "DeleteResourcePolicy", ARN),
        state=(("dynamodb", "GetResourcePolicy", ARN, "Policy"),),
    ),
)
