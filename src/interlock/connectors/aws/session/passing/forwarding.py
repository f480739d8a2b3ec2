"""From an agent's request to the one that is sent on, and what of the answer comes back."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from interlock.connectors.aws import sigv4
from interlock.connectors.aws.session.record import Request
from interlock.connectors.aws.upstream import Endpoints, Forwarder, Origin, Reply, Where

_DROPPED = frozenset(
    {
        "authorization", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade", "x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length",
        "x-amz-security-token", "x-amz-trailer", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "date",
    }
)  # fmt: skip
"""Of one connection, of the client's signature, or what would let a client speak for the gateway."""
_GLOBAL = frozenset(
    {
        "account",
        "budgets",
        "ce",
        "cloudfront",
        "globalaccelerator",
        "iam",
        "importexport",
        "networkmanager",
        "organizations",
        "route53",
        "route53domains",
        "shield",
        "support",
        "waf",
    }
)
"""Services with one endpoint for a whole partition, whose requests are signed for its main region."""
GLOBAL_REGIONS = frozenset({"us-east-1", "us-gov-west-1", "cn-northwest-1", "cn-north-1", "us-west-2"})


class Sends(Protocol):
    """What is needed to send something on."""

    endpoints: Endpoints
    forwarder: Forwarder


def in_regions(service: str, region: str, regions: Iterable[str]) -> bool:
    """Whether a call to that region is one to the target."""
    return region in regions or (service in _GLOBAL and region in GLOBAL_REGIONS)


def kept_headers(
    headers: Iterable[tuple[str, str]], extra: Iterable[tuple[str, str]] = ()
) -> tuple[tuple[str, str], ...]:
    """Those that go on. Of a body that came in chunks, the framing is gone from `content-encoding`; `extra` are trailers, which
    are headers now."""
    found = []
    for name, value in headers:
        if name == "content-encoding":
            value = ", ".join(
                p for p in (part.strip() for part in value.split(",")) if p and p.lower() != "aws-chunked"
            )
            if not value:
                continue
        if name not in _DROPPED and not name.startswith("x-interlock-"):
            found.append((name, value))
    return (*found, *extra)


async def send(
    server: Sends, request: Request, body: bytes | AsyncIterator[bytes], length: int | None, prefix: str = ""
) -> Reply:
    """Send it on, signed with the gateway's own key. Raises Lost, Unavailable, Misconfigured."""
    where = await server.endpoints.where(request.call.service, request.call.region)
    origin, host, base = _place(where, prefix)
    path = base + (request.path or "/")
    key = await server.endpoints.key()
    digest = sigv4.hash_of(body) if isinstance(body, bytes) else sigv4.UNSIGNED
    added = sigv4.sign(
        request.method, host, path, request.query, request.headers,
        key_id=key.access_key, secret=key.secret_key, token=key.token,
        region=where.region, service=where.signing_name, payload_hash=digest, now=datetime.now(UTC),
    )  # fmt: skip
    sized = len(body) if isinstance(body, bytes) else length
    framing = (
        []
        if sized is None or (not sized and request.method in ("GET", "HEAD"))
        else [("content-length", str(sized))]
    )
    headers = [("host", host), *request.headers, *added, *framing]
    target = f"{path}?{request.query}" if request.query else path
    return await server.forwarder.send(request.method, origin, target, headers, body or None)


class _Place(NamedTuple):
    origin: Origin
    host: str
    base: str


@lru_cache(maxsize=1024)
def _place(where: Where, prefix: str) -> _Place:
    """Where to connect, the Host header and the base path. An operation's host prefix goes to AWS itself, not to endpoints of one's
    own."""
    parts = urlsplit(where.url)
    before = "" if where.custom else prefix
    secure = parts.scheme == "https"
    origin = Origin(secure, f"{before}{parts.hostname or ''}", parts.port or (443 if secure else 80))
    return _Place(origin, f"{before}{parts.netloc}", parts.path.rstrip("/"))
