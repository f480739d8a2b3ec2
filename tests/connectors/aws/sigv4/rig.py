"""Requests that botocore signed, as they go over the wire, and aws-chunked bodies written down independently."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from interlock.connectors.aws.sigv4 import Claim, claim, hash_of, mode, verify

KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-central-1"


class Wire(NamedTuple):
    """A request as its receiver has it."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def claim(self) -> Claim:
        return claim(self.method, self.path, self.query, self.headers)

    @property
    def claim_service(self) -> str:
        """The service that the credential names, wherever it is."""
        text = unquote(dict(self.headers).get("authorization", self.query))
        return "s3" if "/s3/aws4_request" in text else "other"

    def verified(self, secret: str = SECRET, now: datetime | None = None) -> Claim:
        """Its claim, when it holds."""
        made = self.claim()
        said = mode(made, self.query, self.headers)
        payload_hash = said.hash or hash_of(self.body)
        verify(made, secret, self.method, self.path, self.query, self.headers, payload_hash, now or made.at)
        return made

    def header(self, name: str) -> str:
        return dict(self.headers)[name]

    def changed(self, **headers: str | None) -> "Wire":
        """With headers replaced, added or (None) taken away; underscores stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers if name not in named}
        kept |= {name: value for name, value in named.items() if value is not None}
        return self._replace(headers=tuple(kept.items()))


def signed(
    signer: str,
    service: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    token: str | None = None,
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> Wire:
    """A request signed by one of botocore's signers (`SigV4Auth`, …)."""
    request = AWSRequest(method=method, url=url, headers=dict(headers or {}), data=body)
    request.context.update(context or {})
    credentials = Credentials(KEY_ID, SECRET, token)
    getattr(botocore.auth, signer)(credentials, service, REGION, **options).add_auth(request)
    parts = urlsplit(request.url)
    names = {name.lower(): str(value) for name, value in request.headers.items()}
    return Wire(method, parts.path or "/", parts.query, tuple(({"host": parts.netloc} | names).items()), body)


def seal(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Chain:
    """The signatures of a chunked body, written down independently (S3 API reference, "Transferring Payload in Multiple
    Chunks")."""

    def __init__(self, made: Claim) -> None:
        self._key = b"AWS4" + SECRET.encode()
        for part in (made.date, made.region, made.service, "aws4_request"):
            self._key = seal(self._key, part)
        self._about, self._last = f"{made.at:%Y%m%dT%H%M%SZ}\n{made.scope}", made.signature

    def next(self, data_hash: str) -> str:
        nothing = hashlib.sha256().hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self._about}\n{self._last}\n{nothing}\n{data_hash}"
        self._last = seal(self._key, text).hex()
        return self._last

    def trailer(self, line: str) -> str:
        hashed = hashlib.sha256(line.encode()).hexdigest()
        return seal(self._key, f"AWS4-HMAC-SHA256-TRAILER\n{self._about}\n{self._last}\n{hashed}").hex()


def chunked_body(
    made: Claim, chunks: list[bytes], trailer: tuple[str, str] | None, *, sign: bool = True
) -> bytes:
    """An aws-chunked body (S3 API reference, "Signature calculations for trailing headers")."""
    chain, lines = Chain(made), list[bytes]()
    for data in [*chunks, b""]:
        extension = f";chunk-signature={chain.next(hashlib.sha256(data).hexdigest())}" if sign else ""
        lines.append(f"{len(data):x}{extension}\r\n".encode() + data + (b"\r\n" if data else b""))
    if trailer is not None:
        lines.append(f"{trailer[0]}:{trailer[1]}\r\n".encode())
        signature = chain.trailer(f"{trailer[0]}:{trailer[1]}\n")
        lines += [f"x-amz-trailer-signature:{signature}\r\n".encode()] if sign else []
    return b"".join([*lines, b"\r\n"])


def now() -> datetime:
    return datetime.now(UTC)
