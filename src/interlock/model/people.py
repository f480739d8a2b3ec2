"""Principals and what they were given: agents, people, grants."""

import base64
import enum
import hmac
from datetime import datetime

from interlock.model.base import Value, digest_of
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


class Passkey(Value, frozen=True):
    """A WebAuthn credential of a person (Web Authentication Level 3). `id` and `public_key` (a COSE key) are base64url without
    padding; `sign_count` is what its authenticator said last, always zero for keys that are synchronised."""

    id: str
    public_key: str
    label: str
    created_at: datetime
    sign_count: int = 0
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class Subject(Value, frozen=True):
    """A login at an OpenID provider: `sub` is unique at `issuer`, case-sensitive, and never given to somebody else (OpenID Connect
    Core 1.0, section 2). It lets its person look and tighten, and signs nothing."""

    issuer: str
    sub: str
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def digest(self) -> str:
        """How records name it: SHA-256 (hex). Some providers use e-mail addresses."""
        return digest_of([self.issuer, self.sub])


class Person(Value, frozen=True):
    """A human principal. `public_key` is an Ed25519 key as made by `interlock keys new`: 32 bytes in base64; empty for who signs
    with passkeys only.

    Before `counts_from` nothing that they approve counts in a strict environment (None: at once); `disabled_at` is when they were
    disabled, for people that were disabled since that is kept. `withheld` are groups that they were given and that their login
    provider did not name last time: until it does, they are not in them.
    """

    name: str
    groups: tuple[str, ...]
    public_key: str
    created_at: datetime
    disabled: bool = False
    counts_from: datetime | None = None
    disabled_at: datetime | None = None
    passkeys: tuple[Passkey, ...] = ()
    subjects: tuple[Subject, ...] = ()
    withheld: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """Every public key that was ever theirs: nobody else may have one of them."""
        return frozenset({self.public_key, *(key.public_key for key in self.passkeys)} - {""})

    def is_like(self, other: "Person") -> bool:
        """Whether it is the same person, by name or by a key that both have or had (P4)."""
        return self.name == other.name or not self.keys.isdisjoint(other.keys)

    def passkey(self, credential: str) -> Passkey | None:
        """The passkey of that credential id, if it is not revoked."""
        return next((k for k in self.passkeys if k.id == credential and k.revoked_at is None), None)

    def had(self, issuer: str, sub: str) -> Subject | None:
        """That login, if it is or ever was theirs."""
        return next((s for s in self.subjects if (s.issuer, s.sub) == (issuer, sub)), None)


class TicketKind(enum.Enum):
    """What a ticket lets its holder do."""

    SESSION = "session"
    LOGIN = "login"
    INVITATION = "invitation"
    REGISTRATION = "registration"
    ENROLMENT = "enrolment"
    LINK = "link"


class Ticket(Value, frozen=True):
    """Something that ends by itself: a web session, a ceremony's challenge, an invitation, an enrolment that waits to be confirmed.
    `digest` is the SHA-256 (hex) of a secret that only its holder has; `data` belongs to the kind."""

    kind: TicketKind
    digest: str
    person: str
    created_at: datetime
    expires_at: datetime
    data: str = ""


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


class Part(Value, frozen=True):
    """So many distinct people of one group."""

    count: int
    group: str


class Wider(Value, frozen=True):
    """So many people from that many objects or rows on; 0 is no threshold. Either is enough."""

    count: int
    objects: int = 0
    rows: int = 0


class Quorum(Value, frozen=True):
    """How many distinct people, of which group. `also` are further parts, all of which must be met, each by people of its own.
    `wider` asks more people of `group` for wider effects (`control.deciding.quorum.places`)."""

    name: str
    count: int
    group: str
    also: tuple[Part, ...] = ()
    wider: tuple[Wider, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups whose people can count."""
        return tuple(dict.fromkeys((self.group, *(part.group for part in self.also))))

    @property
    def most(self) -> int:
        """How many of `group` the widest effect needs."""
        return max(self.count, *(step.count for step in self.wider), 0)
