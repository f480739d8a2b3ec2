"""What requests mean whose form is not the usual one."""

import datetime as dt
import gzip
import json
from typing import Any

import pytest
from tests.connectors.aws.codec.asking import ask, cbor, ec2, form, one_endpoint, target

from interlock.connectors.aws.codec import Asked, Codec

CBOR_ALARM = b"\xa1\x6aAlarmNames\x82\x61a\x61b"

KEYS = [
    ("/bucket//", "/"),
    ("/bucket//a//b", "/a//b"),
    ("/bucket/../x", "../x"),
    ("/bucket/a/%2E%2E/b", "a/../b"),
    ("/bucket/a%2Fb", "a/b"),
    ("/bucket/a%252Fb", "a%2Fb"),
    ("/bucket/a+b", "a+b"),
    ("/bucket/a%2Bb%20c", "a+b c"),
    ("/bucket/%C3%A9%F0%9F%98%80", "é😀"),
    ("/bucket/a%0Ab", "a\nb"),
    ("/bucket/a/", "a/"),
    ("/bucket/acl%3Fx", "acl?x"),
]


@pytest.mark.parametrize(("path", "key"), KEYS)
@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD", "PUT"])
def test_keys_of_objects_are_texts(codec: Codec, method: str, path: str, key: str) -> None:
    call = codec.understand(ask(method, path)).call
    assert (
        call.operation
        == {"GET": "GetObject", "DELETE": "DeleteObject", "HEAD": "HeadObject", "PUT": "PutObject"}[method]
    )
    assert (call.parameters["Bucket"], call.parameters["Key"]) == ("bucket", key)


HOSTS = [
    ("prod.s3.amazonaws.com", "prod"),
    ("prod.s3.us-west-2.amazonaws.com:443", "prod"),
    ("a.b.s3.us-west-2.amazonaws.com", "a.b"),
    ("PROD.S3.eu-west-1.amazonaws.com", "prod"),
    ("prod.s3-us-west-2.amazonaws.com", "prod"),
    ("prod.gateway.internal:8443", "prod"),
    ("s3.gateway.internal", ""),
    ("s3.us-west-2.amazonaws.com", ""),
    ("gateway.internal", ""),
    ("127.0.0.1:4566", ""),
]


@pytest.mark.parametrize(("host", "bucket"), HOSTS)
def test_the_bucket_may_be_in_the_host(codec: Codec, host: str, bucket: str) -> None:
    call = codec.understand(ask("GET", "/one/two", host=host)).call
    expected = {"Bucket": bucket, "Key": "one/two"} if bucket else {"Bucket": "one", "Key": "two"}
    assert call.parameters == expected
    assert codec.understand(ask("GET", "/", host=host)).call.operation == (
        "ListObjects" if bucket else "ListBuckets"
    )


MEANT: list[tuple[Asked, str, dict[str, Any]]] = [
    (ask("GET", "/b"), "ListObjects", {"Bucket": "b"}),
    (ask("GET", "/b/"), "ListObjects", {"Bucket": "b"}),
    (ask("GET", "/b?list-type=2&prefix=a%2Fb"), "ListObjectsV2", {"Bucket": "b", "Prefix": "a/b"}),
    (ask("DELETE", "/b?policy"), "DeleteBucketPolicy", {"Bucket": "b"}),
    (ask("DELETE", "/b?policy="), "DeleteBucketPolicy", {"Bucket": "b"}),
    (ask("PUT", "/b/k?partNumber=3&uploadId=u"), "UploadPart", {"Bucket": "b", "Key": "k", "PartNumber": 3, "UploadId": "u"}),
    (
        ask("PUT", "/b/k", headers=(("x-amz-copy-source", "c/d"),)),
        "CopyObject",
        {"Bucket": "b", "Key": "k", "CopySource": "c/d"},
    ),
    (
        ask("PUT", "/b/k?partNumber=3&uploadId=u", headers=(("x-amz-copy-source", "c/d"),)),
        "UploadPartCopy",
        {"Bucket": "b", "Key": "k", "CopySource": "c/d", "PartNumber": 3, "UploadId": "u"},
    ),
    (ask("DELETE", "/b/k?uploadId=u"), "AbortMultipartUpload", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    (ask("GET", "/b/k?x-id=GetObject"), "GetObject", {"Bucket": "b", "Key": "k"}),
    (
        ask("PUT", "/b/k?x-amz-acl=public-read&X-Amz-Signature=s&X-Amz-Expires=9&X-Amz-Date=d"),
        "PutObject",
        {"Bucket": "b", "Key": "k", "ACL": "public-read"},
    ),
    (
        ask("PUT", "/b/k", headers=(("x-amz-meta-a", "1"), ("x-amz-meta-b", "2"), ("user-agent", "x"))),
        "PutObject",
        {"Bucket": "b", "Key": "k", "Metadata": {"a": "1", "b": "2"}},
    ),
    (
        ask("PUT", "/b/k", headers=(("content-encoding", "aws-chunked,gzip"),)),
        "PutObject",
        {"Bucket": "b", "Key": "k", "ContentEncoding": "gzip"},
    ),
    (
        ask("GET", "/b/k", headers=(("if-modified-since", "Thu, 29 Feb 2024 12:00:00 GMT"), ("range", "bytes=0-9"))),
        "GetObject",
        {"Bucket": "b", "Key": "k", "IfModifiedSince": dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), "Range": "bytes=0-9"},
    ),
    (
        ask("GET", "/b/k?attributes", headers=(("x-amz-object-attributes", "ETag, ObjectSize"),)),
        "GetObjectAttributes",
        {"Bucket": "b", "Key": "k", "ObjectAttributes": ["ETag", "ObjectSize"]},
    ),
    (
        ask("GET", "/b/k?attributes", headers=(("x-amz-object-attributes", "ETag"), ("x-amz-object-attributes", "ObjectSize"))),
        "GetObjectAttributes",
        {"Bucket": "b", "Key": "k", "ObjectAttributes": ["ETag", "ObjectSize"]},
    ),
    (ec2("TerminateInstances", InstanceId__1="i-1", InstanceId__2="i-2"), "TerminateInstances", {"InstanceIds": ["i-1", "i-2"]}),
    (
        ec2("DescribeInstances", Filter__1__Name="n", Filter__1__Value__1="v"),
        "DescribeInstances",
        {"Filters": [{"Name": "n", "Values": ["v"]}]},
    ),
    (
        ask("GET", "/?Action=DescribeInstances&Version=2016-11-15&DryRun=true", service="ec2"),
        "DescribeInstances",
        {"DryRun": True},
    ),
    (
        form("Action=DescribeInstances&Version=2016-11-15&NextToken=a+b%2Bc", target="/?Action=DescribeInstances"),
        "DescribeInstances",
        {"NextToken": "a b+c"},
    ),
    (
        form("Action=GetUser&Version=2010-05-08&UserName=%C3%A9", service="iam"),
        "GetUser",
        {"UserName": "é"},
    ),
    (
        form("Action=CreateUser&Version=2010-05-08&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=", service="iam"),
        "CreateUser",
        {"UserName": "u", "Tags": [{"Key": "k", "Value": ""}]},
    ),
    (
        form("Action=SetQueueAttributes&Version=2012-11-05&QueueUrl=https%3A%2F%2Fq%2F1%2Fn"
             "&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=9", service="sqs", target="/1/n"),
        "SetQueueAttributes",
        {"QueueUrl": "https://q/1/n", "Attributes": {"VisibilityTimeout": "9"}},
    ),
    (
        form("Action=DeleteMessageBatch&Version=2012-11-05&QueueUrl=q&DeleteMessageBatchRequestEntry.1.Id=a"
             "&DeleteMessageBatchRequestEntry.1.ReceiptHandle=h", service="sqs"),
        "DeleteMessageBatch",
        {"QueueUrl": "q", "Entries": [{"Id": "a", "ReceiptHandle": "h"}]},
    ),
    (
        form("Action=SendMessage&Version=2012-11-05&QueueUrl=q&MessageBody=m&MessageAttribute.1.Name=a"
             "&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=s", service="sqs"),
        "SendMessage",
        {"QueueUrl": "q", "MessageBody": "m", "MessageAttributes": {"a": {"DataType": "String", "StringValue": "s"}}},
    ),
    (target("DeleteQueue", b'{"QueueUrl":"q"}', "sqs"), "DeleteQueue", {"QueueUrl": "q"}),
    (
        target("PutItem", '{"TableName":"t","Item":{"k":{"B":"/w=="},"é":{"NULL":true}},"ReturnValues":null}'.encode()),
        "PutItem",
        {"TableName": "t", "Item": {"k": {"B": b"\xff"}, "é": {"NULL": True}}},
    ),
    (cbor("DescribeAlarms", CBOR_ALARM), "DescribeAlarms", {"AlarmNames": ["a", "b"]}),
    (cbor("DescribeAlarms", b"\xbf\x6aAlarmNames\x9f\x7f\x61a\x61b\xff\xff\xff"), "DescribeAlarms", {"AlarmNames": ["ab"]}),
    (
        ask("POST", "/2015-03-31/functions", b'{"FunctionName":"f","Role":"r","Code":{"ZipFile":"/w=="}}', service="lambda"),
        "CreateFunction",
        {"FunctionName": "f", "Role": "r", "Code": {"ZipFile": b"\xff"}},
    ),
    (
        ask("DELETE", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af?tagKeys=a&tagKeys=b", service="lambda"),
        "UntagResource",
        {"Resource": "arn:aws:lambda:us-east-1:1:function:f", "TagKeys": ["a", "b"]},
    ),
    (
        ask("DELETE", "/v2/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapis%2Fx?tagKeys=a", service="apigatewayv2"),
        "UntagResource",
        {"ResourceArn": "arn:aws:apigateway:us-east-1::/apis/x", "TagKeys": ["a"]},
    ),
    (
        ask("DELETE", "/apps/a/branches/feature%2Fx", service="amplify"),
        "DeleteBranch",
        {"appId": "a", "branchName": "feature/x"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "operation", "parameters"), MEANT)
def test_what_a_request_means(codec: Codec, asked: Asked, operation: str, parameters: dict[str, Any]) -> None:
    call = codec.understand(asked).call
    assert (call.operation, call.parameters) == (operation, parameters)
    assert call.region == "us-east-1"


def test_the_path_is_told_as_it_was_read(codec: Codec) -> None:
    assert codec.understand(ask("GET", "/a%20b//..", host="prod.s3.amazonaws.com")).path == "/prod/a%20b//.."
    assert codec.understand(ask("GET", "/prod/a%20b")).path == "/prod/a%20b"
    assert codec.understand(target("ListTables", b"{}")).path == ""


def test_a_body_that_streams_is_no_parameter(codec: Codec) -> None:
    call = codec.understand(ask("PUT", "/b/k", b"data", headers=(("content-length", "4"),))).call
    assert (call.streaming, call.length, call.parameters) == ("Body", 4, {"Bucket": "b", "Key": "k"})
    framed = (("content-length", "999"), ("x-amz-decoded-content-length", "50"))
    assert codec.understand(ask("PUT", "/b/k", streams=True, headers=framed)).call.length == 50
    assert codec.understand(ask("PUT", "/b/k", streams=True)).call.length is None


def test_a_compressed_body_is_unpacked(codec: Codec) -> None:
    plain = target("DeleteTable", b'{"TableName":"t"}')
    packed = Asked(
        plain.method,
        plain.path,
        "",
        (*plain.headers, ("content-encoding", "gzip")),
        gzip.compress(plain.body),
        endpoint="dynamodb",
    )
    assert codec.understand(packed).call.parameters == {"TableName": "t"}


def test_services_on_one_host_are_candidates_together(codec: Codec) -> None:
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    body = b"Action=DeleteDBCluster&Version=2014-10-31&DBClusterIdentifier=c"
    understood = codec.understand(one_endpoint("POST", "/", body, signed="rds", headers=headers))
    assert understood.call.name == "rds:DeleteDBCluster"
    assert set(understood.candidates) == {"rds", "docdb", "neptune"}
    only = codec.understand(form(body.decode(), service="docdb"))
    assert (only.call.service, only.candidates) == ("docdb", ("docdb",))


def test_services_of_one_signing_name_are_told_apart(codec: Codec) -> None:
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    for version, service in (("2012-06-01", "elb"), ("2015-12-01", "elbv2")):
        body = f"Action=DescribeLoadBalancers&Version={version}".encode()
        asked = one_endpoint("POST", "/", body, signed="elasticloadbalancing", headers=headers)
        assert codec.understand(asked).call.service == service
    account = (("x-amz-account-id", "123456789012"),)
    asked = one_endpoint("DELETE", "/v20180820/accesspoint/x", signed="s3", headers=account)
    assert codec.understand(asked).call.name == "s3control:DeleteAccessPoint"
    asked = one_endpoint("DELETE", "/v20180820/accesspoint/x", signed="s3")
    assert codec.understand(asked).call.name == "s3:DeleteObject"


def test_directory_buckets_are_told_by_the_scope(codec: Codec) -> None:
    assert (
        codec.understand(one_endpoint("GET", "/", signed="s3express")).call.operation
        == "ListDirectoryBuckets"
    )
    assert codec.understand(one_endpoint("GET", "/", signed="s3")).call.operation == "ListBuckets"


def test_a_target_tells_the_service_of_an_unsigned_request(codec: Codec) -> None:
    plain = target("ListTables", b"{}")
    assert codec.understand(Asked("POST", "/", "", plain.headers, b"{}")).call.name == "dynamodb:ListTables"


def test_numbers_keep_their_kind(codec: Codec) -> None:
    body = json.dumps({"TableName": "t", "Limit": 5}).encode()
    assert codec.understand(target("Scan", body)).call.parameters == {"TableName": "t", "Limit": 5}
