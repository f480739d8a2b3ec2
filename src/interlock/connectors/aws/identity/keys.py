"""The key pairs that agents sign with.

An access key id names its agent, so that nothing is looked up for a stranger. The secret is the agent's signing key
(`model.people.signing_key`): whoever has the token can compute it, and the gateway keeps it sealed. A narrower key, as AssumeRole
hands out, carries what it may in its session token, sealed by a MAC under the agent's signing key: there is nothing to store, and
every replica knows it.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from interlock.model.base import Value

_LASTING, _NARROWED = "ILAK", "ILAS"
_SHORTEST = 16
"""Characters of an access key id (IAM API reference, "AccessKey")."""


class Narrowed(Value, frozen=True):
    """What a narrower key may. `until` is in seconds since 1970; `actions` are patterns as in policies (`s3:Get*`), of
    which one must fit; empty means no narrower than the agent. `role` is the ARN that was asked for, `name` the
    session's."""

    agent: str
    epoch: int
    until: int
    role: str = ""
    name: str = ""
    actions: tuple[str, ...] = ()


def key_id(agent: str, *, narrowed: bool = False) -> str:
    """The access key id of an agent."""
    name = base64.b32encode(agent.encode()).decode().rstrip("=")
    return (_NARROWED if narrowed else _LASTING) + name.ljust(_SHORTEST - 4, "1")


@lru_cache(maxsize=1024)
def agent_of(key: str) -> str:
    """The agent that an access key id names; empty when it is none of ours."""
    if key[:4] not in (_LASTING, _NARROWED):
        return ""
    body = key[4:].rstrip("1")
    try:
        return base64.b32decode(body + "=" * (-len(body) % 8)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def is_narrowed(key: str) -> bool:
    return key.startswith(_NARROWED)


def token_of(narrowed: Narrowed, signing: str) -> str:
    """The session token of a narrower key."""
    body = msgspec.json.encode(narrowed)
    return _text(_mac(signing, b"token", body) + body)


def secret_of(token: str, signing: str) -> str:
    """The secret access key that belongs to a session token."""
    return _text(_mac(signing, b"secret", token.encode()))


def read_token(token: str, signing: str, agent: str, epoch: int, now: datetime) -> Narrowed | None:
    """What a session token says, when it is one of this agent's and holds still; None otherwise."""
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mac, body = data[:32], data[32:]
        if not hmac.compare_digest(mac, _mac(signing, b"token", body)):
            return None
        found = msgspec.json.decode(body, type=Narrowed)
    except (ValueError, msgspec.MsgspecError):
        return None
    mine = (found.agent, found.epoch) == (agent, epoch)
    return found if mine and now.timestamp() < found.until else None


def allows(actions: Sequence[str], name: str) -> bool:
    """Whether a call (`s3:GetObject`) fits one of the patterns; `*` stands for any text, `?` for one character, case does
    not count."""
    return not actions or any(fits(pattern.lower(), name.lower()) for pattern in actions)


def fits(pattern: str, text: str) -> bool:
    """Glob matching without backtracking more than one star."""
    p = t = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, mark = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in (text[t], "?"):
            p, t = p + 1, t + 1
        elif star >= 0:
            mark += 1
            p, t = star + 1, mark
        else:
            return False
    return pattern[p:].strip("*") == ""


def _mac(signing: str, what: bytes, body: bytes) -> bytes:
    return hmac.digest(signing.encode(), b"interlock aws " + what + b"\0" + body, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
