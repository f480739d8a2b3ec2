"""Requests signed by a person's Ed25519 key: a narrow profile of RFC 9421, HTTP Message Signatures. Sans-io.

Exactly one signature per request, over `@method`, `@target-uri` and `content-digest` (RFC 9530, `sha-256`; of the empty body
too), with the parameters `created`, `expires`, `nonce`, `keyid` (the person's name), `alg="ed25519"` and `tag="interlock"`, in any
order and no others. What the RFC leaves open and this profile does not need is refused, so there is nothing to negotiate.

The key signs approvals as well. The two cannot be mistaken for each other: a signature base begins with `"`, the canonical
JSON of a statement with `{`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.model.base import Value

TAG = "interlock"
COMPONENTS = ("@method", "@target-uri", "content-digest")
LIFETIME = 120
"""Longest time in seconds from `created` to `expires`."""
SKEW = 60
"""How many seconds the client's clock may differ from the store's."""

_INPUT = re.compile(
    r'[a-z*][a-z0-9_.*-]{0,30}=(?P<params>\((?P<covered>"[^"]+"(?: "[^"]+")*)\)(?P<rest>(?:;[^;,]+)*))'
)
_PARAMETER = re.compile(r';(created|expires|nonce|keyid|alg|tag)=(?:([0-9]{1,12})|"([ !#-\[\]-~]{0,200})")')
_SIGNATURE = re.compile(r"[a-z*][a-z0-9_.*-]{0,30}=:([A-Za-z0-9+/=]{1,128}):")
_NUMBERS = frozenset({"created", "expires"})
_NAMES = frozenset({"created", "expires", "nonce", "keyid", "alg", "tag"})
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


class BadSignature(ValueError):
    """The request is not signed as it must be. The message says what is wrong and may be shown to the sender."""


class Signed(Value, frozen=True):
    """A signature as it came, not yet verified. Times are Unix seconds; `params` is the text that is signed."""

    keyid: str
    nonce: str
    created: int
    expires: int
    params: str
    digest: str
    signature: bytes


def content_digest(body: bytes) -> str:
    """The Content-Digest field (RFC 9530 section 2) of a body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def sign(
    method: str, uri: str, body: bytes, *, keyid: str, key: Ed25519PrivateKey, now: int, nonce: str
) -> dict[str, str]:
    """The three header fields that sign a request. `uri` is absolute; `now` Unix seconds."""
    covered = " ".join(f'"{name}"' for name in COMPONENTS)
    params = f'({covered});created={now};expires={now + LIFETIME};nonce="{nonce}";keyid="{keyid}";alg="ed25519";tag="{TAG}"'
    digest = content_digest(body)
    signature = base64.b64encode(key.sign(_base(method, uri, digest, params))).decode()
    return {"Content-Digest": digest, "Signature-Input": f"sig={params}", "Signature": f"sig=:{signature}:"}


def read(headers: Mapping[str, str]) -> Signed:
    """Read the fields of a signed request (names in lower case). Raises BadSignature for any other form."""
    found = _INPUT.fullmatch(headers.get("signature-input", ""))
    value = _SIGNATURE.fullmatch(headers.get("signature", ""))
    if found is None or value is None:
        raise BadSignature("exactly one signature is needed, in the fields Signature-Input and Signature")
    if headers["signature-input"].partition("=")[0] != headers["signature"].partition("=")[0]:
        raise BadSignature("Signature-Input and Signature must have the same label")
    if sorted(found["covered"].split(" ")) != sorted(f'"{name}"' for name in COMPONENTS):
        raise BadSignature(f"the signature must cover exactly {', '.join(COMPONENTS)}")
    given = _parameters(found["rest"])
    return Signed(
        keyid=given["keyid"],
        nonce=given["nonce"],
        created=int(given["created"]),
        expires=int(given["expires"]),
        params=found["params"],
        digest=headers.get("content-digest", ""),
        signature=_decode(value[1]),
    )


def verify(signed: Signed, method: str, uri: str, body: bytes, public_key: bytes, now: int) -> None:
    """Check digest, times and signature. `uri` is the absolute address that this server goes by, whatever the request's Host
    said. Raises BadSignature. That the nonce is new is for the caller to check."""
    if signed.digest != content_digest(body):
        raise BadSignature("Content-Digest is not that of the body")
    if not signed.created - SKEW <= now <= signed.expires + SKEW:
        raise BadSignature("the signature has expired or comes from the future: compare the clocks")
    if not 0 < signed.expires - signed.created <= LIFETIME:
        raise BadSignature(f"a signature is valid for at most {LIFETIME} seconds")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signed.signature, _base(method, uri, signed.digest, signed.params)
        )
    except (InvalidSignature, ValueError):
        raise BadSignature(f"the signature does not verify for {method} {uri}") from None


def _base(method: str, uri: str, digest: str, params: str) -> bytes:
    """The signature base (RFC 9421 section 2.5), its lines in the order that `params` names them."""
    values = {"@method": method.upper(), "@target-uri": uri, "content-digest": digest}
    order = re.findall(r'"([^"]+)"', params.partition(")")[0])
    lines = [f'"{name}": {values[name]}' for name in order]
    return "\n".join((*lines, f'"@signature-params": {params}')).encode()


def _parameters(text: str) -> dict[str, str]:
    found = [(m[1], m[2], m[3]) for m in _PARAMETER.finditer(text)]
    given = {name: number or quoted for name, number, quoted in found}
    whole = sum(len(m[0]) for m in _PARAMETER.finditer(text)) == len(text)
    if not whole or len(found) != len(_NAMES) or given.keys() != _NAMES:
        raise BadSignature(f"the signature's parameters must be {', '.join(sorted(_NAMES))}, once each")
    if any(bool(number) != (name in _NUMBERS) for name, number, _ in found):
        raise BadSignature("created and expires are numbers, the other parameters texts")
    if given["alg"] != "ed25519" or given["tag"] != TAG:
        raise BadSignature(f'the signature must have alg="ed25519" and tag="{TAG}"')
    if not _NONCE.fullmatch(given["nonce"]):
        raise BadSignature("a nonce is 16 to 64 characters of A-Z, a-z, 0-9, - and _")
    return given


def _decode(text: str) -> bytes:
    """Canonical base64 of 64 bytes only: two texts must not stand for one signature."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("the signature is not base64") from None
    if len(data) != 64 or base64.b64encode(data).decode() != text:
        raise BadSignature("an Ed25519 signature is 64 bytes in canonical base64")
    return data
