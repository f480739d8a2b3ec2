"""A receiver of webhooks: a real HTTP server, and a check of signatures that was written from the specification alone."""

import base64
import hashlib
import hmac
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TOLERANCE = 5 * 60
"""Seconds that a request's time may be off the receiver's clock."""


class Refused(Exception):
    """Not a request to believe."""


def verified(headers: dict[str, str], body: bytes, secret: str, now: float) -> Any:
    """The content of a request, as a receiver takes it. Raises Refused."""
    try:
        sent, at, signatures = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise Refused("a header is missing") from error
    if abs(now - int(at)) > TOLERANCE:
        raise Refused("too old or too new")
    if not secret.startswith("whsec_"):
        raise Refused("no secret")
    key = base64.b64decode(secret[len("whsec_") :])
    block = 64
    key = hashlib.sha256(key).digest() if len(key) > block else key
    # HMAC spelt out (RFC 2104 section 2), so that nothing is shared with what is tested.
    padded = key.ljust(block, b"\0")
    inner, outer = bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded)
    signed = sent.encode() + b"." + at.encode() + b"." + body
    digest = hashlib.sha256(outer + hashlib.sha256(inner + signed).digest()).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    if not any(hmac.compare_digest(expected, given) for given in signatures.split(" ")):
        raise Refused("the signature is not ours")
    return json.loads(body)


class Receiver(ThreadingHTTPServer):
    """Answers with `status` (or what `answer` does) and keeps what it was sent. `hold` makes it wait for `go`."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Take)
        self.status = 200
        self.headers_sent: dict[str, str] = {}
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        self.go = threading.Event()
        self.go.set()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/in-the-path"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.taken]

    @property
    def contents(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.taken]

    def next(self) -> Any:
        """The content of the next request that comes, or came and was not asked for."""
        return json.loads(self.arrived.get(timeout=30)[2])

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.shutdown()
        self.server_close()


class _Take(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.go.wait(60)
        one = (self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.taken.append(one)
        self.send_response(self.server.status)
        for name, value in self.server.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.arrived.put(one)

    def do_GET(self) -> None:
        raise AssertionError("a redirect was followed")

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
