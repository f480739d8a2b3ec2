"""Where a request goes: its query without the signature, its path with the bucket that the Host header names."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from interlock.connectors.aws.codec.percent import decoded
from interlock.connectors.aws.codec.request import Asked, Unclear

Query: TypeAlias = Mapping[str, list[str]]

_SIGNATURE = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    }
)
"""What a presigned URL adds (AWS General Reference, "Adding signing information to the query string")."""
_BUCKET_HOST = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,62})\.s3[.-][a-z0-9.-]+", re.ASCII)
_PLAIN_HOST = re.compile(r"s3[.-][a-z0-9.-]+", re.ASCII)
MOST = 2_000


def read_query(query: str) -> Query:
    """The parameters with all their values, without those of a presigned URL's signature."""
    found: dict[str, list[str]] = {}
    pairs = query.split("&", MOST) if query else []
    if len(pairs) > MOST:
        raise Unclear("there are too many query parameters")
    for pair in pairs:
        name, _, value = pair.partition("=")
        if "+" in pair:
            # A plus sign or a space? No AWS client sends it bare.
            raise Unclear("a plus sign in the query is not percent-encoded")
        found.setdefault(decoded(name), []).append(decoded(value))
    if "" in found:
        raise Unclear("a query parameter has no name")
    signed = "X-Amz-Signature" in found
    return {name: values for name, values in found.items() if not (signed and name in _SIGNATURE)}


def path_of(asked: Asked, service: str, hosts: Iterable[str]) -> str:
    """The path as the service's model has it: for S3 with the bucket in front, wherever it was named."""
    path = asked.path or "/"
    if not path.startswith("/"):
        raise Unclear("the path does not begin with a slash")
    if not path.isascii():
        raise Unclear("the path is not percent-encoded")
    bucket = bucket_of(asked.host, hosts) if service == "s3" else ""
    return f"/{bucket}{path}" if bucket else path


def bucket_of(host: str, hosts: Iterable[str]) -> str:
    """The bucket in a virtual-hosted address (`bucket.s3.region.amazonaws.com`, or below one of `hosts`), else nothing."""
    name = host.lower().partition(":")[0].removesuffix(".")
    for own in hosts:
        if name.endswith(f".{own}") and name.removesuffix(f".{own}") not in ("s3", ""):
            return name.removesuffix(f".{own}")
    found = _BUCKET_HOST.fullmatch(name)
    return found["bucket"] if found and not _PLAIN_HOST.fullmatch(name) else ""
