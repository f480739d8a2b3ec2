"""Ready-made bytes for what a gateway says itself."""

import functools
import struct
from collections.abc import Sequence

from interlock.connectors.postgres.codec.backend import (
    CommandComplete,
    ErrorResponse,
    NegotiateProtocolVersion,
    NoticeResponse,
)
from interlock.connectors.postgres.codec.frontend import Bind, StartupMessage
from interlock.connectors.postgres.codec.table import encode

# PostgreSQL manual, section 55.8.
_CODES = {
    "position": "P",
    "internal_position": "p",
    "internal_query": "q",
    "where": "W",
    "schema": "s",
    "table": "t",
    "column": "c",
    "data_type": "d",
    "constraint": "n",
    "file": "F",
    "line": "L",
    "routine": "R",
}
_READY = {status: b"Z\0\0\0\5" + status.encode() for status in "ITE"}

PARSE_COMPLETE = b"1\0\0\0\4"
BIND_COMPLETE = b"2\0\0\0\4"
CLOSE_COMPLETE = b"3\0\0\0\4"
NO_DATA = b"n\0\0\0\4"
EMPTY_QUERY = b"I\0\0\0\4"
AUTHENTICATION_OK = b"R\0\0\0\x08\0\0\0\0"
SYNC = b"S\0\0\0\4"
FLUSH = b"H\0\0\0\4"
TERMINATE = b"X\0\0\0\4"
COPY_DONE = b"c\0\0\0\4"
_COUNT, _SIZE = struct.Struct(">H").pack, struct.Struct(">I").pack
_NULL = b"\xff\xff\xff\xff"
_LONGEST = 1 << 24


def _sayable(text: str) -> str:
    # Saying that something went wrong must not go wrong itself.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _notes(
    severity: str, sqlstate: str, message: str, detail: str | None, hint: str | None, more: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    if len(sqlstate) != 5 or not (sqlstate.isascii() and sqlstate.isalnum()):
        raise ValueError("an SQLSTATE has five letters or digits")
    notes = [("S", severity), ("V", severity), ("C", sqlstate), ("M", message)]
    notes += [(code, text) for code, text in (("D", detail), ("H", hint)) if text is not None]
    notes += [(_CODES[name], text) for name, text in more.items()]
    return tuple((code, _sayable(text)) for code, text in notes)


def error_response(
    severity: str,
    sqlstate: str,
    message: str,
    detail: str | None = None,
    hint: str | None = None,
    **fields: str,
) -> bytes:
    """An ErrorResponse. ``severity`` is ERROR, FATAL or PANIC; ``fields`` are the names that the manual gives.

    Raises ``KeyError`` for an unknown field and ``ValueError`` for an impossible SQLSTATE.
    """
    return encode(ErrorResponse(_notes(severity, sqlstate, message, detail, hint, fields)))


def notice_response(
    severity: str,
    sqlstate: str,
    message: str,
    detail: str | None = None,
    hint: str | None = None,
    **fields: str,
) -> bytes:
    """A NoticeResponse. ``severity`` is WARNING, NOTICE, DEBUG, INFO or LOG; the rest as :func:`error_response`."""
    return encode(NoticeResponse(_notes(severity, sqlstate, message, detail, hint, fields)))


def command_complete(tag: str) -> bytes:
    """A CommandComplete, for example with ``DELETE 3``."""
    return encode(CommandComplete(tag))


def ready(status: str) -> bytes:
    """A ReadyForQuery; ``status`` is I, T or E."""
    return _READY[status]


def bind(portal: str, statement: str, values: Sequence[bytes | None], formats: tuple[int, ...] = ()) -> bytes:
    """A Bind whose results come as text: the bytes that `encode` makes of one, faster. Raises as `encode` does."""
    if len(values) > 0xFFFF or sum(map(len, filter(None, values))) > _LONGEST:
        return encode(Bind(portal, statement, formats, tuple(values)))
    parts = [_before_values(portal, statement, formats), _COUNT(len(values))]
    for value in values:
        parts += (_NULL,) if value is None else (_SIZE(len(value)), value)
    body = b"".join(parts)
    return b"".join((b"B", _SIZE(len(body) + 6), body, b"\0\0"))


@functools.lru_cache(1024)
def _before_values(portal: str, statement: str, formats: tuple[int, ...]) -> bytes:
    return encode(Bind(portal, statement, formats))[5:-4]


def negotiation(startup: StartupMessage, *, newest: int) -> bytes:
    """The NegotiateProtocolVersion that a server up to version ``newest`` owes ``startup``, or nothing.

    As in the server's ``ProcessStartupPacket``: owed when the client's minor version is newer, or when it asks for
    protocol options (``_pq_.…``), none of which exist here. Goes before AuthenticationOk.
    """
    unknown = tuple(name for name, _ in startup.parameters if name.startswith("_pq_."))
    if startup.version <= newest and not unknown:
        return b""
    return encode(NegotiateProtocolVersion(min(startup.version, newest), unknown))
