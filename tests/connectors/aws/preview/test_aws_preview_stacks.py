"""The incident: a stack that is deleted, made again, or updated so that what it holds is lost."""

import json
from typing import Any

import pytest
from msgspec import structs

from interlock.connectors.aws.preview import Seen
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action

NAME = "cost-explorer-prod"


def template(**changes: Any) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": {"Ref": "Name"},
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "cost-data"}},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "cost-jobs"}},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "cost",
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            },
        },
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Retain",
            "Properties": {"LogGroupName": "cost-logs"},
        },
    }
    resources = {name: one for name, one in {**resources, **changes}.items() if one is not None}
    return {
        "Parameters": {
            "Name": {"Type": "String", "Default": "costs"},
            "Secret": {"Type": "String", "Default": "", "NoEcho": True},
        },
        "Resources": resources,
    }


def with_properties(name: str, **more: Any) -> dict[str, Any]:
    one = template()["Resources"][name]
    properties = {key: value for key, value in {**one["Properties"], **more}.items() if value is not None}
    return template(**{name: {**one, "Properties": properties}})


@pytest.fixture
def stack(calls: Any) -> Any:
    client = calls.client("cloudformation")
    client.create_stack(StackName=NAME, TemplateBody=json.dumps(template()))
    for n in range(15):
        calls.client("dynamodb").put_item(TableName="costs", Item={"id": {"S": str(n)}})
    for n in range(7):
        calls.client("s3").put_object(Bucket="cost-data", Key=str(n), Body=b"")
    url = calls.client("sqs").get_queue_url(QueueName="cost-jobs")["QueueUrl"]
    calls.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    return client


def lost(effects: tuple[Effect, ...]) -> dict[str, tuple[str, ...]]:
    """By kind of resource: what becomes of it and of what it holds."""
    found: dict[str, list[str]] = {}
    for one in effects:
        word = (
            one.change.value
            if one.unit is Unit.OBJECTS
            else f"{one.change.value} {one.count} of {one.before}"
        )
        found.setdefault(one.resource.kind.split(":")[1], []).append(word)
    return {kind: tuple(words) for kind, words in found.items()}


GONE = {
    "stack": ("deleted",),
    "table": ("deleted", "deleted 15 of 15"),
    "bucket": ("deleted", "deleted 7 of 7"),
    "queue": ("deleted", "deleted 1 of 1"),
    "role": ("deleted",),
}


def test_a_deleted_stack_is_counted_to_the_last_item(stack: Any, described: Any) -> None:
    found = described("cloudformation", "DeleteStack", parameters={"StackName": NAME}, action=Action.DELETE)
    assert lost(found.effects) == GONE
    assert {one.resource.group for one in found.effects} == {NAME}
    assert {one.evidence for one in found.effects} == {Evidence.PLANNED}
    assert any("Logs" in note and "kept" in note for note in found.notes)
    again = described("cloudformation", "DeleteStack", parameters={"StackName": NAME}, action=Action.DELETE)
    assert again == found


def test_the_same_stack_made_again_is_a_replacement(stack: Any, described: Any) -> None:
    """The incident itself: the delete waits, and the create comes."""
    gone = described("cloudformation", "DeleteStack", parameters={"StackName": NAME}, action=Action.DELETE)
    seen = Seen(
        deleted={one.resource.name: "CHG-7K3F9Q2M" for one in gone.effects if one.unit is Unit.OBJECTS}
    )
    asked = {"StackName": NAME, "TemplateBody": json.dumps(template())}
    found = described("cloudformation", "CreateStack", seen, parameters=asked, action=Action.CREATE)
    kinds = {one.resource.kind: one.change for one in found.effects}
    assert kinds["cloudformation:stack"] is ChangeKind.REPLACED
    assert kinds["dynamodb:table"] is ChangeKind.REPLACED
    assert kinds["s3:bucket"] is ChangeKind.REPLACED
    assert kinds["sqs:queue"] is ChangeKind.REPLACED
    assert any("CHG-7K3F9Q2M" in note for note in found.notes)
    fresh = described("cloudformation", "CreateStack", parameters=asked, action=Action.CREATE)
    assert {one.change for one in fresh.effects} == {ChangeKind.CREATED}


NEW_KEY = {"KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]}
UPDATES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("nothing", {"TemplateBody": template()}, {}),
    ("previous template", {"UsePreviousTemplate": True}, {}),
    ("removed", {"TemplateBody": template(Table=None)}, {"table": ("deleted", "deleted 15 of 15")}),
    ("a removed one that is retained", {"TemplateBody": template(Logs=None)}, {}),
    (
        "renamed in the template",
        {"TemplateBody": template(Bucket=None, Box=template()["Resources"]["Bucket"])},
        {"bucket": ("deleted", "deleted 7 of 7", "created")},
    ),
    (
        "an immutable property",
        {"TemplateBody": with_properties("Table", **NEW_KEY)},
        {"table": ("replaced", "deleted 15 of 15")},
    ),
    (
        "a parameter behind the name",
        {"UsePreviousTemplate": True, "Parameters": [{"ParameterKey": "Name", "ParameterValue": "costs-2"}]},
        {"table": ("replaced", "deleted 15 of 15")},
    ),
    (
        "a property that nobody reviewed",
        {"TemplateBody": with_properties("Bucket", Novel="x")},
        {"bucket": ("replaced", "deleted 7 of 7")},
    ),
    (
        "another type",
        {"TemplateBody": template(Queue={"Type": "AWS::SNS::Topic"})},
        {"queue": ("deleted", "deleted 1 of 1"), "topic": ("created",)},
    ),
    (
        "in place",
        {"TemplateBody": with_properties("Table", Tags=[{"Key": "a", "Value": "b"}])},
        {"table": ("updated",)},
    ),
    (
        "expiry by the template",
        {
            "TemplateBody": with_properties(
                "Bucket", LifecycleConfiguration={"Rules": [{"ExpirationInDays": 1}]}
            )
        },
        {"bucket": ("weakened",)},
    ),
    (
        "who may take the role",
        {"TemplateBody": with_properties("Role", AssumeRolePolicyDocument={"Statement": [1]})},
        {"role": ("permission",)},
    ),
    (
        "a bucket that stays behind",
        {
            "TemplateBody": template(
                Bucket={
                    "Type": "AWS::S3::Bucket",
                    "UpdateReplacePolicy": "Retain",
                    "Properties": {"BucketName": "cost-data-2"},
                }
            )
        },
        {"bucket": ("replaced",)},
    ),
    (
        "what refers to what is replaced",
        {
            "TemplateBody": {
                **with_properties("Table", **NEW_KEY),
                "Resources": {
                    **with_properties("Table", **NEW_KEY)["Resources"],
                    "Queue": {
                        "Type": "AWS::SQS::Queue",
                        "Properties": {"QueueName": {"Fn::Sub": "jobs-${Table}"}},
                    },
                },
            }
        },
        {"table": ("replaced", "deleted 15 of 15"), "queue": ("replaced", "deleted 1 of 1")},
    ),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in UPDATES], ids=[row[0] for row in UPDATES])
def test_an_update_is_compared_with_what_is_there(
    stack: Any, described: Any, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = given.get("TemplateBody")
    asked = {"StackName": NAME, **given, **({"TemplateBody": json.dumps(body)} if body else {})}
    found = described("cloudformation", "UpdateStack", parameters=asked)
    assert lost(found.effects) == {"stack": ("updated",), **expected}


def test_a_template_that_is_not_understood_is_unknown(stack: Any, described: Any) -> None:
    for body in ("", "{", "- a", "a: &x [1]\nResources: []", "{}", "Resources: {A: {Type: 1}}"):
        found = described(
            "cloudformation", "UpdateStack", parameters={"StackName": NAME, "TemplateBody": body}
        )
        assert [one.evidence for one in found.effects] == [Evidence.UNKNOWN], body


def test_a_template_at_a_url(stack: Any, calls: Any, described: Any) -> None:
    body = json.dumps(template(Table=None)).encode()
    calls.client("s3").create_bucket(
        Bucket="templates", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    calls.client("s3").put_object(Bucket="templates", Key="a/b.json", Body=body)
    url = "https://templates.s3.eu-west-1.amazonaws.com/a/b.json"
    found = described("cloudformation", "UpdateStack", parameters={"StackName": NAME, "TemplateURL": url})
    assert lost(found.effects)["table"] == ("deleted", "deleted 15 of 15")
    for odd in ("https://evil.example/t", "https://s3.amazonaws.com.evil.example/b/k", "file:///x"):
        found = described("cloudformation", "UpdateStack", parameters={"StackName": NAME, "TemplateURL": odd})
        assert found.effects[0].evidence is Evidence.UNKNOWN


CHANGE_SETS = [
    (template(Table=None), {"table": ("deleted", "deleted 15 of 15")}),
    (with_properties("Table", **NEW_KEY), {"table": ("replaced", "deleted 15 of 15")}),
    (template(More={"Type": "AWS::SNS::Topic"}), {"topic": ("created",)}),
]


@pytest.mark.parametrize(("body", "expected"), CHANGE_SETS)
def test_a_change_set_is_the_services_own_plan(stack: Any, described: Any, body: Any, expected: Any) -> None:
    asked = {"StackName": NAME, "ChangeSetName": "plan", "TemplateBody": json.dumps(body)}
    made = described("cloudformation", "CreateChangeSet", parameters=asked)
    assert [one.change for one in made.effects] == [ChangeKind.CREATED]
    stack.create_change_set(**asked, ChangeSetType="UPDATE")
    executed = {"StackName": NAME, "ChangeSetName": "plan"}
    found = described("cloudformation", "ExecuteChangeSet", parameters=executed)
    assert lost(found.effects) == {"stack": ("updated",), **expected}


def test_nested_stacks_are_looked_into(calls: Any, described: Any) -> None:
    inner = json.dumps(
        {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "inner"}}}}
    )
    calls.client("s3").create_bucket(
        Bucket="templates", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    calls.client("s3").put_object(Bucket="templates", Key="inner.json", Body=inner.encode())
    outer = {
        "Resources": {
            "Inner": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {"TemplateURL": "https://templates.s3.eu-west-1.amazonaws.com/inner.json"},
            }
        }
    }
    calls.client("cloudformation").create_stack(StackName="outer", TemplateBody=json.dumps(outer))
    found = described(
        "cloudformation", "DeleteStack", parameters={"StackName": "outer"}, action=Action.DELETE
    )
    assert lost(found.effects) == {"stack": ("deleted", "deleted"), "queue": ("deleted",)}
    # Nothing of the parent changes, but the template that it names.
    other = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    calls.client("s3").put_object(Bucket="templates", Key="inner.json", Body=other.encode())
    asked = {"StackName": "outer", "UsePreviousTemplate": True}
    changed = described("cloudformation", "UpdateStack", parameters=asked)
    assert lost(changed.effects) == {
        "stack": ("updated", "updated"),
        "queue": ("deleted",),
        "topic": ("created",),
    }


def test_yaml_with_short_forms(stack: Any, described: Any) -> None:
    body = """
    Parameters: {Name: {Type: String, Default: costs}}
    Conditions: {Never: !Equals [!Ref Name, other]}
    Resources:
      Table:
        Type: AWS::DynamoDB::Table
        Properties:
          TableName: !Ref Name
          KeySchema: [{AttributeName: id, KeyType: HASH}]
          AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
          BillingMode: PAY_PER_REQUEST
      Bucket: {Type: AWS::S3::Bucket, Condition: Never, Properties: {BucketName: cost-data}}
      Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !If [Never, x, !Join ["-", [cost, jobs]]]}}
      Role:
        Type: AWS::IAM::Role
        Properties: {RoleName: cost, AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}}
      Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "cost-logs"}}
    """
    found = described("cloudformation", "UpdateStack", parameters={"StackName": NAME, "TemplateBody": body})
    assert lost(found.effects) == {"stack": ("updated",), "bucket": ("deleted", "deleted 7 of 7")}


def test_protection_is_said_and_its_end_weakens(calls: Any, described: Any) -> None:
    body = json.dumps(template())
    client = calls.client("cloudformation")
    client.create_stack(StackName=NAME, TemplateBody=body, EnableTerminationProtection=True)
    gone = described("cloudformation", "DeleteStack", parameters={"StackName": NAME}, action=Action.DELETE)
    assert any("Termination protection" in note for note in gone.notes)
    asked = {"StackName": NAME, "EnableTerminationProtection": False}
    found = described("cloudformation", "UpdateTerminationProtection", parameters=asked)
    assert [one.change for one in found.effects] == [ChangeKind.WEAKENED]


def test_what_changed_meanwhile_changes_the_state(stack: Any, described: Any) -> None:
    asked = {"StackName": NAME}
    before = described("cloudformation", "DeleteStack", parameters=asked, action=Action.DELETE)
    stack.update_stack(StackName=NAME, TemplateBody=json.dumps(template(More={"Type": "AWS::SNS::Topic"})))
    after = described("cloudformation", "DeleteStack", parameters=asked, action=Action.DELETE)
    assert before.state != after.state
    assert structs.asdict(before)


def test_a_stack_that_is_not_there(calls: Any, described: Any) -> None:
    for operation in ("DeleteStack", "UpdateStack"):
        asked = {"StackName": "none", "TemplateBody": "{}"}
        found = described("cloudformation", operation, parameters=asked, action=Action.DELETE)
        assert [one.count for one in found.effects] == [0]


def test_cloud_control_deletes_by_type(stack: Any, described: Any) -> None:
    asked = {"TypeName": "AWS::DynamoDB::Table", "Identifier": "costs"}
    found = described("cloudcontrol", "DeleteResource", parameters=asked, action=Action.DELETE)
    assert lost(found.effects) == {"table": ("deleted", "deleted 15 of 15")}
