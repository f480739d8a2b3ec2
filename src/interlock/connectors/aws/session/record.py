"""What is recorded of a call: enough to run it again as it was approved, to show it to people, and to recognise it when it
comes again.

Idempotency tokens, which SDKs make up for each call, are no part of what is asked; everything else is. What is secret in a call is
part of it by a digest of its own, so that people can check what they sign without being told any of it (`Recorded.disclosed`).
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.classify.native import Parted, parameters, parted
from interlock.connectors.aws.undo.store import mark, pack, unpack
from interlock.model.base import Value, canonical, digest_of

TOKENS = frozenset(
    {
        "CallerReference",
        "ClientRequestToken",
        "ClientToken",
        "CreationToken",
        "IdempotencyToken",
        "clientRequestToken",
        "clientToken",
        "idempotencyToken",
    }
)
"""Members that name one attempt ("Ensuring idempotency" in the API references)."""


class Request(Value, frozen=True):
    """A call as it is sent on: `path` and `query` raw, without the signature; `headers` without those of the connection and
    of the signature. `body` is None when it streams: then it isn't kept."""

    call: Call
    protocol: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    content_hash: str = ""
    """SHA-256 or checksum of a body that streams, as the client declared it."""
    secrets: str = ""
    """Only of a call that is disclosed: the digest of what its masks stand for."""

    def asked(self) -> dict[str, Any]:
        """What is asked for, as JSON builtins in which blobs are hashes."""
        call = msgspec.structs.replace(self.call, parameters=_without_tokens(self.call.parameters))
        told = parted(call)
        streamed = {"body": self._body_hash, "length": call.length} if call.streaming else {}
        rest = {
            "call": call.name,
            "region": call.region,
            "account": call.account,
            "parameters": mark(told.parameters),
            **streamed,
        }
        digest = self.secrets or _digest(told, rest)
        return {**rest, "secrets": digest} if digest else rest

    @property
    def _body_hash(self) -> str:
        body = "" if self.body is None else hashlib.sha256(self.body).hexdigest()
        return body or self.content_hash

    def disclosed(self) -> "Request":
        """The same call as people may have it: no secret is in it, nor the bytes that were sent, which hold them."""
        return msgspec.structs.replace(
            self,
            call=msgspec.structs.replace(self.call, parameters=parted(self.call).parameters),
            path="",
            query="",
            headers=(),
            body=None,
            content_hash=self._body_hash if self.call.streaming else "",
            secrets=self.asked().get("secrets", ""),
        )


class Recorded(Value, frozen=True):
    """The calls of one unit of work, in order. A revert has none: `reverts` names the change that it undoes, `steps` is the digest
    of how."""

    requests: tuple[Request, ...]
    agent: str
    reverts: str = ""
    steps: str = ""

    @property
    def content(self) -> str:
        """The digest by which the same work is recognised."""
        steps = {"steps": self.steps} if self.steps else {}
        return digest_of(
            _exact({"calls": [r.asked() for r in self.requests], "reverts": self.reverts, **steps})
        )

    @property
    def statements(self) -> tuple[str, ...]:
        """As text for people."""
        said = (f"revert of {self.reverts}",) if self.reverts else ()
        return (*said, *(shown(request) for request in self.requests))

    def disclosed(self) -> "Recorded":
        """What people are given to check: of the same content, without secrets. It cannot be run."""
        return msgspec.structs.replace(self, requests=tuple(r.disclosed() for r in self.requests))

    def payload(self) -> bytes:
        """As bytes."""
        return b"".join(pack(self))


def read(payload: bytes) -> Recorded:
    """What `payload` made. Raises Rejected."""
    return unpack((payload,), Recorded)


def shown(request: Request) -> str:
    """`aws cloudformation DeleteStack` and its parameters, one line each."""
    call = request.call
    lines = [f"{call.service} {call.operation}" + (f" ({call.region})" if call.region else "")]
    lines += [f"  {name} = {_line(value)}" for name, value in sorted(parameters(call).items())]
    if call.streaming:
        length = "of unknown length" if call.length is None else f"of {call.length:,} bytes"
        lines.append(f"  {call.streaming}: a body {length}")
    return "\n".join(lines)


def _line(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _digest(told: Parted, rest: Mapping[str, Any]) -> str:
    """The digest of what is hidden in a call, salted with all the rest of it; empty when nothing is. Where secrets are it is a slow
    one (scrypt, RFC 7914; some 10 ms), so that a weak password is not found by trying."""
    if not told.secrets and not told.data:
        return ""
    hidden = canonical(_exact([[list(at), mark(value)] for at, value in (*told.secrets, *told.data)]))
    salt = canonical(_exact(dict(rest)))
    if not told.secrets:
        return hmac.digest(salt, hidden, "sha256").hex()
    return hashlib.scrypt(hidden, salt=salt, n=1 << 12, r=8, p=1, dklen=32).hex()


def _without_tokens(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in TOKENS}


def _exact(value: Any) -> Any:
    """Numbers with a fraction, or of more digits than all readers agree about, as text: canonical JSON has none."""
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53
    ):
        return {"$number": repr(value)}
    return value
