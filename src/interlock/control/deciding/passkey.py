"""Passkeys: what one must have signed, and whether it did (Web Authentication Level 3). Challenges and counts are arguments.

The challenge of an approval is the SHA-256 of the canonical JSON of its statement, so that the signature of a passkey binds
what that of a signing key binds. What the page had on screen is part of the statement (`Statement.shown`).
"""

import base64
import hashlib
import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    verify_signature,
)
from webauthn.helpers.exceptions import WebAuthnException

from interlock.model.base import Value, canonical
from interlock.model.change import Approval, Assertion, Statement

_VERIFIED = 0x04
"""The flag UV of authenticator data (section 6.1), at its offset 32."""
_DEFAULT = {"http": 80, "https": 443}
MOST = 16 * 1024
"""Longest client data or authenticator data in characters: real ones have a few hundred."""


class Site(Value, frozen=True):
    """Where passkeys belong to: `rp_id` is the host of the console (a name, never an address), `origin` its scheme, host and
    port."""

    rp_id: str
    origin: str


def site_of(public_url: str) -> Site | None:
    """The site of a console at that address; None where browsers allow no passkeys (an address instead of a name, no TLS).
    Loopback addresses are called `localhost`, which browsers trust without TLS (Secure Contexts section 3.1)."""
    found = urlsplit(public_url)
    host = found.hostname or ""
    if host in ("127.0.0.1", "::1"):
        host = "localhost"
    port = f":{found.port}" if found.port and found.port != _DEFAULT.get(found.scheme) else ""
    local = host == "localhost" or host.endswith(".localhost")
    if not host or _is_address(host) or (found.scheme != "https" and not local):
        return None
    return Site(host, f"{found.scheme}://{host}{port}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class NotAccepted(ValueError):
    """A ceremony that does not hold; the message says why, without what was sent."""


def challenge_of(words: Statement) -> bytes:
    """What a passkey signs for a statement: 32 bytes."""
    return hashlib.sha256(canonical(words)).digest()


def why_not(approval: Approval, site: Site | None) -> str:
    """Why the passkey's signature of an approval does not hold; empty when it does. That it is the person's is for the caller."""
    if site is None or approval.assertion is None:
        return "passkeys are not used here"
    try:
        signed(
            approval.assertion,
            approval.signature,
            approval.public_key,
            challenge_of(approval.statement),
            site,
        )
    except NotAccepted as error:
        return str(error)
    return ""


def signed(
    assertion: Assertion, signature: str, public_key: str, challenge: bytes, site: Site, count: int = 0
) -> int:
    """Verify an assertion (section 7.2), user verification included. Returns the new signature count. Raises NotAccepted, also when
    `count` (what is stored) says that this one was used before."""
    _own_page(assertion.client_data)
    credential = {
        "id": assertion.credential,
        "rawId": assertion.credential,
        "type": "public-key",
        "response": {
            "clientDataJSON": assertion.client_data,
            "authenticatorData": assertion.authenticator_data,
            "signature": signature,
        },
    }
    try:
        found = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=from_base64url(public_key),
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise NotAccepted(_said(error)) from None
    return found.new_sign_count


def holds(words: Statement, signature: str, public_key: str, assertion: Assertion) -> bool:
    """Whether a passkey signed a statement, on whatever site: what can be checked with nothing but a log."""
    try:
        said = json.loads(from_base64url(assertion.client_data))
        data = from_base64url(assertion.authenticator_data)
        key = decoded_public_key_to_cryptography(decode_credential_public_key(from_base64url(public_key)))
        algorithm = decode_credential_public_key(from_base64url(public_key)).alg
        about = said.get("type") == "webauthn.get" and said.get("challenge") == to_base64url(
            challenge_of(words)
        )
        whole = data + hashlib.sha256(from_base64url(assertion.client_data)).digest()
        verify_signature(
            public_key=key, signature_alg=algorithm, signature=from_base64url(signature), data=whole
        )
    except (WebAuthnException, InvalidSignature, ValueError, AttributeError):
        return False
    return about and bool(data[32] & _VERIFIED)


def count_of(assertion: Assertion) -> int:
    """How often the authenticator says that it has signed (section 6.1.1); zero where it doesn't count."""
    return int.from_bytes(from_base64url(assertion.authenticator_data)[33:37], "big")


class Registered(Value, frozen=True):
    """A new credential: its id and public key (COSE) in base64url, and its count."""

    id: str
    public_key: str
    sign_count: int


def registered(credential: dict[str, Any], challenge: bytes, site: Site) -> Registered:
    """Verify a registration (section 7.1), user verification included; attestation is not asked for. Raises NotAccepted."""
    response = credential.get("response")
    data = response.get("clientDataJSON") if isinstance(response, dict) else None
    _own_page(data if isinstance(data, str) else "")
    try:
        found = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise NotAccepted(_said(error)) from None
    return Registered(
        to_base64url(found.credential_id), to_base64url(found.credential_public_key), found.sign_count
    )


def _own_page(client_data: str) -> None:
    """Refuse what was signed in a frame of another site's: the library does not look at it (section 7.2, step 10)."""
    try:
        if len(client_data) > MOST:
            raise NotAccepted("the passkey's answer is too long")
        said = json.loads(from_base64url(client_data))
    except (ValueError, RecursionError):
        raise NotAccepted("the passkey's answer cannot be read") from None
    if not isinstance(said, dict) or said.get("crossOrigin") not in (None, False) or "topOrigin" in said:
        raise NotAccepted("it was signed in a frame of another site")


_SAYS = {
    "challenge": "it was signed for something else",
    "origin": "it was signed on another site",
    "rp id": "it was signed for another site",
    "user verification": "the authenticator did not verify its user",
    "not verified": "the authenticator did not verify its user",
    "sign count": "this answer of the passkey was used before",
}


def _said(error: Exception) -> str:
    """The library's sentence in ours: its own quotes what was sent."""
    text = str(error).lower()
    return next((ours for word, ours in _SAYS.items() if word in text), "the signature is not valid")


def to_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    """Inverse of `to_base64url`; canonical only. Raises ValueError."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data
