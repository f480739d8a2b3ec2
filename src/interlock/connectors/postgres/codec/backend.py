"""The messages that a server sends (PostgreSQL manual, sections 55.7 and 55.8). Texts are UTF-8."""

import msgspec

from interlock.connectors.postgres.codec.shared import CopyData, CopyDone


class AuthenticationOk(msgspec.Struct, frozen=True):
    """The client is who it says."""


class AuthenticationKerberosV5(msgspec.Struct, frozen=True):
    """No server sends this any more."""


class AuthenticationCleartextPassword(msgspec.Struct, frozen=True):
    """Asks for the password itself."""


class AuthenticationMD5Password(msgspec.Struct, frozen=True):
    """Asks for the MD5 answer with ``salt`` (four bytes)."""

    salt: bytes


class AuthenticationGSS(msgspec.Struct, frozen=True):
    """Asks for GSSAPI."""


class AuthenticationGSSContinue(msgspec.Struct, frozen=True):
    """A later message of a GSSAPI or SSPI exchange."""

    data: bytes


class AuthenticationSSPI(msgspec.Struct, frozen=True):
    """Asks for SSPI."""


class AuthenticationSASL(msgspec.Struct, frozen=True):
    """Offers SASL mechanisms, the preferred one first."""

    mechanisms: tuple[str, ...]


class AuthenticationSASLContinue(msgspec.Struct, frozen=True):
    """The server's challenge."""

    data: bytes


class AuthenticationSASLFinal(msgspec.Struct, frozen=True):
    """The server's proof that it knows the password too."""

    data: bytes


class NegotiateProtocolVersion(msgspec.Struct, frozen=True):
    """Goes on in an older ``version`` (major << 16 | minor), without the protocol options named."""

    version: int
    unknown_options: tuple[str, ...]


class BackendKeyData(msgspec.Struct, frozen=True):
    """What a cancel request must show: four bytes of key in version 3.0, up to 256 in version 3.2."""

    pid: int
    key: bytes


class ParameterStatus(msgspec.Struct, frozen=True):
    """The value, now, of a setting that clients follow."""

    name: str
    value: str


class ReadyForQuery(msgspec.Struct, frozen=True):
    """The server waits. ``status``: ``I`` idle, ``T`` in a transaction, ``E`` in a failed one."""

    status: str


class Column(msgspec.Struct, frozen=True):
    """One column of a result. ``table`` and ``number`` are 0 unless it is a table's column."""

    name: str
    table: int = 0
    number: int = 0
    type: int = 25
    size: int = -1
    modifier: int = -1
    format: int = 0


class RowDescription(msgspec.Struct, frozen=True):
    """The shape of the rows that follow."""

    columns: tuple[Column, ...]


class DataRow(msgspec.Struct, frozen=True):
    """One row; None stands for NULL."""

    values: tuple[bytes | None, ...]


class CommandComplete(msgspec.Struct, frozen=True):
    """A statement is done; ``tag`` is for example ``DELETE 3``."""

    tag: str


class EmptyQueryResponse(msgspec.Struct, frozen=True):
    """Stands for CommandComplete when the statement was empty."""


class NoData(msgspec.Struct, frozen=True):
    """Stands for RowDescription when there will be no rows."""


class ParseComplete(msgspec.Struct, frozen=True):
    """A Parse is done."""


class BindComplete(msgspec.Struct, frozen=True):
    """A Bind is done."""


class CloseComplete(msgspec.Struct, frozen=True):
    """A Close is done."""


class PortalSuspended(msgspec.Struct, frozen=True):
    """An Execute reached its number of rows; there may be more."""


class ParameterDescription(msgspec.Struct, frozen=True):
    """The types (object ids) of a statement's parameters."""

    types: tuple[int, ...]


class _Noted(msgspec.Struct, frozen=True):
    fields: tuple[tuple[str, str], ...]

    def get(self, code: str) -> str | None:
        """The field with this one-character ``code``, or None."""
        return dict(self.fields).get(code)

    @property
    def severity(self) -> str:
        """ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG, never translated when the server sends V."""
        return self.get("V") or self.get("S") or ""

    @property
    def sqlstate(self) -> str:
        """The five characters of the SQLSTATE, or an empty text."""
        return self.get("C") or ""

    @property
    def message(self) -> str:
        """The primary text."""
        return self.get("M") or ""

    @property
    def detail(self) -> str | None:
        """More about the problem; may hold row values."""
        return self.get("D")

    @property
    def hint(self) -> str | None:
        """What to do about it."""
        return self.get("H")


class ErrorResponse(_Noted, frozen=True):
    """Something failed. Field codes: PostgreSQL manual, section 55.8."""


class NoticeResponse(_Noted, frozen=True):
    """A warning or less."""


class NotificationResponse(msgspec.Struct, frozen=True):
    """What another session (``pid``) sent with NOTIFY."""

    pid: int
    channel: str
    payload: str


class CopyInResponse(msgspec.Struct, frozen=True):
    """Now the client sends COPY data. ``format`` and the columns' formats: 0 text, 1 binary."""

    format: int
    column_formats: tuple[int, ...]


class CopyOutResponse(msgspec.Struct, frozen=True):
    """Now the server sends COPY data."""

    format: int
    column_formats: tuple[int, ...]


class CopyBothResponse(msgspec.Struct, frozen=True):
    """Now both send COPY data (replication only)."""

    format: int
    column_formats: tuple[int, ...]


class FunctionCallResponse(msgspec.Struct, frozen=True):
    """The result of a FunctionCall."""

    value: bytes | None


BackendMessage = (
    AuthenticationOk
    | AuthenticationKerberosV5
    | AuthenticationCleartextPassword
    | AuthenticationMD5Password
    | AuthenticationGSS
    | AuthenticationGSSContinue
    | AuthenticationSSPI
    | AuthenticationSASL
    | AuthenticationSASLContinue
    | AuthenticationSASLFinal
    | NegotiateProtocolVersion
    | BackendKeyData
    | ParameterStatus
    | ReadyForQuery
    | RowDescription
    | DataRow
    | CommandComplete
    | EmptyQueryResponse
    | NoData
    | ParseComplete
    | BindComplete
    | CloseComplete
    | PortalSuspended
    | ParameterDescription
    | ErrorResponse
    | NoticeResponse
    | NotificationResponse
    | CopyInResponse
    | CopyOutResponse
    | CopyBothResponse
    | CopyData
    | CopyDone
    | FunctionCallResponse
)
