"""The marks by which a request shows its protocol."""

import re
from typing import NamedTuple

from interlock.connectors.aws.codec.address import Query, read_query
from interlock.connectors.aws.codec.request import Asked, Unclear

FORM = "application/x-www-form-urlencoded"
CBOR = "application/cbor"
_RPC = "rpc-v2-cbor"
_PROTOCOL = "smithy-protocol"
_TARGET = "x-amz-target"
_UTF8 = re.compile(r";\s*charset=\"?utf-?8\"?\s*(?:;|$)", re.IGNORECASE)
_OVERRIDES = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})
"""Headers that some servers take for the method."""


class Marks(NamedTuple):
    """Headers by name, the query, and what they say of the protocol. `form` tells that the body claims to be a form."""

    headers: dict[str, str]
    query: Query
    cbor: bool
    target: str
    action: bool
    form: bool

    @property
    def media(self) -> str:
        """The media type of the body, without its parameters."""
        return media_type(self.headers.get("content-type", ""))


def marks_of(asked: Asked) -> Marks:
    """The marks of a request; Unclear when they are malformed, or of two protocols."""
    headers = single(asked.headers)
    if not _OVERRIDES.isdisjoint(headers):
        raise Unclear("the request names another method in a header")
    query = read_query(asked.query)
    target = _once(headers, _TARGET)
    protocol = _once(headers, _PROTOCOL)
    if protocol not in ("", _RPC):
        raise Unclear("the header smithy-protocol names a protocol that is not known here")
    action = "Action" in query
    if sum((bool(target), bool(protocol), action)) > 1:
        raise Unclear("the request has the marks of two protocols")
    form = media_type(headers.get("content-type", "")) == FORM
    return Marks(headers, query, bool(protocol), target, action, form)


def single(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The headers by name; what stands several times is joined by NUL, which no header holds, so that only a member that is read
    from it refuses it."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}\0{value}" if name in found else value
    return found


def guessed(asked: Asked) -> str:
    """The protocol in which a client probably reads errors, however malformed its request is; empty when there is no sign."""
    names = dict(asked.headers)
    if _PROTOCOL in names:
        return "smithy-rpc-v2-cbor"
    if _TARGET in names:
        return "json"
    return "query" if media_type(names.get("content-type", "")) == FORM or "Action=" in asked.query else ""


def media_type(value: str) -> str:
    """`application/json` out of `Application/JSON; charset=utf-8`."""
    return value.partition(";")[0].strip().lower()


def check_charset(value: str) -> None:
    """Refuse a content type that names a character set other than UTF-8: the service might read the body so."""
    if "charset" in value.lower() and not _UTF8.search(value):
        raise Unclear("the body is not sent as UTF-8")


def _once(headers: dict[str, str], name: str) -> str:
    value = headers.get(name, "")
    if "\0" in value or (name in headers and not value):
        raise Unclear(f"the header {name} stands twice or is empty")
    return value
