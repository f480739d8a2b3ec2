"""The client's side of logging in to a PostgreSQL server, sans-io.

Source: PostgreSQL manual, section 55.2.1 "Start-up". A server (or whoever stands between) that asks for more than the
connection allows is refused before anything is sent to it.
"""

import enum
import re
from typing import Any

import msgspec

from interlock.connectors.postgres.auth.scram import ChannelBinding, ScramClient, ScramRefused, md5_response
from interlock.connectors.postgres.client.errors import Stage, UpstreamError
from interlock.connectors.postgres.codec import BACKEND_LOGIN, Framer, decode_backend, encode
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.wire import InvalidText, ProtocolViolation

_REFUSED = ("28P01", "28000")


class Welcome(msgspec.Struct, frozen=True):
    """What a server said up to the first ReadyForQuery."""

    key: b.BackendKeyData | None
    parameters: dict[str, str]

    @property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version, of "15.8 (Debian …)" or "18beta1"; (0, 0) when it is not said."""
        found = re.match(r"(\d+)(?:\.(\d+))?", self.parameters.get("server_version", ""), re.ASCII)
        return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


class Channel(msgspec.Struct, frozen=True):
    """What kind of connection it is: ``private`` means that nobody in between can read (TLS or inside the machine)."""

    private: bool
    certificate_hash: bytes | None = None
    binding: ChannelBinding = ChannelBinding.PREFER


class _State(enum.Enum):
    AUTHENTICATING = enum.auto()
    PROVING = enum.auto()
    STARTING = enum.auto()
    DONE = enum.auto()


class Login:
    """One attempt: send :meth:`start`, then feed what comes and send what :meth:`feed` returns until :attr:`welcome`.

    All errors are :class:`UpstreamError`. ``password`` is None when there is none.
    """

    def __init__(self, parameters: dict[str, str], password: str | None, channel: Channel) -> None:
        self._parameters = parameters
        self._user = parameters["user"]
        self._password = password
        self._channel = channel
        self._framer = Framer(BACKEND_LOGIN)
        self._scram: ScramClient | None = None
        self._state = _State.AUTHENTICATING
        self._key: b.BackendKeyData | None = None
        self._told: dict[str, str] = {}
        self.welcome: Welcome | None = None

    @property
    def computes(self) -> bool:
        """Whether the next :meth:`feed` may take long (the iterations that the server chose)."""
        return self._scram is not None and self._state is _State.PROVING

    def start(self) -> bytes:
        """The startup packet."""
        return encode(f.StartupMessage(f.VERSION_3_0, tuple(self._parameters.items())))

    def feed(self, data: bytes) -> bytes:
        """Take what the server sent, return what to send it."""
        try:
            return b"".join([self._answer(kind, message) for kind, message in self._framer.feed(data)])
        except (ProtocolViolation, ScramRefused) as problem:
            raise UpstreamError(Stage.AUTHENTICATE, str(problem), "08P01") from None

    def leftover(self) -> bytes:
        """What came after the first ReadyForQuery and is not a whole message."""
        return self._framer.leftover()

    def _answer(self, kind: int, message: bytes) -> bytes:
        match _decoded(kind, message):
            case b.ErrorResponse() as error:
                raise self._failure(error)
            case b.NoticeResponse():
                return b""
            case b.ParameterStatus(name, value):
                self._told[name] = value
                return b""
            case b.BackendKeyData() as key if self._state is _State.STARTING:
                self._key = key
                return b""
            case b.ReadyForQuery("I") if self._state is _State.STARTING:
                self._state = _State.DONE
                self.welcome = Welcome(self._key, self._told)
                return b""
            case other if self._state in (_State.AUTHENTICATING, _State.PROVING):
                return self._authenticate(other)
            case _:
                raise ProtocolViolation("the server sent an unexpected message")

    def _failure(self, error: b.ErrorResponse) -> UpstreamError:
        starting = self._state is _State.STARTING
        stage = Stage.STARTUP if starting else Stage.AUTHENTICATE
        return UpstreamError(stage, error.message, error.sqlstate or "08006")

    def _authenticate(self, asked: Any) -> bytes:
        match asked, self._state:
            case b.AuthenticationOk(), _:
                self._accept()
                return b""
            case b.AuthenticationCleartextPassword(), _State.AUTHENTICATING:
                self._allow("a password in clear text", private=True)
                return encode(f.PasswordMessage(self._secret()))
            case b.AuthenticationMD5Password(salt), _State.AUTHENTICATING:
                self._allow("MD5 authentication", private=False)
                return encode(f.PasswordMessage(md5_response(self._user, self._secret(), salt)))
            case b.AuthenticationSASL(mechanisms), _State.AUTHENTICATING:
                return self._begin_scram(mechanisms)
            case b.AuthenticationSASLContinue(data), _State.PROVING if self._scram is not None:
                return encode(f.SASLResponse(self._scram.final(data)))
            case b.AuthenticationSASLFinal(data), _State.PROVING if self._scram is not None:
                self._scram.verify(data)
                return b""
            case _:
                raise ProtocolViolation("the server asks for an authentication that is not supported here")

    def _begin_scram(self, mechanisms: tuple[str, ...]) -> bytes:
        channel = self._channel
        self._state = _State.PROVING
        self._scram = ScramClient(
            self._secret(), mechanisms, certificate_hash=channel.certificate_hash, binding=channel.binding
        )
        return encode(f.SASLInitialResponse(self._scram.mechanism, self._scram.first()))

    def _allow(self, what: str, *, private: bool) -> None:
        """Refuse ``what`` where it is not safe; the state after it is PROVING: only the verdict may follow."""
        if private and not self._channel.private:
            raise ProtocolViolation(f"the server asks for {what} on a connection that others could read")
        self._state = _State.PROVING

    def _accept(self) -> None:
        # A server that skips its own proof may be an impostor who only collects what we would send.
        if self._scram is not None and not self._scram.verified:
            raise ProtocolViolation("the server did not prove that it knows the password")
        if self._channel.binding is ChannelBinding.REQUIRE and self._scram is None:
            raise ProtocolViolation(
                "channel binding is required, but the server did not authenticate with SCRAM"
            )
        self._state = _State.STARTING

    def _secret(self) -> str:
        if self._password is None:
            raise UpstreamError(
                Stage.AUTHENTICATE, "the server asks for a password and none is configured", "28P01"
            )
        if not self._password or "\0" in self._password:
            raise UpstreamError(
                Stage.AUTHENTICATE, "the configured password is empty or contains NUL", "28P01"
            )
        return self._password


def refused(error: UpstreamError) -> bool:
    """Whether the server did not accept the password (or the role): the secret may have been changed."""
    return error.stage is Stage.AUTHENTICATE and error.sqlstate in _REFUSED


def _decoded(kind: int, message: bytes) -> b.BackendMessage:
    try:
        return decode_backend(kind, message)
    except InvalidText:
        if kind != ord("E"):
            raise
        # Before the startup packet is heeded, errors come in the server's own language and encoding.
        return decode_backend(kind, message.decode("ascii", "replace").replace("�", "?").encode())
