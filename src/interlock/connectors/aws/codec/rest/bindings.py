"""REST requests to parameters: labels of the path, the query, headers, and the body (Smithy, "HTTP binding traits")."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.bodies.gzip import unpacked
from interlock.connectors.aws.codec.bodies.json_text import read_json
from interlock.connectors.aws.codec.bodies.tree import Tree
from interlock.connectors.aws.codec.bodies.xml import Xml
from interlock.connectors.aws.codec.marks import check_charset, media_type
from interlock.connectors.aws.codec.model import BODY, Member, Model, Shape
from interlock.connectors.aws.codec.request import Unclear, shown
from interlock.connectors.aws.codec.rest.headers import check_strangers, read_header, read_prefixed
from interlock.connectors.aws.codec.rest.labels import read_label
from interlock.connectors.aws.codec.rest.routes import Found, literal_query

_JSON = frozenset({"", "application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1"})
_FRAMING = frozenset({"content-length"})
"""Members that say how long the body is: that is the connection's to say (`Call.length`)."""


class Parts(NamedTuple):
    """A REST request in its parts. `query` and `headers` have each name once, queries with all their values."""

    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    streams: bool


class Rest:
    """Reads requests of one service. `xml` tells rest-xml from rest-json."""

    def __init__(self, model: Model, xml: bool) -> None:
        self._model, self._xml = model, xml

    def parameters(self, found: Found, parts: Parts) -> tuple[dict[str, Any], str]:
        """The parameters, and the name of the member that streams."""
        shape = self._model.shape(found.operation.input)
        if self._model.name == "s3":
            check_strangers(self._model, shape, parts.headers)
        parameters = self._labels(shape, found)
        parameters |= self._headers(shape, parts.headers)
        for name, value in self._query(shape, found, parts.query).items():
            if name in parameters:
                raise Unclear(f"{shown(name)} is in the query and in a header")
            parameters[name] = value
        streaming = shape.payload if shape.streaming else ""
        if not streaming:
            parameters |= self._body(shape, found, self._plain(shape, parts))
            self._check_type(shape, parts)
        return parameters, streaming

    def _labels(self, shape: Shape, found: Found) -> dict[str, Any]:
        members = {each.label: each for each in shape.members if each.location == "uri"}
        return {
            members[name].name: read_label(self._model, members[name], value)
            for name, value in found.labels.items()
        }

    def _headers(self, shape: Shape, headers: Mapping[str, str]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        single, prefixed = self._bound(shape)
        for name in single.keys() & headers.keys():
            read |= read_header(self._model, single[name], headers[name])
        for each in prefixed:
            read |= read_prefixed(each, headers)
        return read

    def _bound(self, shape: Shape) -> tuple[Mapping[str, Member], tuple[Member, ...]]:
        """The members that are headers, by name, and those that are all headers with a prefix."""
        key = ("headers", id(shape))
        bound: tuple[Mapping[str, Member], tuple[Member, ...]] | None = self._model.kept.get(key)
        if bound is None:
            single = {each.label.lower(): each for each in shape.members if each.location == "header"}
            single = {name: each for name, each in single.items() if name not in _FRAMING}
            bound = single, tuple(each for each in shape.members if each.location == "headers")
            self._model.kept[key] = bound
        return bound

    def _query(self, shape: Shape, found: Found, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        literal = literal_query(found.operation)
        known = {each.label: each for each in shape.members if each.location == "querystring"}
        rest = next((each for each in known.values() if self._model.shape(each).type == "map"), None)
        read: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, values in query.items():
            if name in known and known[name] is not rest:
                read[known[name].name] = self._values(known[name], values)
            elif name not in literal:
                others |= self._other(shape, found, rest, name, values)
        return (
            read | {rest.name: others} if rest is not None and others else read | self._hoisted(shape, others)
        )

    def _other(
        self, shape: Shape, found: Found, rest: Member | None, name: str, values: Sequence[str]
    ) -> dict[str, Any]:
        """A parameter that no member has for itself: of the map of all others, or a header that a presigned URL carries."""
        if rest is not None:
            several = self._model.shape(self._model.shape(rest).value).type == "list"
            return {name: list(values) if several else _one(name, values)}
        if name == "x-id" and list(values) == [found.operation.name]:
            return {}  # the name of the operation, as SDKs made with Smithy send it
        if self._model.name == "s3" and name.lower().startswith("x-amz-"):
            return {name.lower(): _one(name, values)}
        raise Unclear(f"the operation knows no query parameter {shown(name)}")

    def _hoisted(self, shape: Shape, others: Mapping[str, str]) -> dict[str, Any]:
        read = self._headers(shape, others)
        known, prefixed = self._bound(shape)
        prefixes = tuple(each.wire.lower() for each in prefixed)
        for name in others:
            if name not in known and not (prefixes and name.startswith(prefixes)):
                raise Unclear(f"the operation knows no query parameter {shown(name)}")
        return read

    def _values(self, ref: Member, values: Sequence[str]) -> Any:
        shape = self._model.shape(ref)
        if shape.type == "list":
            assert shape.item is not None
            kind, form = self._model.shape(shape.item).type, shape.item.timestamp or "iso8601"
            return [scalars.scalar(kind, value, form) for value in values]
        return scalars.scalar(shape.type, _one(ref.label, values), ref.timestamp or "iso8601")

    def _check_type(self, shape: Shape, parts: Parts) -> None:
        """JSON must be sent as JSON: a server that goes by the type would read something else."""
        kind = (
            self._model.shape(self._model.member(shape, shape.payload)).type if shape.payload else "structure"
        )
        if (
            self._xml
            or not parts.body
            or kind in ("blob", "string")
            or "content-type" in self._bound(shape)[0]
        ):
            return
        sent = parts.headers.get("content-type", "")
        if media_type(sent) not in _JSON:
            raise Unclear("the body is not sent as application/json")
        check_charset(sent)

    def _plain(self, shape: Shape, parts: Parts) -> bytes:
        if parts.streams:
            raise Unclear("the body is too long for this operation", code="RequestEntityTooLarge")
        bound = any(
            each.label.lower() == "content-encoding" for each in shape.members if each.location == "header"
        )
        coding = parts.headers.get("content-encoding", "").lower()
        if bound or coding in ("", "identity", "aws-chunked"):
            return parts.body
        if coding != "gzip":
            raise Unclear("the body has an encoding that is not known here")
        return unpacked(parts.body)

    def _body(self, shape: Shape, found: Found, body: bytes) -> dict[str, Any]:
        if shape.payload:
            payload = self._model.member(shape, shape.payload)
            return {payload.name: self._payload(payload, body)} if body else {}
        members = self._in_body(shape)
        if not body or (not members and body.strip() in (b"", b"{}")):
            return {}
        if not members:
            raise Unclear("the operation has no body")
        if self._xml:
            assert found.operation.input is not None
            return Xml(self._model).root(found.operation.input, members, body)
        return Tree(self._model).members(shape, members, read_json(body))

    def _in_body(self, shape: Shape) -> tuple[Member, ...]:
        members: tuple[Member, ...] | None = self._model.kept.get(("body", id(shape)))
        if members is None:
            members = tuple(each for each in shape.members if each.location == BODY)
            self._model.kept["body", id(shape)] = members
        return members

    def _payload(self, ref: Member, body: bytes) -> Any:
        shape = self._model.shape(ref)
        if shape.eventstream:
            raise Unclear(
                "event streams from the client are not supported: their commands cannot be judged one by one"
            )
        if shape.type == "blob":
            return body
        if shape.type == "string":
            return _text(body)
        if self._xml:
            return Xml(self._model).root(ref, shape.members, body)
        return Tree(self._model).value(ref, read_json(body))


def _one(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise Unclear(f"a query parameter stands twice: {shown(name)}")
    return values[0]


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Unclear("the body is not UTF-8") from None
