"""An OpenID provider for tests, on loopback: discovery, authorization, tokens and keys as OpenID Connect has them, with PKCE, codes
that are good once, and real signatures. Tests make it lie by changing what it holds."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLIENT, SECRET = "interlock console", "a+secret/of the client%"
"""Both with characters that must be form-encoded before they go into HTTP Basic."""

Reply = tuple[int, dict[str, str], bytes]
Forge = Callable[[dict[str, Any], dict[str, Any]], str]
"""Makes an ID token of its own out of the claims and the headers that there should be."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """A signing key of the provider's."""

    def __init__(self, alg: str = "ES256", kid: str = "") -> None:
        self.alg, self.kid = alg, kid or secrets.token_hex(4)
        self.private: Any = _new_key(alg)

    @property
    def jwk(self) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(self.alg)
        public: Any = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": self.alg}

    def sign(self, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
        return jwt.encode(claims, self.private, self.alg, {"kid": self.kid, **(headers or {})})


def _new_key(alg: str) -> Any:
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


class Provider(ThreadingHTTPServer):
    """See the module. Whoever comes to the authorization endpoint is `claims`, without being asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.asked: Counter[str] = Counter()
        self.keys = [Key()]
        self.claims: dict[str, Any] = {"sub": "0815", "preferred_username": "dora"}
        self.metadata: dict[str, Any] = {}
        """Merged over what discovery says."""
        self.codes: dict[str, dict[str, str]] = {}
        self.forge: Forge | None = None
        self.replies: dict[str, Reply] = {}
        """Replies that stand for what would be right, by path."""
        self.tokens: dict[str, Any] = {}
        """Merged over the token endpoint's answer."""
        self.answer_iss: str | None = self.issuer
        self.slow: set[str] = set()
        """Paths that answer byte by byte, and never to the end."""
        self.over = threading.Event()
        self.seen: list[str] = []
        """Everything secret that was issued: it must be nowhere else."""

    def begin(self) -> None:
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    # -- the endpoints

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to. AssertionError for what no client may ask."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        self.seen += [code, query["nonce"]]
        back = {"code": code, "state": query["state"], "iss": self.answer_iss}
        kept = {name: value for name, value in back.items() if value is not None}
        return f"{query['redirect_uri']}?{urlencode(kept)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client", "error_description": f"not {SECRET}"}
        begun = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        if (
            begun is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != begun["redirect_uri"]
            or b64(hashlib.sha256(verifier.encode()).digest()) != begun["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        access = secrets.token_urlsafe(24)
        token = self.id_token(begun["nonce"], access)
        self.seen += [verifier, access, token]
        return 200, {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": token,
            **self.tokens,
        }

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if authorization:
            scheme, _, pair = authorization.partition(" ")
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            return (scheme, unquote_plus(name), unquote_plus(secret)) == ("Basic", CLIENT, SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def id_token(self, nonce: str, access: str) -> str:
        key, now = self.keys[-1], int(time.time())
        whole = (hashlib.sha512 if key.alg == "EdDSA" else hashlib.sha256)(access.encode()).digest()
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce,
            "at_hash": b64(whole[: len(whole) // 2]), **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.forge(claims, {"kid": key.kid}) if self.forge else key.sign(claims)


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self._special(parts.path):
            return
        if parts.path == "/.well-known/openid-configuration":
            self._json(200, self.server.discovery())
        elif parts.path == "/keys":
            self._json(200, {"keys": [key.jwk for key in self.server.keys]})
        elif parts.path == "/authorize":
            query = {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
            self._send(302, {"Location": self.server.authorize(query)}, b"")
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self._special(self.path):
            return
        form = {name: value for name, (value,) in parse_qs(body, strict_parsing=True).items()}
        self._json(*self.server.token(form, self.headers.get("Authorization", "")))

    def _special(self, path: str) -> bool:
        self.server.asked[path] += 1
        if path in self.server.slow:
            self._drip()
        elif path in self.server.replies:
            self._send(*self.server.replies[path])
        else:
            return False
        return True

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            while not self.server.over.wait(0.02):
                self.wfile.write(b" ")
        except OSError:
            pass  # the other side has had enough

    def _json(self, status: int, value: Any) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running() -> Iterator[Provider]:
    """A provider that answers."""
    with Provider() as found:
        found.begin()
        yield found
        found.over.set()
        found.shutdown()
