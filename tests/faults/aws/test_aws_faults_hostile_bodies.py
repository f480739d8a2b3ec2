"""Bodies that blow up, or mean two things: refused with AWS's shape of error, and nothing is sent on."""

import gzip
import json

import pytest
from tests.faults.aws.conftest import Place
from tests.faults.aws.raw import Raw

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (c + 1, c, c, c, c) for c in range(ord("a"), ord("j")))
    + b"]><Delete><Object><Key>&j;</Key></Object></Delete>"
)
FILE = (
    b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>'
)
REMOTE = b'<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x.dtd"><Delete><Object><Key>k1</Key></Object></Delete>'
DEEP_XML = b"<Delete>" * 20_000 + b"</Delete>" * 20_000
WIDE = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 300_000 + b"</Delete>"
XML = {"laughs": LAUGHS, "a file": FILE, "a remote DTD": REMOTE, "deep": DEEP_XML, "twice": b"<Delete/><Delete/>",
       "UTF-16": "<Delete><Object><Key>k1</Key></Object></Delete>".encode("utf-16"), "no XML": b"\0\1\2", "cut": b"<Delete><Obj",
       "an unknown member": b"<Delete><Object><Key>k1</Key></Object><Evil>1</Evil></Delete>"}  # fmt: skip


@pytest.fixture
def raw(place: Place) -> Raw:
    return Raw(place.gateway, place.agent)


@pytest.mark.parametrize("name", XML)
def test_xml(place: Place, raw: Raw, name: str) -> None:
    place.bucket()
    found = raw.one(raw.request("POST", f"/~/s3/{place.name}?delete", XML[name]))
    assert found.status in (400, 403, 413), found.text
    assert b"<Code>" in found.body
    assert b"root:" not in found.body
    assert place.aws.forwarded(place.name) == []
    assert len(place.stored()) == 3


def test_very_many_elements_take_no_hold_of_the_gateway(place: Place, raw: Raw) -> None:
    """S3 takes 1,000 keys in one DeleteObjects: 300,000 are no call."""
    place.bucket()
    found = raw.one(raw.request("POST", f"/~/s3/{place.name}?delete", WIDE))
    assert found.status in (400, 403, 413)
    assert place.aws.forwarded(f"POST /{place.name}") == []


def _nested(depth: int) -> bytes:
    return b'{"TableName":"t","Key":' + b'{"M":{"a":' * depth + b'{"S":"x"}' + b"}}" * depth + b"}"


JSON = {
    "deep arrays": b"[" * 200_000,
    "deep objects": _nested(50_000),
    "a bomb of numbers": b'{"Limit":1' + b"0" * 100_000 + b"}",
    "twice": b'{"TableName":"a","TableName":"b"}',
    "a string": b'"x"',
    "null": b"null",
    "NaN": b'{"TableName":"t","Limit":NaN}',
    "infinity": b'{"TableName":"t","Limit":1e999}',
    "surrogates": b'{"TableName":"\\ud800"}',
    "UTF-16": '{"TableName":"t"}'.encode("utf-16"),
    "bad UTF-8": b'{"TableName":"\xff"}',
    "trailing": b'{"TableName":"t"} x',
    "a byte order mark": b'\xef\xbb\xbf{"TableName":"t"}',
    "a comment": b'{"TableName":"t"/**/}',
    "unknown": b'{"TableName":"t","Evil":1}',
    "empty": b"",
    "wrong kind": b'{"TableName":{}}',
}


@pytest.mark.parametrize("name", JSON)
def test_json(place: Place, raw: Raw, name: str) -> None:
    target = (
        "x-amz-target",
        "DynamoDB_20120810.Scan" if "deep obj" not in name else "DynamoDB_20120810.GetItem",
    )
    found = raw.one(raw.request("POST", "/~/dynamodb/", JSON[name], service="dynamodb", headers=[target]))
    assert found.status in (400, 403, 413), found.text
    told = json.loads(found.body)
    assert told["__type"]
    assert place.changes() == []


def test_a_zip_bomb(place: Place, raw: Raw) -> None:
    """Some services take compressed bodies; what comes out of one has a limit as well."""
    bomb = gzip.compress(b'{"MetricData":[' + b" " * (200 << 20) + b"]}")
    headers = [("content-encoding", "gzip"), ("content-type", "application/x-amz-json-1.0"),
               ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData")]  # fmt: skip
    found = raw.one(raw.request("POST", "/~/cloudwatch/", bomb, service="monitoring", headers=headers))
    assert found.status in (400, 403, 413)
    assert place.aws.forwarded("PutMetricData") == []


def test_two_actions(place: Place, raw: Raw) -> None:
    """The query says one thing, the form another."""
    form = [("content-type", "application/x-www-form-urlencoded")]
    body = b"Action=ListUsers&Version=2010-05-08"
    path = "/~/iam/?Action=DeleteUser&UserName=x&Version=2010-05-08"
    found = raw.one(raw.request("POST", path, body, service="iam", headers=form))
    assert found.status == 400
    twice = raw.one(
        raw.request("POST", "/~/iam/", body + b"&Action=DeleteUser&UserName=x", service="iam", headers=form)
    )
    assert twice.status == 400
    assert place.aws.forwarded("DeleteUser") == []


def test_two_targets(place: Place, raw: Raw) -> None:
    before = len(place.aws.seen)
    more = [
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
        ("x-amz-target", "DynamoDB_20120810.DeleteTable"),
    ]
    found = raw.one(raw.request("POST", "/~/dynamodb/", b"{}", service="dynamodb", headers=more))
    assert found.status == 400
    other = [("x-amz-target", "AWSSecurityTokenServiceV20110615.DeleteTable")]
    assert raw.one(raw.request("POST", "/~/dynamodb/", b"{}", service="dynamodb", headers=other)).status in (
        400,
        403,
    )
    assert len(place.aws.seen) == before
