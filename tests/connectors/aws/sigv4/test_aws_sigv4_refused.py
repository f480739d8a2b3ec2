"""Requests that aren't signed as they must be are refused, with the code that AWS would answer."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.aws.sigv4.rig import KEY_ID, REGION, SECRET, Wire, seal, signed

from interlock.connectors.aws.sigv4 import (
    NotSigned,
    claim,
    hash_of,
    unknown_key,
    without_signature,
    wrong_token,
)

S3 = signed("S3SigV4Auth", "s3", "GET", "https://b.s3.amazonaws.com/k?versions")
STS = signed("SigV4Auth", "sts", "POST", "https://sts.amazonaws.com/", body=b"Action=GetCallerIdentity")
LINK = signed("S3SigV4QueryAuth", "s3", "GET", "https://b.s3.amazonaws.com/k?versions", expires=60)
STS_LINK = signed(
    "SigV4QueryAuth", "sts", "GET", "https://sts.amazonaws.com/?Action=GetCallerIdentity", expires=60
)


def authorized(wire: Wire, old: str, new: str) -> Wire:
    """With `old` replaced in the Authorization header."""
    assert old in wire.header("authorization")
    return wire.changed(authorization=wire.header("authorization").replace(old, new))


def queried(wire: Wire, old: str, new: str) -> Wire:
    assert old in wire.query
    return wire._replace(query=wire.query.replace(old, new))


def asked(wire: Wire, more: str) -> Wire:
    return wire._replace(query=f"{wire.query}&{more}" if wire.query else more)


V4A = "AWS4-ECDSA-P256-SHA256"
SIGNATURE = S3.claim().signature

REFUSED: dict[str, tuple[str, int, Wire]] = {
    "nothing": ("MissingAuthenticationToken", 403, STS.changed(authorization=None)),
    "nothing, for S3": ("MissingAuthenticationToken", 403, S3.changed(authorization=None)),
    "empty header": ("IncompleteSignature", 400, STS.changed(authorization="")),
    "version 2": ("InvalidRequest", 400, S3.changed(authorization="AWS AKIDEXAMPLE:c2lnbmF0dXJl")),
    "version 2 in the query": (
        "InvalidRequest",
        400,
        asked(S3.changed(authorization=None), "AWSAccessKeyId=A&Expires=1&Signature=x"),
    ),
    "version 2 of the query protocol": (
        "InvalidRequest",
        400,
        asked(STS.changed(authorization=None), "AWSAccessKeyId=A&SignatureVersion=2"),
    ),
    "version 2, spelt otherwise": (
        "InvalidRequest",
        400,
        asked(STS.changed(authorization=None), "awsaccess%4beyid=A"),
    ),
    "version 2 beside 4": ("InvalidRequest", 400, asked(S3, "AWSAccessKeyId=A")),
    "version 3": ("IncompleteSignature", 400, STS.changed(authorization="AWS3-HTTPS AWSAccessKeyId=A")),
    "version 4a": ("IncompleteSignature", 400, authorized(S3, "AWS4-HMAC-SHA256", V4A)),
    "version 4a in the query": ("IncompleteSignature", 400, queried(LINK, "AWS4-HMAC-SHA256", V4A)),
    "other hash": ("IncompleteSignature", 400, authorized(S3, "SHA256", "SHA1")),
    "lower case": ("IncompleteSignature", 400, authorized(S3, "AWS4-HMAC-SHA256", "aws4-hmac-sha256")),
    "bearer": ("IncompleteSignature", 400, STS.changed(authorization="Bearer abc")),
    "basic": ("IncompleteSignature", 400, STS.changed(authorization="Basic YTpi")),
    "no parts": ("IncompleteSignature", 400, STS.changed(authorization="AWS4-HMAC-SHA256")),
    "no signature": ("IncompleteSignature", 400, authorized(STS, ", Signature=", ", Other=")),
    "part twice": ("IncompleteSignature", 400, authorized(S3, "Signature=", f"Signature={SIGNATURE}, Signature=")),
    "part more": ("IncompleteSignature", 400, authorized(S3, "Signature=", "Other=1, Signature=")),
    "no key": ("IncompleteSignature", 400, authorized(STS, "AKIDEXAMPLE/", "/")),
    "no scope": ("IncompleteSignature", 400, authorized(STS, "/sts/aws4_request", "")),
    "scope more": ("IncompleteSignature", 400, authorized(STS, "AKIDEXAMPLE/", "AKID/EXAMPLE/")),
    "scope end": ("IncompleteSignature", 400, authorized(STS, "aws4_request", "aws3_request")),
    "scope date": ("IncompleteSignature", 400, authorized(STS, "AKIDEXAMPLE/20", "AKIDEXAMPLE/x20")),
    "regions of 4a": ("IncompleteSignature", 400, authorized(STS, "eu-central-1", "*")),
    "short signature": ("AuthorizationHeaderMalformed", 400, authorized(S3, SIGNATURE, SIGNATURE[:-1])),
    "long signature": ("AuthorizationHeaderMalformed", 400, authorized(S3, SIGNATURE, f"{SIGNATURE}0")),
    "signature in capitals": ("AuthorizationHeaderMalformed", 400, authorized(S3, SIGNATURE, "A" * 64)),
    "signature outside of ASCII": ("AuthorizationHeaderMalformed", 400, authorized(S3, SIGNATURE, "\xe9" * 64)),
    "host isn't signed": ("AuthorizationHeaderMalformed", 400, authorized(S3, "host;", "")),
    "host isn't signed, elsewhere": ("IncompleteSignature", 400, authorized(STS, "host;", "")),
    "signed headers aren't sorted": ("IncompleteSignature", 400, authorized(STS, "host;x-amz-date", "x-amz-date;host")),
    "signed headers are repeated": ("IncompleteSignature", 400, authorized(STS, "host;", "host;host;")),
    "signed headers in capitals": ("IncompleteSignature", 400, authorized(STS, "x-amz-date", "x-amz-Date")),
    "signed headers are empty": ("IncompleteSignature", 400, authorized(STS, "host;x-amz-date", "")),
    "empty among the signed headers": ("IncompleteSignature", 400, authorized(STS, "host;", "host;;")),
    "space in the signed headers": ("IncompleteSignature", 400, authorized(STS, "host;", "host; ")),
    "signed header is missing": ("SignatureDoesNotMatch", 403, authorized(STS, "host;", "host;x-amz-acl;")),
    "unsigned header of AWS": ("SignatureDoesNotMatch", 403, STS.changed(x_amz_target="DynamoDB_20120810.DeleteTable")),
    "unsigned header of AWS, for S3": ("AccessDenied", 403, S3.changed(x_amz_bypass_governance_retention="true")),
    "unsigned header of AWS in capitals": (
        "AccessDenied",
        403,
        S3._replace(headers=(*S3.headers, ("X-Amz-Acl", "public-read"))),
    ),
    "unsigned token": ("SignatureDoesNotMatch", 403, STS.changed(x_amz_security_token="x")),
    "unsigned protocol": ("SignatureDoesNotMatch", 403, STS.changed(smithy_protocol="rpc-v2-cbor")),
    "unsigned header of AWS beside a link": ("AccessDenied", 403, LINK.changed(x_amz_acl="public-read")),
    "unsigned hash beside a link": ("AccessDenied", 403, LINK.changed(x_amz_content_sha256="UNSIGNED-PAYLOAD")),
    "no date": ("IncompleteSignature", 400, STS.changed(x_amz_date=None)),
    "no date, for S3": ("AuthorizationHeaderMalformed", 400, S3.changed(x_amz_date=None)),
    "date that is none": ("IncompleteSignature", 400, STS.changed(x_amz_date="20130230T000000Z")),
    "date in another form": ("IncompleteSignature", 400, STS.changed(x_amz_date="2013-05-24T00:00:00Z")),
    "date of another day": ("SignatureDoesNotMatch", 403, STS.changed(x_amz_date="20130524T000000Z")),
    "Date in another zone": (
        "IncompleteSignature",
        400,
        STS.changed(x_amz_date=None, date="Fri, 24 May 2013 00:00:00 +0200"),
    ),
    "both ways": ("InvalidArgument", 400, S3._replace(query=LINK.query)),
    "part of the other way": ("InvalidArgument", 400, asked(S3, f"X-Amz-Signature={SIGNATURE}")),
    "expiry beside a header": ("InvalidArgument", 400, asked(S3, "X-Amz-Expires=60")),
    "parameter twice": ("InvalidArgument", 400, asked(LINK, "X-Amz-Expires=600")),
    "parameter spelt otherwise": ("InvalidArgument", 400, asked(LINK, "x-amz-expires=600")),
    "parameter encoded": ("InvalidArgument", 400, queried(LINK, "X-Amz-Expires", "X%2DAmz-Expires")),
    "date beside a link": ("InvalidArgument", 400, LINK.changed(x_amz_date="20130524T000000Z")),
    "token beside a link": ("InvalidArgument", 400, LINK.changed(x_amz_security_token="x")),
    "link without algorithm": ("IncompleteSignature", 400, queried(LINK, "X-Amz-Algorithm", "Algorithm")),
    "link without expiry": ("AuthorizationQueryParametersError", 400, queried(LINK, "X-Amz-Expires", "Expires")),
    "link without signature": ("AuthorizationQueryParametersError", 400, queried(LINK, "X-Amz-Signature", "Signature")),
    "link for ever": ("AuthorizationQueryParametersError", 400, queried(LINK, "Expires=60", "Expires=604801")),
    "link for never": ("AuthorizationQueryParametersError", 400, queried(LINK, "Expires=60", "Expires=0")),
    "link for less": ("AuthorizationQueryParametersError", 400, queried(LINK, "Expires=60", "Expires=-60")),
    "link for longer": ("SignatureDoesNotMatch", 403, queried(LINK, "Expires=60", "Expires=61")),
    "link with more": ("SignatureDoesNotMatch", 403, asked(LINK, "acl")),
    "link without host": ("AuthorizationQueryParametersError", 400, queried(LINK, "SignedHeaders=host", "SignedHeaders=x-a")),
    "link without scope": ("IncompleteSignature", 400, queried(STS_LINK, "%2Faws4_request", "")),
    "link for another method": ("SignatureDoesNotMatch", 403, LINK._replace(method="DELETE")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_not_accepted(name: str) -> None:
    code, status, wire = REFUSED[name]
    with pytest.raises(NotSigned) as caught:
        wire.verified()
    assert (caught.value.code, caught.value.status) == (code, status), caught.value.message
    assert SIGNATURE not in caught.value.message


@pytest.mark.parametrize("wire", [S3, STS, LINK, STS_LINK])
def test_they_would_have_been_accepted(wire: Wire) -> None:
    wire.verified()


def test_the_credential_is_of_the_same_day() -> None:
    """Or a key of one day could be used on another; the signature itself is right here."""
    key = seal(seal(seal(seal(b"AWS4" + SECRET.encode(), "20130524"), REGION), "sts"), "aws4_request")
    scope = f"20130524/{REGION}/sts/aws4_request"
    request = f"GET\n/\n\nhost:sts\nx-amz-date:20130525T000000Z\n\nhost;x-amz-date\n{hash_of(b'')}"
    signature = seal(key, f"AWS4-HMAC-SHA256\n20130525T000000Z\n{scope}\n{hash_of(request.encode())}").hex()
    says = (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    wire = Wire(
        "GET", "/", "", (("host", "sts"), ("x-amz-date", "20130525T000000Z"), ("authorization", says))
    )
    with pytest.raises(NotSigned, match="date of the credential"):
        wire.verified()
    # The same way, with the day right, does hold.
    today = Wire(
        "GET", "/", "", tuple((name, value.replace("20130525", "20130524")) for name, value in wire.headers)
    )
    request = request.replace("20130525", "20130524")
    right = seal(key, f"AWS4-HMAC-SHA256\n20130524T000000Z\n{scope}\n{hash_of(request.encode())}").hex()
    authorized(today, signature, right).verified()


def late(**past: Any) -> timedelta:
    return timedelta(**past)


TIMES: dict[str, tuple[Wire, timedelta, str]] = {
    "at once": (S3, late(), ""),
    "15 minutes late": (S3, late(minutes=15), ""),
    "15 minutes early": (S3, late(minutes=-15), ""),
    "later": (S3, late(minutes=15, seconds=1), "RequestTimeTooSkewed"),
    "earlier": (S3, late(minutes=-15, seconds=-1), "RequestTimeTooSkewed"),
    "later, elsewhere": (STS, late(minutes=15, seconds=1), "SignatureDoesNotMatch"),
    "earlier, elsewhere": (STS, late(minutes=-15, seconds=-1), "SignatureDoesNotMatch"),
    "years later": (STS, late(days=4000), "SignatureDoesNotMatch"),
    "link at its end": (LINK, late(seconds=60), ""),
    "link after its end": (LINK, late(seconds=61), "AccessDenied"),
    "link from a clock ahead": (LINK, late(minutes=-15), ""),
    "link from the future": (LINK, late(minutes=-15, seconds=-1), "AccessDenied"),
    "link after its end, elsewhere": (STS_LINK, late(seconds=61), "AccessDenied"),
}


@pytest.mark.parametrize("name", TIMES)
def test_the_time_must_be_right(name: str) -> None:
    wire, offset, code = TIMES[name]
    at = wire.claim().at + offset
    if not code:
        wire.verified(now=at)
        return
    with pytest.raises(NotSigned) as caught:
        wire.verified(now=at)
    assert (caught.value.code, caught.value.status) == (code, 403)


def test_the_same_request_again_is_accepted() -> None:
    """As AWS does it: there is no nonce. Within the time only, see above."""
    assert S3.verified() == S3.verified()


def test_the_token_of_some_clients_comes_after_signing() -> None:
    link = signed("SigV4QueryAuth", "iotdevicegateway", "GET", "https://iot/mqtt", expires=60)
    assert asked(link, "X-Amz-Security-Token=abc").verified().token == "abc"
    with pytest.raises(NotSigned, match="does not match"):
        asked(LINK, "X-Amz-Security-Token=abc").verified()


def test_what_is_said_of_keys_that_nobody_has() -> None:
    assert unknown_key(S3.claim()).code == "InvalidAccessKeyId"
    assert unknown_key(STS.claim()).code == "InvalidClientTokenId"
    assert (wrong_token(S3.claim()).code, wrong_token(S3.claim()).status) == ("InvalidToken", 400)
    assert wrong_token(STS.claim()).code == "InvalidClientTokenId"


def test_parts_may_be_in_any_order_and_spaced() -> None:
    parts = STS.header("authorization").removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    wire = STS.changed(authorization=f"AWS4-HMAC-SHA256   {' ,  '.join(reversed(parts))}")
    assert wire.verified() == STS.claim()


def test_a_link_is_turned_into_what_it_asks() -> None:
    assert without_signature(LINK.query) == "versions="
    assert without_signature("a&X-Amz-Signature=1&b=%2F&X-Amz-Date=2&b") == "a&b=%2F&b"
    assert without_signature("") == ""


def test_a_claim_shows_no_token() -> None:
    wire = signed("SigV4Auth", "sts", "GET", "https://sts/", token="SECRETTOKEN")
    assert "SECRETTOKEN" not in repr(claim(wire.method, wire.path, wire.query, wire.headers))


latin = st.text(st.characters(max_codepoint=255), max_size=30)
fields = st.sampled_from(
    ["authorization", "x-amz-date", "date", "host", "x-amz-content-sha256", "x-amz-security-token"]
)


@given(
    st.sampled_from([S3, STS, LINK, STS_LINK]), fields, latin, latin, st.integers(0, 200), st.integers(0, 30)
)
def test_nothing_else_is_raised(wire: Wire, field: str, text: str, more: str, at: int, drop: int) -> None:
    old = dict(wire.headers).get(field, "")
    place = min(at, len(old))
    mangled = wire._replace(
        headers=(*wire.changed(**{field: None}).headers, (field, old[:place] + text + old[place + drop :])),
        query=wire.query[: at * 2] + more + wire.query[at * 2 + drop :],
    )
    with contextlib.suppress(NotSigned):
        mangled.verified(now=wire.claim().at)
