"""The canonical request, which both sides of a signature make from what goes over the wire.

Source: AWS General Reference, "Create a signed AWS API request". Texts stand for bytes, one character each (Latin-1), as HTTP
heads are decoded: a name outside of ASCII in a header is signed as the bytes that were sent.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
END = "aws4_request"

S3_LIKE = frozenset({"s3", "s3-object-lambda", "s3-outposts", "s3express"})
"""Signing names of the services that encode a path once and leave it as it is (botocore's `s3v4` and `v4-s3express`)."""

_PLAIN = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)
_PLAIN_PATH = re.compile(
    r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*)?", re.ASCII
)
_SPACES = re.compile(r"[ \t]+")


def canonical_path(path: str, service: str) -> str:
    """The path for the signature: S3's encoded once and otherwise untouched, others' normalised and encoded again.

    An encoded slash of S3 stays an encoded slash, so that nobody can turn one into the other.
    """
    if not path or _PLAIN_PATH.fullmatch(path):
        return path or "/"
    if service in S3_LIKE:
        return "/".join(encoded(segment) for segment in path.split("/"))
    return quote(_normalised(path), safe="/~", encoding="latin-1")


def encoded(text: str) -> str:
    """Percent-encoded in the one canonical way, whatever was encoded before."""
    return text if _PLAIN.fullmatch(text) else quote(unquote_to_bytes(text.encode("latin-1")), safe="~")


def _normalised(path: str) -> str:
    """Without `.`, `..` and empty segments (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return f"/{'/'.join(kept)}{end}"


def canonical_query(query: str, without: Collection[str] = ()) -> str:
    """The query's parameters in their order, each encoded once; those named in `without` are left out."""
    if not query:
        return ""
    pairs = sorted(_pair(piece) for piece in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs if name not in without)


def _pair(piece: str) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    return encoded(name), encoded(value)


class Folded(dict[str, str]):
    """Headers as `by_name` makes them."""


def by_name(headers: Iterable[tuple[str, str]] | Folded) -> Folded:
    """Canonical values by name in lower case: spaces folded, repeated ones joined with commas in their order."""
    if isinstance(headers, Folded):
        return headers
    values = Folded()
    for name, value in headers:
        name = name.lower()
        folded = _folded(value)
        values[name] = f"{values[name]},{folded}" if name in values else folded
    return values


def _folded(value: str) -> str:
    # Not str.split: it takes some bytes of UTF-8 for spaces.
    value = value.strip(" \t")
    return _SPACES.sub(" ", value) if "  " in value or "\t" in value else value


def canonical_request(
    method: str, path: str, query: str, values: Mapping[str, str], signed: Sequence[str], payload_hash: str
) -> bytes:
    """The request as it is hashed; `path` and `query` are canonical already, `values` has each of the `signed` names."""
    lines = "".join(f"{name}:{values[name]}\n" for name in signed)
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(signed)}\n{payload_hash}".encode("latin-1")


def signature(key: bytes, timestamp: str, scope: str, request: bytes) -> str:
    """The signature of a canonical request, as lower-case hexadecimal digits."""
    return seal(key, f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(request).hexdigest()}")


def seal(key: bytes, string_to_sign: str) -> str:
    """HMAC-SHA256, as lower-case hexadecimal digits."""
    return hmac.digest(key, string_to_sign.encode("latin-1"), "sha256").hex()


@lru_cache(maxsize=64)
def timestamp(at: datetime) -> str:
    """A time, in UTC, as it is signed."""
    return f"{at:%Y%m%dT%H%M%SZ}"


@lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of a day, region and service. Remembered: it stays the same for all requests of a client."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, END):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
