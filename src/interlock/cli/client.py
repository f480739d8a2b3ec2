"""Speaking to a running server: through the admin socket, or through the API with a person's key."""

import base64
import http.client
import secrets
import socket
import ssl
import time
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.console import httpsig
from interlock.console.schemas import MODE, PROBLEM_MEDIA, Problem
from interlock.console.schemas.governed import Held
from interlock.model.base import Value
from interlock.model.errors import InterlockError, Misconfigured

T = TypeVar("T")

HELD, PROPOSING = 202, "/api/v1/proposals/"
"""The status of what is held for admins, and where that is what was asked for."""

TIMEOUT = 150.0
"""Seconds to wait for an answer: applying and reverting take as long as the target takes."""


class Unreachable(InterlockError):
    """No server answers; the message says where it was looked for."""


class Answered(InterlockError):
    """The server answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Waits(InterlockError):
    """The server held what was asked for, for admins: it is no error, but nothing was done."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.says)
        self.held = held


class Signer(Value, frozen=True):
    """A person and their key."""

    person: str
    key: Ed25519PrivateKey

    def sign(self, data: bytes) -> str:
        """Ed25519 signature (RFC 8032) in base64."""
        return base64.b64encode(self.key.sign(data)).decode()


class Client:
    """One server. Each call is a connection of its own; nothing is retried. `patience` is for how many seconds each step of a call
    may take."""

    def __init__(
        self, url: str, unix: Path | None, signer: Signer | None, token: str = "", patience: float = TIMEOUT
    ) -> None:
        self._patience = patience
        self._url, self._unix, self._signer, self._token = url.rstrip("/"), unix, signer, token
        self.mode = ""
        """What the server said of its mode in its last answer."""

    def get(self, path: str, into: type[T], **query: object) -> T:
        """GET and read the answer as `into`. Query values that are None or empty are left out."""
        given = [(name, value) for name, value in query.items() if value not in (None, "", ())]
        return self._decoded("GET", path + (f"?{urlencode(given, doseq=True)}" if given else ""), None, into)

    def post(self, path: str, into: type[T], body: object) -> T:
        """POST a value as JSON and read the answer as `into`."""
        return self._decoded("POST", path, body, into)

    def delete(self, path: str, into: type[T]) -> T:
        """DELETE and read the answer as `into`."""
        return self._decoded("DELETE", path, None, into)

    def raw(self, path: str) -> bytes:
        """GET bytes."""
        return self._bytes("GET", path, None)

    def _decoded(self, method: str, path: str, body: object, into: type[T]) -> T:
        data = self._bytes(method, path, body)
        try:
            return msgspec.json.decode(data, type=into)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"the server at {self._where()} answers in another form: {error}") from None

    def _bytes(self, method: str, path: str, body: object) -> bytes:
        data = b"" if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if data else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._signer:
            headers |= self._signed(self._signer, method, path, data)
        status, media, answer = self._exchange(method, path, data, headers)
        if status == HELD and path.startswith(PROPOSING):
            return answer
        if status == HELD:
            raise Waits(msgspec.json.decode(answer, type=Held))
        if status < 300:
            return answer
        raise Answered(self._with_hint(_problem(status, media, answer)))

    def _with_hint(self, problem: Problem) -> Problem:
        if problem.code != "bad_signature" or self._unix:
            return problem
        # The address is part of what is signed.
        hint = f"is {self._url} what the server's configuration calls api.public_url, and --key the key that was enrolled?"
        return msgspec.structs.replace(problem, detail=f"{problem.detail or problem.title}; {hint}")

    def _signed(self, signer: Signer, method: str, path: str, data: bytes) -> dict[str, str]:
        return httpsig.sign(
            method,
            self._url + path,
            data,
            keyid=signer.person,
            key=signer.key,
            now=int(time.time()),
            nonce=secrets.token_urlsafe(24),
        )

    def _exchange(
        self, method: str, path: str, data: bytes, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        connection = self._connection()
        try:
            connection.request(method, self._prefix() + path, data or None, headers)
            response = connection.getresponse()
            self.mode = response.headers.get(MODE, "")
            return response.status, response.headers.get_content_type(), response.read()
        except FileNotFoundError:
            raise Unreachable(
                f"no server runs: there is no socket {self._unix} (start one with `interlock serve`)"
            ) from None
        except PermissionError:
            raise Unreachable(
                f"this user may not use the admin socket {self._unix}; use --url with --as and --key"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"no server answers at {self._where()}: {_reason(error)}") from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._unix:
            return _UnixConnection(self._unix, self._patience)
        parts = urlsplit(self._url)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=self._patience, context=context
            )
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._patience)

    def _prefix(self) -> str:
        return "" if self._unix else urlsplit(self._url).path

    def _where(self) -> str:
        return str(self._unix or self._url)


def by_socket(path: Path, patience: float = TIMEOUT) -> Client:
    """A client of the admin socket. Misconfigured when the path is too long for a socket address (107 bytes on Linux)."""
    if len(str(path).encode()) > 107:
        raise Misconfigured(f"the path of the admin socket is too long for the system: {path}")
    return Client("http://interlock", path, None, patience=patience)


def by_url(url: str, signer: Signer) -> Client:
    """A client of the API at its public address. Misconfigured unless it is https, or http on this machine."""
    return Client(_checked(url), None, signer)


def by_token(url: str, token: str, patience: float = TIMEOUT) -> Client:
    """As `by_url`, for an agent: it may ask for its own changes."""
    return Client(_checked(url), None, None, token, patience)


def _checked(url: str) -> str:
    from interlock.runtime.config.addresses import is_loopback

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Misconfigured(f"{url!r} is not the address of a server (https://HOST[:PORT])")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise Misconfigured(f"{url}: without https, what the server answers could be read on the way")
    return url


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("interlock", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _problem(status: int, media: str, data: bytes) -> Problem:
    if media == PROBLEM_MEDIA:
        try:
            return msgspec.json.decode(data, type=Problem)
        except msgspec.MsgspecError:
            pass
    return Problem(
        "about:blank", "Unexpected answer", status, f"the server answered with status {status}", "unexpected"
    )


def _reason(error: Exception) -> str:
    strerror: Any = getattr(error, "strerror", None)
    return strerror or type(error).__name__
