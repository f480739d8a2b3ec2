"""The first messages of a connection, sans-io: encryption, cancel requests, who it is (SCRAM-SHA-256).

Until an agent has shown its token it learns nothing: unknown, disabled, without a grant and wrong token all take the same steps
and get the same answer.
"""

import enum
from collections.abc import Callable

from interlock.connectors.postgres import settings as reviewed
from interlock.connectors.postgres.auth import scram
from interlock.connectors.postgres.codec import (
    FRONTEND_LOGIN,
    Framer,
    StartupFramer,
    build,
    decode_as,
    decode_startup,
    encode,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.settings import Verdict
from interlock.sdk.connector import Principal
from interlock.wire import ProtocolViolation

Known = Callable[[str], tuple[Principal, str] | None]
"""Finds an agent's principal and SCRAM verifier (PostgreSQL's text form)."""


class Wants(enum.Enum):
    """What the login asks of its session next."""

    MORE = "more bytes"
    TLS = "start TLS"
    CANCEL = "cancel what another session does"
    ENTER = "go on: the agent is who it says"
    END = "close the connection"


class Login:
    """Feed it bytes; it writes its answers and says what it wants. `principal` and `startup` are set when it says ENTER."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        known: Known,
        target: str,
        mock_secret: bytes,
        *,
        tls: bool,
        certificate_hash: bytes | None,
    ) -> None:
        self._write = write
        self._known = known
        self._target = target
        self._mock_secret = mock_secret
        self._may_tls = tls
        self._certificate_hash = certificate_hash
        self._packets: StartupFramer | None = StartupFramer()
        self._frames = Framer(FRONTEND_LOGIN)
        self._server: scram.ScramServer | None = None
        self._asked = False
        self._allowed = False
        self.secure = False
        self.refused = ""
        self.principal: Principal | None = None
        self.startup: f.StartupMessage | None = None
        self.options: dict[str, str] = {}
        self.cancel: f.CancelRequest | None = None

    def feed(self, data: bytes) -> Wants:
        """The next bytes. Raises ProtocolViolation for garbage."""
        while self._packets is not None:
            packet = self._packets.feed(data)
            if packet is None:
                return Wants.MORE
            data = b""
            wants = self._packet(packet)
            if wants is not None:
                return wants
        for _, raw in self._frames.feed(data):
            wants = self._answer(raw)
            if wants is not Wants.MORE:
                return wants
        return Wants.MORE

    def _packet(self, packet: bytes) -> Wants | None:
        message = decode_startup(packet)
        assert self._packets is not None
        match message:
            case f.SSLRequest() | f.GSSENCRequest():
                if self._packets.leftover():
                    raise ProtocolViolation("bytes follow a request for encryption (CVE-2021-23214)")
                if isinstance(message, f.SSLRequest) and self._may_tls and not self.secure:
                    self._write(b"S")
                    self._packets = StartupFramer()
                    return Wants.TLS
                self._write(b"N")
                return None
            case f.CancelRequest():
                self.cancel = message
                return Wants.CANCEL
            case f.StartupMessage():
                rest = self._packets.leftover()
                self._packets = None
                return self._start(message, rest)

    def _start(self, message: f.StartupMessage, rest: bytes) -> Wants | None:
        if rest:
            raise ProtocolViolation("bytes follow the startup packet before they were asked for")
        if self._may_tls and not self.secure:
            return self._refuse("28000", "this target is reached over TLS only")
        if message.get("replication") not in (None, "false", "off", "no", "0"):
            return self._refuse("0A000", "replication connections do not go through Interlock")
        self.startup = message
        user = message.get("user") or ""
        try:
            self.options = startup_options(message)
        except ValueError as error:
            return self._refuse("22023", str(error))
        negotiation = build.negotiation(message, newest=f.VERSION_3_0)
        if negotiation:
            self._write(negotiation)
        found = self._known(user)
        if found is not None and (message.get("database") or user) == self._target:
            self.principal, verifier = found
            self._allowed = True
            known = scram.Verifier.parse(verifier)
        else:
            known = scram.mock_verifier(self._mock_secret, user)
        self._server = scram.ScramServer(known, known=self._allowed, certificate_hash=self._certificate_hash)
        self._write(encode(b.AuthenticationSASL(scram.mechanisms(self._certificate_hash))))
        return Wants.MORE

    def _answer(self, raw: bytes) -> Wants:
        if raw[:1] == b"X" or self._server is None:
            return Wants.END
        try:
            if not self._asked:
                self._asked = True
                initial = decode_as(f.SASLInitialResponse, raw)
                self._write(
                    encode(b.AuthenticationSASLContinue(self._server.first(initial.mechanism, initial.data)))
                )
                return Wants.MORE
            proof = self._server.final(decode_as(f.SASLResponse, raw).data)
        except scram.ScramRefused:
            return self._refuse(
                "28P01", "authentication failed: unknown agent, wrong token, or no right to this target"
            )
        self._write(encode(b.AuthenticationSASLFinal(proof)) + build.AUTHENTICATION_OK)
        return Wants.ENTER

    def _refuse(self, sqlstate: str, text: str) -> Wants:
        self.refused = sqlstate
        self._write(build.error_response("FATAL", sqlstate, text))
        return Wants.END


def startup_options(message: f.StartupMessage) -> dict[str, str]:
    """The settings that a startup packet asks for: its own parameters and `-c name=value` in `options`. Raises ValueError for
    what is refused."""
    asked = {
        name.lower(): value
        for name, value in message.parameters
        if name not in ("user", "database", "options", "replication") and not name.startswith("_pq_.")
    }
    asked.update(_dash_c(message.get("options") or ""))
    for name, value in asked.items():
        judged = reviewed.judge(name, value)
        if judged.verdict is Verdict.REFUSE:
            raise ValueError(judged.why)
    return asked


def _dash_c(options: str) -> dict[str, str]:
    """`-c name=value`, `-cname=value` and `--name=value`, with backslash escapes (manual, section 34.1.2, options)."""
    words: list[str] = []
    word, escaped = "", False
    for character in options + " ":
        if escaped:
            word, escaped = word + character, False
        elif character == "\\":
            escaped = True
        elif character.isspace():
            if word:
                words.append(word)
            word = ""
        else:
            word += character
    found: dict[str, str] = {}
    rest = iter(words)
    for given in rest:
        if given == "-c":
            pair = next(rest, "")
        elif given.startswith("-c") or given.startswith("--"):
            pair = given[2:]
        else:
            raise ValueError("of the startup options only -c name=value is understood here")
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError("of the startup options only -c name=value is understood here")
        found[name.strip().lower().replace("-", "_")] = value
    return found
