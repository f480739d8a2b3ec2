"""What the codec makes of a request, beside what the client made it of."""

from typing import Any, NamedTuple

from botocore.model import OperationModel
from tests.real.aws.conformance.capture import Sent

from interlock.connectors.aws.codec import Codec, Unclear, Understood

RIGHT, TWIN, PARAMETERS, REFUSED, WRONG = "right", "twin", "parameters", "refused", "another operation"


_FOR_SIGNED_URLS = ("DestinationRegion", "PresignedUrl", "SourceRegion")
"""What botocore takes off the request, or adds to it, when it signs a URL for the copying of snapshots and the like."""


class Outcome(NamedTuple):
    """`kind` is one of the words above; `detail` says what differs. `shared` tells that several services have the same request."""

    kind: str
    detail: str = ""
    shared: bool = False


def compared(codec: Codec, operation: OperationModel, sent: Sent) -> Outcome:
    """Send a request through the codec."""
    service = operation.service_model.service_name
    try:
        understood = codec.understand(sent.asked)
    except Unclear as unclear:
        return Outcome(REFUSED, str(unclear))
    if understood.call.operation != operation.name or service not in understood.candidates:
        kind = TWIN if _twins(operation, understood) else WRONG
        return Outcome(kind, understood.call.name)
    differs = _differences(operation, sent, understood)
    return Outcome(PARAMETERS if differs else RIGHT, differs, len(understood.candidates) > 1)


def _twins(operation: OperationModel, understood: Understood) -> bool:
    """Whether a deprecated operation was taken for its successor, whose requests look the same."""
    service = operation.service_model
    if understood.call.service != service.service_name or not operation.deprecated:
        return False
    other = service.operation_model(understood.call.operation)
    return _asked_for(other) == _asked_for(operation)


def _asked_for(operation: OperationModel) -> tuple[str, str]:
    # botocore takes the bucket off the path of S3's operations when it uses them.
    return operation.http["method"], operation.http["requestUri"].removeprefix("/{Bucket}")


def _differences(operation: OperationModel, sent: Sent, understood: Understood) -> str:
    expected = {key: value for key, value in sent.parameters.items() if value is not None}
    got = dict(understood.call.parameters)
    members = operation.input_shape.members if operation.input_shape is not None else {}
    for name, member in members.items():
        if member.serialization.get("location") == "header" and (name not in expected or _framing(member)):
            # The client itself adds checksums and the like, and the length; they are on the wire.
            got.pop(name, None)
            expected.pop(name, None) if _framing(member) else None
    expected.pop(understood.call.streaming, None)
    shape = operation.input_shape
    payload = str(shape.serialization.get("payload")) if shape is not None else ""
    if expected.get(payload) == b"":
        expected.pop(payload)  # the same as none
    for name in _FOR_SIGNED_URLS:
        if (name in expected) != (name in got):
            expected.pop(name, None)
            got.pop(name, None)
    if understood.protocol in ("query", "ec2", "rest-xml", "rest-json"):
        expected, got = _without_empty(expected), _without_empty(got)
    names = sorted(
        name for name in expected.keys() | got.keys() if not _same(expected.get(name), got.get(name))
    )
    return ", ".join(names)


def _framing(member: Any) -> bool:
    return str(member.serialization.get("name", "")).lower() == "content-length"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bytearray | str) and isinstance(other, bytes):
        return (one.encode() if isinstance(one, str) else bytes(one)) == other
    return bool(one == other)


def _without_empty(value: Any) -> Any:
    """Empty structures, maps and lists are not on the wire in forms, headers and queries."""
    if isinstance(value, dict):
        plain = {key: _without_empty(each) for key, each in value.items()}
        return {key: each for key, each in plain.items() if each not in ({}, [])}
    if isinstance(value, list):
        return [each for each in map(_without_empty, value) if each not in ({}, [])]
    return value
