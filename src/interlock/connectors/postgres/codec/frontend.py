"""The messages that a client sends (PostgreSQL manual, section 55.7). Texts are UTF-8."""

import msgspec

from interlock.connectors.postgres.codec.shared import CopyData, CopyDone

VERSION_3_0 = 0x0003_0000
VERSION_3_2 = 0x0003_0002


class StartupMessage(msgspec.Struct, frozen=True):
    """Opens a session. ``version`` is major << 16 | minor; the major version is always 3."""

    version: int
    parameters: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """The value of the parameter ``name``, or None."""
        return dict(self.parameters).get(name)


class SSLRequest(msgspec.Struct, frozen=True):
    """Asks for TLS; answered by the single byte ``S`` or ``N``."""


class GSSENCRequest(msgspec.Struct, frozen=True):
    """Asks for GSSAPI encryption; answered by the single byte ``G`` or ``N``."""


class CancelRequest(msgspec.Struct, frozen=True):
    """Asks, on a connection of its own, to cancel what session ``pid`` does; ``key`` is its secret."""

    pid: int
    key: bytes


class AuthenticationData(msgspec.Struct, frozen=True):
    """Any message of type ``p``: what it means depends on what the server asked for."""

    data: bytes


class PasswordMessage(msgspec.Struct, frozen=True):
    """A password in clear text, or the answer to an MD5 request."""

    password: str


class SASLInitialResponse(msgspec.Struct, frozen=True):
    """The mechanism that the client chose, and its first message if it has one."""

    mechanism: str
    data: bytes | None


class SASLResponse(msgspec.Struct, frozen=True):
    """A later message of the SASL exchange."""

    data: bytes


class Query(msgspec.Struct, frozen=True):
    """The simple protocol: statements separated by semicolons."""

    sql: str


class Parse(msgspec.Struct, frozen=True):
    """Prepares ``sql`` as ``name`` ('' is the unnamed statement). Type 0 is left to the server to find out."""

    name: str
    sql: str
    types: tuple[int, ...] = ()


class Bind(msgspec.Struct, frozen=True):
    """Makes ``portal`` of ``statement`` with values. Format codes: 0 text, 1 binary."""

    portal: str
    statement: str
    formats: tuple[int, ...] = ()
    values: tuple[bytes | None, ...] = ()
    result_formats: tuple[int, ...] = ()


class Describe(msgspec.Struct, frozen=True):
    """Asks for the shape of a statement (kind ``S``) or a portal (``P``)."""

    kind: str
    name: str


class Execute(msgspec.Struct, frozen=True):
    """Runs ``portal`` for up to ``max_rows`` rows; 0 means all."""

    portal: str
    max_rows: int = 0


class Close(msgspec.Struct, frozen=True):
    """Closes a statement (kind ``S``) or a portal (``P``)."""

    kind: str
    name: str


class Flush(msgspec.Struct, frozen=True):
    """Asks for what has been answered so far."""


class Sync(msgspec.Struct, frozen=True):
    """Ends a segment of extended messages."""


class CopyFail(msgspec.Struct, frozen=True):
    """Ends a COPY FROM STDIN with an error."""

    message: str


class FunctionCall(msgspec.Struct, frozen=True):
    """Calls a function by its object id (the "fast path")."""

    function: int
    formats: tuple[int, ...]
    arguments: tuple[bytes | None, ...]
    result_format: int


class Terminate(msgspec.Struct, frozen=True):
    """Ends the session."""


StartupPacket = StartupMessage | SSLRequest | GSSENCRequest | CancelRequest
"""What may come first on a connection; these carry no type byte."""

FrontendMessage = (
    AuthenticationData
    | PasswordMessage
    | SASLInitialResponse
    | SASLResponse
    | Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Flush
    | Sync
    | CopyData
    | CopyDone
    | CopyFail
    | FunctionCall
    | Terminate
)
