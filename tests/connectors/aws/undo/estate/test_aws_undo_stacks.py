"""op → revert → compare for CloudFormation, data included."""

import json
from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, Undoing, call_of, classified, prove, run

from interlock.connectors.aws.undo import plan as planned

Call = tuple[str, str, dict[str, Any]]


def cfn(operation: str, **parameters: Any) -> Call:
    return ("cloudformation", operation, parameters)


TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": "costs",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
RANGED = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": "costs",
        "KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "other", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "cost-reports"}}
QUEUE = {
    "Type": "AWS::SQS::Queue",
    "Properties": {"QueueName": "jobs", "VisibilityTimeout": {"Ref": "Timeout"}},
}


def template(**resources: Any) -> str:
    parameters = {"Timeout": {"Type": "Number", "Default": 30}}
    return json.dumps({"Parameters": parameters, "Resources": resources})


WHOLE = template(Table=TABLE, Bucket=BUCKET, Queue=QUEUE)
STACK = cfn(
    "CreateStack",
    StackName="cost-explorer",
    TemplateBody=WHOLE,
    Parameters=[{"ParameterKey": "Timeout", "ParameterValue": "45"}],
    Tags=[{"Key": "env", "Value": "prod"}],
)
ITEM = ("dynamodb", "PutItem", {"TableName": "costs", "Item": {"id": {"S": "a"}, "sum": {"N": "12.50"}}})
ITEM2 = (
    "dynamodb",
    "PutItem",
    {"TableName": "costs", "Item": {"id": {"S": "$${b}"}, "raw": {"B": b"\x00\x01"}}},
)
OBJECT = (
    "s3",
    "PutObject",
    {
        "Bucket": "cost-reports",
        "Key": "2026/may.csv",
        "Body": b"a,b",
        "ContentType": "text/csv",
        "Metadata": {"by": "x"},
    },
)
FILLED = (STACK, ITEM, ITEM2, OBJECT)
STACKS = (
    *cfn("DescribeStacks"),
    "Stacks[?StackStatus!='DELETE_COMPLETE'].[StackName, Parameters, Tags]",
)
RESOURCES = (
    *cfn("ListStackResources", StackName="cost-explorer"),
    "sort(StackResourceSummaries[].to_string([LogicalResourceId, ResourceType]))",
)
BODY = (*cfn("GetTemplate", StackName="cost-explorer"), "TemplateBody")
ITEMS = ("dynamodb", "Scan", {"TableName": "costs"}, "Items")
OBJECTS = ("s3", "ListObjectsV2", {"Bucket": "cost-reports"}, "Contents[].[Key, Size, ETag]")
HEAD = ("s3", "HeadObject", {"Bucket": "cost-reports", "Key": "2026/may.csv"}, "[ContentType, Metadata]")
QUEUES = (
    "sqs",
    "GetQueueAttributes",
    {"QueueUrl": "http://127.0.0.1/123456789012/jobs", "AttributeNames": ["VisibilityTimeout"]},
    "Attributes",
)
DATA = (ITEMS, OBJECTS, HEAD, QUEUES)
BIGGER = template(
    Table=TABLE,
    Bucket=BUCKET,
    Queue=QUEUE,
    More={"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "more"}},
)
SET = (
    *cfn(
        "CreateChangeSet",
        StackName="cost-explorer",
        ChangeSetName="drop",
        ChangeSetType="UPDATE",
        TemplateBody=template(Queue=QUEUE),
        Parameters=[{"ParameterKey": "Timeout", "ParameterValue": "45"}],
    ),
    {"set": "Id"},
)
POLICY = json.dumps(
    {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}
)


def update(body: str, timeout: str = "45") -> Call:
    parameters = [{"ParameterKey": "Timeout", "ParameterValue": timeout}]
    return cfn(
        "UpdateStack",
        StackName="cost-explorer",
        TemplateBody=body,
        Parameters=parameters,
        Tags=STACK[2]["Tags"],
    )


def simple(name: str, given: Any, call: Any, *state: Any, **more: Any) -> Case:
    return Case(name=name, given=given, call=call[:3], state=state, **more)


CASES = (
    simple("create", (), STACK, STACKS),
    simple(
        "delete",
        FILLED,
        cfn("DeleteStack", StackName="cost-explorer"),
        STACKS,
        RESOURCES,
        BODY,
        *DATA,
        kind="new_id",
    ),
    simple("update-adds", FILLED, update(BIGGER), STACKS, RESOURCES, BODY, *DATA),
    simple("update-parameter", FILLED, update(WHOLE, "99"), STACKS, BODY, *DATA, kind="new_id"),
    simple(
        "update-removes-table",
        FILLED,
        update(template(Bucket=BUCKET, Queue=QUEUE)),
        RESOURCES,
        BODY,
        *DATA,
        kind="new_id",
    ),
    simple(
        "update-replaces-table",
        FILLED,
        update(template(Table=RANGED, Bucket=BUCKET, Queue=QUEUE)),  # moto leaves the table as it is
        BODY,
        *DATA,
        kind="new_id",
    ),
    simple(
        "update-removes-bucket",
        FILLED,
        update(template(Table=TABLE, Queue=QUEUE)),
        RESOURCES,
        BODY,
        *DATA,
        kind="new_id",
    ),
    simple(
        "change-set", FILLED, SET, (*cfn("ListChangeSets", StackName="cost-explorer"), "length(Summaries)")
    ),
    simple(
        "execute-change-set",
        (*FILLED, SET),
        cfn("ExecuteChangeSet", ChangeSetName="${set}"),
        RESOURCES,
        BODY,
        *DATA,
        kind="new_id",
    ),
    simple(
        "policy",
        (STACK, cfn("SetStackPolicy", StackName="cost-explorer", StackPolicyBody=POLICY)),
        cfn("SetStackPolicy", StackName="cost-explorer", StackPolicyBody=POLICY.replace("Deny", "Allow")),
        (*cfn("GetStackPolicy", StackName="cost-explorer"), "StackPolicyBody"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)


def made(account: Account, *calls: Any) -> None:
    for service, operation, parameters in calls:
        account.say(service, operation, parameters)


def test_messages_are_said_to_be_lost(account: Account) -> None:
    made(account, STACK, ("sqs", "SendMessage", {"QueueUrl": QUEUES[2]["QueueUrl"], "MessageBody": "x"}))
    plan = run(planned(classified(call_of(*cfn("DeleteStack", StackName="cost-explorer"))), account, "n"))
    assert plan.lost == {"arn:aws:sqs:eu-central-1:123456789012:jobs": "its messages can't be brought back"}


def test_a_stack_that_was_made_again_by_someone_is_a_conflict(account: Account) -> None:
    made(account, STACK, ITEM)
    undoing = Undoing(account, *cfn("DeleteStack", StackName="cost-explorer"))
    undoing.make()
    made(account, STACK)
    assert undoing.conflicts() == ("the items of table costs: made since",)
    assert undoing.revert(force=True).failed == ""
    assert account.say(*ITEMS[:3])["Count"] == 1


def test_a_hidden_parameter_cannot_be_made_again(account: Account) -> None:
    body = json.dumps(
        {
            "Parameters": {"P": {"Type": "String", "NoEcho": True}},
            "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        }
    )
    parameters = [{"ParameterKey": "P", "ParameterValue": "x"}]
    made(account, cfn("CreateStack", StackName="s", TemplateBody=body, Parameters=parameters))
    plan = run(planned(classified(call_of(*cfn("DeleteStack", StackName="s"))), account, "n"))
    assert (plan.kind, plan.reason) == (
        "none",
        "the value of parameter P is hidden, so the stack can't be made again",
    )


def test_a_named_resource_that_is_retained_is_in_the_way(account: Account) -> None:
    body = template(Table={**TABLE, "DeletionPolicy": "Retain"})
    made(account, cfn("CreateStack", StackName="s", TemplateBody=body))
    plan = run(planned(classified(call_of(*cfn("DeleteStack", StackName="s"))), account, "n"))
    assert plan.kind == "none"
    assert "only by importing it" in plan.reason


def test_items_of_a_table_with_a_generated_name_come_back(account: Account) -> None:
    properties = {key: value for key, value in TABLE["Properties"].items() if key != "TableName"}  # type: ignore[attr-defined]
    body = template(Table={**TABLE, "Properties": properties})
    made(account, cfn("CreateStack", StackName="s", TemplateBody=body))

    def table() -> str:
        answer = account.say(*cfn("DescribeStackResource", StackName="s", LogicalResourceId="Table"))
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    made(account, ("dynamodb", "PutItem", {"TableName": table(), "Item": {"id": {"S": "a"}}}))
    undoing = Undoing(account, *cfn("DeleteStack", StackName="s"))
    undoing.make()
    assert undoing.revert().failed == ""
    assert account.say("dynamodb", "Scan", {"TableName": table()})["Items"] == [{"id": {"S": "a"}}]
