"""People who open in a browser what an agent was told: an address is handed on, and leads to the page for people."""

import re
from urllib.parse import quote

from starlette.requests import Request

from interlock.console.operations import Operation
from interlock.model.ids import parse_change_id

_CREDENTIALS = ("authorization", "signature", "signature-input")
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)


def page_of(request: Request, operation: Operation) -> str:
    """The console's page of what is asked for, as a path of this host; empty for programs. A browser is who would rather have a
    page (`Accept`, RFC 9110 section 12.5.1) and brings no credentials but a cookie. Nothing is looked up: nobody learns what is
    there."""
    if not operation.page or any(name in request.headers for name in _CREDENTIALS):
        return ""
    accepted = _accepted(",".join(request.headers.getlist("accept")))
    if accepted.get("text/html", 0.0) <= accepted.get("application/json", 0.0):
        return ""
    try:
        named = {name: quote(parse_change_id(typed), safe="") for name, typed in request.path_params.items()}
    except ValueError:
        return ""
    return operation.page.format(**named)


def _accepted(header: str) -> dict[str, float]:
    """The media types that are named, with how much each is wanted (`q`); what cannot be read is not wanted."""
    found: dict[str, float] = {}
    for part in header.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [piece.removeprefix("q=") for piece in parameters if piece.startswith("q=")]
        found[media] = _weight(weights[0]) if weights else 1.0
    return found


def _weight(text: str) -> float:
    return float(text) if _WEIGHT.fullmatch(text) else 0.0
