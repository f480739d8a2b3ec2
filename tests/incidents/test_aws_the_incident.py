"""The incident that this project answers: an agent with a broad grant deletes an environment and makes it again.

The stack has tables with items, a bucket with objects, a queue, a function and a role. Each variant must wait for two
people, with what would be lost counted; what they approve is done, and a revert brings the environment back, but for what
was said before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from interlock.model.change import Change, ChangeState
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind
from interlock.sdk.connector import Permitted
from interlock.testing.peers.moto import AwsGateway, MotoServer
from interlock.testing.peers.production import (
    BUCKET,
    CAPABILITIES,
    QUEUE,
    STACK,
    TABLES,
    furnish,
    key,
    messages,
    state,
    template,
)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        yield server


@pytest.fixture
def gateway(moto: MotoServer, tmp_path: Path) -> Iterator[AwsGateway]:
    moto.reset()
    furnish(moto)
    with AwsGateway(moto, tmp_path / "gateway") as running:
        yield running


def held(gateway: AwsGateway, service: str, operation: str, **parameters: Any) -> Change:
    """Make a call as the agent; the change in which it waits. AssertionError when it doesn't."""
    with pytest.raises(ClientError) as caught:
        gateway.client(service)._make_api_call(operation, parameters)
    assert caught.value.response["Error"]["Code"] == "InterlockHeld", caught.value
    change = next(c for c in gateway.changes() if c.state is ChangeState.HELD)
    assert change.id in str(caught.value)
    assert isinstance(change.decision, Hold)
    assert "quorum:two-sre" in change.decision.remedies
    return change


def lost(change: Change) -> dict[str, int]:
    """What is lost, by kind and unit: how many."""
    found: dict[str, int] = {}
    for effect in change.measurement.effects:
        if effect.change in (ChangeKind.DELETED, ChangeKind.REPLACED):
            name = f"{effect.resource.kind} {effect.unit.value}"
            found[name] = found.get(name, 0) + effect.count
    return found


def applied(gateway: AwsGateway, change: Change) -> Change:
    gateway.approve(change.id)
    answer = gateway.apply(change.id)
    assert isinstance(answer, Permitted), answer
    return gateway.change(change.id)


def test_deleting_and_creating_it_is_one_replacement(moto: MotoServer, gateway: AwsGateway) -> None:
    before = state(moto)
    deletion = held(gateway, "cloudformation", "DeleteStack", StackName=STACK)
    counted = lost(deletion)
    assert counted["dynamodb:table items"] == 43
    assert counted["s3:bucket items"] == 25
    assert counted["sqs:queue items"] == 7
    assert counted["dynamodb:table objects"] == 2
    replacement = held(
        gateway,
        "cloudformation",
        "CreateStack",
        StackName=STACK,
        TemplateBody=template(),
        Capabilities=CAPABILITIES,
    )
    assert [o.verb for o in replacement.operations] == [
        "cloudformation:DeleteStack",
        "cloudformation:CreateStack",
    ]
    assert lost(replacement)["dynamodb:table items"] == 43
    assert any(e.change is ChangeKind.REPLACED for e in replacement.measurement.effects)
    assert gateway.change(deletion.id).state is ChangeState.WITHDRAWN
    assert state(moto) == before


def test_approved_and_reverted_it_is_as_it_was(moto: MotoServer, gateway: AwsGateway) -> None:
    before = state(moto)
    # A stack with a bucket that isn't empty cannot be deleted, so the agent empties it first: that waits as well.
    keys = [{"Key": key(number)} for number in range(25)]
    emptied = applied(gateway, held(gateway, "s3", "DeleteObjects", Bucket=BUCKET, Delete={"Objects": keys}))
    held(gateway, "cloudformation", "DeleteStack", StackName=STACK)
    asked = held(
        gateway,
        "cloudformation",
        "CreateStack",
        StackName=STACK,
        TemplateBody=template(),
        Capabilities=CAPABILITIES,
    )
    declared = {e.resource.name.rpartition(":")[2] for e in asked.measurement.effects if not e.reversible}
    replaced = applied(gateway, asked)
    assert replaced.state is ChangeState.APPLIED
    assert replaced.note == ""
    now = state(moto)
    assert all(now[f"table {name}"][2] == [] for name in TABLES)
    assert now[f"bucket {BUCKET}"] == []
    for change in (replaced, emptied):
        answer = gateway.revert(change.id)
        assert isinstance(answer, Permitted), answer
    assert state(moto) == before
    # What was not covered had been declared: the messages are gone, and it says so of the queue, and of nothing else.
    assert messages(moto) == 0
    assert declared == {QUEUE}
    assert gateway.ledger_ok()


WITHOUT_THE_WORD = {
    "another key of a table": (("AttributeName: name,", "AttributeName: title,"),),
    "another name of a bucket": (('"cost-reports-${Stage}"', '"cost-archive-${Stage}"'),),
    "a resource left out": (("  Budgets:\n", "  Budgets2:\n"),),
}


def changed(*pairs: tuple[str, str]) -> str:
    """The template with some of its text replaced."""
    body = template()
    for old, new in pairs:
        assert old in body
        body = body.replace(old, new)
    return body


@pytest.mark.parametrize("name", WITHOUT_THE_WORD)
def test_an_update_that_replaces_waits(moto: MotoServer, gateway: AwsGateway, name: str) -> None:
    body = changed(*WITHOUT_THE_WORD[name])
    before = state(moto)
    change = held(
        gateway,
        "cloudformation",
        "UpdateStack",
        StackName=STACK,
        TemplateBody=body,
        Capabilities=CAPABILITIES,
    )
    assert sum(lost(change).values()) > 0
    assert state(moto) == before


def test_a_change_set_that_replaces_waits_when_it_is_executed(moto: MotoServer, gateway: AwsGateway) -> None:
    body = changed(*WITHOUT_THE_WORD["another name of a bucket"])
    moto.client("cloudformation").create_change_set(
        StackName=STACK,
        ChangeSetName="tidy",
        ChangeSetType="UPDATE",
        TemplateBody=body,
        Capabilities=CAPABILITIES,
    )
    before = state(moto)
    held(gateway, "cloudformation", "ExecuteChangeSet", StackName=STACK, ChangeSetName="tidy")
    assert state(moto) == before


def test_lifecycle_expiry_waits(moto: MotoServer, gateway: AwsGateway) -> None:
    rule = {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    change = held(
        gateway,
        "s3",
        "PutBucketLifecycleConfiguration",
        Bucket=BUCKET,
        LifecycleConfiguration={"Rules": [rule]},
    )
    assert lost(change)["s3:bucket items"] == 25


TEAR_DOWN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a table": ("dynamodb", "DeleteTable", {"TableName": TABLES[0]}),
    "a queue": ("sqs", "PurgeQueue", {}),
    "a function": ("lambda", "DeleteFunction", {"FunctionName": "collect-costs-prod"}),
    "a policy": ("iam", "DeleteRolePolicy", {"RoleName": "cost-worker-prod", "PolicyName": "work"}),
    "an alarm": ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["cost-jobs-late-prod"]}),
    "its sight": ("cloudwatch", "DisableAlarmActions", {"AlarmNames": ["cost-jobs-late-prod"]}),
}


@pytest.mark.parametrize("name", TEAR_DOWN)
def test_tearing_down_piece_by_piece_waits(moto: MotoServer, gateway: AwsGateway, name: str) -> None:
    service, operation, parameters = TEAR_DOWN[name]
    if service == "sqs":
        parameters = {"QueueUrl": gateway.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]}
    before = state(moto)
    held(gateway, service, operation, **parameters)
    assert state(moto) == before
