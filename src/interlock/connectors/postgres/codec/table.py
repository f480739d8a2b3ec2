"""The one table of message types, used for decoding and for encoding.

Sources: PostgreSQL manual, sections 55.7 "Message Formats" and 55.8 "Error and Notice Message Fields". Each row says who
sends the message, its type byte, the code that follows it where the type has several meanings, the value, and the
fields in the order of the value's attributes. Counts are two bytes without sign, as the server reads them.
"""

import enum
import struct
from typing import Any, NamedTuple, TypeVar

import msgspec

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import fields as x
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.codec.shared import CopyData, CopyDone
from interlock.wire import ProtocolViolation, Reader

T = TypeVar("T", bound=msgspec.Struct)


class Side(enum.Enum):
    """Who sends a message, and when."""

    STARTUP = "startup packet"
    FRONTEND = "frontend message"
    BACKEND = "backend message"
    BOTH = "message"


class Row(NamedTuple):
    """One type of message."""

    side: Side
    kind: int
    """The type byte; 0 for startup packets, which have none."""
    code: int | None
    """The four bytes that follow, where they tell which message it is."""
    type: type[Any]
    fields: tuple[x.Field, ...]


_LENGTH = struct.Struct(">I").pack
_FORMATS = x.counted(x.UINT16, x.INT16)
_KEY = x.octets_between(4, 256)
_COLUMN = x.record(
    b.Column, b.Column.__struct_fields__, (x.TEXT, x.UINT32, x.INT16, x.UINT32, x.INT16, x.INT32, x.INT16)
)


def _row(side: Side, kind: str, type_: type[Any], *fields: x.Field, code: int | None = None) -> Row:
    if len(fields) != len(type_.__struct_fields__):
        raise TypeError(f"the table does not fit {type_.__name__}")
    return Row(side, ord(kind or "\0"), code, type_, fields)


_S, _F, _B = Side.STARTUP, Side.FRONTEND, Side.BACKEND

ROWS: tuple[Row, ...] = (
    _row(_S, "", f.StartupMessage, x.UINT32, x.SETTINGS),
    _row(_S, "", f.CancelRequest, x.INT32, _KEY, code=80877102),
    _row(_S, "", f.SSLRequest, code=80877103),
    _row(_S, "", f.GSSENCRequest, code=80877104),
    _row(_F, "p", f.AuthenticationData, x.REST),
    _row(_F, "p", f.PasswordMessage, x.TEXT),
    _row(_F, "p", f.SASLInitialResponse, x.TEXT, x.NULLABLE),
    _row(_F, "p", f.SASLResponse, x.REST),
    _row(_F, "Q", f.Query, x.TEXT),
    _row(_F, "P", f.Parse, x.TEXT, x.TEXT, x.counted(x.UINT16, x.UINT32)),
    _row(_F, "B", f.Bind, x.TEXT, x.TEXT, _FORMATS, x.NULLABLES, _FORMATS),
    _row(_F, "D", f.Describe, x.one_of("SP"), x.TEXT),
    _row(_F, "E", f.Execute, x.TEXT, x.INT32),
    _row(_F, "C", f.Close, x.one_of("SP"), x.TEXT),
    _row(_F, "H", f.Flush),
    _row(_F, "S", f.Sync),
    _row(_F, "f", f.CopyFail, x.TEXT),
    _row(_F, "F", f.FunctionCall, x.UINT32, _FORMATS, x.NULLABLES, x.INT16),
    _row(_F, "X", f.Terminate),
    _row(Side.BOTH, "d", CopyData, x.REST),
    _row(Side.BOTH, "c", CopyDone),
    _row(_B, "R", b.AuthenticationOk, code=0),
    _row(_B, "R", b.AuthenticationKerberosV5, code=2),
    _row(_B, "R", b.AuthenticationCleartextPassword, code=3),
    _row(_B, "R", b.AuthenticationMD5Password, x.octets(4), code=5),
    _row(_B, "R", b.AuthenticationGSS, code=7),
    _row(_B, "R", b.AuthenticationGSSContinue, x.REST, code=8),
    _row(_B, "R", b.AuthenticationSSPI, code=9),
    _row(_B, "R", b.AuthenticationSASL, x.TEXTS, code=10),
    _row(_B, "R", b.AuthenticationSASLContinue, x.REST, code=11),
    _row(_B, "R", b.AuthenticationSASLFinal, x.REST, code=12),
    _row(_B, "v", b.NegotiateProtocolVersion, x.UINT32, x.counted(x.INT32, x.TEXT)),
    _row(_B, "K", b.BackendKeyData, x.INT32, _KEY),
    _row(_B, "S", b.ParameterStatus, x.TEXT, x.TEXT),
    _row(_B, "Z", b.ReadyForQuery, x.one_of("ITE")),
    _row(_B, "T", b.RowDescription, x.counted(x.UINT16, _COLUMN)),
    _row(_B, "D", b.DataRow, x.NULLABLES),
    _row(_B, "C", b.CommandComplete, x.TEXT),
    _row(_B, "I", b.EmptyQueryResponse),
    _row(_B, "n", b.NoData),
    _row(_B, "1", b.ParseComplete),
    _row(_B, "2", b.BindComplete),
    _row(_B, "3", b.CloseComplete),
    _row(_B, "s", b.PortalSuspended),
    _row(_B, "t", b.ParameterDescription, x.counted(x.UINT16, x.UINT32)),
    _row(_B, "E", b.ErrorResponse, x.NOTES),
    _row(_B, "N", b.NoticeResponse, x.NOTES),
    _row(_B, "A", b.NotificationResponse, x.INT32, x.TEXT, x.TEXT),
    _row(_B, "G", b.CopyInResponse, x.INT8, _FORMATS),
    _row(_B, "H", b.CopyOutResponse, x.INT8, _FORMATS),
    _row(_B, "W", b.CopyBothResponse, x.INT8, _FORMATS),
    _row(_B, "V", b.FunctionCallResponse, x.NULLABLE),
)

BY_TYPE: dict[type[Any], Row] = {row.type: row for row in ROWS}
_CODED = {(row.side, row.kind, row.code): row for row in ROWS if row.code is not None}
_CODED_KINDS = {(row.side, row.kind) for row in ROWS if row.code is not None}
# Messages of type p are told apart by what was asked for, so they are found as raw data (see decode_as).
_BY_KIND = {
    (side, row.kind): row
    for side in (_F, _B)
    for row in reversed(ROWS)
    if row.side in (side, Side.BOTH) and row.code is None
}


def encode(message: f.StartupPacket | f.FrontendMessage | b.BackendMessage) -> bytes:
    """The bytes of one message. Raises ``ValueError`` when a value does not fit its field."""
    row = BY_TYPE[type(message)]
    out = bytearray()
    if row.code is not None:
        x.UINT32.write(out, row.code)
    for name, field in zip(row.type.__struct_fields__, row.fields, strict=True):
        field.write(out, getattr(message, name))
    head = bytes((row.kind,)) if row.kind else b""
    if len(out) > 0x7FFF_FFFB:
        raise ValueError("the message is longer than the protocol can say")
    return b"".join((head, _LENGTH(len(out) + 4), out))


def _decode(row: Row, reader: Reader) -> Any:
    value = row.type(*[field.read(reader) for field in row.fields])
    reader.finish()
    return value


def _decode_any(side: Side, kind: int, message: bytes) -> Any:
    if (side, kind) in _CODED_KINDS:
        reader = Reader(message, 5, side.value)
        found = _CODED.get((side, kind, reader.uint32()))
        if found is None:
            raise reader.violation("its code is not known")
        return _decode(found, reader)
    row = _BY_KIND.get((side, kind))
    if row is None:
        raise ProtocolViolation(f"unknown type of {side.value}")
    return _decode(row, Reader(message, 5, row.type.__name__))


def decode_frontend(kind: int, message: bytes) -> f.FrontendMessage:
    """The value of a whole framed client ``message`` of type byte ``kind``, as a framer gives it.

    Type ``p`` comes back as :class:`AuthenticationData`; see :func:`decode_as`. Raises :class:`ProtocolViolation`
    (:class:`~interlock.wire.InvalidText` when the only fault is a text that is not UTF-8).
    """
    value: f.FrontendMessage = _decode_any(_F, kind, message)
    return value


def decode_backend(kind: int, message: bytes) -> b.BackendMessage:
    """The value of a whole framed server ``message`` of type byte ``kind``. Raises as :func:`decode_frontend`."""
    value: b.BackendMessage = _decode_any(_B, kind, message)
    return value


def decode_as(type_: type[T], message: bytes) -> T:
    """A whole framed message that must be of ``type_``; for those of type ``p``, and where only one can come."""
    row = BY_TYPE[type_]
    if not message or message[0] != row.kind:
        raise ProtocolViolation(f"expected {type_.__name__}")
    reader = Reader(message, 5, type_.__name__)
    if row.code is not None and reader.uint32() != row.code:
        raise ProtocolViolation(f"expected {type_.__name__}")
    value: T = _decode(row, reader)
    return value


def decode_startup(packet: bytes) -> f.StartupPacket:
    """The value of a whole startup packet (which has no type byte). Raises as :func:`decode_frontend`."""
    reader = Reader(packet, 4, _S.value)
    code = reader.uint32()
    row = _CODED.get((_S, 0, code), BY_TYPE[f.StartupMessage])
    if row.code is None:
        if code >> 16 != 3:
            raise ProtocolViolation("unsupported protocol version: only version 3 is spoken here")
        reader = Reader(packet, 4, row.type.__name__)
    value: f.StartupPacket = _decode(row, reader)
    return value
