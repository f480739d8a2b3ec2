"""What is recorded of calls: the same work is recognised, any other is not, and people read it without secrets."""

import base64
import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.session.passing import rewriting
from interlock.connectors.aws.session.passing.answers import Outcome, code_of, outcome_of
from interlock.connectors.aws.session.passing.forwarding import in_regions, kept_headers
from interlock.connectors.aws.session.passing.reshape import reshaped
from interlock.connectors.aws.session.record import Recorded, Request, read
from interlock.model.errors import Rejected

REQUEST = Request(
    Call("dynamodb", "DeleteTable", "eu-central-1", "123456789012", {"TableName": "orders"}),
    "json",
    "POST",
    "/",
    "",
    (("content-type", "application/x-amz-json-1.0"),),
    b'{"TableName":"orders"}',
)


def changed(**parameters: Any) -> Request:
    call = msgspec.structs.replace(REQUEST.call, parameters={**REQUEST.call.parameters, **parameters})
    return msgspec.structs.replace(REQUEST, call=call)


def content(*requests: Request, agent: str = "fixer") -> str:
    return Recorded(requests, agent).content


def test_it_comes_back_as_it_was() -> None:
    made = Recorded((REQUEST, changed(Blob=b"\x00\xff", Number=1.5, Big=1 << 70)), "fixer")
    assert read(made.payload()) == made
    assert read(made.payload()).content == made.content


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected):
        read(data)


def test_idempotency_tokens_and_headers_do_not_count() -> None:
    headers = msgspec.structs.replace(REQUEST, headers=(("user-agent", "another"),))
    assert content(changed(ClientToken="a")) == content(changed(ClientToken="b")) == content(REQUEST)
    assert content(headers) == content(REQUEST)


OTHERS = {
    "a parameter": changed(TableName="order"),
    "one more": changed(DryRun=True),
    "its type": changed(TableName=["orders"]),
    "the operation": msgspec.structs.replace(
        REQUEST, call=msgspec.structs.replace(REQUEST.call, operation="DescribeTable")
    ),
    "the region": msgspec.structs.replace(
        REQUEST, call=msgspec.structs.replace(REQUEST.call, region="us-east-1")
    ),
    "the account": msgspec.structs.replace(
        REQUEST, call=msgspec.structs.replace(REQUEST.call, account="210987654321")
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_else_differs_is_other_work(name: str) -> None:
    assert content(OTHERS[name]) != content(REQUEST)


def test_a_body_counts_byte_by_byte() -> None:
    call = Call(
        "s3", "PutObject", "us-east-1", parameters={"Bucket": "b", "Key": "k"}, streaming="Body", length=3
    )
    one, other = (Request(call, "rest-xml", "PUT", "/b/k", "", (), body) for body in (b"abc", b"abd"))
    assert content(one) != content(other)
    streams = Request(call, "rest-xml", "PUT", "/b/k", "", (), None, content_hash="x-amz-checksum-crc32=AAAA")
    assert content(streams) != content(
        msgspec.structs.replace(streams, content_hash="x-amz-checksum-crc32=AAAB")
    )


def test_several_calls_are_other_work_than_one_and_their_order_counts() -> None:
    two = changed(TableName="two")
    assert len({content(REQUEST), content(two), content(REQUEST, two), content(two, REQUEST)}) == 4


def test_people_read_calls_and_parameters() -> None:
    assert Recorded((REQUEST,), "fixer").statements == (
        "dynamodb DeleteTable (eu-central-1)\n  TableName = orders",
    )


# -- what goes on, and what comes back


def test_headers_of_the_connection_and_the_signature_stay_behind() -> None:
    left = (
        "authorization",
        "host",
        "x-amz-date",
        "x-amz-security-token",
        "content-length",
        "expect",
        "x-forwarded-for",
    )
    given_ = (
        *((name, "1") for name in left),
        ("x-amz-content-sha256", "s"),
        ("content-encoding", "aws-chunked,gzip"),
        ("x-amz-acl", "private"),
        ("x-interlock-reason", "why"),
    )
    assert kept_headers(given_, (("x-amz-checksum-crc32", "AAAA"),)) == (
        ("content-encoding", "gzip"),
        ("x-amz-acl", "private"),
        ("x-amz-checksum-crc32", "AAAA"),
    )


def test_regions() -> None:
    assert in_regions("ec2", "eu-central-1", ("eu-central-1",))
    assert not in_regions("ec2", "us-east-1", ("eu-central-1",))
    assert in_regions("iam", "us-east-1", ("eu-central-1",))


OUTCOMES = [
    (200, b"", Outcome.DONE),
    (204, b"", Outcome.DONE),
    (200, b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', Outcome.REFUSED),
    (200, b"<Error><Code>InternalError</Code></Error>", Outcome.UNKNOWN),
    (400, b'{"__type":"ValidationException"}', Outcome.REFUSED),
    (301, b"", Outcome.REFUSED),
    (500, b"", Outcome.UNKNOWN),
    (503, b"<Error><Code>SlowDown</Code></Error>", Outcome.REFUSED),
    (503, b"<Error><Code>ServiceUnavailable</Code></Error>", Outcome.UNKNOWN),
]


@pytest.mark.parametrize(("status", "body", "outcome"), OUTCOMES)
def test_what_an_answer_means(status: int, body: bytes, outcome: Outcome) -> None:
    request = msgspec.structs.replace(REQUEST, protocol="rest-xml")
    assert outcome_of(request, status, (), body) is outcome
    assert outcome.settled(status, body).committed is not True


def test_codes_are_found_in_each_protocol() -> None:
    assert (
        code_of(b"<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>") == "NoSuchEntity"
    )
    assert (
        code_of(b'{"__type":"com.amazonaws.dynamodb#ResourceNotFoundException"}')
        == "ResourceNotFoundException"
    )
    assert code_of(b"<html>500</html>") == ""


def test_a_changed_call_is_written_in_its_protocol() -> None:
    call = Call(
        "rds",
        "DeleteDBInstance",
        "us-east-1",
        parameters={"DBInstanceIdentifier": "d", "SkipFinalSnapshot": True},
    )
    request = Request(call, "query", "POST", "/", "", (), b"Action=DeleteDBInstance")
    made = reshaped(request, {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": "last"})
    assert made.body is not None
    assert b"SkipFinalSnapshot=false" in made.body
    assert b"FinalDBSnapshotIdentifier=last" in made.body
    assert made.call.parameters["SkipFinalSnapshot"] is False


def test_queue_urls_name_the_gateway_outside_and_aws_inside() -> None:
    aws, own = "https://sqs.eu-central-1.amazonaws.com", "http://127.0.0.1:8510"
    url = f"{own}/~/sqs/123456789012/q"
    call = Call("sqs", "PurgeQueue", "eu-central-1", parameters={"QueueUrl": url})
    request = Request(call, "json", "POST", "/", "", (), b'{"QueueUrl":"%s"}' % url.encode())
    inside = rewriting.inward(request, aws, own)
    assert inside.call.parameters["QueueUrl"] == f"{aws}/123456789012/q"
    assert inside.body == b'{"QueueUrl":"%s/123456789012/q"}' % aws.encode()
    _, told = rewriting.outward(request, (), b'{"QueueUrl":"%s/123456789012/q"}' % aws.encode(), aws, own)
    assert told == request.body


# -- what people are given of it

SECRET = "correct-horse-battery"
DATA = "a-row-value"
HIDING = {
    "a password": Call(
        "rds", "CreateDBInstance", "us-east-1", "1",
        {"DBInstanceIdentifier": "d", "MasterUserPassword": SECRET, "AllocatedStorage": 20},
    ),
    "a secret string": Call("secretsmanager", "PutSecretValue", "us-east-1", "1", {"SecretId": "s", "SecretString": SECRET}),
    "secret bytes": Call(
        "secretsmanager", "PutSecretValue", "us-east-1", "1", {"SecretId": "s", "SecretBinary": SECRET.encode()}
    ),
    "a parameter": Call(
        "ssm", "PutParameter", "us-east-1", "1", {"Name": "n", "Value": SECRET, "Type": "SecureString"}
    ),
    "user data": Call("ec2", "RunInstances", "us-east-1", "1", {"ImageId": "ami-1", "UserData": SECRET}),
    "user data inside": Call(
        "ec2", "CreateLaunchTemplate", "us-east-1", "1",
        {"LaunchTemplateName": "t", "LaunchTemplateData": {"ImageId": "ami-1", "UserData": SECRET}},
    ),
    "variables": Call(
        "lambda", "UpdateFunctionConfiguration", "us-east-1", "1",
        {"FunctionName": "f", "Environment": {"Variables": {"KEY": SECRET, "name": SECRET, "X": DATA}}},
    ),
    "variables in pairs": Call(
        "ecs", "RegisterTaskDefinition", "us-east-1", "1",
        {"family": "f", "containerDefinitions": [{"name": "c", "environment": [{"name": "KEY", "value": SECRET}]}]},
    ),
    "a pair": Call(
        "cloudformation", "CreateStack", "us-east-1", "1",
        {"StackName": "s", "Parameters": [{"ParameterKey": "DbPassword", "ParameterValue": SECRET}]},
    ),
    "a whole structure": Call(
        "transfer", "CreateConnector", "us-east-1", "1", {"Url": "u", "Credentials": {"Deep": [SECRET, {"x": SECRET}]}}
    ),
    "a row": Call(
        "dynamodb", "PutItem", "us-east-1", "1", {"TableName": "t", "Item": {"id": {"S": DATA}, "n": {"N": "1"}}}
    ),
    "messages": Call("sqs", "SendMessage", "us-east-1", "1", {"QueueUrl": "q", "MessageBody": DATA}),
    "a row beside a secret": Call(
        "dynamodb", "PutItem", "us-east-1", "1", {"TableName": "t", "Item": {"id": {"S": DATA}}, "Password": SECRET}
    ),
    "a body": Call("s3", "PutObject", "us-east-1", "1", {"Bucket": "b", "Key": "k"}, streaming="Body", length=3),
    "nothing": Call("dynamodb", "DeleteTable", "us-east-1", "1", {"TableName": "orders", "ClientToken": "t"}),
}  # fmt: skip


def sent(call: Call) -> Recorded:
    """As it is recorded: with the bytes and the address that it came with."""
    raw = f"{SECRET} {DATA}"
    headers = (("x-amz-thing", raw),)
    request = Request(call, "json", "POST", f"/{raw}", f"q={raw}", headers, raw.encode())
    return Recorded((request, REQUEST), "fixer")


@pytest.mark.parametrize("name", HIDING)
def test_what_is_disclosed_has_the_same_content_and_no_secret(name: str) -> None:
    made = sent(HIDING[name])
    told = read(made.disclosed().payload())
    assert told.content == made.content == read(made.payload()).content
    assert told.statements == made.statements
    assert told.disclosed() == told
    said = made.disclosed().payload() + "".join(told.statements).encode()
    for secret in (SECRET, DATA):
        assert secret.encode() not in said
        assert base64.b64encode(secret.encode()).rstrip(b"=")[:-1] not in said
        assert hashlib.sha256(secret.encode()).hexdigest().encode() not in said


@pytest.mark.parametrize("name", [name for name in HIDING if name not in ("a body", "nothing")])
def test_what_is_hidden_is_bound_all_the_same(name: str) -> None:
    """Another secret is other work, and so is one that is masked where none was, or has another digest."""
    call, made = HIDING[name], sent(HIDING[name])
    other = msgspec.json.decode(
        msgspec.json.encode(call.parameters).replace(SECRET.encode(), b"x").replace(DATA.encode(), b"x")
    )
    if name != "secret bytes":
        changed_ = sent(msgspec.structs.replace(call, parameters=other))
        assert changed_.content != made.content
        assert changed_.statements == made.statements
    (told, rest) = made.disclosed().requests
    for forged in (
        msgspec.structs.replace(told, secrets="0" * 64),
        msgspec.structs.replace(told, secrets=""),
        msgspec.structs.replace(told, call=msgspec.structs.replace(told.call, operation="Other")),
        msgspec.structs.replace(
            told, call=msgspec.structs.replace(told.call, parameters={**told.call.parameters, "More": 1})
        ),
    ):
        assert Recorded((forged, rest), "fixer").content != made.content


def test_what_is_hidden_is_salted_with_the_rest() -> None:
    """Two calls with one password have nothing in common."""
    one, two = (
        Call(
            "rds",
            "ModifyDBInstance",
            "us-east-1",
            "1",
            {"DBInstanceIdentifier": d, "MasterUserPassword": SECRET},
        )
        for d in ("a", "b")
    )
    digests = [sent(call).disclosed().requests[0].secrets for call in (one, two)]
    assert len({*digests, ""}) == 3


def test_statements_are_read_from_what_is_bound_and_nothing_else() -> None:
    """What would be made is what people read: no field of a record words it in another way."""
    assert "shown" not in Request.__struct_fields__
    assert sent(HIDING["a password"]).statements[0] == (
        "rds CreateDBInstance (us-east-1)\n  AllocatedStorage = 20\n  DBInstanceIdentifier = d\n  MasterUserPassword = ***"
    )
