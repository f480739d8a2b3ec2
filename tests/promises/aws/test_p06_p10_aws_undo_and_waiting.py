"""P6, P8 and P10 at AWS: what is said to come back does, a call whose copies fail is not made, a trip stops what was
approved, and waiting keeps nothing open."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place, told
from tests.faults.aws.faulty import Fault, answer

from interlock.model.change import ChangeState
from interlock.model.errors import Rejected
from interlock.testing.peers.moto import REGION

S = ChangeState
JSON = ("content-type", "application/x-amz-json-1.0")


def refuse(code: str, status: int = 400) -> bytes:
    return answer(status, f'{{"__type":"{code}","message":"no"}}'.encode(), JSON)


def test_what_is_said_to_be_reversible_comes_back(place: Place) -> None:
    table = place.table(20)
    bucket = place.bucket(5)
    db, s3 = place.client("dynamodb"), place.client("s3")
    db.put_item(TableName=table, Item={"id": {"S": "1"}, "v": {"S": "new"}})
    db.delete_item(TableName=table, Key={"id": {"S": "2"}})
    s3.put_object(Bucket=bucket, Key="k1", Body=b"new")
    s3.put_object(Bucket=bucket, Key="more", Body=b"new")
    changes = place.changes(S.APPLIED)
    assert len(changes) == 4
    for change in changes:
        assert all(effect.reversible for effect in change.measurement.effects)
        place.gateway.revert(change.id)
    assert [place.item("1"), place.item("2")] == ["old-1", "old-2"]
    assert place.direct("s3").get_object(Bucket=bucket, Key="k1")["Body"].read() == b"old-1"
    assert place.stored() == [f"k{n}" for n in range(5)]


@pytest.mark.parametrize("fault", [Fault("before", "answer", refuse("LimitExceededException")), Fault("before", "cut"),
                                   Fault("before", "garbage", b"x\r\n\r\n")])  # fmt: skip
def test_without_its_copy_the_call_is_not_made(place: Place, fault: Fault) -> None:
    """The backup before DeleteTable fails: nothing is deleted, and the approval stays good."""
    table = place.table(20)
    db = place.client("dynamodb")
    with pytest.raises(ClientError):
        db.delete_table(TableName=table)
    change = place.approved()
    rule = place.aws.on("CreateBackup", fault, own=True, times=2)
    with pytest.raises(ClientError) as caught:
        db.delete_table(TableName=table)
    assert rule.used.is_set()
    assert told(caught)[:2] == ("InterlockFailed", 409)
    assert "copy" in str(caught.value)
    assert place.aws.forwarded(table) == []
    assert place.item("1") == "old-1"
    assert place.gateway.change(change).state is S.APPROVED
    place.aws.heal()
    db.delete_table(TableName=table)
    place.gateway.revert(change)
    assert place.item("1") == "old-1"


def test_what_nobody_can_bring_back_says_so_before(place: Place) -> None:
    url = place.direct("sqs").create_queue(QueueName=place.name)["QueueUrl"]
    place.direct("sqs").send_message(QueueUrl=url, MessageBody="m")
    own = place.client("sqs").get_queue_url(QueueName=place.name)["QueueUrl"]
    with pytest.raises(ClientError) as caught:
        place.client("sqs").purge_queue(QueueUrl=own)
    assert "not reversible" in str(caught.value)
    (change,) = place.changes(S.HELD)
    assert not any(effect.reversible for effect in change.measurement.effects)


def test_a_revert_does_not_step_on_what_others_did(place: Place) -> None:
    table = place.table()
    place.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}, "v": {"S": "new"}})
    place.direct("dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}, "v": {"S": "somebody's"}})
    (change,) = place.changes(S.APPLIED)
    place.gateway.revert(change.id)
    assert place.item("1") == "somebody's"
    assert place.gateway.change(change.id).state is S.APPLIED
    place.gateway.revert(change.id, force=True)
    assert place.item("1") == "old-1"


def test_waiting_keeps_nothing_open(place: Place) -> None:
    """P10: while people think, nothing of the call is in the account, and nobody else is kept from it."""
    bucket = place.bucket(30)
    before = len(place.aws.seen)
    with pytest.raises(ClientError):
        place.client("s3").delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": f"k{n}"} for n in range(20)]}
        )
    writing = [s.line for s in place.aws.seen[before:] if s.line.split(" ")[0] in ("PUT", "DELETE", "POST")]
    assert [line for line in writing if bucket in line] == []
    assert not place.executing()
    place.direct("s3").put_object(Bucket=bucket, Key="k1", Body=b"others go on")
    asked = len(place.aws.seen)
    with pytest.raises(ClientError) as caught:
        place.client("s3").delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": f"k{n}"} for n in range(20)]}
        )
    assert "held already" in str(caught.value)
    assert len(place.aws.seen) == asked, "what waits is answered without asking the account again"


def test_a_trip_stops_what_was_approved(place: Place) -> None:
    """P8, and reverts keep their own way."""
    table = place.table()
    db = place.client("dynamodb")
    db.put_item(TableName=table, Item={"id": {"S": "1"}, "v": {"S": "new"}})
    (done,) = place.changes(S.APPLIED)
    with pytest.raises(ClientError):
        db.delete_table(TableName=table)
    place.approved()
    place.gateway.freeze()
    try:
        before = len(place.aws.forwarded("DeleteTable"))
        with pytest.raises(ClientError) as caught:
            db.delete_table(TableName=table)
        assert told(caught)[0] == "InterlockBreakerOpen"
        message = caught.value.response["Error"]["Message"]
        assert "trying again does not help until people have ended the freeze. Tell them." in message
        assert "/console/breakers/one?scope=environment%2F" in message
        assert len(place.aws.forwarded("DeleteTable")) == before
        place.gateway.revert(done.id)
        assert place.item("1") == "old-1"
    finally:
        place.gateway.thaw()


def _copied(place: Place) -> str:
    """One change of each kind that makes copies; returns the trash bucket."""
    table, bucket, name = place.table(3), place.bucket(3), place.name
    volume = place.direct("ec2").create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    place.direct("ssm").put_parameter(Name=name, Value="v", Type="SecureString")
    place.direct("rds").create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", MasterUsername="root",
        MasterUserPassword="not-a-secret", AllocatedStorage=20,
    )  # fmt: skip
    for service, operation, parameters in (
        ("dynamodb", "delete_table", {"TableName": table}),
        ("ec2", "delete_volume", {"VolumeId": volume}),
        ("ssm", "delete_parameter", {"Name": name}),
        ("rds", "delete_db_instance", {"DBInstanceIdentifier": name, "SkipFinalSnapshot": True}),
        (
            "s3",
            "delete_objects",
            {"Bucket": bucket, "Delete": {"Objects": [{"Key": f"k{n}"} for n in range(3)]}},
        ),
    ):
        call = getattr(place.client(service), operation)
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        assert told(caught)[0] == "InterlockHeld", caught.value
        place.approved()
        call(**parameters)
    return f"interlock-trash-123456789012-{REGION}"


def test_copies_are_kept_until_their_retention_is_over(place: Place) -> None:
    """And then the change says that it cannot be reverted any more (P6). Another target's copies are not touched."""
    bucket, runtime = _copied(place), place.gateway.runtime
    others = f"interlock-{'0' * 24}/1"
    place.direct("s3").put_object(Bucket=bucket, Key=others, Body=b"of another target")

    def kept() -> dict[str, str]:
        found = place.gateway.run(runtime.trash.list("cloud"))
        mine = {change.id for change in place.changes()}
        return {each.change.id: each.item.of for each in found if each.change and each.change.id in mine}

    changes = place.changes(S.APPLIED)
    assert sorted(kept().values()) == [
        "1 database snapshot", "1 disk snapshot", "1 parameter", "1 table backup", "3 objects"
    ]  # fmt: skip
    place.gateway.run(runtime.trash.expire(timedelta(days=7)))
    assert kept().keys() == {change.id for change in changes}
    place.gateway.run(runtime.trash.expire(timedelta(0)))
    assert kept() == {}
    left = place.direct("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    assert [each["Key"] for each in left] == [others]
    assert not place.direct("dynamodb").list_backups(TableName=place.name)["BackupSummaries"]
    for change in changes:
        with pytest.raises(Rejected, match="was removed"):
            place.gateway.revert(change.id)
    assert place.gateway.ledger_ok()
