"""The strict reading of a request's head (RFC 9110, RFC 9112).

httptools (llhttp) cuts the head into tokens; before and after, everything is refused that another reader might understand
differently: the gateway decides about what it reads here, and forwards it to a service that reads it again.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import httptools

from interlock.connectors.aws.http.events import Head, Malformed
from interlock.connectors.aws.http.limits import MAX_BODY, MAX_HEADERS, MAX_TARGET

_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ ]+) HTTP/([0-9])\.([0-9])")
_FIELDS = re.compile(rb"(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*)*\r\n\r\n")
# RFC 3986: pchar, "/" and "?", with percent signs only before two digits.
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_LENGTH = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_NEVER = frozenset({"CONNECT", "TRACE"})
_SINGLE = frozenset(
    {
        "authorization",
        "date",
        "expect",
        "host",
        "range",
        "smithy-protocol",
        "te",
        "trailer",
        "transfer-encoding",
    }
)
_SINGLE_PREFIXES = ("content-", "if-", "x-amz-", "x-amzn-")


class _Tokens:
    """What httptools calls back."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # The grammar was checked before: names are ASCII.
        self.headers.append((name.decode("ascii").lower(), value.decode("latin-1").strip(" \t")))


class _Line(NamedTuple):
    method: str
    target: str
    version: str


def check_lines(data: bytes) -> None:
    """Raise Malformed for control characters and for line ends other than CRLF (a CR at the very end may get its LF yet)."""
    ends = data.count(b"\r\n")
    returns = data.count(b"\r") - data.endswith(b"\r")
    if data.count(b"\n") != ends or returns != ends or len(data.translate(None, _CONTROLS)) != len(data):
        raise Malformed(400, "the head has a control character, or a line end other than CRLF, in it")


def read_head(raw: bytes) -> Head:
    """The head of a request, `raw` up to and with the empty line, of which `check_lines` is satisfied. Raises Malformed."""
    end = raw.index(b"\r\n")
    line = _request_line(raw[:end])
    if not _FIELDS.fullmatch(raw, end):
        raise Malformed(400, "a header line is malformed")
    tokens = _Tokens()
    _tokenize(raw, tokens)
    return _head(line, tuple(tokens.headers))


def _tokenize(raw: bytes, tokens: _Tokens) -> None:
    try:
        httptools.HttpRequestParser(tokens).feed_data(raw)
    except httptools.HttpParserUpgrade:
        raise Malformed(501, "upgrading to another protocol is not supported") from None
    except httptools.HttpParserError:
        raise Malformed(400, "the head of the request is malformed") from None


def _request_line(line: bytes) -> _Line:
    match = _REQUEST.fullmatch(line)
    if match is None:
        raise Malformed(400, "the request line is malformed")
    method, target, version = (
        match[1].decode("ascii"),
        match[2].decode("latin-1"),
        f"{int(match[3])}.{int(match[4])}",
    )
    if version not in ("1.0", "1.1"):
        raise Malformed(505, "only HTTP/1.1 is spoken here")
    if method in _NEVER:
        raise Malformed(405, f"the method {method} is not allowed")
    if method not in METHODS:
        raise Malformed(501, "the method is not known")
    _check_target(target)
    return _Line(method, target, version)


def _check_target(target: str) -> None:
    if len(target) > MAX_TARGET:
        raise Malformed(414, f"the target is longer than {MAX_TARGET} bytes")
    if not target.startswith("/"):
        raise Malformed(400, "the target must be a path (origin-form)")
    if not _TARGET.fullmatch(target):
        raise Malformed(400, "the target has a character in it that must be percent-encoded")


def _head(line: _Line, headers: tuple[tuple[str, str], ...]) -> Head:
    if len(headers) > MAX_HEADERS:
        raise Malformed(431, f"there are more than {MAX_HEADERS} headers")
    seen = _by_name(headers)
    _check_spellings(seen)
    _check_host(seen)
    path, _, query = line.target.partition("?")
    chunked = _chunked(seen, line.version)
    return Head(
        method=line.method,
        target=line.target,
        path=path,
        query=query,
        headers=headers,
        version=line.version,
        keep_alive=_keep_alive(seen, line.version),
        length=None if chunked else _length(seen),
        chunked=chunked,
        expects_continue=_expects_continue(seen, line.version),
    )


def _by_name(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Values by name; those of a header that may be repeated are joined (RFC 9110 section 5.3)."""
    seen: dict[str, str] = {}
    for name, value in headers:
        if name not in seen:
            seen[name] = value
        elif name in _SINGLE or name.startswith(_SINGLE_PREFIXES):
            raise Malformed(
                400, f"the header {name} is there twice" if name in _SINGLE else "a header is there twice"
            )
        else:
            seen[name] += f", {value}"
    return seen


def _check_spellings(seen: Mapping[str, str]) -> None:
    """Some readers (CGI, WSGI) take `x_amz_date` for `x-amz-date`: no name may be another's, or one that counts, with
    underscores."""
    for name in seen:
        if "_" in name:
            dashed = name.replace("_", "-")
            counts = dashed in _SINGLE or (
                dashed.startswith(_SINGLE_PREFIXES) and not name.startswith("x-amz-meta-")
            )
            if counts or any(dashed == other.replace("_", "-") for other in seen if other != name):
                raise Malformed(400, "a header's name can be taken for another's")


def _check_host(seen: Mapping[str, str]) -> None:
    host = seen.get("host")
    if host is None:
        raise Malformed(400, "the Host header is missing")
    if not _HOST.fullmatch(host):
        raise Malformed(400, "the Host header is malformed")


def _chunked(seen: Mapping[str, str], version: str) -> bool:
    coding = seen.get("transfer-encoding")
    if coding is None:
        return False
    if "content-length" in seen:
        raise Malformed(400, "there are both Content-Length and Transfer-Encoding")
    if version == "1.0":
        raise Malformed(400, "HTTP/1.0 has no Transfer-Encoding")
    if coding != "chunked":
        raise Malformed(501, "the only transfer coding that is known is chunked")
    return True


def _length(seen: Mapping[str, str]) -> int | None:
    text = seen.get("content-length")
    if text is None:
        return None
    if not _LENGTH.fullmatch(text):
        raise Malformed(400, "the Content-Length is malformed")
    if int(text) > MAX_BODY:
        raise Malformed(413, f"the body is longer than {MAX_BODY} bytes")
    return int(text)


def _keep_alive(seen: Mapping[str, str], version: str) -> bool:
    """Whether the connection goes on. Any other connection option is refused: one that names a header asks to remove it."""
    if "upgrade" in seen:
        raise Malformed(501, "upgrading to another protocol is not supported")
    options = {option.strip(" \t").lower() for option in seen.get("connection", "").split(",")}
    if options - {"", "close", "keep-alive"}:
        raise Malformed(400, "the Connection header names something else than close or keep-alive")
    return version == "1.1" and "close" not in options


def _expects_continue(seen: Mapping[str, str], version: str) -> bool:
    expected = seen.get("expect")
    if expected is None:
        return False
    if expected.lower() != "100-continue":
        raise Malformed(417, "the only expectation that is known is 100-continue")
    return version == "1.1"
