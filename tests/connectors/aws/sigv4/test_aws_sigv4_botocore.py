"""What botocore signs is accepted, any change to it is refused, and the gateway's own signatures are those of botocore."""

from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.connectors.aws.sigv4.rig import KEY_ID, REGION, SECRET, Wire, signed

from interlock.connectors.aws.sigv4 import UNSIGNED, NotSigned, claim, hash_of, sign

ODD_KEYS = (
    "plain",
    "a//b",
    "/leading",
    "trailing/",
    "../up/./here",
    "a%2Fb",
    "100% + more & = ?#;",
    "(x)*!'\"~@:$,[]{}|^`\\<>",
    "größe/ключ/鍵/🔑",
    "\x01\x7f\t\n",
    "a b  c",
    "=",
)
TOKEN = "FwoGZXIvYXdzE//+token=="
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
LAMBDA = "https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions"
LOCAL = "http://127.0.0.1:4566"
IDENTITY = "https://sts/?Action=GetCallerIdentity&Version=2011-06-15"
ASKED = b"Action=DescribeInstances&Version=2016-11-15"

Request = tuple[str, str, str, str, dict[str, Any]]
"""The signer, the service, the method, the address, and what else there is."""

REQUESTS: dict[str, Request] = {
    "query": ("SigV4Auth", "ec2", "POST", "https://ec2/", {"headers": FORM, "body": ASKED}),
    "json": ("SigV4Auth", "dynamodb", "POST", f"{LOCAL}/", {"headers": JSON, "body": b"{}", "token": TOKEN}),
    "base path": ("SigV4Auth", "dynamodb", "POST", f"{LOCAL}/dynamodb/", {"headers": JSON, "body": b"{}"}),
    "arn in the path": ("SigV4Auth", "lambda", "GET", f"{LAMBDA}/arn%3Aaws%3Alambda?Qualifier=%24LATEST", {}),
    "dots in the path": ("SigV4Auth", "lambda", "GET", f"{LAMBDA}/./x/../y//z/", {}),
    "date instead of x-amz-date": ("SigV4Auth", "lambda", "GET", LAMBDA, {"headers": {"Date": "now"}}),
    "folded header": (
        "SigV4Auth",
        "iam",
        "GET",
        "https://iam/",
        {"headers": {"X-Amz-Meta-A": "  a   b\tc  "}},
    ),
    "empty header": ("SigV4Auth", "iam", "GET", "https://iam/", {"headers": {"X-Amz-Meta-A": ""}}),
    "unsigned body": (
        "SigV4Auth",
        "ebs",
        "PUT",
        "https://ebs/snapshots/s/blocks/1",
        {"body": b"data", "context": {"payload_signing_enabled": False}},
    ),
    "s3 body": ("S3SigV4Auth", "s3", "PUT", f"{LOCAL}/b/k", {"body": b"data", "token": TOKEN}),
    "s3 sub-resource": ("S3SigV4Auth", "s3", "GET", "https://b.s3/?versions&prefix=a%2Fb%20c&max-keys=2", {}),
    "s3 metadata": ("S3SigV4Auth", "s3", "PUT", "https://s3/b/k", {"headers": {"x-amz-meta-a_b": " x  y "}}),
    "s3 outposts": ("S3SigV4Auth", "s3-outposts", "GET", "https://o.s3-outposts/k//a", {}),
    "presigned": ("SigV4QueryAuth", "sts", "GET", IDENTITY, {"expires": 60}),
    "presigned with a header": (
        "SigV4QueryAuth",
        "sts",
        "GET",
        IDENTITY,
        {"headers": {"x-k8s-aws-id": "cluster"}, "token": TOKEN},
    ),
    "presigned s3": (
        "S3SigV4QueryAuth",
        "s3",
        "GET",
        "https://s3/b/k?response-content-type=a%2Fb",
        {"expires": 604800},
    ),
    "presigned s3 upload": (
        "S3SigV4QueryAuth",
        "s3",
        "PUT",
        "https://s3/b/k",
        {"token": TOKEN, "headers": {"x-amz-acl": "private"}},
    ),
}


def with_key(key: str) -> dict[str, Request]:
    """Requests that have an odd key in path or query."""
    once, twice = quote(key, safe="/~"), quote(key, safe="-._~")
    return {
        f"s3 key {key!r}": ("S3SigV4Auth", "s3", "GET", f"https://s3/b/{once}?partNumber=1", {}),
        f"presigned s3 key {key!r}": ("S3SigV4QueryAuth", "s3", "GET", f"https://s3/b/{once}", {}),
        f"function {key!r}": ("SigV4Auth", "lambda", "GET", f"{LAMBDA}/{twice}?a={twice}&b", {}),
    }


for odd in ODD_KEYS:
    REQUESTS |= with_key(odd)


def made(name: str) -> Wire:
    signer, service, method, url, options = REQUESTS[name]
    return signed(signer, service, method, url, **options)


@pytest.mark.parametrize("name", REQUESTS)
def test_what_botocore_signs_is_verified(name: str) -> None:
    wire = made(name)
    found = wire.verified()
    options = REQUESTS[name][4]
    assert (found.key_id, found.region, found.service) == (KEY_ID, REGION, REQUESTS[name][1])
    assert found.presigned == ("Query" in REQUESTS[name][0])
    assert found.token == options.get("token", "")
    assert SECRET not in repr(found)
    with pytest.raises(NotSigned, match="does not match"):
        wire.verified(secret=SECRET[:-1])


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
words = st.text("abcXYZ019-._~ /+=&%äß鍵", max_size=8)
parameters = st.lists(st.tuples(words.filter(bool), words), max_size=4)
metadata = st.dictionaries(
    st.sampled_from(["x-amz-meta-a", "x-amz-meta-b", "content-type", "x-custom"]),
    st.text("ab \t,;", max_size=8),
)
plain = settings(suppress_health_check=[HealthCheck.too_slow])


def address(key: str, query: list[tuple[str, str]], safe: str) -> str:
    joined = "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in query)
    return f"http://localhost:4566/{quote(key, safe=safe)}" + (f"?{joined}" if joined else "")


@st.composite
def wires(draw: st.DrawFn) -> Wire:
    service, signer = draw(
        st.sampled_from(
            [
                ("s3", "S3SigV4Auth"),
                ("s3", "S3SigV4QueryAuth"),
                ("lambda", "SigV4Auth"),
                ("sqs", "SigV4QueryAuth"),
            ]
        )
    )
    # botocore's presigners take each parameter once.
    query = list(dict(draw(parameters)).items()) if "Query" in signer else draw(parameters)
    url = address(draw(keys), query, "/~" if service == "s3" else "-._~")
    method = draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]))
    body = draw(st.binary(max_size=20)) if "Query" not in signer else b""
    return signed(
        signer,
        service,
        method,
        url,
        headers=draw(metadata),
        body=body,
        token=draw(st.sampled_from([None, TOKEN])),
    )


@plain
@given(wires())
def test_whatever_botocore_signs_is_verified(wire: Wire) -> None:
    wire.verified()


@plain
@given(wires(), st.sampled_from(["method", "path", "query", "header", "body"]), st.data())
def test_any_altered_byte_is_refused(wire: Wire, part: str, data: st.DataObject) -> None:
    altered = alter(wire, part, data)
    assume(meaning(altered) != meaning(wire))
    if part == "body" and dict(wire.headers).get("x-amz-content-sha256", UNSIGNED) != UNSIGNED:
        return  # the hash is signed; the body is held against it by Body
    with pytest.raises(NotSigned):
        altered.verified(now=wire.claim().at)


def alter(wire: Wire, part: str, data: st.DataObject) -> Wire:
    if part == "body":
        assume(wire.claim().service != "s3")
        return wire._replace(body=wire.body + data.draw(st.binary(min_size=1, max_size=2)))
    if part == "header":
        at = data.draw(st.integers(0, len(wire.headers) - 1))
        name, value = wire.headers[at]
        assume(name in wire.claim().signed_headers or name == "authorization")
        return wire._replace(
            headers=(*wire.headers[:at], (name, changed(value, data)), *wire.headers[at + 1 :])
        )
    if part == "method":
        return wire._replace(method=changed(wire.method, data))
    if part == "path":
        return wire._replace(path=changed(wire.path, data))
    return wire._replace(query=changed(wire.query, data))


def changed(text: str, data: st.DataObject) -> str:
    at = data.draw(st.integers(0, len(text)))
    drop = data.draw(st.integers(0, 2))
    letter: str = data.draw(st.sampled_from([*"abZ09%/.=&+~ ;,\xe9", ""]))
    return text[:at] + letter + text[at + drop :]


def meaning(wire: Wire) -> Any:
    """What a request says, however it is spelt: escapes decoded, spaces folded, parameters in order."""
    query = sorted(tuple(map(unquoted, piece.partition("=")[::2])) for piece in wire.query.split("&"))
    if wire.claim_service == "s3":
        path = [unquoted(segment) for segment in wire.path.split("/")]
    else:
        path = [segment.encode("latin-1") for segment in wire.path.split("/") if segment not in ("", ".")]
    folded = [(name, " ".join(value.replace("\t", " ").split(" ")).strip()) for name, value in wire.headers]
    spaces = [(name, " ".join(word for word in value.split(" ") if word)) for name, value in folded]
    return wire.method, path, query, spaces, wire.body


def unquoted(text: str) -> bytes:
    return unquote_to_bytes(text.encode("latin-1"))


@plain
@given(
    keys,
    parameters,
    metadata,
    st.sampled_from(["s3", "lambda", "dynamodb"]),
    st.sampled_from(["", TOKEN]),
    st.binary(max_size=9),
)
def test_our_signature_is_botocores(
    key: str, query: list[tuple[str, str]], extra: dict[str, str], service: str, token: str, body: bytes
) -> None:
    extra.pop("x-custom", None)  # such headers aren't signed by us
    url = address(key, query, "/~" if service == "s3" else "-._~")
    theirs = signed(
        "S3SigV4Auth" if service == "s3" else "SigV4Auth",
        service,
        "PUT",
        url,
        headers=extra,
        body=body,
        token=token or None,
    )
    headers = [(name, value) for name, value in theirs.headers if name in extra]
    added = sign(
        theirs.method,
        theirs.header("host"),
        theirs.path,
        theirs.query,
        headers,
        key_id=KEY_ID,
        secret=SECRET,
        token=token,
        region=REGION,
        service=service,
        payload_hash=hash_of(body),
        now=theirs.claim().at,
    )
    ours = {
        name: value
        for name, value in theirs.headers
        if name.startswith(("x-amz-", "auth")) and name not in extra
    }
    assert dict(added) == ours


def test_what_we_sign_we_verify() -> None:
    at = made("json").claim().at
    given_headers = [
        ("content-type", "text/plain"),
        ("user-agent", "x"),
        ("content-length", "4"),
        ("range", "bytes=0-1"),
    ]
    added = sign(
        "PUT",
        "b.s3.amazonaws.com",
        "/a/../b//%2F+x",
        "x-id=PutObject&a",
        given_headers,
        key_id=KEY_ID,
        secret=SECRET,
        token=TOKEN,
        region=REGION,
        service="s3",
        payload_hash=UNSIGNED,
        now=at,
    )
    headers = (("host", "b.s3.amazonaws.com"), *given_headers, *added)
    wire = Wire("PUT", "/a/../b//%2F+x", "x-id=PutObject&a", headers, b"data")
    assert wire.verified().token == TOKEN
    assert {"content-type", "host", "range"} < set(wire.claim().signed_headers)
    assert not {"user-agent", "content-length"} & set(wire.claim().signed_headers)


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Amz-Date", "X-Amz-Security-Token", "x-amz-content-sha256", "Host"]
)
def test_a_request_that_is_signed_is_not_signed_again(name: str) -> None:
    with pytest.raises(ValueError, match="signed already"):
        sign(
            "GET",
            "sts",
            "/",
            "",
            [(name, "x")],
            key_id=KEY_ID,
            secret=SECRET,
            token="",
            region=REGION,
            service="sts",
            payload_hash=hash_of(b""),
            now=made("json").claim().at,
        )


def test_reading_a_claim_proves_nothing() -> None:
    wire = made("json").changed(x_amz_target="DynamoDB_20120810.DeleteTable")
    assert claim(wire.method, wire.path, wire.query, wire.headers).key_id == KEY_ID
    with pytest.raises(NotSigned):
        wire.verified()
