"""Who a request says it is from (AWS General Reference, "Signature Version 4 signing process")."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from interlock.connectors.aws.sigv4 import canonical as c
from interlock.connectors.aws.sigv4 import query as q
from interlock.connectors.aws.sigv4.errors import NotSigned
from interlock.model.base import Value

LONGEST_EXPIRY_S = 7 * 24 * 3600

Headers = Iterable[tuple[str, str]] | c.Folded

_CREDENTIAL = re.compile(
    r"([A-Za-z0-9_]{1,128})/([0-9]{8})/([a-z0-9-]{1,64})/([A-Za-z0-9._-]{1,64})/aws4_request", re.ASCII
)
_SIGNED = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+(?:;[!#$%&'*+.^_`|~0-9a-z-]+)*", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIMESTAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z", re.ASCII)
_EXPIRES = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_PARTS = frozenset({"Credential", "SignedHeaders", "Signature"})
_PROTOCOL = "smithy-protocol"


class Claim(Value, frozen=True):
    """What a request says of its signature; nothing of it is proven before `verify`.

    `date` is the day of the scope, `at` the time of signing. `expires_s` is only there when `presigned` (signed in the query).
    `token` is the security token, or empty.
    """

    key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    at: datetime
    presigned: bool
    expires_s: int | None = None
    token: str = ""

    def __repr__(self) -> str:
        return f"Claim({self.key_id}, {self.scope})"

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{c.END}"

    @property
    def timestamp(self) -> str:
        return c.timestamp(self.at)

    @property
    def s3(self) -> bool:
        """Whether S3's rules hold."""
        return self.service in c.S3_LIKE


def claim(method: str, path: str, query: str, headers: Headers) -> Claim:
    """Read a request's signature. Raises NotSigned: there is none, it is of another kind, malformed, or leaves out what it
    must cover.

    `headers` are as they were sent, or folded already; `path` and `query` raw.
    """
    values = c.by_name(headers)
    parameters = q.signing_parameters(query)
    if "authorization" not in values:
        made = _from_query(parameters, values)
    elif parameters:
        raise NotSigned(
            "InvalidArgument", "Only one of the Authorization header and the query may sign a request.", 400
        )
    else:
        made = _from_header(values)
    _check_covered(made, values)
    return made


def _from_header(values: Mapping[str, str]) -> Claim:
    algorithm, _, rest = values["authorization"].partition(" ")
    _check_algorithm(algorithm)
    pieces = [piece.strip(" ").partition("=") for piece in rest.split(",")]
    parts = {name: value for name, _, value in pieces}
    if len(pieces) != len(_PARTS) or parts.keys() != _PARTS:
        raise NotSigned(
            "IncompleteSignature",
            "The Authorization header must have Credential, SignedHeaders and Signature.",
            400,
        )
    return _made(
        parts["Credential"],
        parts["SignedHeaders"],
        parts["Signature"],
        values.get("x-amz-date") or values.get("date", ""),
        token=values.get("x-amz-security-token", ""),
    )


def _from_query(parameters: Mapping[str, str], values: Mapping[str, str]) -> Claim:
    if not parameters:
        raise NotSigned("MissingAuthenticationToken", "The request is not signed.")
    _check_algorithm(parameters.get(q.ALGORITHM, ""))
    missing = {q.CREDENTIAL, q.DATE, q.EXPIRES, q.SIGNED_HEADERS, q.SIGNATURE} - parameters.keys()
    if missing:
        raise NotSigned(
            "AuthorizationQueryParametersError", f"The query lacks {', '.join(sorted(missing))}.", 400
        )
    if "x-amz-date" in values or "x-amz-security-token" in values:
        raise NotSigned(
            "InvalidArgument", "Date and token of a presigned request belong into its query.", 400
        )
    return _made(
        parameters[q.CREDENTIAL],
        parameters[q.SIGNED_HEADERS],
        parameters[q.SIGNATURE],
        parameters[q.DATE],
        token=parameters.get(q.TOKEN, ""),
        expires_s=_expires(parameters[q.EXPIRES]),
    )


def _check_algorithm(algorithm: str) -> None:
    if algorithm == "AWS":
        raise NotSigned("InvalidRequest", "Signature version 2 is not accepted. Use AWS4-HMAC-SHA256.", 400)
    if algorithm != c.ALGORITHM:
        raise NotSigned(
            "IncompleteSignature", "The only algorithm that is accepted is AWS4-HMAC-SHA256.", 400
        )


def _expires(text: str) -> int:
    if not _EXPIRES.fullmatch(text) or int(text) > LONGEST_EXPIRY_S:
        raise NotSigned(
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires must be 1 to {LONGEST_EXPIRY_S} seconds.",
            400,
        )
    return int(text)


def _made(
    credential: str, signed: str, signature: str, timestamp: str, *, token: str, expires_s: int | None = None
) -> Claim:
    scope = _CREDENTIAL.fullmatch(credential)
    if scope is None:
        raise _malformed("", "The credential must be KEY/DATE/REGION/SERVICE/aws4_request.", expires_s)
    key_id, date, region, service = scope.groups()
    at = _time(timestamp)
    if at is None:
        raise _malformed(service, "The request has no valid date.", expires_s)
    if not _SIGNATURE.fullmatch(signature):
        raise _malformed(service, "The signature must be 64 lower-case hexadecimal digits.", expires_s)
    names = _names(signed)
    if names is None:
        raise _malformed(
            service, "SignedHeaders must be sorted lower-case names, and have host in it.", expires_s
        )
    return Claim(key_id, date, region, service, names, signature, at, expires_s is not None, expires_s, token)


def _malformed(service: str, message: str, expires_s: int | None) -> NotSigned:
    """S3 has codes of its own ("List of error codes")."""
    if service not in c.S3_LIKE:
        return NotSigned("IncompleteSignature", message, 400)
    return NotSigned(
        "AuthorizationHeaderMalformed" if expires_s is None else "AuthorizationQueryParametersError",
        message,
        400,
    )


def _names(signed: str) -> tuple[str, ...] | None:
    names = tuple(signed.split(";"))
    fits = _SIGNED.fullmatch(signed) and "host" in names and all(a < b for a, b in pairwise(names))
    return names if fits else None


def _time(text: str) -> datetime | None:
    """X-Amz-Date's form, or that of the Date header (RFC 9110 section 5.6.7)."""
    match = _TIMESTAMP.fullmatch(text)
    try:
        if match is not None:
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        # botocore writes -0000, which is the same (RFC 5322 section 3.3).
        plain = text.rpartition(" ")[0] if text.endswith((" GMT", " -0000")) else ""
        return datetime.strptime(plain, "%a, %d %b %Y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _check_covered(made: Claim, values: Mapping[str, str]) -> None:
    """What is signed must be there, and what tells the service what to do must be signed."""
    signed = frozenset(made.signed_headers)
    if not signed <= values.keys():
        raise NotSigned("SignatureDoesNotMatch", "A signed header is missing from the request.")
    loose = [
        name for name in values if name not in signed and (name.startswith("x-amz-") or name == _PROTOCOL)
    ]
    if loose:
        code = "AccessDenied" if made.s3 else "SignatureDoesNotMatch"
        raise NotSigned(code, "There were headers present in the request which were not signed.")
