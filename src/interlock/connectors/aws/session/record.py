"""What is recorded of a call: enough to run it again as it was approved, to show it to people, and to recognise it when it
comes again.

Idempotency tokens, which SDKs make up for each call, are no part of what is asked; everything else is.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.store import mark, pack, unpack
from interlock.model.base import Value, digest_of

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
    shown: str = ""
    """Canonical JSON of the parameters for people, secrets masked."""
    content_hash: str = ""
    """SHA-256 or checksum of a body that streams, as the client declared it."""

    def asked(self) -> dict[str, Any]:
        """What is asked for, as JSON builtins in which blobs are hashes."""
        call = self.call
        body = "" if self.body is None else hashlib.sha256(self.body).hexdigest()
        streamed = {"body": body or self.content_hash, "length": call.length} if call.streaming else {}
        return {
            "call": call.name,
            "region": call.region,
            "account": call.account,
            "parameters": mark(_without_tokens(call.parameters)),
            **streamed,
        }


class Recorded(Value, frozen=True):
    """The calls of one unit of work, in order; `reverts` names the change that they undo."""

    requests: tuple[Request, ...]
    agent: str
    reverts: str = ""

    @property
    def content(self) -> str:
        """The digest by which the same work is recognised."""
        return digest_of(_exact({"calls": [r.asked() for r in self.requests], "reverts": self.reverts}))

    @property
    def statements(self) -> tuple[str, ...]:
        """As text for people."""
        return tuple(shown(request) for request in self.requests)

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
    told: dict[str, Any] = msgspec.json.decode(request.shown or "{}")
    lines += [f"  {name} = {_line(value)}" for name, value in sorted(told.items())]
    if call.streaming:
        length = "of unknown length" if call.length is None else f"of {call.length:,} bytes"
        lines.append(f"  {call.streaming}: a body {length}")
    return "\n".join(lines)


def _line(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


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
