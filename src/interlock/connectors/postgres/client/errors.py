"""What goes wrong with a server that Interlock itself connects to."""

import enum

from interlock.connectors.postgres.codec.backend import ErrorResponse


class Stage(enum.Enum):
    """How far a connection had come."""

    CONNECT = "connect"
    TLS = "tls"
    AUTHENTICATE = "authenticate"
    STARTUP = "startup"
    SESSION = "session"


class UpstreamError(Exception):
    """The server could not be reached, did not let us in, or is gone.

    ``str`` is safe to show: it holds no password and no connection string, but it may name the host or the role. The
    server's own words are in :attr:`message`, its SQLSTATE in :attr:`sqlstate` (08006, 08001 or 08P01 when it said
    nothing).
    """

    def __init__(self, stage: Stage, message: str, sqlstate: str = "08006") -> None:
        super().__init__(f"upstream failed at stage {stage.value}: {message} ({sqlstate})")
        self.stage = stage
        self.message = message
        self.sqlstate = sqlstate


class SqlError(Exception):
    """The server refused a statement. Only :attr:`sqlstate` is free of data: the texts may quote values. Do not log them.

    ``fields`` are the codes of the PostgreSQL manual, section 55.8. ``statement`` is the position (from 0) in a pipeline of
    the statement that failed.
    """

    def __init__(self, response: ErrorResponse, statement: int = 0) -> None:
        super().__init__(f"{response.message} ({response.sqlstate})")
        self.sqlstate = response.sqlstate
        self.message = response.message
        self.detail = response.detail
        self.hint = response.hint
        self.fields = dict(response.fields)
        self.statement = statement
