"""Errors as `application/problem+json` (RFC 9457), each with a stable code."""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from interlock.console.httpsig import BadSignature
from interlock.console.schemas import PROBLEM_MEDIA, Problem
from interlock.control.signals import said
from interlock.model.breaker import HALT
from interlock.model.errors import (
    Conflict,
    Halted,
    InterlockError,
    Misconfigured,
    NotFound,
    Rejected,
    Unavailable,
)

CODES: Final[Mapping[str, tuple[int, str]]] = {
    "invalid": (400, "The request is not of the form this operation takes"),
    "bad_signature": (401, "The request is not signed as it must be"),
    "unauthenticated": (401, "Who asks is not known: a token or a signature is needed"),
    "forbidden": (403, "This is not for whoever asks"),
    "not_found": (404, "There is no such thing, or it is not for whoever asks"),
    "method_not_allowed": (405, "The resource has no such method"),
    "conflict": (409, "Someone else was first; read it again"),
    "too_large": (413, "The request is too large"),
    "unsupported_media_type": (415, "The body must be application/json"),
    "rejected": (422, "Understood and refused"),
    "too_many": (429, "Too many such requests at once; end one of them first"),
    "misconfigured": (500, "The configuration or a target's set-up is wrong"),
    "internal": (500, "A fault of the server"),
    "unavailable": (503, "The gate cannot answer now; nothing was done"),
}
"""Every code with its status and title. Codes are stable: programs may rely on them."""


class Refusal(Exception):
    """Ends a request with the problem of that code."""

    def __init__(self, code: str, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail or CODES[code][1])
        self.code, self.detail, self.headers = code, detail, dict(headers or {})


_OF: Final[Mapping[type[Exception], str]] = {
    Unavailable: "unavailable",
    Conflict: "conflict",
    NotFound: "not_found",
    Rejected: "rejected",
    Misconfigured: "misconfigured",
    BadSignature: "bad_signature",
    msgspec.ValidationError: "invalid",
    msgspec.DecodeError: "invalid",
}


KNOWN = (InterlockError, BadSignature, msgspec.MsgspecError)
"""Errors whose text says what is wrong and may be shown. (Text of msgspec names the place in the request, not its values.)"""


def problem(code: str, detail: str = "") -> Problem:
    """The problem of a code."""
    status, title = CODES[code]
    retry = code in ("conflict", "too_many", "unavailable")
    return Problem(f"urn:interlock:problem:{code}", title, status, detail or f"{title}.", code, retry)


def respond(code: str, detail: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The response of a code."""
    shown = problem(code, detail)
    more = (
        {"WWW-Authenticate": 'Signature realm="interlock", Bearer realm="interlock"'}
        if shown.status == 401
        else {}
    )
    return Response(msgspec.json.encode(shown), shown.status, {**more, **(headers or {})}, PROBLEM_MEDIA)


def of_error(error: Exception) -> Response:
    """The response that an error ends in. An error nobody foresaw is a 500 that says nothing of its text, which could hold
    anything; the log has its kind and place."""
    if isinstance(error, Refusal):
        return respond(error.code, error.detail, error.headers)
    if isinstance(error, Halted):
        return respond("unavailable", f"{error}. {said.way_out(HALT, frozen=True)}")
    for kind, code in _OF.items():
        if isinstance(error, kind):
            return respond(code, str(error))
    if isinstance(error, InterlockError):
        return respond("rejected", str(error))
    return respond("internal", "The server met an error of its own; its log has the place.")


async def unforeseen(request: Request, error: Exception) -> Response:
    """Starlette's handler of last resort."""
    place = _place(error)
    structlog.get_logger().error(
        "request.failed", path=request.url.path, error=type(error).__name__, place=place
    )
    return of_error(error)


def _place(error: Exception) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
