"""What Interlock's own statements say to a server and what comes back, sans-io."""

from collections.abc import Iterable, Sequence

import msgspec

from interlock.connectors.postgres.client.errors import SqlError
from interlock.connectors.postgres.codec import (
    CopyData,
    CopyDone,
    Frame,
    build,
    decode_as,
    decode_backend,
    encode,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.wire import ProtocolViolation, Reader

Param = str | bytes | int | bool | None
Statement = tuple[str, Sequence[Param]]
Values = tuple[bytes | None, ...]

_ROW, _COMPLETE, _READY = b"DCZ"
_SILENT = frozenset(b"123nt")
_READIES = {build.ready(status): status for status in "ITE"}


class Result(msgspec.Struct, frozen=True):
    """What one statement returned. Values are as the server writes them in text format; None is NULL."""

    columns: tuple[b.Column, ...]
    rows: list[Values]
    command_tag: str


def as_text(value: Param) -> bytes | None:
    """A parameter in text format. ``bytes`` are taken as text format already, like the values of a result."""
    match value:
        case None | bytes():
            return value
        case bool():
            return b"t" if value else b"f"
        case int():
            return str(value).encode()
        case str():
            return value.encode()


def execution(sql: str, params: Sequence[Param] = (), max_rows: int = 0) -> bytes:
    """Parse, Bind, Describe and Execute of one statement, without Sync."""
    return b"".join(
        (
            encode(f.Parse("", sql)),
            encode(f.Bind("", "", values=tuple([as_text(p) for p in params]))),
            encode(f.Describe("P", "")),
            encode(f.Execute("", max_rows)),
        )
    )


def pipelined(statements: Iterable[Statement]) -> bytes:
    """Several statements and one Sync."""
    return b"".join([*(execution(sql, params) for sql, params in statements), build.SYNC])


class Collector:
    """Takes the server's messages up to ReadyForQuery and makes results of them.

    ``columns`` is the shape to assume for rows that come without a description, ``copies`` the kind of COPY that is
    expected. ``settings`` is kept up to date with what the server reports.
    """

    def __init__(
        self,
        settings: dict[str, str],
        columns: tuple[b.Column, ...] = (),
        copies: type[b.CopyInResponse | b.CopyOutResponse] | None = None,
    ) -> None:
        self._settings = settings
        self._copies = copies
        self._columns = columns
        self._rows: list[Values] = []
        self.results: list[Result] = []
        self.suspended = False
        self.copying = False
        self.error: b.ErrorResponse | None = None
        self.status = ""

    @property
    def done(self) -> bool:
        """Whether ReadyForQuery has come."""
        return bool(self.status)

    def feed(self, frames: Iterable[Frame]) -> None:
        """Take messages. Raises :class:`ProtocolViolation` for what cannot come here, COPY data included."""
        rows = self._rows
        for kind, message in frames:
            if kind == _ROW:
                reader = Reader(message, 5, "DataRow")
                rows.append(reader.nullables())
                reader.finish()
            elif kind == _READY and message in _READIES:
                self.status = _READIES[message]
            elif kind == _COMPLETE and message.isascii() and message.find(0, 5) == len(message) - 1:
                self._finish(message[5:-1].decode())
                rows = self._rows
            elif kind not in _SILENT:
                self._take(kind, message)
                rows = self._rows

    def _take(self, kind: int, message: bytes) -> None:
        match decode_backend(kind, message):
            case b.RowDescription(columns):
                self._columns = columns
            case b.CommandComplete(tag):
                self._finish(tag)
            case b.EmptyQueryResponse():
                self._finish("")
            case b.PortalSuspended():
                self.suspended = True
                self._finish("")
            case b.ErrorResponse() as error:
                self.error = error
            case b.ReadyForQuery(status):
                self.status = status
            case b.ParameterStatus(name, value):
                self._settings[name] = value
            case b.CopyInResponse() | b.CopyOutResponse() as copy if type(copy) is self._copies:
                self.copying = True
            case b.NoticeResponse() | b.NotificationResponse() | CopyDone():
                pass
            case _:
                raise ProtocolViolation("the server sent an unexpected message")

    def _finish(self, tag: str) -> None:
        self.results.append(Result(self._columns, self._rows, tag))
        self._columns, self._rows = (), []

    def check(self) -> None:
        """Raises :class:`SqlError` when a statement failed."""
        if self.error is not None:
            raise SqlError(self.error, len(self.results))


def copy_payload(kind: int, message: bytes) -> bytes | None:
    """The data of a CopyData message, None for any other."""
    return decode_as(CopyData, message).data if kind == ord("d") else None
