"""What people are shown of a call: settings and policies before and after, and no secret among them."""

import json
from collections.abc import Mapping

import pytest
from botocore.exceptions import ClientError
from tests.faults.aws.conftest import Place

from interlock.model.change import Change, ChangeState
from interlock.model.masking import Diff
from interlock.runtime.service.deciding.insight import SampleView

S = ChangeState
PASSWORD = "planted-master-password-41"


def viewed(place: Place, change: Change) -> SampleView:
    gateway = place.gateway
    return gateway.run(gateway.runtime.insight.sample(change.id, "ann"))


def lines(view: SampleView, sort: str) -> list[str]:
    return [
        line.text.strip()
        for part in view.parts
        if isinstance(part, Diff)
        for line in part.lines
        if line.sort == sort
    ]


def policy(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_policy_is_compared_statement_by_statement(place: Place) -> None:
    bucket = place.bucket(1)
    arn = f"arn:aws:s3:::{bucket}/*"
    own = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": arn}
    place.direct("s3").put_bucket_policy(Bucket=bucket, Policy=policy(own))
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": arn}
    with pytest.raises(ClientError):
        place.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy(own, anyone))
    (change,) = place.changes(S.HELD)
    view = viewed(place, change)
    assert view.stored
    (added,) = lines(view, "added")
    assert added == f"allow * s3:putobject on {arn}"
    assert lines(view, "removed") == []
    assert any("123456789012" in line for line in lines(view, "same"))


def test_settings_are_compared_and_secrets_are_not_there(place: Place) -> None:
    place.direct("rds").create_db_instance(
        DBInstanceIdentifier=place.name, DBInstanceClass="db.m5.large", Engine="postgres", AllocatedStorage=20,
        MasterUsername="root", MasterUserPassword="first-one-4711", BackupRetentionPeriod=7,
    )  # fmt: skip
    with pytest.raises(ClientError):
        place.client("rds").modify_db_instance(
            DBInstanceIdentifier=place.name, MasterUserPassword=PASSWORD, BackupRetentionPeriod=0
        )
    (change,) = place.changes(S.HELD)
    view = viewed(place, change)
    assert "days of backups: 7" in lines(view, "removed")
    assert "days of backups: 0" in lines(view, "added")
    assert "master password: not shown" in lines(view, "same")
    gateway = place.gateway
    kept = gateway.run(gateway.runtime.store.read(lambda tx: tx.payload(change.id, "sample")))
    assert PASSWORD.encode() not in kept
    assert PASSWORD not in repr(view)


def test_what_passes_is_kept_as_well(place: Place) -> None:
    """Its before-image is in the connector's own form, and has more in it than people may see."""
    direct = place.direct("logs")
    direct.create_log_group(logGroupName=place.name)
    direct.put_retention_policy(logGroupName=place.name, retentionInDays=7)
    place.client("logs").put_retention_policy(logGroupName=place.name, retentionInDays=30)
    (change,) = place.changes(S.APPLIED)
    view = viewed(place, change)
    assert lines(view, "removed") == ["days that log events are kept: 7"]
    assert lines(view, "added") == ["days that log events are kept: 30"]
    intent = [e["body"] for e in place.gateway.entries("intent") if e["body"]["change"] == change.id]
    assert "sample" in intent[0]["payloads"]


def test_a_long_document_is_kept_whole(place: Place) -> None:
    """Effects show the beginning of it only."""
    role = place.name
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    place.direct("iam").create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))
    many = [
        {"Effect": "Allow", "Action": f"s3:GetObject{n}", "Resource": f"arn:aws:s3:::bucket-{n}/*"}
        for n in range(30)
    ]
    with pytest.raises(ClientError):
        place.client("iam").put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=policy(*many))
    (change,) = place.changes(S.HELD)
    assert len(lines(viewed(place, change), "added")) >= 30
    assert all(len(effect.detail) <= 300 for effect in change.measurement.effects)


def test_a_call_that_changes_no_setting_has_no_sample(place: Place) -> None:
    table = place.table(20)
    with pytest.raises(ClientError):
        place.client("dynamodb").delete_table(TableName=table)
    (change,) = place.changes(S.HELD)
    view = viewed(place, change)
    assert (view.parts, view.stored) == ((), False)
