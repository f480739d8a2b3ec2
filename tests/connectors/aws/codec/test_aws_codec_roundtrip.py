"""Any values there and back: botocore's serializer writes them, the codec reads them."""

import datetime as dt
import functools
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.real.aws.conformance.capture import Client, session_speaking
from tests.real.aws.conformance.compare import PARAMETERS, REFUSED, WRONG, compared

from interlock.connectors.aws.codec import Codec

OPERATIONS = [
    ("cloudwatch", "PutMetricData"),
    ("dynamodb", "PutItem"),
    ("dynamodb", "UpdateTable"),
    ("ec2", "RunInstances"),
    ("ec2", "AuthorizeSecurityGroupIngress"),
    ("iam", "CreateRole"),
    ("iam", "TagUser"),
    ("kms", "Encrypt"),
    ("lambda", "CreateFunction"),
    ("lambda", "Invoke"),
    ("rds", "ModifyDBInstance"),
    ("rds", "DescribeDBSnapshots"),
    ("route53", "ChangeResourceRecordSets"),
    ("s3", "ListObjectsV2"),
    ("s3", "PutBucketLifecycleConfiguration"),
    ("s3", "PutBucketAcl"),
    ("s3", "PutObject"),
    ("s3", "DeleteObjects"),
    ("sqs", "SendMessageBatch"),
    ("lex-runtime", "PostText"),
]

_XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="￾￿"), max_size=20
)
_HEADER_TEXT = st.text(st.sampled_from("abcXYZ019-_.,;=/\"'"), min_size=1, max_size=20)
_WHEN = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
_OTHER_CHECKSUMS = ("CRC32C", "CRC64NVME", "XXHASH64", "XXHASH3", "XXHASH128", "MD5")
_LABEL = st.text(st.characters(exclude_characters="\0%\\", codec="utf-8"), min_size=1, max_size=20).filter(
    lambda value: not any(part in ("", ".", "..") for part in value.split("/"))
)


@functools.cache
def _client(service: str) -> Client:
    return Client(session_speaking(), service, own=True)


@functools.cache
def _operation(service: str, name: str) -> OperationModel:
    return next(each for each in _client(service).operations() if each.name == name)


@st.composite
def _structure(draw: st.DrawFn, shape: StructureShape, xml: bool, depth: int = 0) -> dict[str, Any]:
    names = list(shape.members)
    required = set(shape.required_members)
    chosen = draw(st.sets(st.sampled_from(names), max_size=6)) if names and depth < 4 else set()
    if getattr(shape, "is_tagged_union", False):
        required = {draw(st.sampled_from(names))}
        chosen = set()
    return {
        name: draw(_value(shape.members[name], xml, depth + 1)) for name in names if name in required | chosen
    }


def _value(shape: Shape, xml: bool, depth: int) -> st.SearchStrategy[Any]:
    location = shape.serialization.get("location")
    if isinstance(shape, StructureShape):
        return _structure(shape, xml, depth)
    if isinstance(shape, ListShape):
        least = max(shape.metadata.get("min", 0), 1)
        return st.lists(_value(shape.member, xml, depth + 1), min_size=least, max_size=least + 2)
    if isinstance(shape, MapShape):
        keys = st.text("abc", min_size=1) if location else _text(shape.key, xml).filter(bool)
        values = _HEADER_TEXT if location else _value(shape.value, xml, depth + 1)
        return st.dictionaries(keys, values, min_size=1, max_size=3)
    return _simple(shape, xml, location)


def _text(shape: Shape, xml: bool) -> st.SearchStrategy[str]:
    if getattr(shape, "enum", None):
        return _enum(shape)
    least = shape.metadata.get("min", 0)
    return (_XML_TEXT if xml else st.text(max_size=20)).map(lambda value: value.ljust(least, "x"))


def _enum(shape: Shape) -> st.SearchStrategy[str]:
    # botocore reckons only some checksums by itself.
    return st.sampled_from([each for each in shape.enum if each not in _OTHER_CHECKSUMS])


def _simple(shape: Shape, xml: bool, location: str | None) -> st.SearchStrategy[Any]:
    if isinstance(shape, StringShape) and location in ("header", "headers"):
        return _enum(shape) if shape.enum else _HEADER_TEXT
    least = shape.metadata.get("min", 0)
    if isinstance(shape, StringShape):
        return _LABEL.map(lambda value: value.ljust(least, "x")) if location == "uri" else _text(shape, xml)
    simple: dict[str, st.SearchStrategy[Any]] = {
        "string": _text(shape, xml),
        "boolean": st.booleans(),
        "integer": st.integers(max(least, -(2**31)), 2**31 - 1),
        "long": st.integers(max(least, -(2**63)), 2**63 - 1),
        "float": st.floats(max(least, 0), width=32, allow_nan=False, allow_infinity=False),
        "double": st.floats(max(least, -1e300), allow_nan=False, allow_infinity=False),
        "blob": st.binary(min_size=least, max_size=20),
        "timestamp": _WHEN,
    }
    return simple[shape.type_name]


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_values_come_through(codec: Codec, service: str, name: str, data: st.DataObject) -> None:
    operation = _operation(service, name)
    assert operation.input_shape is not None
    xml = operation.service_model.resolved_protocol == "rest-xml"
    parameters = data.draw(_structure(operation.input_shape, xml))
    if service == "s3":
        parameters["Bucket"] = "bucket"
    outcome = compared(codec, operation, _client(service).send(operation, parameters))
    assume("without gaps" not in outcome.detail)  # an empty structure in a list leaves no trace in a form
    assert outcome.kind not in (WRONG, PARAMETERS, REFUSED), (outcome, parameters)
