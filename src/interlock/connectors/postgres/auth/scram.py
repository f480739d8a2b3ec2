"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both roles, sans-io.

Sources: RFC 5802 (SCRAM), RFC 7677 (SHA-256), RFC 5929 (tls-server-end-point), RFC 4013 (SASLprep), and PostgreSQL's
readings of them in ``backend/libpq/auth-scram.c`` and ``common/saslprep.c``: the user name is the startup packet's,
not the one in the exchange, and a password that SASLprep refuses is used as it is.
"""

import base64
import binascii
import enum
import hashlib
import hmac
import secrets
from typing import Self

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from interlock.connectors.postgres.auth.saslprep import prepared
from interlock.wire import ProtocolViolation

SCRAM = "SCRAM-SHA-256"
SCRAM_PLUS = "SCRAM-SHA-256-PLUS"
DEFAULT_ITERATIONS = 4096
_MOST_ITERATIONS = 1_000_000
_SALT_BYTES = 16
_NONCE_BYTES = 18
_BINDING = "tls-server-end-point"


class ScramRefused(Exception):
    """The other side does not know the secret. The text does not tell in what way."""


class Verifier(msgspec.Struct, frozen=True):
    """What a server stores instead of a password (RFC 5803); ``str`` gives PostgreSQL's format.

    It does not let anybody log in, but whoever has it can try passwords against it: keep it private.
    """

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def __str__(self) -> str:
        salt, stored, server = (_b64(part) for part in (self.salt, self.stored_key, self.server_key))
        return f"{SCRAM}${self.iterations}:{salt}${stored}:{server}"

    def __repr__(self) -> str:
        return f"Verifier({SCRAM}, {self.iterations} iterations)"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read PostgreSQL's format. Raises ``ValueError`` (without the text) when it is something else."""
        try:
            scheme, parameters, keys = text.split("$")
            iterations, salt = parameters.split(":")
            stored, server = keys.split(":")
            made = cls(
                int(iterations), *(base64.b64decode(part, validate=True) for part in (salt, stored, server))
            )
        except ValueError:
            raise ValueError("not a SCRAM-SHA-256 verifier") from None
        if scheme != SCRAM or made.iterations < 1 or len(made.stored_key) != 32 or len(made.server_key) != 32:
            raise ValueError("not a SCRAM-SHA-256 verifier")
        return made


def make_verifier(password: str, iterations: int = DEFAULT_ITERATIONS, salt: bytes | None = None) -> Verifier:
    """The verifier of ``password``; ``salt`` is 16 random bytes unless given. Costs about 1 ms at 4096 iterations."""
    if iterations < DEFAULT_ITERATIONS:
        raise ValueError(f"RFC 7677 asks for {DEFAULT_ITERATIONS} iterations or more")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    client_key, server_key = _keys(password, salt, iterations)
    return Verifier(iterations, salt, _sha256(client_key), server_key)


def mock_verifier(secret: bytes, user: str, iterations: int = DEFAULT_ITERATIONS) -> Verifier:
    """What to run the exchange with for a ``user`` who does not exist, so that nobody can tell.

    The salt is always the same for the same user and ``secret`` (random, private, as lasting as the agents, and the
    same on all replicas); ``iterations`` must be what real verifiers have. No password fits.
    """

    def derive(purpose: bytes) -> bytes:
        return _hmac(secret, purpose + b"\0" + user.encode())

    return Verifier(iterations, derive(b"salt")[:_SALT_BYTES], derive(b"stored key"), derive(b"server key"))


def mechanisms(certificate_hash: bytes | None) -> tuple[str, ...]:
    """What a server offers, the preferred one first; with a hash of its own certificate, channel binding too."""
    return (SCRAM,) if certificate_hash is None else (SCRAM_PLUS, SCRAM)


def certificate_hash(certificate: bytes) -> bytes | None:
    """The hash of a DER ``certificate`` that tls-server-end-point binds to (RFC 5929 section 4.1).

    None when its signature names no hash function (Ed25519): then there can be no channel binding.
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    return hashlib.new(
        "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name, certificate
    ).digest()


class ScramServer:
    """The server's part of one exchange: :meth:`first`, then :meth:`final`.

    ``known`` is False for a mock verifier: then :meth:`final` does the same work and always refuses.
    ``certificate_hash`` is the hash of the server's certificate as RFC 5929 section 4.1 has it, when TLS is on and
    :data:`SCRAM_PLUS` was offered.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        known: bool = True,
        certificate_hash: bytes | None = None,
        nonce: str | None = None,
    ) -> None:
        self._verifier = verifier
        self._known = known
        self._certificate_hash = certificate_hash
        self._server_nonce = nonce or _make_nonce()
        self._nonce = ""
        self._binding = b""
        self._first_messages = ""

    def first(self, mechanism: str, data: bytes | None) -> bytes:
        """Take the client's first message, return the server's. Raises :class:`ProtocolViolation`."""
        if mechanism not in mechanisms(self._certificate_hash):
            raise ProtocolViolation("the client chose an authentication mechanism that was not offered")
        if not data:
            raise ProtocolViolation("malformed SCRAM message: the first message is missing")
        flag, authzid, bare = _split(_ascii_or_utf8(data), ",", 3)
        if authzid:
            raise ProtocolViolation("malformed SCRAM message: an authorization identity is not supported")
        self._check_flag(flag, mechanism)
        user, client_nonce, *_ = _split(bare, ",", 2, at_most=False)
        _attribute("n", user)
        client_nonce = _attribute("r", client_nonce)
        if not client_nonce or not all("!" <= c <= "~" for c in client_nonce):
            raise ProtocolViolation("malformed SCRAM message: a nonce is not printable")
        bound = self._certificate_hash if mechanism == SCRAM_PLUS and self._certificate_hash else b""
        self._binding = f"{flag},,".encode() + bound
        self._nonce = client_nonce + self._server_nonce
        answer = f"r={self._nonce},s={_b64(self._verifier.salt)},i={self._verifier.iterations}"
        self._first_messages = f"{bare},{answer}"
        return answer.encode()

    def _check_flag(self, flag: str, mechanism: str) -> None:
        """RFC 5802 section 6: the flag must agree with the mechanism, and reveal nobody who hid our offer."""
        if mechanism == SCRAM_PLUS:
            if flag != f"p={_BINDING}":
                raise ProtocolViolation(
                    "malformed SCRAM message: the channel binding is not the one that was chosen"
                )
        elif flag == "y":
            if self._certificate_hash is not None:
                raise ProtocolViolation("SCRAM channel binding negotiation error: a downgrade was attempted")
        elif flag != "n":
            raise ProtocolViolation("malformed SCRAM message: channel binding was not chosen")

    def final(self, data: bytes) -> bytes:
        """Take the client's proof and return the server's, to be sent in AuthenticationSASLFinal.

        Raises :class:`ScramRefused` when the password is wrong or the user unknown, after the same work, and
        :class:`ProtocolViolation` when the message is not what the exchange asks for.
        """
        text = _ascii_or_utf8(data)
        without_proof, _, proof_text = text.rpartition(",")
        binding, nonce, *_ = _split(without_proof, ",", 2, at_most=False)
        proof = _unb64(_attribute("p", proof_text))
        if not self._nonce or _attribute("r", nonce) != self._nonce or len(proof) != 32:
            raise ProtocolViolation("malformed SCRAM message: the nonce or the proof does not fit")
        if not hmac.compare_digest(_unb64(_attribute("c", binding)), self._binding):
            raise ProtocolViolation("SCRAM channel binding check failed")
        exchanged = f"{self._first_messages},{without_proof}".encode()
        client_key = _xor(proof, _hmac(self._verifier.stored_key, exchanged))
        signature = _hmac(self._verifier.server_key, exchanged)
        fits = hmac.compare_digest(_sha256(client_key), self._verifier.stored_key)
        if not (fits and self._known):
            raise ScramRefused("authentication failed")
        return f"v={_b64(signature)}".encode()


class ChannelBinding(enum.Enum):
    """How much a client insists on channel binding, as libpq's option of that name."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"


class ScramClient:
    """The client's part of one exchange: :meth:`first`, :meth:`final`, :meth:`verify`.

    ``offered`` are the server's mechanisms. ``certificate_hash`` is that of the server's certificate on TLS (see
    :meth:`ScramServer`), None without TLS or where the certificate's signature names no hash.
    """

    def __init__(
        self,
        password: str,
        offered: tuple[str, ...],
        *,
        certificate_hash: bytes | None = None,
        binding: ChannelBinding = ChannelBinding.PREFER,
        nonce: str | None = None,
    ) -> None:
        self._password = password
        able = certificate_hash is not None and binding is not ChannelBinding.DISABLE
        if able and SCRAM_PLUS in offered:
            self.mechanism, flag = SCRAM_PLUS, f"p={_BINDING}"
        elif binding is ChannelBinding.REQUIRE:
            raise ProtocolViolation("channel binding is required, but not possible with this server")
        elif SCRAM in offered:
            self.mechanism, flag = SCRAM, "y" if able else "n"
        else:
            raise ProtocolViolation("the server offers no authentication mechanism that is known here")
        bound = certificate_hash if self.mechanism == SCRAM_PLUS and certificate_hash else b""
        self._header = f"{flag},,"
        self._binding = _b64(self._header.encode() + bound)
        self._nonce = nonce or _make_nonce()
        self._bare = f"n=,r={self._nonce}"
        self._server_signature: bytes | None = None
        self.verified = False

    def first(self) -> bytes:
        """The client's first message, to be sent with :attr:`mechanism`."""
        return (self._header + self._bare).encode()

    def final(self, data: bytes) -> bytes:
        """Take the server's challenge and return the proof. Raises :class:`ProtocolViolation`."""
        text = _ascii_or_utf8(data)
        nonce, salt_text, count, *_ = _split(text, ",", 3, at_most=False)
        nonce, salt = _attribute("r", nonce), _unb64(_attribute("s", salt_text))
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ProtocolViolation("malformed SCRAM message: the server's nonce does not continue ours")
        count = _attribute("i", count)
        if not (
            count.isascii() and count.isdigit() and len(count) < 8 and 1 <= int(count) <= _MOST_ITERATIONS
        ):
            raise ProtocolViolation("malformed SCRAM message: an impossible number of iterations")
        client_key, server_key = _keys(self._password, salt, int(count))
        without_proof = f"c={self._binding},r={nonce}"
        exchanged = f"{self._bare},{text},{without_proof}".encode()
        proof = _xor(client_key, _hmac(_sha256(client_key), exchanged))
        self._server_signature = _hmac(server_key, exchanged)
        return f"{without_proof},p={_b64(proof)}".encode()

    def verify(self, data: bytes) -> None:
        """Check the server's proof. Raises :class:`ScramRefused` when the server does not know the password."""
        said = _ascii_or_utf8(data)
        if said.startswith("e="):
            raise ScramRefused("the server ended the authentication")
        signature = _unb64(_attribute("v", said.split(",", 1)[0]))
        if self._server_signature is None or not hmac.compare_digest(signature, self._server_signature):
            raise ScramRefused("the server does not know the password: it may not be the one it claims to be")
        self.verified = True


def md5_response(user: str, password: str, salt: bytes) -> str:
    """The answer to AuthenticationMD5Password (PostgreSQL manual, section 55.2.1)."""
    inner = hashlib.md5(password.encode() + user.encode(), usedforsecurity=False).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()


def _make_nonce() -> str:
    return _b64(secrets.token_bytes(_NONCE_BYTES))


def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """ClientKey and ServerKey of RFC 5802 section 3."""
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, iterations)
    return _hmac(salted, b"Client Key"), _hmac(salted, b"Server Key")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolViolation("malformed SCRAM message: base64 was expected") from None


def _ascii_or_utf8(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ProtocolViolation("malformed SCRAM message: it is not valid UTF-8") from None
    if "\0" in text:
        raise ProtocolViolation("malformed SCRAM message: it contains NUL")
    return text


def _split(text: str, separator: str, parts: int, *, at_most: bool = True) -> list[str]:
    """At least ``parts`` parts; with ``at_most`` exactly so many, the last holding what remains."""
    found = text.split(separator, parts - 1 if at_most else -1)
    if len(found) < parts:
        raise ProtocolViolation("malformed SCRAM message: an attribute is missing")
    return found


def _attribute(name: str, text: str) -> str:
    """The value of the attribute ``name=value``; the order of attributes is fixed (RFC 5802 section 5.1)."""
    if not text.startswith(f"{name}="):
        raise ProtocolViolation("malformed SCRAM message: an attribute is missing")
    return text[2:]
