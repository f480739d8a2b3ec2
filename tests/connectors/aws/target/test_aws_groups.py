"""Groups by tags and stacks: policies about a group hold for whatever is in it, however the account tells that it is."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from interlock.model.change import ChangeState
from interlock.testing.peers.moto import AwsGateway, MotoServer

_NUMBER = itertools.count()
POLICY = """
@id("core-stays")
forbid (principal, action == Action::"delete", resource) when { resource.group == "core" };
@id("core-is-not-made")
forbid (principal, action == Action::"create", resource) when { resource.group == "core" };
@id("shop-stays")
forbid (principal, action == Action::"delete", resource) when { resource.group == "shop" };
"""
GROUPS = {
    "core": {"tags": {"tier": "core*"}},
    "shop": {"stacks": ["shop-*"]},
    "named": {"names": ["arn:aws:s3:::named-*"]},
}
STACK = """
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: orders
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {QueueName: jobs}
"""


@pytest.fixture(scope="module")
def served(moto_process: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsGateway]:
    folder = tmp_path_factory.mktemp("groups")
    yield from _served(moto_process, folder, {"groups": GROUPS})


def _served(moto: MotoServer, folder: Path, keys: dict[str, Any]) -> Iterator[AwsGateway]:
    (folder / "policies").mkdir()
    (folder / "policies" / "groups.cedar").write_text(POLICY)
    top = {"policies": "policies/", "budgets": "none"}
    with AwsGateway(moto, folder, keys=keys, agents=(), top=top) as gateway:
        yield gateway


@pytest.fixture
def agent(served: AwsGateway, moto: MotoServer) -> str:
    name = f"grouped{next(_NUMBER)}"
    served.add_agent(name)
    return name


def code(served: AwsGateway, agent: str, service: str, operation: str, **parameters: Any) -> str:
    """What a call comes to: `done`, or the code of the error."""
    try:
        served.client(service, agent)._make_api_call(operation, parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


def forget(served: AwsGateway) -> None:
    """As after a minute."""
    live: Any = served.runtime.targets[served.target].live
    live._belonging._tags.clear()
    live._belonging._stacks = None


def table(moto: MotoServer, name: str, **tags: str) -> None:
    moto.client("dynamodb").create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        Tags=[{"Key": k, "Value": v} for k, v in tags.items()],
    )  # fmt: skip


def bucket(moto: MotoServer, name: str, **tags: str) -> None:
    s3 = moto.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    if tags:
        s3.put_bucket_tagging(
            Bucket=name, Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}
        )


FORBIDDEN = "InterlockForbidden"


@pytest.fixture(autouse=True)
def _fresh(served: AwsGateway) -> None:
    forget(served)


def test_what_is_tagged_so_cannot_be_deleted_and_the_rest_can(
    served: AwsGateway, agent: str, moto: MotoServer
) -> None:
    table(moto, "ledger", tier="core-1")
    table(moto, "scratch", tier="other")
    assert code(served, agent, "dynamodb", "DeleteTable", TableName="ledger") == FORBIDDEN
    assert code(served, agent, "dynamodb", "DeleteTable", TableName="scratch") == "InterlockHeld"
    (change,) = [c for c in served.changes(ChangeState.HELD) if c.agent == agent]
    assert {r.group for o in change.operations for r in o.resources} == {""}


def test_parts_are_in_the_group_of_the_whole(served: AwsGateway, agent: str, moto: MotoServer) -> None:
    bucket(moto, "vault", tier="core")
    bucket(moto, "heap")
    assert code(served, agent, "s3", "DeleteObject", Bucket="vault", Key="k") == FORBIDDEN
    assert code(served, agent, "s3", "DeleteObject", Bucket="heap", Key="k") == "InterlockHeld"
    table(moto, "ledger", tier="core")
    assert code(served, agent, "dynamodb", "DeleteItem", TableName="ledger", Key={"id": {"S": "1"}}) != "done"


def test_roles_are_asked_of_iam(served: AwsGateway, agent: str, moto: MotoServer) -> None:
    moto.client("iam").create_role(
        RoleName="root", AssumeRolePolicyDocument="{}", Tags=[{"Key": "tier", "Value": "core"}]
    )
    assert code(served, agent, "iam", "DeleteRole", RoleName="root") == FORBIDDEN


def test_a_creation_has_the_tags_that_it_gives(served: AwsGateway, agent: str) -> None:
    tags = {"tier": "core"}
    assert code(served, agent, "sqs", "CreateQueue", QueueName="a", tags=tags) == FORBIDDEN
    assert code(served, agent, "sqs", "CreateQueue", QueueName="b", tags={"tier": "x"}) == "done"


def test_what_a_stack_has_is_in_the_group_of_the_stack(
    served: AwsGateway, agent: str, moto: MotoServer
) -> None:
    cloudformation = moto.client("cloudformation")
    cloudformation.create_stack(StackName="shop-prod", TemplateBody=STACK)
    table(moto, "alone")
    assert code(served, agent, "dynamodb", "DeleteTable", TableName="orders") == FORBIDDEN
    assert code(served, agent, "dynamodb", "DeleteTable", TableName="alone") == "InterlockHeld"
    url = moto.client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"]
    assert code(served, agent, "sqs", "DeleteQueue", QueueUrl=url) == FORBIDDEN
    assert code(served, agent, "cloudformation", "DeleteStack", StackName="shop-prod") == FORBIDDEN


def test_effects_are_in_their_groups_whatever_the_call_names(
    served: AwsGateway, agent: str, moto: MotoServer
) -> None:
    """The stack is in no group; a table of it is tagged."""
    body = STACK.replace("BillingMode:", "Tags: [{Key: tier, Value: core}]\n      BillingMode:")
    moto.client("cloudformation").create_stack(StackName="other", TemplateBody=body)
    assert code(served, agent, "cloudformation", "DeleteStack", StackName="other") == FORBIDDEN
    (change,) = [c for c in served.changes() if c.agent == agent]
    groups = {e.resource.name.rpartition(":")[2]: e.resource.group for e in change.measurement.effects}
    assert groups["table/orders"] == "core"


def test_an_answer_holds_for_a_while_and_is_asked_again_then(
    served: AwsGateway, agent: str, moto: MotoServer
) -> None:
    bucket(moto, "later")
    assert code(served, agent, "s3", "PutObject", Bucket="later", Key="n", Body=b"") == "done"
    bucket(moto, "later", tier="core")
    assert code(served, agent, "s3", "DeleteObject", Bucket="later", Key="k") == "done"
    forget(served)
    assert code(served, agent, "s3", "DeleteObject", Bucket="later", Key="n") == FORBIDDEN


def test_reads_are_not_asked_about(served: AwsGateway, agent: str, moto: MotoServer) -> None:
    table(moto, "ledger", tier="core")
    served.client("dynamodb", agent).describe_table(TableName="ledger")
    live: Any = served.runtime.targets[served.target].live
    assert live._belonging._tags == {}


def test_what_nobody_can_see_is_not_decided(
    served: AwsGateway, agent: str, moto: MotoServer, monkeypatch: Any
) -> None:
    """A role that may not read tags must not make groups disappear."""
    from interlock.connectors.aws.call import CallFailed
    from interlock.connectors.aws.upstream import AwsCalls

    async def denied(*_: Any, **__: Any) -> Any:
        raise CallFailed("AccessDenied", 403)

    table(moto, "scratch")
    monkeypatch.setattr(AwsCalls, "pages", denied)
    assert code(served, agent, "dynamodb", "DeleteTable", TableName="scratch") == "InterlockUnavailable"
    monkeypatch.undo()
    assert code(served, agent, "dynamodb", "DeleteTable", TableName="scratch") == "InterlockHeld"


# -- `only`


@pytest.fixture(scope="module")
def part(moto_process: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsGateway]:
    keys = {"only": {"names": ["arn:aws:s3:::staging-*"], "stacks": ["shop-*"]}}
    yield from _served(moto_process, tmp_path_factory.mktemp("part"), keys)


def test_a_target_is_what_its_stacks_have(part: AwsGateway, moto: MotoServer) -> None:
    part.add_agent("bounded")
    forget(part)
    moto.client("cloudformation").create_stack(StackName="shop-prod", TemplateBody=STACK)
    table(moto, "alone")
    assert code(part, "bounded", "dynamodb", "DescribeTable", TableName="orders") == "done"
    assert code(part, "bounded", "dynamodb", "DescribeTable", TableName="alone") == FORBIDDEN
    assert code(part, "bounded", "dynamodb", "DeleteTable", TableName="orders") == "InterlockHeld"
    assert code(part, "bounded", "dynamodb", "DeleteTable", TableName="alone") == FORBIDDEN
    assert code(part, "bounded", "cloudformation", "DescribeStacks", StackName="shop-prod") == "done"
    assert code(part, "bounded", "cloudformation", "DescribeStacks", StackName="other") == FORBIDDEN
    (change,) = [c for c in part.changes(ChangeState.HELD) if c.agent == "bounded"]
    part.approve(change.id)
    part.apply(change.id)
    assert part.change(change.id).state is ChangeState.APPLIED


def test_a_bucket_called_like_a_table_of_the_stack_is_not_in_it(part: AwsGateway, moto: MotoServer) -> None:
    part.add_agent("bounded-too")
    forget(part)
    moto.client("cloudformation").create_stack(StackName="shop-prod", TemplateBody=STACK)
    bucket(moto, "orders")
    bucket(moto, "staging-a")
    assert code(part, "bounded-too", "s3", "GetObject", Bucket="orders", Key="k") == FORBIDDEN
    assert code(part, "bounded-too", "s3", "DeleteObject", Bucket="orders", Key="k") == FORBIDDEN
    assert code(part, "bounded-too", "s3", "DeleteObject", Bucket="staging-a", Key="k") == "InterlockHeld"
