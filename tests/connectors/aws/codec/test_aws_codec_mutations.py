"""Requests that botocore made, cut and changed: what comes of them is refused, or is the same operation with other values."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.aws.codec.asking import FORM
from tests.real.aws.conformance.capture import Client, session_speaking
from tests.real.aws.conformance.samples import Samples

from interlock.connectors.aws.codec import Asked, Codec, Unclear

SERVICES = ("cloudwatch", "dynamodb", "ec2", "iam", "lambda", "route53", "s3", "sqs", "sts")
EACH = 60
_SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Made = tuple[str, Asked]


@pytest.fixture(scope="module")
def made(codec: Codec) -> list[Made]:
    """The operation's name and its request."""
    session = session_speaking()
    found = []
    for service in SERVICES:
        client = Client(session, service, own=True)
        for operation in itertools.islice(client.operations(), EACH):
            asked = client.send(operation, Samples(everything=True).of(operation)).asked
            if _meaning(codec, asked):
                found.append((_meaning(codec, asked), asked))
    return found


def _meaning(codec: Codec, asked: Asked) -> str:
    try:
        return codec.understand(asked).call.operation
    except Unclear:
        return ""


def _with(asked: Asked, **changes: object) -> Asked:
    parts = {name: getattr(asked, name) for name in asked.__struct_fields__}
    return Asked(**{**parts, **changes})


_INTERESTING = st.sampled_from(
    [b"%", b"%2F", b"..", b"/", b"&", b"=", b"+", b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b"]", b"<", b">", b"<!--",
     b"&amp;", b"\xc3\xa9", b"\xf6", b"1", b".", b",", b":", b"null", b"-", b"e9", b"\x9f", b"\xbf"]
)  # fmt: skip


@st.composite
def _changed(draw: st.DrawFn, data: bytes) -> bytes:
    """Some bytes are taken out, put in, doubled or cut off."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 12)))
        put = draw(st.one_of(st.just(b""), _INTERESTING, st.binary(max_size=3), st.just(data[at:end] * 2)))
        data = data[:at] + put + data[end:]
    return data


@_SETTINGS
@given(data=st.data())
def test_a_changed_body(codec: Codec, made: list[Made], data: st.DataObject) -> None:
    operation, asked = data.draw(st.sampled_from(made))
    body = data.draw(_changed(asked.body))
    assert _meaning(codec, _with(asked, body=body)) in ("", operation)


@_SETTINGS
@given(data=st.data())
def test_a_cut_body(codec: Codec, made: list[Made], data: st.DataObject) -> None:
    operation, asked = data.draw(st.sampled_from(made))
    body = asked.body[: data.draw(st.integers(0, len(asked.body)))]
    assert _meaning(codec, _with(asked, body=body)) in ("", operation)


@_SETTINGS
@given(data=st.data())
def test_a_changed_value_of_a_header(codec: Codec, made: list[Made], data: st.DataObject) -> None:
    operation, asked = data.draw(st.sampled_from(made))
    at = data.draw(st.integers(0, len(asked.headers) - 1))
    name, value = asked.headers[at]
    other = data.draw(_changed(value.encode("latin-1"))).decode("latin-1")
    headers = (*asked.headers[:at], (name, other), *asked.headers[at + 1 :])
    assert _meaning(codec, _with(asked, headers=headers)) in ("", operation)


@_SETTINGS
@given(data=st.data())
def test_a_changed_place(codec: Codec, made: list[Made], data: st.DataObject) -> None:
    """Another path or query may well be another operation: it must be one, or nothing."""
    _, asked = data.draw(st.sampled_from(made))
    path = data.draw(_changed(asked.path.encode())).decode("latin-1")
    query = data.draw(_changed(asked.query.encode())).decode("latin-1")
    method = data.draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "get", ""]))
    for other in (
        _with(asked, path=path),
        _with(asked, query=query),
        _with(asked, method=method, path=path, query=query),
    ):
        _meaning(codec, other)


@_SETTINGS
@given(data=st.data())
def test_twice_the_same_header_or_parameter(codec: Codec, made: list[Made], data: st.DataObject) -> None:
    operation, asked = data.draw(st.sampled_from(made))
    header = data.draw(st.sampled_from(asked.headers))
    assert _meaning(codec, _with(asked, headers=(*asked.headers, header))) in ("", operation)
    if asked.query:
        pair = data.draw(st.sampled_from(asked.query.split("&")))
        assert _meaning(codec, _with(asked, query=f"{asked.query}&{pair}")) in ("", operation)


@_SETTINGS
@given(data=st.data())
def test_another_protocols_marks_added(codec: Codec, made: list[Made], data: st.DataObject) -> None:
    operation, asked = data.draw(st.sampled_from(made))
    marks = [("x-amz-target", "DynamoDB_20120810.DeleteTable"), ("smithy-protocol", "rpc-v2-cbor")]
    for mark in marks:
        if mark[0] not in dict(asked.headers):
            assert _meaning(codec, _with(asked, headers=(*asked.headers, mark))) == ""
    query = "&".join(filter(None, (asked.query, "Action=DeleteUser")))
    assert _meaning(codec, _with(asked, query=query)) in ("", operation)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([*SERVICES, ""]),
    st.text(max_size=20),
    st.text(max_size=20),
    st.binary(max_size=40),
    st.lists(
        st.tuples(
            st.sampled_from(["x-amz-target", "content-type", "smithy-protocol", "content-encoding", "range"]),
            st.one_of(st.text(max_size=20), st.sampled_from(["application/json", FORM, "gzip", "rpc-v2-cbor"])),
        ),
        max_size=4,
    ),
)  # fmt: skip
def test_anything_at_all(
    codec: Codec, service: str, path: str, query: str, body: bytes, headers: list[tuple[str, str]]
) -> None:
    _meaning(codec, Asked("POST", path, query, tuple(headers), body, endpoint=service, host=path))
