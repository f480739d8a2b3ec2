"""Objects, items and messages: what is there decides what a call does."""

from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.connectors.aws.call import CallFailed, Quiet
from interlock.connectors.aws.preview import Seen
from interlock.model.effect import ChangeKind, Effect, Evidence
from interlock.model.operation import Action, Resource

BUCKET = Resource("s3:bucket", "arn:aws:s3:::prod-data")


def said(effects: tuple[Effect, ...]) -> list[tuple[str, str, int, int | None]]:
    """Kind of change, unit, count and how many there were."""
    return [(one.change.value, one.unit.value, one.count, one.before) for one in effects]


@pytest.fixture
def s3(calls: Any) -> Any:
    s3 = calls.client("s3")
    s3.create_bucket(Bucket="prod-data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for n in range(12):
        s3.put_object(Bucket="prod-data", Key=f"logs/{n}" if n < 9 else f"data/{n}", Body=b"x")
    return s3


def test_an_object_that_is_there_is_overwritten(s3: Any, described: Any) -> None:
    found = described("s3", "PutObject", parameters={"Bucket": "prod-data", "Key": "logs/1"})
    assert said(found.effects) == [("updated", "items", 1, 12)]
    assert "no version is kept" in found.effects[0].detail
    assert (found.effects[0].resource.kind, found.effects[0].resource.name) == (BUCKET.kind, BUCKET.name)
    assert found.state["object prod-data/logs/1"]["ETag"]


def test_a_new_object_is_created(s3: Any, described: Any) -> None:
    found = described(
        "s3",
        "PutObject",
        parameters={"Bucket": "prod-data", "Key": "new"},
        quiet=[Quiet("overwrite", "may overwrite")],
    )
    assert said(found.effects) == [("created", "items", 1, None)]


@pytest.mark.parametrize("count", [3, 12, 25])
def test_deleted_objects_are_counted_exactly(s3: Any, described: Any, count: int) -> None:
    keys = [{"Key": f"logs/{n}"} for n in range(count)]
    found = described("s3", "DeleteObjects", parameters={"Bucket": "prod-data", "Delete": {"Objects": keys}})
    assert said(found.effects) == [("deleted", "items", min(count, 9), 12)]


def test_a_thousand_keys_take_few_questions(s3: Any, calls: Any, described: Any) -> None:
    keys = [{"Key": f"logs/{n}"} for n in range(1000)]
    found = described("s3", "DeleteObjects", parameters={"Bucket": "prod-data", "Delete": {"Objects": keys}})
    assert said(found.effects) == [("deleted", "items", 9, 12)]
    assert len(calls.asked) < 6


def test_an_object_that_is_not_there_is_not_deleted(s3: Any, described: Any) -> None:
    found = described("s3", "DeleteObject", parameters={"Bucket": "prod-data", "Key": "no"})
    assert said(found.effects) == [("deleted", "items", 0, None)]


def test_a_versioned_bucket_keeps_versions(s3: Any, described: Any) -> None:
    s3.put_bucket_versioning(Bucket="prod-data", VersioningConfiguration={"Status": "Enabled"})
    found = described("s3", "DeleteObject", parameters={"Bucket": "prod-data", "Key": "logs/1"})
    assert "the versions stay" in found.effects[0].detail
    version = s3.put_object(Bucket="prod-data", Key="v", Body=b"")["VersionId"]
    gone = described(
        "s3", "DeleteObject", parameters={"Bucket": "prod-data", "Key": "v", "VersionId": version}
    )
    assert "for good" in gone.effects[0].detail


def test_a_bucket_goes_with_what_is_in_it(s3: Any, described: Any) -> None:
    s3.put_bucket_versioning(Bucket="prod-data", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="prod-data", Key="logs/1", Body=b"y")
    found = described("s3", "DeleteBucket", parameters={"Bucket": "prod-data"})
    assert said(found.effects) == [("deleted", "objects", 1, None), ("deleted", "items", 13, 13)]
    assert found.notes


def rule(prefix: str, **more: Any) -> dict[str, Any]:
    return {
        "ID": "tidy",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": 1},
        **more,
    }


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        (rule(""), [12]),
        (rule("logs/"), [9]),
        (rule("none/"), []),
        (rule("", Status="Disabled"), []),
        (rule("", Filter={"And": {"Prefix": "data/", "Tags": [{"Key": "a", "Value": "b"}]}}), [3]),
        (rule("", Filter={"ObjectSizeGreaterThan": 100}), []),
        ({"ID": "x", "Status": "Enabled", "Prefix": "logs/", "Expiration": {"Days": 1}}, [9]),
    ],
)
def test_what_a_lifecycle_rule_matches_is_deleted(
    s3: Any, described: Any, given: Any, gone: list[int]
) -> None:
    found = described(
        "s3",
        "PutBucketLifecycleConfiguration",
        parameters={"Bucket": "prod-data", "LifecycleConfiguration": {"Rules": [given]}},
        action=Action.DELETE,
        quiet=[Quiet("expiry", "objects expire")],
    )
    assert [one.count for one in found.effects if one.change is ChangeKind.DELETED] == gone
    assert {one.before for one in found.effects if one.change is ChangeKind.DELETED} <= {12}


def test_a_rule_that_is_there_already_deletes_nothing_new(s3: Any, described: Any) -> None:
    given = {"Rules": [rule("")]}
    s3.put_bucket_lifecycle_configuration(Bucket="prod-data", LifecycleConfiguration=given)
    asked = {"Bucket": "prod-data", "LifecycleConfiguration": {"Rules": [rule("", ID="renamed")]}}
    found = described("s3", "PutBucketLifecycleConfiguration", parameters=asked)
    assert said(found.effects) == [("setting", "objects", 1, None)]


@pytest.fixture
def table(calls: Any) -> Any:
    client = calls.client("dynamodb")
    client.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for n in range(20):
        client.put_item(TableName="orders", Item={"id": {"N": str(n)}, "until": {"N": str(1_000 * n)}})
    return client


def item(n: object) -> dict[str, Any]:
    return {"id": {"N": str(n)}, "secret": {"S": "row value"}}


def test_items_are_created_updated_and_deleted_by_what_is_there(table: Any, described: Any) -> None:
    for operation, parameters, expected in [
        ("PutItem", {"Item": item(1)}, ("updated", "items", 1, 20)),
        ("PutItem", {"Item": item("1.0")}, ("updated", "items", 1, 20)),
        ("PutItem", {"Item": item(99)}, ("created", "items", 1, None)),
        ("UpdateItem", {"Key": {"id": {"N": "99"}}}, ("created", "items", 1, None)),
        ("DeleteItem", {"Key": {"id": {"N": "1"}}}, ("deleted", "items", 1, 20)),
        ("DeleteItem", {"Key": {"id": {"N": "99"}}}, ("deleted", "items", 0, None)),
    ]:
        found = described("dynamodb", operation, parameters={"TableName": "orders", **parameters})
        assert said(found.effects) == [expected], operation
        assert "row value" not in repr(found)


def test_batches_and_transactions_are_counted(table: Any, described: Any) -> None:
    requests = [{"PutRequest": {"Item": item(n)}} for n in (1, 2, 50)]
    requests += [{"DeleteRequest": {"Key": {"id": {"N": str(n)}}}} for n in (3, 60)]
    found = described("dynamodb", "BatchWriteItem", parameters={"RequestItems": {"orders": requests}})
    assert said(found.effects) == [
        ("created", "items", 1, None),
        ("deleted", "items", 2, 20),
        ("updated", "items", 2, 20),
    ]
    actions = [
        {"Put": {"TableName": "orders", "Item": item(70)}},
        {"Delete": {"TableName": "orders", "Key": {"id": {"N": "5"}}}},
        {"ConditionCheck": {"TableName": "orders", "Key": {"id": {"N": "5"}}}},
    ]
    found = described("dynamodb", "TransactWriteItems", parameters={"TransactItems": actions})
    assert said(found.effects) == [("created", "items", 1, None), ("deleted", "items", 1, 20)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT * FROM orders", [("setting", "objects", 0, None)]),
        ('DELETE FROM "orders" WHERE id = 3', [("deleted", "items", 1, 20)]),
        ("update orders SET a = ? where id = ?", [("updated", "items", 1, 20)]),
        ("INSERT INTO orders VALUE {'id': 9}", [("created", "items", 1, None)]),
    ],
)
def test_partiql(table: Any, described: Any, statement: str, expected: Any) -> None:
    found = described("dynamodb", "ExecuteStatement", parameters={"Statement": statement})
    assert said(found.effects) == expected


@pytest.mark.parametrize(
    "statement", ["", "DROP TABLE orders", "/* x */ DELETE FROM orders", "DELETE FROM a; DELETE FROM b"]
)
def test_partiql_that_is_not_understood_is_unknown(table: Any, described: Any, statement: str) -> None:
    found = described("dynamodb", "ExecuteStatement", parameters={"Statement": statement})
    assert found.effects[0].evidence is Evidence.UNKNOWN


def test_a_table_goes_with_its_items(table: Any, described: Any) -> None:
    found = described("dynamodb", "DeleteTable", parameters={"TableName": "orders"}, action=Action.DELETE)
    assert said(found.effects) == [("deleted", "objects", 1, None), ("deleted", "items", 20, 20)]
    assert found.effects[0].resource.name == "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"


def test_a_table_that_is_not_there(calls: Any, described: Any) -> None:
    found = described("dynamodb", "DeleteTable", parameters={"TableName": "orders"}, action=Action.DELETE)
    assert said(found.effects) == [("deleted", "objects", 0, None)]


@pytest.mark.parametrize(("now", "gone"), [(None, 20), (datetime.fromtimestamp(5_500, UTC), 6)])
def test_items_expire_when_their_time_is_over(table: Any, described: Any, now: Any, gone: int) -> None:
    given = {"TableName": "orders", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "until"}}
    found = described("dynamodb", "UpdateTimeToLive", Seen(now=now), parameters=given)
    assert said(found.effects) == [("setting", "objects", 1, None), ("deleted", "items", gone, 20)]


def test_messages_of_a_queue(calls: Any, described: Any) -> None:
    sqs = calls.client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    for n in range(15):
        sqs.send_message(QueueUrl=url, MessageBody=str(n))
    assert said(described("sqs", "DeleteQueue", parameters={"QueueUrl": url}).effects) == [
        ("deleted", "objects", 1, None),
        ("deleted", "items", 15, 15),
    ]
    assert said(described("sqs", "PurgeQueue", parameters={"QueueUrl": url}).effects) == [
        ("deleted", "items", 15, 15)
    ]


def test_what_the_account_does_not_tell_is_unknown(table: Any, calls: Any, described: Any) -> None:
    calls.failing["Scan"] = CallFailed("AccessDeniedException", 400)
    found = described("dynamodb", "DeleteTable", parameters={"TableName": "orders"}, action=Action.DELETE)
    assert [one.evidence for one in found.effects] == [Evidence.UNKNOWN]
    assert "AccessDenied" in found.notes[0]
