"""Every row of the data services is proven by a case, says that nothing comes back, or is named here with the reason why moto
cannot prove it: then its plan is looked at."""

from typing import Any

import pytest
from tests.connectors.aws.undo.data import (
    dynamodb_cases,
    functions_cases,
    keys_cases,
    s3_bucket_cases,
    s3_cases,
    watching_cases,
)
from tests.connectors.aws.undo.data.test_aws_undo_data_cases import CASES
from tests.connectors.aws.undo.modelled import CASES as MODELLED
from tests.connectors.aws.undo.rig import Account, Asked, call_of, classified, run

from interlock.connectors.aws import undo
from interlock.connectors.aws.undo.data import ROWS
from interlock.connectors.aws.undo.plan import Plan

PROVEN = {case.call[:2] for case in (*CASES, *MODELLED)}
B = {"Bucket": "data"}
MAKE = s3_cases.MAKE
TRAIL = (*watching_cases.TRAILS, watching_cases.INSIGHT)
FUNCTION = functions_cases.GIVEN
V = {**functions_cases.F, "Qualifier": "1"}
SIGNING = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-1"
G = watching_cases.G
METRIC = {**watching_cases.METRIC, "filterPattern": "x"}


def listed(name: str, **more: Any) -> dict[str, Any]:
    return {**B, "Id": "i", f"{name}Configuration": {"Id": "i", **more}}


UNPROVEN: dict[tuple[str, str], tuple[str, tuple[Any, ...], dict[str, Any], tuple[str, ...]]] = {
    ("s3", "PutBucketRequestPayment"): (
        "takes it for making a bucket",
        (MAKE,),
        {**B, "RequestPaymentConfiguration": {"Payer": "Requester"}},
        (),
    ),
    ("s3", "PutBucketLifecycle"): (
        "does not know this old form of it",
        (MAKE,),
        {**B},
        ("DeleteBucketLifecycle",),
    ),
    ("s3", "PutBucketNotification"): (
        "does not know this old form of it",
        (MAKE,),
        {**B},
        ("PutBucketNotificationConfiguration",),
    ),
    ("s3", "DeleteBucketInventoryConfiguration"): (
        "deletes the bucket instead",
        (MAKE, ("s3", "PutBucketInventoryConfiguration", {**B, **s3_bucket_cases.inventory("a")})),
        {**B, "Id": "i"},
        ("PutBucketInventoryConfiguration",),
    ),
    ("s3", "PutObjectRetention"): ("tells of no retention that an object has", (), {}, ()),
    ("s3", "UploadPart"): (
        "shows nothing of a part in an object",
        (MAKE,),
        {**B, "Key": "a", "UploadId": "u", "PartNumber": 1},
        (),
    ),
    ("s3", "UploadPartCopy"): (
        "shows nothing of a part in an object",
        (MAKE,),
        {**B, "Key": "a", "UploadId": "u", "PartNumber": 1},
        (),
    ),
    ("sqs", "StartMessageMoveTask"): (
        "has no such operation",
        (),
        {"SourceArn": "arn"},
        ("CancelMessageMoveTask",),
    ),
    ("logs", "AssociateKmsKey"): (
        "has no such operation",
        (watching_cases.GROUP,),
        {**G, "kmsKeyId": "k"},
        ("DisassociateKmsKey",),
    ),
    ("logs", "DisassociateKmsKey"): (
        "has no such operation",
        (watching_cases.GROUP,),
        G,
        ("DisassociateKmsKey",),
    ),
    ("cloudtrail", "PutInsightSelectors"): (
        "adds to what there is, where AWS replaces it",
        TRAIL,
        {"TrailName": "trail", "InsightSelectors": []},
        ("PutInsightSelectors",),
    ),
    ("cloudwatch", "PutCompositeAlarm"): (
        "has no such operation",
        (),
        {"AlarmName": "c", "AlarmRule": "ALARM(a)"},
        ("DeleteAlarms",),
    ),
    ("lambda", "UpdateFunctionEventInvokeConfig"): (
        "adds to what there is, where AWS replaces it",
        (*FUNCTION, functions_cases.INVOKE),
        functions_cases.F,
        ("PutFunctionEventInvokeConfig",),
    ),
}


FINAL = {(row.service, row.operation) for row in ROWS if row.kind == "none"}


def test_every_row_is_accounted_for() -> None:
    rows = {(row.service, row.operation) for row in ROWS}
    assert rows - PROVEN - set(UNPROVEN) - FINAL == set()
    assert set(UNPROVEN) - rows == set()
    assert PROVEN & set(UNPROVEN) == set()


@pytest.mark.parametrize("name", sorted(FINAL), ids=":".join)
def test_nothing_comes_back(account: Account, name: tuple[str, str]) -> None:
    plan = planned(account, (*name, {}))
    assert (plan.kind, bool(plan.reason), plan.inverse, plan.prepare) == ("none", True, (), ())


@pytest.mark.parametrize("name", sorted(UNPROVEN), ids=":".join)
def test_planned(account: Account, name: tuple[str, str]) -> None:
    _, given, parameters, operations = UNPROVEN[name]
    if not operations:
        return
    for service, operation, asked, *_ in given:
        account.say(service, operation, asked)
    plan = planned(account, (*name, parameters))
    assert plan.kind in ("full", "new_id")
    assert tuple(step.operation for step in plan.inverse) == operations


def planned(account: Account, asked: Asked) -> Plan:
    return run(undo.plan(classified(call_of(*asked)), account, "n"))


GONE: tuple[tuple[str, Asked, tuple[Any, ...], str], ...] = (
    (
        "a secret that is deleted at once",
        ("secretsmanager", "DeleteSecret", {"SecretId": "db", "ForceDeleteWithoutRecovery": True}),
        (keys_cases.SECRET,),
        "RecoveryWindowInDays",
    ),
    (
        "a log group with events",
        ("logs", "DeleteLogGroup", G),
        (watching_cases.GROUP, watching_cases.STREAM),
        "Retention",
    ),
    (
        "retention in compliance mode",
        ("s3", "PutObjectRetention", {**B, "Key": "a", "Retention": {"Mode": "COMPLIANCE"}}),
        (),
        "governance",
    ),
    (
        "a version of a function",
        ("lambda", "DeleteFunction", V),
        (*FUNCTION, functions_cases.PUBLISH),
        "aliases",
    ),
    (
        "a statement that says too little",
        ("dynamodb", "ExecuteStatement", {"Statement": "DELETE FROM orders WHERE id = 'a'"}),
        (dynamodb_cases.MAKE,),
        "whole key",
    ),
    (
        "a statement that isn't understood",
        ("dynamodb", "ExecuteStatement", {"Statement": "DELETE FROM orders WHERE id = 'a' OR id = 'b'"}),
        (dynamodb_cases.MAKE,),
        "DeleteItem",
    ),
    ("a grant by its token", ("kms", "RetireGrant", {"GrantToken": "t"}), (), "key and id"),
    ("purging", ("sqs", "PurgeQueue", {"QueueUrl": "http://localhost/q"}), (), "one by one"),
)


@pytest.mark.parametrize(("what", "asked", "given", "gentler"), GONE, ids=[each[0] for each in GONE])
def test_what_could_be_done_instead(
    account: Account, what: str, asked: Asked, given: tuple[Any, ...], gentler: str
) -> None:
    for service, operation, parameters, *_ in given:
        account.say(service, operation, parameters)
    plan = planned(account, asked)
    assert (plan.kind, bool(plan.reason)) == ("none", True)
    assert gentler in plan.gentler
