"""boto3 with its own retries, waiters, paginators and resources."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.real.aws.clients.rig import ITEM, Cloud, Counted, error_of

from interlock.model.change import ChangeState
from interlock.testing.peers.moto import AwsGateway, MotoServer

MODES = ("legacy", "standard", "adaptive")


def retrying(mode: str, attempts: int = 4) -> dict[str, Any]:
    return {"retries": {"mode": mode, "total_max_attempts": attempts}}


# -- retries


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("service", ["dynamodb", "s3", "ec2", "lambda", "cloudformation"])
def test_what_is_held_or_refused_is_not_tried_again(cloud: Cloud, mode: str, service: str) -> None:
    client = cloud.client(service, **retrying(mode))
    counted = Counted(client)
    with pytest.raises(ClientError) as caught:
        _forbidden(cloud, service, client)
    assert counted.sent == 1
    told = error_of(caught.value)
    assert told["Code"] in ("InterlockHeld", "InterlockForbidden")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def _forbidden(cloud: Cloud, service: str, client: Any) -> None:
    match service:
        case "dynamodb":
            cloud.table("shop")
            client.delete_table(TableName="shop")
        case "s3":
            cloud.bucket("box", {"only": b"1"})
            client.delete_objects(Bucket="box", Delete={"Objects": [{"Key": "only"}]})
        case "ec2":
            (vpc,) = cloud.direct("ec2").describe_vpcs()["Vpcs"]
            client.delete_vpc(VpcId=vpc["VpcId"])
        case "lambda":
            client.add_permission(
                FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="*"
            )
        case _:
            client.create_stack(StackName="s", TemplateURL="https://other.example/template.json")


def test_what_may_be_tried_again_is_tried_again(tmp_path: Path) -> None:
    """AWS is gone while the gateway runs: 503, which all modes retry."""
    stack = ExitStack()
    with stack, AwsGateway(stack.enter_context(MotoServer.start()), tmp_path) as gateway:
        gateway.client("dynamodb").list_tables()
        stack.close()
        for mode in MODES:
            client = gateway.client("dynamodb", **retrying(mode, 2))
            counted = Counted(client)
            with pytest.raises(ClientError) as caught:
                client.list_tables()
            assert error_of(caught.value)["Code"] == "InterlockUnavailable"
            assert counted.sent == 2


# -- holds


def test_a_hold_says_how_to_go_on(cloud: Cloud) -> None:
    cloud.table("shop", 20)
    client = cloud.client("dynamodb")
    with pytest.raises(ClientError) as caught:
        client.delete_table(TableName="shop")
    change = cloud.held()
    told = error_of(caught.value)
    assert told["Code"] == "InterlockHeld"
    assert change.id in told["Message"]
    assert "make exactly the same call again" in told["Message"]
    assert "20 of 20 items deleted" in told["Message"]
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-interlock-change"] == change.id
    assert headers["x-interlock-retry"] == "after-approval"
    public = cloud.gateway.runtime.config.api.public_url
    assert headers["x-interlock-url"] == f"{public}/changes/{change.id}"
    with pytest.raises(ClientError) as again:
        client.delete_table(TableName="shop")
    headers = again.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-interlock-url"] == f"{public}/changes/{change.id}"
    cloud.gateway.approve(change.id)
    client.delete_table(TableName="shop")
    assert cloud.tables() == []
    cloud.gateway.revert(change.id)
    assert cloud.direct("dynamodb").scan(TableName="shop", Select="COUNT")["Count"] == 20


def test_the_other_half_of_a_replacement_passes_once_it_is_approved(cloud: Cloud) -> None:
    """Made again after it was deleted in the same session, it is held as a replacement; its own hold is no deletion before it."""
    cloud.table("shop", 3)
    client = cloud.client("dynamodb")

    def make() -> None:
        client.create_table(
            TableName="shop",
            KeySchema=[{"AttributeName": "n", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "n", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    for call in (lambda: client.delete_table(TableName="shop"), make):
        with pytest.raises(ClientError, match="InterlockHeld"):
            call()
        cloud.gateway.approve(cloud.held().id)
        call()
    assert cloud.tables() == ["shop"]
    assert cloud.verbs(ChangeState.APPLIED) == ["dynamodb:DeleteTable", "dynamodb:CreateTable"]
    assert cloud.changes(ChangeState.HELD) == []


def test_a_waiter_goes_on_after_the_approval(cloud: Cloud) -> None:
    """Whoever waits for the table to be gone sees it go when people have let the gateway run what was held."""
    cloud.table("shop")
    client = cloud.client("dynamodb")
    with pytest.raises(ClientError):
        client.delete_table(TableName="shop")
    asked = threading.Event()
    client.meta.events.register("after-call.dynamodb.DescribeTable", lambda **_: asked.set())
    waiter = client.get_waiter("table_not_exists")
    waits = threading.Thread(
        target=waiter.wait,
        kwargs={"TableName": "shop", "WaiterConfig": {"Delay": 0.05, "MaxAttempts": 1_000}},
        daemon=True,
    )
    waits.start()
    assert asked.wait(60)
    change = cloud.held()
    cloud.gateway.approve(change.id)
    cloud.gateway.apply(change.id)
    waits.join(60)
    assert not waits.is_alive()
    assert cloud.tables() == []


def test_what_people_deny_is_told_and_not_tried_again(cloud: Cloud) -> None:
    cloud.table("shop")
    client = cloud.client("dynamodb", **retrying("adaptive"))
    with pytest.raises(ClientError):
        client.delete_table(TableName="shop")
    cloud.gateway.deny(cloud.held().id)
    counted = Counted(client)
    with pytest.raises(ClientError) as caught:
        client.delete_table(TableName="shop")
    assert counted.sent == 1
    assert error_of(caught.value)["Code"] in ("InterlockForbidden", "InterlockHeld")
    assert cloud.tables() == ["shop"]


def test_the_services_own_errors_come_through(cloud: Cloud) -> None:
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="absent")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket="absent")
    cloud.table("shop")
    dynamodb.put_item(TableName="shop", Item={**ITEM, "id": {"S": "2"}})
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName="shop", Item=ITEM, ConditionExpression="attribute_not_exists(id)")
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket="absent", Key="k")
    assert error_of(caught.value)["Code"] == "404"


def test_where_the_account_answers_nonsense_the_effect_is_not_known(cloud: Cloud) -> None:
    """moto answers what it doesn't implement with a page in HTML; the gateway asks for the key that is set now."""
    with pytest.raises(ClientError) as caught:
        cloud.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId="alias/other")
    assert error_of(caught.value)["Code"] == "InterlockHeld"
    assert "not reversible" in error_of(caught.value)["Message"]


# -- paginators and resources


def test_paginators_read_on(cloud: Cloud) -> None:
    cloud.bucket("box", {f"a b/{n:03}+ü": b"" for n in range(25)})
    cloud.table("shop", 25)
    pages = list(
        cloud.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket="box", PaginationConfig={"PageSize": 10})
    )
    assert [len(page["Contents"]) for page in pages] == [10, 10, 5]
    rows = (
        cloud.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName="shop", PaginationConfig={"PageSize": 10})
    )
    assert sum(page["Count"] for page in rows) == 25
    ec2 = (
        cloud.client("ec2")
        .get_paginator("describe_instance_types")
        .paginate(PaginationConfig={"PageSize": 100})
    )
    assert sum(len(page["InstanceTypes"]) for page in ec2) > 500


def test_resources_work_as_clients_do(cloud: Cloud) -> None:
    told = cloud.environment()
    common: dict[str, Any] = {
        "region_name": told["AWS_DEFAULT_REGION"],
        "aws_access_key_id": told["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": told["AWS_SECRET_ACCESS_KEY"],
    }
    s3 = boto3.resource("s3", endpoint_url=cloud.service_url("s3"), **common)
    s3.create_bucket(Bucket="box")
    s3.Object("box", "k").put(Body=b"1")
    assert [each.key for each in s3.Bucket("box").objects.all()] == ["k"]
    with pytest.raises(ClientError, match="InterlockHeld"):
        s3.Bucket("box").objects.all().delete()
    table = boto3.resource("dynamodb", endpoint_url=cloud.service_url("dynamodb"), **common)
    cloud.table("shop", 0)
    with table.Table("shop").batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"id": str(number), "n": number})
    assert table.Table("shop").scan(Select="COUNT")["Count"] == 60
    assert cloud.verbs(ChangeState.APPLIED).count("dynamodb:BatchWriteItem") == 3


# -- answers that stream


def test_an_event_stream_is_answered(cloud: Cloud) -> None:
    """S3 Select: the answer is a stream of events with checksums of its own."""
    cloud.bucket("box", {"k.csv": b"a,b\n1,2\n3,4\n"})
    answer = cloud.client("s3").select_object_content(
        Bucket="box",
        Key="k.csv",
        ExpressionType="SQL",
        Expression="SELECT * FROM S3Object s",
        InputSerialization={"CSV": {"FileHeaderInfo": "USE"}},
        OutputSerialization={"CSV": {}},
    )
    rows = b"".join(event["Records"]["Payload"] for event in answer["Payload"] if "Records" in event)
    assert rows.split() == [b"1,2", b"3,4"]


# -- narrower keys


def test_a_role_is_a_narrower_key_of_the_gateways(cloud: Cloud) -> None:
    cloud.bucket("box", {"k": b"1"})
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}'
    )
    key = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="look", Policy=policy
    )["Credentials"]
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=cloud.service_url("s3"),
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
    )
    assert s3.get_object(Bucket="box", Key="k")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="InterlockForbidden"):
        s3.put_object(Bucket="box", Key="k", Body=b"2")
