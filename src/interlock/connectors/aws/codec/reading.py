"""One request read as one service's: its operation and parameters, by each of the protocols that the service speaks."""

from typing import Any, NamedTuple

from interlock.connectors.aws.codec.address import path_of
from interlock.connectors.aws.codec.bodies.cbor import read_cbor
from interlock.connectors.aws.codec.bodies.form import Form, read_form
from interlock.connectors.aws.codec.bodies.gzip import unpacked
from interlock.connectors.aws.codec.bodies.json_text import read_json
from interlock.connectors.aws.codec.bodies.tree import Tree
from interlock.connectors.aws.codec.marks import CBOR, Marks, check_charset
from interlock.connectors.aws.codec.model import Model, Operation
from interlock.connectors.aws.codec.percent import decoded
from interlock.connectors.aws.codec.request import UNKNOWN, Asked, Unclear, shown
from interlock.connectors.aws.codec.rest.bindings import Parts, Rest
from interlock.connectors.aws.codec.rest.routes import Found, fitting, rank_of

_JSON = ("application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/json")
_RPC = "smithy-rpc-v2-cbor"
_NO_RANK: tuple[int, ...] = ()


class Reading(NamedTuple):
    """What a request is to one service. `rank` is lower the more specific the route is."""

    service: str
    host: str
    protocol: str
    operation: str
    parameters: dict[str, Any]
    streaming: str = ""
    length: int | None = None
    path: str = ""
    rank: tuple[int, ...] = _NO_RANK

    def same(self, other: "Reading") -> bool:
        """Whether both mean the same, and are for the same host."""
        return self[1:] == other[1:]


def read(model: Model, asked: Asked, marks: Marks, hosts: tuple[str, ...]) -> Reading:
    """Read a request. Raises Unclear, with the operation's rank when that was found out."""
    protocols = model.head.protocols
    rest = next((each for each in protocols if each.startswith("rest-")), "")
    forms = next((each for each in protocols if each in ("query", "ec2")), "")
    if marks.cbor:
        return _known(model, _RPC, _cbor_name(model, asked), asked, marks)
    if marks.target:
        return _known(model, "json", _target_name(model, asked, marks), asked, marks)
    if forms and (marks.action or marks.form or not rest):
        return _form(model, forms, asked, marks)
    if not rest or (marks.action and marks.form):
        raise Unclear(
            "the request does not say which operation it asks for", UNKNOWN, protocols[0], model.name
        )
    return _rest(model, rest, asked, marks, hosts)


def _known(model: Model, protocol: str, name: str, asked: Asked, marks: Marks) -> Reading:
    """Of a protocol that names the operation outside of the body."""
    operation = model.operations.get(name)
    if protocol not in model.head.protocols or operation is None:
        raise Unclear(f"the service knows no operation {shown(name)}", UNKNOWN, protocol, model.name)
    try:
        shape = model.shape(operation.input)
        value = _value(protocol, asked, marks)
        if value is None and operation.input is None:
            return Reading(model.name, model.head.host, protocol, name, {})
        parameters = Tree(model, protocol == _RPC).members(shape, shape.members, value)
        return Reading(model.name, model.head.host, protocol, name, _complete(model, operation, parameters))
    except Unclear as failure:
        raise failure.of(protocol, model.name, name, _NO_RANK) from None


def _value(protocol: str, asked: Asked, marks: Marks) -> Any:
    if asked.method != "POST" or marks.query:
        raise Unclear("the protocol takes POST without a query")
    wanted = (CBOR,) if protocol == _RPC else _JSON
    body = _body(asked, marks)
    if not body and protocol == _RPC:
        return None
    if marks.media not in wanted:
        raise Unclear(f"the body is not sent as {wanted[0]} (set AWS_CBOR_DISABLE for old Java clients)")
    return read_cbor(body) if protocol == _RPC else read_json(body)


def _body(asked: Asked, marks: Marks) -> bytes:
    if asked.streams:
        raise Unclear("the body is too long for this operation", "RequestEntityTooLarge")
    check_charset(marks.headers.get("content-type", ""))
    coding = marks.headers.get("content-encoding", "").lower()
    if coding in ("", "identity"):
        return asked.body
    if coding != "gzip":
        raise Unclear("the body has an encoding that is not known here")
    return unpacked(asked.body)


def _cbor_name(model: Model, asked: Asked) -> str:
    *start, prefix, word, name = ["", "", *asked.path.split("/")]
    if start != ["", "", "", "service"] or word != "operation" or prefix != model.head.target:
        raise Unclear("the path names no operation of the service", UNKNOWN, _RPC, model.name)
    return name


def _target_name(model: Model, asked: Asked, marks: Marks) -> str:
    prefix, _, name = marks.target.rpartition(".")
    if prefix != model.head.target or asked.path not in ("", "/"):
        raise Unclear("X-Amz-Target names no operation of the service", UNKNOWN, "json", model.name)
    return name


def _form(model: Model, protocol: str, asked: Asked, marks: Marks) -> Reading:
    try:
        pairs = _pairs(asked, marks)
    except Unclear as failure:
        raise failure.of(protocol, model.name) from None
    name, version = pairs.pop("Action", ""), pairs.pop("Version", "")
    operation = model.operations.get(name)
    if operation is None or version != model.head.version:
        raise Unclear(
            f"the service knows no action {shown(name)} in that version", UNKNOWN, protocol, model.name
        )
    try:
        _check_path(model, asked, pairs)
        parameters = Form(model, protocol == "ec2").parameters(model.shape(operation.input), pairs)
        return Reading(model.name, model.head.host, protocol, name, _complete(model, operation, parameters))
    except Unclear as failure:
        raise failure.of(protocol, model.name, name, _NO_RANK) from None


def _pairs(asked: Asked, marks: Marks) -> dict[str, str]:
    """The parameters, of the query or of the body, but not of both."""
    if asked.method == "GET" and not asked.body and not asked.streams:
        if any(len(values) != 1 for values in marks.query.values()):
            raise Unclear("a parameter stands twice")
        return {name: values[0] for name, values in marks.query.items()}
    if asked.method != "POST" or not marks.form:
        raise Unclear("the protocol takes GET, or POST with a form")
    pairs = read_form(_text(_body(asked, marks)))
    if any(
        values != [pairs.get(name)] or name not in ("Action", "Version")
        for name, values in marks.query.items()
    ):
        raise Unclear("the query says something else than the body")
    return pairs


def _text(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise Unclear("the form is not percent-encoded") from None


def _check_path(model: Model, asked: Asked, pairs: dict[str, str]) -> None:
    """Old clients of SQS send to the queue's own path; it must be the queue of the parameters."""
    if asked.path in ("", "/"):
        return
    if model.name != "sqs" or not pairs.get("QueueUrl", "").endswith(asked.path):
        raise Unclear("the path is none of this protocol")


def _rest(model: Model, protocol: str, asked: Asked, marks: Marks, hosts: tuple[str, ...]) -> Reading:
    try:
        found = _route(model, asked, marks, hosts)
    except Unclear as failure:
        raise failure.of(protocol, model.name) from None
    rank = rank_of(model, found.operation)
    try:
        parts = Parts(marks.query, marks.headers, asked.body, asked.streams)
        parameters, streaming = Rest(model, protocol == "rest-xml").parameters(found, parts)
        _complete(model, found.operation, {**parameters, streaming: None})
    except Unclear as failure:
        raise failure.of(protocol, model.name, found.operation.name, rank) from None
    length = _length(asked, marks) if streaming else None
    path, name = path_of(asked, model.name, hosts), found.operation.name
    return Reading(model.name, model.head.host, protocol, name, parameters, streaming, length, path, rank)


def _route(model: Model, asked: Asked, marks: Marks, hosts: tuple[str, ...]) -> Found:
    path = path_of(asked, model.name, hosts)
    found = _apart(asked, fitting(model, asked.method, path, marks.query, marks.headers))
    if not found:
        raise Unclear("no operation of the service has this method, path and query", UNKNOWN)
    if len(found) > 1:
        raise Unclear("the request may be for several operations of the service", UNKNOWN)
    if "%2f" in path.lower():
        _check_slashes(model, asked, marks, path, found[0])
    return found[0]


def _check_slashes(model: Model, asked: Asked, marks: Marks, path: str, found: Found) -> None:
    """A slash within a value is fine as long as a server that takes it for a separator reads the same, or nothing."""
    plain = path.replace("%2F", "/").replace("%2f", "/")
    for other in fitting(model, asked.method, plain, marks.query, marks.headers):
        if other.operation is not found.operation or _plain(other) != _plain(found):
            raise Unclear("an encoded slash in the path may lead to another operation or resource")


def _plain(found: Found) -> dict[str, str]:
    return {name: decoded(value) for name, value in found.labels.items()}


def _apart(asked: Asked, found: list[Found]) -> list[Found]:
    """S3 lists directory buckets and others by the same request; the credential scope tells them apart."""
    if len(found) < 2:
        return found
    express = asked.signing_name == "s3express"
    return [each for each in found if (each.operation.name == "ListDirectoryBuckets") == express]


def _length(asked: Asked, marks: Marks) -> int | None:
    """How long the streaming body is, without the framing of chunks."""
    if not asked.streams and "x-amz-decoded-content-length" not in marks.headers:
        return len(asked.body)
    value = marks.headers.get("x-amz-decoded-content-length") or marks.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _complete(model: Model, operation: Operation, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters; Unclear when one is missing that the model requires: a service might take that for something else."""
    shape = model.shape(operation.input)
    for name in shape.required:
        if name not in parameters:
            raise Unclear(f"the parameter {shown(name)} is missing", "ValidationException")
    return parameters
