"""Principals and what they were given: agents, people, grants."""

import base64
import hmac
from datetime import datetime

from interlock.model.base import Value
from interlock.model.operation import Action


class Agent(Value, frozen=True):
    """A non-human principal with an owner and no rights by default. `past_owners` never count towards its quorums (P4)."""

    name: str
    owner: str
    created_at: datetime
    disabled: bool = False
    past_owners: tuple[str, ...] = ()


class AgentCredential(Value, frozen=True):
    """How an agent's token is checked; the token itself is shown once and kept nowhere.

    `scram` is PostgreSQL's verifier form (`SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`), `token_sha256` the hexadecimal
    SHA-256 of the token (which has 256 random bits, so that a plain hash is enough). `epoch` grows with each rotation
    and disabling: an open session with an older one ends. `signing` is the key with which the agent signs requests, for protocols
    whose signatures need a shared secret (`signing_key`); the store keeps it sealed. It is empty for tokens older than that.
    """

    agent: str
    scram: str
    token_sha256: str
    epoch: int = 1
    signing: str = ""

    def __repr__(self) -> str:
        return f"AgentCredential({self.agent}, epoch {self.epoch})"


def signing_key(token: str) -> str:
    """The key that an agent signs requests with: HMAC-SHA-256 (RFC 2104) under its token, in URL-safe base64 (43 characters). The
    token cannot be derived from it."""
    mac = hmac.digest(token.encode(), b"interlock request signing key v1", "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


class Person(Value, frozen=True):
    """A human principal. `public_key` is an Ed25519 key as made by `interlock keys new`: 32 bytes in base64."""

    name: str
    groups: tuple[str, ...]
    public_key: str
    created_at: datetime
    disabled: bool = False


class Grant(Value, frozen=True):
    """A time-limited, scoped right of an agent on a target.

    `resources` are patterns of resource names (`public.orders`, `public.*`; empty means all of the target), `max_rows`
    the most rows one unit of work may touch: a limit without a remedy. `granted_by` never counts towards the quorums
    of this agent (P4).
    """

    id: str
    agent: str
    target: str
    actions: tuple[Action, ...]
    granted_by: str
    created_at: datetime
    expires_at: datetime
    max_rows: int | None = None
    resources: tuple[str, ...] = ()
    revoked_at: datetime | None = None


class Quorum(Value, frozen=True):
    """How many distinct people, of which group."""

    name: str
    count: int
    group: str
