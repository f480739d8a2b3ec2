"""Calls about many things at once: of which some fail, or that are very many."""

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told
from tests.faults.aws.faulty import Fault, answer

from interlock.model.change import ChangeState

S = ChangeState
JSON = ("content-type", "application/x-amz-json-1.0")


def keys(*numbers: int) -> dict[str, object]:
    return {"Objects": [{"Key": f"k{n}"} for n in numbers]}


def test_deletes_of_which_some_are_refused(place: Place) -> None:
    """S3 answers 200 with errors in it. The client sees them, and the change is applied: a revert brings back what went."""
    bucket = place.bucket(30)
    s3 = place.client("s3")
    with pytest.raises(ClientError) as caught:
        s3.delete_objects(Bucket=bucket, Delete=keys(*range(20)))
    assert told(caught)[0] == "InterlockHeld"
    change = place.approved()
    body = (
        b"<DeleteResult><Deleted><Key>k0</Key></Deleted>"
        b"<Error><Key>k1</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    )

    def some() -> None:
        place.direct("s3").delete_object(Bucket=bucket, Key="k0")

    place.aws.on(f"POST /{bucket}?delete", Fault("before", "answer", answer(200, body), some))
    found = s3.delete_objects(Bucket=bucket, Delete=keys(*range(20)))
    assert [e["Key"] for e in found["Errors"]] == ["k1"]
    assert place.gateway.change(change).state is S.APPLIED
    assert len(place.stored()) == 29
    place.gateway.revert(change)
    assert len(place.stored()) == 30


def test_writes_of_which_some_are_not_done(place: Place) -> None:
    """BatchWriteItem answers with what it left undone: the client's own loop sends that again."""
    table = place.table(20)
    db = place.client("dynamodb")
    items = [{"PutRequest": {"Item": {"id": {"S": str(n)}, "v": {"S": "new"}}}} for n in range(2)]
    left = f'{{"UnprocessedItems":{{"{table}":[{{"PutRequest":{{"Item":{{"id":{{"S":"1"}},"v":{{"S":"new"}}}}}}}}]}}}}'

    def some() -> None:
        place.direct("dynamodb").put_item(TableName=table, Item=items[0]["PutRequest"]["Item"])

    place.aws.on("BatchWriteItem", Fault("before", "answer", answer(200, left.encode(), JSON), some))
    found = db.batch_write_item(RequestItems={table: items})
    assert found["UnprocessedItems"][table] == items[1:]
    (change,) = place.changes()
    assert change.state is S.APPLIED
    assert db.batch_write_item(RequestItems=found["UnprocessedItems"])["UnprocessedItems"] == {}
    assert [place.item("0"), place.item("1")] == ["new", "new"]
    for change in place.changes():
        place.gateway.revert(change.id)
    assert [place.item("0"), place.item("1")] == ["old-0", "old-1"]


def test_a_transaction_that_is_cancelled_did_nothing(place: Place) -> None:
    table = place.table()
    db = place.client("dynamodb")
    put = {"Put": {"TableName": table, "Item": {"id": {"S": "1"}, "v": {"S": "new"}}}}
    never = {
        "ConditionCheck": {
            "TableName": table,
            "Key": {"id": {"S": "9"}},
            "ConditionExpression": "attribute_exists(id)",
        }
    }
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[put, never])
    code = told(caught)[0]
    if code == "InterlockHeld":
        place.approved()
        with pytest.raises(ClientError) as caught:
            db.transact_write_items(TransactItems=[put, never])
        code = told(caught)[0]
    assert code == "TransactionCanceledException"
    assert place.item("1") == "old-1"
    assert S.APPLIED not in [c.state for c in place.changes()]


def test_a_call_about_many_keys(place: Place) -> None:
    """Held with all of them counted, done as one, and brought back. (A thousand and more: `python -m bench.aws`.)"""
    count = 100
    bucket = place.bucket(count)
    s3 = place.client("s3")
    many = keys(*range(count))
    with pytest.raises(ClientError) as caught:
        s3.delete_objects(Bucket=bucket, Delete=many)
    assert f"{count} of {count}" in str(caught.value)
    change = place.approved()
    s3.delete_objects(Bucket=bucket, Delete=many)
    assert place.stored() == []
    place.gateway.revert(change)
    assert len(place.stored()) == count
    assert place.direct("s3").get_object(Bucket=bucket, Key="k99")["Body"].read() == b"old-99"


def test_more_keys_than_s3_takes(place: Place) -> None:
    """S3 takes a thousand. It is refused as S3 would, before anything is looked up."""
    bucket = place.bucket()
    place.aws.seen.clear()
    for count in (1_001, 10_000):
        with pytest.raises(ClientError) as caught:
            place.client("s3").delete_objects(Bucket=bucket, Delete=keys(*range(count)))
        assert told(caught)[:2] == ("MalformedXML", 400)
        assert "at most 1,000 keys" in str(caught.value)
    assert [seen.line for seen in place.aws.seen if bucket in seen.line] == [], "nothing was asked"
    assert (len(place.stored()), place.changes()) == (3, [])
