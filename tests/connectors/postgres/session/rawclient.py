"""A client that speaks the protocol message by message, and what servers said to it in short lines that can be compared."""

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from interlock.connectors.postgres.auth.scram import ScramClient
from interlock.connectors.postgres.codec import CopyData, CopyDone, decode_backend, encode
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f

Message = Any
PATIENCE_S = 60.0
SSL_REQUEST = encode(f.SSLRequest())
GSSENC_REQUEST = encode(f.GSSENCRequest())


class Closed(Exception):
    """The other side has closed the connection."""


class RawClient:
    """One connection. After `login` it is ready for queries; `parameters` and `key` are what the server said of itself."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.parameters: dict[str, str] = {}
        self.key: b.BackendKeyData | None = None

    # -- bytes

    def send(self, *messages: bytes | Message) -> None:
        """Send messages, or bytes as they are, in one write."""
        self.socket.sendall(b"".join(m if isinstance(m, bytes) else encode(m) for m in messages))

    def exactly(self, size: int) -> bytes:
        """That many bytes. Raises Closed."""
        parts = bytearray()
        while len(parts) < size:
            try:
                data = self.socket.recv(size - len(parts))
            except ConnectionError:
                data = b""
            if not data:
                raise Closed
            parts += data
        return bytes(parts)

    def read(self) -> Message:
        """The next message, decoded. Raises Closed."""
        header = self.exactly(5)
        (length,) = struct.unpack(">I", header[1:])
        return decode_backend(header[0], header + self.exactly(length - 4))

    def close(self) -> None:
        self.socket.close()

    # -- conversations

    def start(
        self, user: str, database: str = "shop", version: int = f.VERSION_3_0, **parameters: str
    ) -> None:
        """Send the startup packet and nothing else."""
        pairs = (("user", user), ("database", database), *parameters.items())
        self.send(f.StartupMessage(version, pairs))

    def login(self, user: str, token: str = "", database: str = "shop", **parameters: str) -> list[Message]:
        """Log in up to the first ReadyForQuery, or the error. Returns what was said."""
        self.start(user, database, f.VERSION_3_0, **parameters)
        return self.authenticate(user, token)

    def authenticate(self, user: str, token: str) -> list[Message]:
        """Go on after the startup packet."""
        said: list[Message] = []
        scram = ScramClient(token, ("SCRAM-SHA-256",))
        while True:
            message = self.read()
            said.append(message)
            match message:
                case b.AuthenticationSASL():
                    self.send(f.SASLInitialResponse("SCRAM-SHA-256", scram.first()))
                case b.AuthenticationSASLContinue(data):
                    self.send(f.SASLResponse(scram.final(data)))
                case b.AuthenticationSASLFinal(data):
                    scram.verify(data)
                case b.ParameterStatus(name, value):
                    self.parameters[name] = value
                case b.BackendKeyData():
                    self.key = message
                case b.ErrorResponse() | b.ReadyForQuery():
                    return said

    def until_ready(self) -> list[Message]:
        """Everything up to a ReadyForQuery, or the end of the connection after an error. Raises Closed."""
        said: list[Message] = []
        while True:
            try:
                said.append(self.read())
            except Closed:
                if said and isinstance(said[-1], b.ErrorResponse):
                    return said
                raise
            if isinstance(said[-1], b.ReadyForQuery):
                return said

    def ask(self, *messages: bytes | Message) -> list[Message]:
        """Send, and read up to the ReadyForQuery."""
        self.send(*messages)
        return self.until_ready()

    def query(self, sql: str) -> list[str]:
        """A simple message; what was said, in short."""
        return short(self.ask(f.Query(sql)))

    def until(self, kind: type) -> list[Message]:
        """Everything up to a message of that kind."""
        said = [self.read()]
        while not isinstance(said[-1], kind):
            said.append(self.read())
        return said


@contextmanager
def raw(
    port: int, user: str, token: str = "", database: str = "shop", **parameters: str
) -> Iterator[RawClient]:
    """A client that is logged in."""
    client = RawClient(port)
    try:
        said = client.login(user, token, database, **parameters)
        assert isinstance(said[-1], b.ReadyForQuery), short(said)
        yield client
    finally:
        client.close()


def extended(
    sql: str,
    *values: bytes | None,
    name: str = "",
    portal: str = "",
    types: tuple[int, ...] = (),
    rows: int = 0,
    describe: bool = False,
) -> list[Message]:
    """Parse, Bind, (Describe,) Execute."""
    middle = [f.Describe("P", portal)] if describe else []
    return [
        f.Parse(name, sql, types),
        f.Bind(portal, name, (), tuple(values)),
        *middle,
        f.Execute(portal, rows),
    ]


SYNC, FLUSH = f.Sync(), f.Flush()


def short(said: Iterable[Message]) -> list[str]:
    """What a server said, a line a message. What may come at any place (notices, notifications, parameters) is put at the end."""
    lines = [_line(message) for message in said]
    aside = [line for line in lines if line.startswith(_ASIDE)]
    return [line for line in lines if not line.startswith(_ASIDE)] + sorted(aside)


_ASIDE = ("S ", "A ", "NOTICE ", "WARNING ", "INFO ", "LOG ", "DEBUG ")


def _line(message: Message) -> str:
    match message:
        case b.RowDescription(columns):
            return "T " + " ".join(f"{c.name}:{c.type}:{c.format}" for c in columns)
        case b.DataRow(values):
            return "D " + " ".join(
                "NULL" if v is None else v.decode("utf-8", "backslashreplace") for v in values
            )
        case b.CommandComplete(tag):
            return f"C {tag}"
        case b.ReadyForQuery(status):
            return f"Z {status}"
        case b.ErrorResponse() | b.NoticeResponse():
            return _noted(message)
        case b.ParameterDescription(types):
            return "t " + " ".join(map(str, types))
        case b.CopyInResponse(form, columns) | b.CopyOutResponse(form, columns):
            return f"{type(message).__name__} {form} {columns}"
        case CopyData(data):
            return f"d {data!r}"
        case CopyDone():
            return "c"
        case b.ParameterStatus(name, value):
            return f"S {name}={value}"
        case b.NotificationResponse(_, channel, payload):
            return f"A {channel} {payload}"
        case _:
            return type(message).__name__


def _noted(message: Message) -> str:
    fields = dict(message.fields)
    place = f" @{fields['P']}" if "P" in fields else ""
    return f"{fields['V']} {fields['C']} {fields['M']}{place}"


def errors(said: Sequence[str]) -> list[str]:
    """The SQLSTATEs of the errors among short lines."""
    return [line.split()[1] for line in said if line.startswith(("ERROR ", "FATAL "))]
