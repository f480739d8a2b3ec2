"""Reading a service's answer: done, refused for certain, or not known."""

import enum
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from botocore import parsers

from interlock.connectors.aws.session.passing.causes import REFUSED_BY_LOAD, cause_of
from interlock.connectors.aws.session.record import Request
from interlock.connectors.aws.upstream.calls import OF_SIGNER
from interlock.connectors.aws.upstream.models import operation_models
from interlock.sdk.connector import Settled

OURS_AMONG = frozenset({400, 401, 403})
"""Statuses that a service answers with when it refuses whoever signed."""
_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9_.]{1,100})\s*</Code>")
_TYPE = re.compile(rb"\"(?:__type|code|Code)\"\s*:\s*\"([A-Za-z0-9_.#]{1,200})")
_LATE_ERROR = re.compile(rb"^\s*(?:<\?xml[^>]*\?>)?\s*<Error[\s>]")


class Outcome(enum.Enum):
    """What an answer says of a call."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    def settled(self, status: int, body: bytes) -> Settled:
        """As the pipeline takes it. The service's message may repeat what was sent: only its code is told."""
        code = code_of(body)
        what = f"the service answered {code or 'an error'} ({status})"
        committed = None if self is Outcome.UNKNOWN else False
        return Settled(committed, what, cause=cause_of(code, status, body))


def code_of(body: bytes) -> str:
    """The error code in an answer, in whichever protocol; empty when there is none."""
    found = _CODE.search(body[:65536]) or _TYPE.search(body[:65536])
    return found[1].decode("ascii").rpartition("#")[2] if found else ""


def outcome_of(request: Request, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> Outcome:
    """What the answer means. An error of the server's may have come after the call was carried out, except where it turns
    calls away. S3 begins some answers before it knows their end: then an error comes with status 200."""
    if status >= 500:
        told = code_of(body) or _from_header(headers)
        return Outcome.REFUSED if told in REFUSED_BY_LOAD or status == 501 else Outcome.UNKNOWN
    if status >= 300:
        return Outcome.REFUSED
    if request.protocol == "rest-xml" and _LATE_ERROR.match(body[:2000]):
        return Outcome.UNKNOWN if code_of(body) == "InternalError" else Outcome.REFUSED
    return Outcome.DONE


def refuses_ours(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> str:
    """The code with which a service refuses the gateway's own key; empty when it does not."""
    if status not in OURS_AMONG:
        return ""
    code = code_of(body) or _from_header(headers)
    return code if code in OF_SIGNER else ""


def _from_header(headers: Sequence[tuple[str, str]]) -> str:
    return next((value.partition(":")[0] for name, value in headers if name == "x-amzn-errortype"), "")


def parsed(request: Request, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """The answer as botocore parses it; nothing when it cannot be (what was done is done)."""
    operation = operation_models(request.call.service).operation_model(request.call.operation)
    if operation.has_streaming_output or operation.output_shape is None:
        return {}
    answer: Mapping[str, Any] = {
        "status_code": status,
        "headers": _Headers(headers),
        "body": body,
        "context": {},
    }
    try:
        found: dict[str, Any] = parsers.create_parser(request.protocol).parse(answer, operation.output_shape)
    except (parsers.ResponseParserError, ValueError, KeyError, TypeError, msgspec.MsgspecError):
        return {}
    found.pop("ResponseMetadata", None)
    return found


class _Headers(dict[str, str]):
    """Headers by name, whatever its case."""

    def __init__(self, headers: Sequence[tuple[str, str]]) -> None:
        super().__init__({name.lower(): value for name, value in headers})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())
