"""The parameters of a query that sign it ("Authenticating Requests: Using Query Parameters")."""

from urllib.parse import unquote

from interlock.connectors.aws.sigv4.errors import NotSigned

ALGORITHM = "X-Amz-Algorithm"
CREDENTIAL = "X-Amz-Credential"
DATE = "X-Amz-Date"
EXPIRES = "X-Amz-Expires"
SIGNED_HEADERS = "X-Amz-SignedHeaders"
SIGNATURE = "X-Amz-Signature"
TOKEN = "X-Amz-Security-Token"
CONTENT_HASH = "X-Amz-Content-Sha256"

_NAMES = {
    name.lower(): name
    for name in (ALGORITHM, CREDENTIAL, DATE, EXPIRES, SIGNED_HEADERS, SIGNATURE, TOKEN, CONTENT_HASH)
}
_VERSION_2 = "awsaccesskeyid"


def signing_parameters(query: str) -> dict[str, str]:
    """The decoded parameters of the signature by name. Raises NotSigned for those of version 2, and when one is there twice or
    in a spelling that only some readers take for it."""
    found: dict[str, str] = {}
    for piece in query.split("&") if query else ():
        raw, _, value = piece.partition("=")
        plain = unquote(raw, "latin-1").lower()
        name = _NAMES.get(plain)
        if plain == _VERSION_2:
            raise NotSigned(
                "InvalidRequest", "Signature version 2 is not accepted. Use AWS4-HMAC-SHA256.", 400
            )
        if name is not None:
            if name != raw or name in found:
                raise NotSigned("InvalidArgument", f"{name} is misspelt or repeated in the query.", 400)
            found[name] = unquote(value, "latin-1")
    return found


def without_signature(query: str) -> str:
    """The raw query as it was before it was signed, to be signed anew."""
    if not query:
        return ""
    kept = (piece for piece in query.split("&") if piece.partition("=")[0] not in _NAMES.values())
    return "&".join(kept)
