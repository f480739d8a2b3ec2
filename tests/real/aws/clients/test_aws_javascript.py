"""The AWS SDK for JavaScript, version 3."""

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests.real.aws.clients import fetched
from tests.real.aws.clients.rig import ITEM, PATIENCE_S, Cloud

from interlock.model.change import ChangeState
from interlock.model.effect import ChangeKind

PACKAGES = fetched.node_modules()
pytestmark = pytest.mark.skipif(PACKAGES is None, reason="the AWS SDK for JavaScript or node is not here")
PROGRAM = Path(__file__).with_name("calls.cjs")


def calls(cloud: Cloud, *wanted: dict[str, Any]) -> list[Any]:
    """What came of each."""
    done = subprocess.run(
        ["node", str(PROGRAM)],
        input=json.dumps(wanted),
        env={**cloud.environment(), "AWS_REGION": "us-east-1", "NODE_PATH": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def call(client: str, command: str, **given: Any) -> dict[str, Any]:
    return {"client": client, "command": command, "input": given}


def test_it_reads_and_overwrites(cloud: Cloud) -> None:
    cloud.bucket("box", {f"k{n}": b"old" for n in range(12)})
    key = "a b/ü+%2F//x"
    put, got, listed, absent = calls(
        cloud,
        call("s3", "PutObject", Bucket="box", Key="k1", Body="new"),
        call("s3", "GetObject", Bucket="box", Key="k1"),
        call("s3", "PutObject", Bucket="box", Key=key, Body="1"),
        call("s3", "GetObject", Bucket="box", Key="absent"),
    )
    assert put["$metadata"]["httpStatusCode"] == 200
    assert got["Body"] == "new"
    assert listed["$metadata"]["attempts"] == 1
    assert cloud.objects("box")[key] == b"1"
    assert absent["error"]["name"] == "NoSuchKey"
    change = next(
        c for c in cloud.changes(ChangeState.APPLIED) if c.measurement.effects[0].change is ChangeKind.UPDATED
    )
    cloud.gateway.revert(change.id)
    assert cloud.objects("box")["k1"] == b"old"


def test_large_bodies_go_in_parts(cloud: Cloud) -> None:
    cloud.bucket("box")
    (told,) = calls(cloud, {"upload": {"Bucket": "box", "Key": "k", "size": 12 << 20}})
    assert told == {}
    assert len(cloud.objects("box")["k"]) == 12 << 20


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
@pytest.mark.parametrize("streams", [False, True])
def test_bodies_go_with_checksums_before_or_behind_them(cloud: Cloud, algorithm: str, streams: bool) -> None:
    cloud.bucket("box")
    text = "x" * 200_000
    body = {"stream": text} if streams else text
    more = {"ContentLength": len(text)} if streams else {}
    (told,) = calls(
        cloud, call("s3", "PutObject", Bucket="box", Key="k", Body=body, ChecksumAlgorithm=algorithm, **more)
    )
    assert f"Checksum{algorithm}" in told, told
    assert cloud.objects("box") == {"k": text.encode()}


def test_what_is_held_is_an_error_with_the_change_and_is_sent_once(cloud: Cloud) -> None:
    cloud.table("shop", 20)
    cloud.bucket("box", {"only": b"1"})
    told = calls(
        cloud,
        call("dynamodb", "DeleteTable", TableName="shop"),
        call("s3", "DeleteObjects", Bucket="box", Delete={"Objects": [{"Key": "only"}]}),
        call("sts", "GetFederationToken", Name="me"),
    )
    waiting = {change.operations[0].verb: change.id for change in cloud.changes(ChangeState.HELD)}
    for each, verb in zip(told, ("dynamodb:DeleteTable", "s3:DeleteObjects"), strict=False):
        error = each["error"]
        assert error["name"] == "InterlockHeld"
        assert error["InterlockChange"] == waiting[verb]
        assert waiting[verb] in error["message"]
        assert error["metadata"]["httpStatusCode"] == 403
        assert error["metadata"]["attempts"] == 1
        assert error["metadata"]["requestId"]
    assert told[2]["error"]["name"] == "InterlockForbidden"
    assert told[2]["error"]["metadata"]["attempts"] == 1
    assert cloud.tables() == ["shop"]


def test_it_goes_on_after_the_approval(cloud: Cloud) -> None:
    cloud.table("shop")
    wanted = call("dynamodb", "DeleteTable", TableName="shop")
    (told,) = calls(cloud, wanted)
    cloud.gateway.approve(told["error"]["InterlockChange"])
    (told,) = calls(cloud, wanted)
    assert told["TableDescription"]["TableName"] == "shop"
    assert cloud.tables() == []


def test_items_and_queues(cloud: Cloud) -> None:
    """Queues are named by URLs, which lead through the gateway."""
    cloud.table("shop")
    _, got, made = calls(
        cloud,
        call("dynamodb", "PutItem", TableName="shop", Item={**ITEM, "n": {"N": "1.5"}}),
        call("dynamodb", "GetItem", TableName="shop", Key={"id": {"S": "1"}}),
        call("sqs", "CreateQueue", QueueName="q"),
    )
    assert got["Item"] == {**ITEM, "n": {"N": "1.5"}}
    url = made["QueueUrl"]
    assert url == f"{cloud.service_url('sqs')}/123456789012/q"
    sending = call("sqs", "SendMessage", QueueUrl=url, MessageBody="hello")
    (waits,) = calls(cloud, sending)
    cloud.gateway.approve(waits["error"]["InterlockChange"])  # nobody can take a message back
    (sent,) = calls(cloud, sending)
    received = cloud.direct("sqs").receive_message(QueueUrl=f"{cloud.moto.url}/123456789012/q")
    assert sent["MessageId"]
    assert received["Messages"][0]["Body"] == "hello"


def test_a_role_is_a_narrower_key(cloud: Cloud) -> None:
    cloud.bucket("box", {"k": b"1"})
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "sts:*"], "Resource": "*"}],
        }
    )
    role = {"RoleArn": "arn:aws:iam::123456789012:role/reader", "RoleSessionName": "look", "Policy": policy}
    assumed, got, put, who = calls(
        cloud,
        {"assume": role},
        call("s3", "GetObject", Bucket="box", Key="k"),
        call("s3", "PutObject", Bucket="box", Key="k", Body="2"),
        call("sts", "GetCallerIdentity"),
    )
    assert assumed["keyId"].startswith("ILAS")
    assert got["Body"] == "1"
    assert put["error"]["name"] == "InterlockForbidden"
    assert who["Arn"].endswith(f"/{cloud.agent}/look")


def test_a_presigned_url_is_read_by_anything(cloud: Cloud) -> None:
    cloud.bucket("box", {"a b/ü": b"1"})
    (url,) = calls(cloud, {"presign": {"command": "GetObject", "input": {"Bucket": "box", "Key": "a b/ü"}}})
    with urlopen(url, timeout=60) as answer:
        assert answer.read() == b"1"
