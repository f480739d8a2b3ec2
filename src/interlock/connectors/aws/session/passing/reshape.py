"""A call with some of its parameters changed by the gateway, in the protocol in which it came (botocore's own serializer
writes it)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from botocore import serialize

from interlock.connectors.aws.session.record import Request
from interlock.connectors.aws.upstream.models import operation_models
from interlock.model.errors import Unavailable

_BODY_HEADERS = ("content-", "x-amz-checksum-", "x-amz-sdk-checksum")


def reshaped(request: Request, changed: Mapping[str, Any]) -> Request:
    """The request with these parameters in the place of its own; None takes one away. Raises Unavailable when it streams."""
    call = request.call
    if call.streaming:
        raise Unavailable("a call whose body streams cannot be changed")
    parameters = {**call.parameters, **changed}
    parameters = {name: value for name, value in parameters.items() if value is not None}
    operation = operation_models(call.service).operation_model(call.operation)
    made = serialize.create_serializer(request.protocol).serialize_to_request(parameters, operation)
    body = _bytes(made["body"])
    headers = [(n, v) for n, v in request.headers if not n.startswith(_BODY_HEADERS)]
    headers += [(name.lower(), str(value)) for name, value in made["headers"].items()]
    headers = list({name: (name, value) for name, value in headers}.values())
    if request.protocol in ("query", "ec2"):
        headers.append(("content-type", "application/x-www-form-urlencoded; charset=utf-8"))
    query = made["query_string"]
    return msgspec.structs.replace(
        request,
        call=msgspec.structs.replace(call, parameters=parameters),
        method=made["method"],
        path=made["url_path"].partition("?")[0],
        query=query if isinstance(query, str) else urlencode(query or {}, doseq=True),
        headers=tuple(headers),
        body=body,
    )


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    return urlencode(body or {}).encode()
