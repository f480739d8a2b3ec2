"""The parameters that were read, sent on to moto: what is there afterwards is what the first client asked for."""

from collections.abc import Iterator
from typing import Any

import jmespath
import pytest
from moto.server import ThreadedMotoServer
from tests.real.aws.conformance.capture import Client, session_speaking

from interlock.connectors.aws.codec import Codec

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
TAGS = [{"Key": "a b", "Value": "c&d=é"}]
ITEM = {"id": {"S": "1"}, "b": {"B": b"\x00\xff"}, "m": {"M": {"x": {"L": [{"N": "1.50"}, {"NULL": True}]}}}}
TABLE = {
    "TableName": "t",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}

Call = tuple[str, dict[str, Any]]

CASES: dict[str, tuple[list[Call], Call, str, Any]] = {
    "s3": (
        [
            ("CreateBucket", {"Bucket": "codec"}),
            ("PutBucketTagging", {"Bucket": "codec", "Tagging": {"TagSet": TAGS}}),
        ],
        ("GetBucketTagging", {"Bucket": "codec"}),
        "TagSet",
        TAGS,
    ),
    "iam": (
        [
            ("CreateUser", {"UserName": "u", "Tags": TAGS}),
            ("PutUserPolicy", {"UserName": "u", "PolicyName": "p", "PolicyDocument": POLICY}),
        ],
        ("ListUserTags", {"UserName": "u"}),
        "Tags",
        TAGS,
    ),
    "dynamodb": (
        [("CreateTable", TABLE), ("PutItem", {"TableName": "t", "Item": ITEM})],
        ("GetItem", {"TableName": "t", "Key": {"id": {"S": "1"}}}),
        "Item",
        ITEM,
    ),
    "sqs": (
        [
            (
                "CreateQueue",
                {"QueueName": "q", "Attributes": {"VisibilityTimeout": "77"}, "tags": {"a b": "c&d=é"}},
            )
        ],
        ("ListQueueTags", {"QueueUrl": "http://127.0.0.1/123456789012/q"}),
        "Tags",
        {"a b": "c&d=é"},
    ),
    "ec2": (
        [
            (
                "CreateVpc",
                {"CidrBlock": "10.0.0.0/16", "TagSpecifications": [{"ResourceType": "vpc", "Tags": TAGS}]},
            )
        ],
        ("DescribeTags", {"Filters": [{"Name": "value", "Values": ["c&d=é"]}]}),
        "Tags[0].Key",
        "a b",
    ),
    "route53": (
        [
            (
                "CreateHostedZone",
                {"Name": "example.org.", "CallerReference": "r", "HostedZoneConfig": {"Comment": "a<b>&c"}},
            )
        ],
        ("ListHostedZones", {}),
        "HostedZones[0].Config.Comment",
        "a<b>&c",
    ),
}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    server.stop()


@pytest.mark.parametrize("service", CASES)
def test_what_was_read_does_what_was_asked_for(codec: Codec, moto: str, service: str) -> None:
    calls, (reading, parameters), path, expected = CASES[service]
    asking = Client(session_speaking(), service, own=True)
    operations = {each.name: each for each in asking.operations()}
    upstream = session_speaking().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=moto,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
    )
    for name, wanted in calls:
        call = codec.understand(asking.send(operations[name], wanted).asked).call
        assert call.operation == name
        upstream._make_api_call(call.operation, dict(call.parameters))
    assert jmespath.search(path, upstream._make_api_call(reading, parameters)) == expected
