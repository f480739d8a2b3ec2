"""What holds of an ID token (OpenID Connect Core 1.0, section 3.1.3.7). No I/O and no clock: keys and time are arguments."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from interlock.model.base import Value

SKEW = 60
"""Seconds that the provider's clock may differ."""
LONGEST = 64 * 1024
"""Most characters of a token."""
MOST_KEYS = 100
_KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
"""The algorithms that are accepted, with the type of their keys (RFC 7518, RFC 8037). Nothing symmetric, and never `none`."""
_HASHES = {"RS256": hashlib.sha256, "PS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
"""What `at_hash` is made with: the hash inside the signature (that of Ed25519 is SHA-512)."""
_UNCHECKED = dict.fromkeys(("exp", "nbf", "iat", "aud", "iss", "sub", "jti"), False)
_BITS = 2048
"""Fewest bits of an RSA key (RFC 7518 section 3.3)."""

Jwk = Mapping[str, Any]


class NotAccepted(ValueError):
    """A token that does not hold; the message says why, without what was sent."""


class UnknownKey(NotAccepted):
    """It is signed with a key that is not among those known: they may have been rotated."""


class Expected(Value, frozen=True):
    """What a token must be for: `begun` and `now` are Unix seconds."""

    issuer: str
    client_id: str
    nonce: str
    begun: int
    now: int


class Claims(Value, frozen=True):
    """What the provider says of who logged in. Only `sub` identifies them; the rest is what it happens to call them."""

    sub: str
    all: dict[str, Any]

    def text(self, name: str) -> str:
        """A claim that is a text; empty when it is none."""
        found = self.all.get(name)
        return found if isinstance(found, str) else ""


def verified(token: str, keys: Sequence[Jwk], expected: Expected, access_token: str) -> Claims:
    """The claims of a token that holds. Raises NotAccepted, UnknownKey."""
    alg, kid = _header(token)
    key = _key(keys, alg, kid)
    try:
        options: Any = {"verify_signature": True, **{f"verify_{name}": on for name, on in _UNCHECKED.items()}}
        claims = jwt.decode(token, key=key, algorithms=[alg], options=options)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise NotAccepted("its signature is not valid") from None
    _is_for_us(claims, expected)
    _is_in_time(claims, expected)
    _belongs_to(claims, access_token, alg)
    return Claims(_sub(claims), claims)


def _header(token: str) -> tuple[str, str | None]:
    """Its algorithm and key id."""
    if len(token) > LONGEST:
        raise NotAccepted("it is too long")
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII):
        raise NotAccepted("it is not a signed token")
    raw = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    except (ValueError, RecursionError):
        raise NotAccepted("it is not a signed token") from None
    if not isinstance(header, dict) or "crit" in header or "b64" in header:
        raise NotAccepted("its header asks for what is not understood")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise NotAccepted("it is a token of another kind")
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in _KINDS:
        raise NotAccepted("it is not signed with an algorithm that is accepted")
    if kid is not None and not isinstance(kid, str):
        raise NotAccepted("it is not a signed token")
    return alg, kid


def _key(keys: Sequence[Jwk], alg: str, kid: str | None) -> Any:
    """The one key that it must be signed with: by its id, or without one the only key of that kind (section 10.1)."""
    fit = [key for key in keys[:MOST_KEYS] if _fits(key, alg)]
    found = fit if kid is None else [key for key in fit if key.get("kid") == kid]
    if len(found) != 1:
        raise UnknownKey("it is signed with a key that the provider does not publish")
    try:
        key = jwt.PyJWK(dict(found[0]), alg).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise NotAccepted("the provider's key cannot be used") from None
    if not _is_strong(key, alg):
        raise NotAccepted("the provider's key cannot be used")
    return key


def _fits(key: Jwk, alg: str) -> bool:
    use, operations = key.get("use", "sig"), key.get("key_ops", ["verify"])
    usable = use == "sig" and isinstance(operations, list) and "verify" in operations
    return usable and key.get("kty") == _KINDS[alg] and key.get("alg", alg) == alg


def _is_strong(key: object, alg: str) -> bool:
    match key:
        case RSAPublicKey():
            return key.key_size >= _BITS
        case EllipticCurvePublicKey():
            return key.curve.name == "secp256r1"
        case Ed25519PublicKey():
            return alg == "EdDSA"
        case _:
            return False  # private keys, Ed448 and whatever else a set may hold


def _is_for_us(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise NotAccepted("it is of another issuer")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or expected.client_id not in named:
        raise NotAccepted("it is for another audience")
    # With several audiences it must say to which of them it was given.
    if ("azp" in claims or len(named) > 1) and claims.get("azp") != expected.client_id:
        raise NotAccepted("it was given to another party")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not _same(nonce, expected.nonce):
        raise NotAccepted("it is of another login")


def _is_in_time(claims: Mapping[str, Any], expected: Expected) -> None:
    ends, made, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    if ends is None or made is None:
        raise NotAccepted("it does not say when it was made and when it ends")
    if ends <= expected.now - SKEW:
        raise NotAccepted("it has expired")
    if made > expected.now + SKEW or (begins is not None and begins > expected.now + SKEW):
        raise NotAccepted("it is of the future: compare the clocks")
    if made < expected.begun - SKEW:
        raise NotAccepted("it was made before this login began: compare the clocks")


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 2**53:
        raise NotAccepted("its times cannot be read")
    return found


def _belongs_to(claims: Mapping[str, Any], access_token: str, alg: str) -> None:
    """`at_hash`, where it is given (section 3.1.3.8): the token came with this access token."""
    if "at_hash" not in claims:
        return
    whole = _HASHES[alg](access_token.encode()).digest()
    half = base64.urlsafe_b64encode(whole[: len(whole) // 2]).decode().rstrip("=")
    given = claims["at_hash"]
    if not isinstance(given, str) or not _same(given, half):
        raise NotAccepted("it came with another access token")


def _same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), ours.encode())


def _sub(claims: Mapping[str, Any]) -> str:
    sub = claims.get("sub")
    if not isinstance(sub, str) or not re.fullmatch("[ -~]{1,255}", sub):
        raise NotAccepted("it does not say who logged in")
    return sub


def keys_of(body: bytes) -> tuple[Jwk, ...]:
    """The keys of a set (RFC 7517 section 5); what is no key of a form that we know is left out. Raises ValueError."""
    found = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    if not isinstance(found, list):
        raise ValueError("no keys")
    return tuple(key for key in found[:MOST_KEYS] if isinstance(key, dict))
