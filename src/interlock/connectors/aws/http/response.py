"""Answers as bytes. The framing is this connection's own: what the caller's headers say of it is left out."""

import re
from collections.abc import Iterable

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST = b"0\r\n\r\n"
"""What ends a chunked answer."""

_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


def head(
    status: int,
    headers: Iterable[tuple[str, str]],
    *,
    length: int | None,
    keep_alive: bool,
    version: str = "1.1",
) -> bytes:
    """The head of an answer.

    `length` is that of the body (of a HEAD request too, where no body follows); with None the body goes in `chunk` s and
    `LAST`. To a client that speaks HTTP/1.0 (`version` is the request's) it then goes as it is, and ends with the connection.
    Raises ValueError for a header that is none, before anything of it can be taken for another.
    """
    if not 200 <= status <= 599:
        raise ValueError("the status is not one of a final answer")
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
    lines += [_line(name, value) for name, value in headers if name.lower() not in _FRAMING]
    lines += _framing(status, length, version)
    if not keep_alive or (version == "1.0"):
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("not a header")
    return f"{name}: {value}"


def _framing(status: int, length: int | None, version: str) -> list[str]:
    if status in (204, 304):  # RFC 9112 section 6.3: these have no body
        return []
    if length is not None:
        return [f"content-length: {length}"]
    return ["transfer-encoding: chunked"] if version == "1.1" else []


def chunk(data: bytes) -> bytes:
    """A piece of a chunked answer; an empty one is no bytes at all, for it would end the answer."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
