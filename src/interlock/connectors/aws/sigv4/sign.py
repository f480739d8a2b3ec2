"""Signing the gateway's own requests, as they go to the service."""

from collections.abc import Iterable
from datetime import datetime

from interlock.connectors.aws.sigv4 import canonical as c

_OURS = frozenset({"authorization", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
_PREFIXES = ("content-", "if-", "x-amz-")
_NAMES = frozenset({"range", "smithy-protocol"})
_LEFT_OUT = frozenset({"content-length"})  # who sends the request writes it


def sign(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
    *,
    key_id: str,
    secret: str,
    token: str,
    region: str,
    service: str,
    payload_hash: str,
    now: datetime,
) -> tuple[tuple[str, str], ...]:
    """The headers to add to a request so that it is signed; `path` and `query` are raw, as they will be sent, and so are the
    `headers`.

    `payload_hash` is the body's SHA-256 or `UNSIGNED` (for streams, to https or loopback only; the caller sees to that).
    `token` is empty for lasting keys. Headers that say what the service is to do are signed, those that a client library adds
    or changes are not. Raises ValueError when the signature of somebody else is still on the request.
    """
    timestamp = c.timestamp(now.replace(microsecond=0))
    given = c.by_name(headers)
    if not _OURS.isdisjoint(given):
        raise ValueError("the request is signed already, or names its host twice")
    added = _added(timestamp, token, payload_hash, service)
    values = {name: value for name, value in given.items() if _counts(name)} | added | {"host": host}
    signed = sorted(values)
    scope = f"{timestamp[:8]}/{region}/{service}/{c.END}"
    request = c.canonical_request(
        method, c.canonical_path(path, service), c.canonical_query(query), values, signed, payload_hash
    )
    seal = c.signature(c.signing_key(secret, timestamp[:8], region, service), timestamp, scope, request)
    authorization = (
        f"{c.ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={';'.join(signed)}, Signature={seal}"
    )
    return (*added.items(), ("authorization", authorization))


def _added(timestamp: str, token: str, payload_hash: str, service: str) -> dict[str, str]:
    added = {"x-amz-date": timestamp}
    if token:
        added["x-amz-security-token"] = token
    if service in c.S3_LIKE or len(payload_hash) != 64:
        added["x-amz-content-sha256"] = payload_hash
    return added


def _counts(name: str) -> bool:
    return name in _NAMES or (name.startswith(_PREFIXES) and name not in _LEFT_OUT)
