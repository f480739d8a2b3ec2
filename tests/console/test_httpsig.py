"""Signed requests: the profile of RFC 9421, against our own signer and an independent one."""

import datetime
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from hypothesis import given
from hypothesis import strategies as st

from interlock.console import httpsig
from interlock.console.httpsig import BadSignature

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
URI = "http://127.0.0.1:8470/api/v1/grants?limit=3"
NOW = 1_800_000_000
NONCE = "n" * 22


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def signed(body: bytes = b"{}", now: int = NOW) -> dict[str, str]:
    return lower(httpsig.sign("POST", URI, body, keyid="ana", key=KEY, now=now, nonce=NONCE))


class Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        assert key_id == "ana"
        return KEY.public_key()

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return KEY


@given(st.binary(max_size=300))
def test_what_is_signed_verifies(body: bytes) -> None:
    found = httpsig.read(signed(body))
    httpsig.verify(found, "POST", URI, body, PUBLIC, NOW)
    assert (found.keyid, found.nonce, found.created, found.expires) == (
        "ana",
        NONCE,
        NOW,
        NOW + httpsig.LIFETIME,
    )


def test_the_fields_are_those_of_the_standard() -> None:
    """RFC 9530 appendix B: the digest of `{"hello": "world"}` and a line feed."""
    assert (
        httpsig.content_digest(b'{"hello": "world"}\n')
        == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


@pytest.mark.parametrize(
    ("method", "uri", "body"),
    [
        ("PUT", URI, b"{}"),
        ("POST", URI + "4", b"{}"),
        ("POST", URI.replace("127.0.0.1", "localhost"), b"{}"),
        ("POST", URI, b"{ }"),
        ("POST", URI, b""),
    ],
)
def test_another_request_is_not_what_was_signed(method: str, uri: str, body: bytes) -> None:
    with pytest.raises(BadSignature):
        httpsig.verify(httpsig.read(signed()), method, uri, body, PUBLIC, NOW)


def test_another_key_did_not_sign() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"x" * 32).public_key().public_bytes_raw()
    with pytest.raises(BadSignature, match="does not verify"):
        httpsig.verify(httpsig.read(signed()), "POST", URI, b"{}", other, NOW)


@pytest.mark.parametrize("now", [NOW - httpsig.SKEW - 1, NOW + httpsig.LIFETIME + httpsig.SKEW + 1])
def test_a_signature_has_its_time(now: int) -> None:
    with pytest.raises(BadSignature, match="clocks"):
        httpsig.verify(httpsig.read(signed()), "POST", URI, b"{}", PUBLIC, now)


def test_a_signature_is_not_made_to_last() -> None:
    headers = signed()
    headers["signature-input"] = headers["signature-input"].replace(
        f"expires={NOW + 120}", f"expires={NOW + 121}"
    )
    with pytest.raises(BadSignature, match="at most"):
        httpsig.verify(httpsig.read(headers), "POST", URI, b"{}", PUBLIC, NOW)


@given(st.data())
def test_no_parameter_can_be_altered(data: st.DataObject) -> None:
    headers = signed()
    text = headers["signature-input"]
    place = data.draw(st.integers(4, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != text[place]))
    headers["signature-input"] = text[:place] + other + text[place + 1 :]
    with pytest.raises(BadSignature):
        httpsig.verify(httpsig.read(headers), "POST", URI, b"{}", PUBLIC, NOW)


@pytest.mark.parametrize(
    ("was", "is_"),
    [
        (' "content-digest"', ""),
        ('"@method" ', '"@method" "@method" '),
        (';tag="interlock"', ""),
        (';tag="interlock"', ';tag="other"'),
        (';alg="ed25519"', ';alg="hmac-sha256"'),
        (f';nonce="{NONCE}"', ';nonce="short"'),
        (f";created={NOW}", f';created="{NOW}"'),
        (';keyid="ana"', ';keyid="ana";keyid="bob"'),
        ("sig=", "other="),
        (';tag="interlock"', ';tag="interlock", b=("@method")'),
    ],
)
def test_other_profiles_are_refused(was: str, is_: str) -> None:
    headers = signed()
    assert was in headers["signature-input"]
    headers["signature-input"] = headers["signature-input"].replace(was, is_)
    with pytest.raises(BadSignature):
        httpsig.read(headers)


@pytest.mark.parametrize(
    "value", ["", "sig=:AAAA:", "sig=:" + "A" * 86 + "!=:", "sig=:" + "A" * 85 + "B==:", "sig=abc"]
)
def test_malformed_signatures_are_refused(value: str) -> None:
    with pytest.raises(BadSignature):
        httpsig.read({**signed(), "signature": value})


def test_unsigned_requests_are_refused() -> None:
    with pytest.raises(BadSignature):
        httpsig.read({})


def message(body: bytes, headers: dict[str, str]) -> SimpleNamespace:
    return SimpleNamespace(method="POST", url=URI, headers=headers, body=body)


def test_an_independent_verifier_accepts_ours() -> None:
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    headers = httpsig.sign("POST", URI, b"{}", keyid="ana", key=KEY, now=now, nonce=NONCE)
    results = verifier.verify(
        message(b"{}", headers), expect_tag="interlock", require_components=httpsig.COMPONENTS, body=b"{}"
    )
    assert [result.nonce for result in results] == [NONCE]


def test_ours_accepts_an_independent_signer() -> None:
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    created = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    request = message(b"{}", {"Content-Digest": httpsig.content_digest(b"{}")})
    signer.sign(
        request,
        key_id="ana",
        created=created,
        expires=created + datetime.timedelta(seconds=60),
        nonce=NONCE,
        tag="interlock",
        use_existing_digest=True,
        covered_component_ids=("content-digest", "@method", "@target-uri"),
    )
    httpsig.verify(httpsig.read(lower(request.headers)), "POST", URI, b"{}", PUBLIC, NOW)
