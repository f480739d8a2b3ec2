"""People, agents and grants."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from interlock.control import breaker
from interlock.model.base import Json
from interlock.model.breaker import Breaker
from interlock.model.errors import Misconfigured, NotFound, Rejected
from interlock.model.ids import ALPHABET
from interlock.model.operation import Action
from interlock.model.people import Agent, AgentCredential, Grant, Person, signing_key
from interlock.policy import grants as compiled
from interlock.runtime import announce, governance
from interlock.runtime.core import Core
from interlock.runtime.governance import Governance, Proposal
from interlock.runtime.service.names import name, person_of
from interlock.sdk.ports import Tx

T = TypeVar("T")
P = TypeVar("P", Person, Agent, Grant)
SCRAM_ITERATIONS = 4096
"""PostgreSQL's default. A token has 256 random bits, so that guessing is hopeless whatever the number."""


class NewAgent(msgspec.Struct, frozen=True):
    """An agent and its token, which is shown here once and kept nowhere."""

    agent: Agent
    token: str

    def __repr__(self) -> str:
        return f"NewAgent({self.agent.name})"


def new_token() -> str:
    """A token: 256 random bits, in characters that need no escaping in addresses."""
    return "ilk_" + secrets.token_urlsafe(32)


def scram_verifier(token: str, salt: bytes | None = None) -> str:
    """PostgreSQL's SCRAM-SHA-256 verifier (RFC 5802, RFC 7677; the form of `pg_authid.rolpassword`). Tokens are ASCII,
    so that SASLprep changes nothing."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", token.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored, _hmac(salted, b"Server Key"))]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


class _Service:
    def __init__(self, core: Core, mode: Governance) -> None:
        self._core, self._mode = core, mode

    async def _change(self, work: Callable[[Tx], P], what: str, by: str) -> P:
        """Make a change, and let this process know at once."""
        result = await self._core.store.transact(work)
        await self._core.directory.refresh()
        announce.principal(what, result, by)
        return result

    def _may(self, what: str, subject: str, by: str, *, strict: bool = True) -> None:
        governance.require(self._mode, Proposal(what, subject, by, strict))


class People(_Service):
    """Human principals."""

    async def list(self) -> Sequence[Person]:
        return await self._core.store.read(lambda tx: tx.people())

    async def add(self, person: str, groups: Sequence[str], public_key: str, *, by: str) -> Person:
        """Enrol someone with the Ed25519 public key they made (32 bytes in base64). Rejected when the name or the key is taken."""
        self._may("add person", person, by)
        name(person, "a person")
        _public_key(public_key)
        wanted = tuple(dict.fromkeys(name(group, "a group") for group in groups))

        def work(tx: Tx) -> Person:
            if tx.person(person) is not None:
                raise Rejected(f"there is a person {person} already")
            key_is_free(tx, public_key, person)
            made = Person(person, wanted, public_key, tx.now())
            tx.put_person(made)
            tx.append("person", {**body_of(made), "what": "added", "by": by})
            return made

        return await self._change(work, "added", by)

    async def disable(self, person: str, *, by: str) -> Person:
        """From now on nothing that they sign counts. Works at once, in every mode."""

        def work(tx: Tx) -> Person:
            made = msgspec.structs.replace(_existing(tx.person(person), f"person {person}"), disabled=True)
            tx.put_person(made)
            tx.append("person", {**body_of(made), "what": "disabled", "by": by})
            return made

        return await self._change(work, "disabled", by)

    async def set_groups(self, person: str, groups: Sequence[str], *, by: str) -> Person:
        """Give someone other groups."""
        self._may("change groups of person", person, by)
        wanted = tuple(dict.fromkeys(name(group, "a group") for group in groups))

        def work(tx: Tx) -> Person:
            made = msgspec.structs.replace(_existing(tx.person(person), f"person {person}"), groups=wanted)
            tx.put_person(made)
            tx.append("person", {**body_of(made), "what": "groups", "by": by})
            return made

        return await self._change(work, "regrouped", by)


class Agents(_Service):
    """Non-human principals."""

    async def list(self) -> Sequence[Agent]:
        return await self._core.store.read(lambda tx: tx.agents())

    async def add(self, agent: str, owner: str, *, by: str) -> NewAgent:
        """Add an agent without any right; its owner is an enrolled person."""
        self._may("add agent", agent, by)
        name(agent, "an agent")
        token = new_token()
        verifier = scram_verifier(token)

        def work(tx: Tx) -> Agent:
            if tx.agent(agent) is not None:
                raise Rejected(f"there is an agent {agent} already")
            _enabled_owner(tx, owner)
            made = Agent(agent, owner, tx.now())
            tx.put_agent(made)
            tx.put_credential(AgentCredential(agent, verifier, _sha256(token), signing=signing_key(token)))
            tx.put_breaker(Breaker(breaker.agent(agent), moved_at=tx.now(), moved_by=by))
            tx.append("agent", {"agent": agent, "owner": owner, "what": "added", "by": by})
            return made

        return NewAgent(await self._change(work, "added", by), token)

    async def rotate(self, agent: str, *, by: str) -> NewAgent:
        """Give it another token; sessions with the old one end at once."""
        token = new_token()
        verifier = scram_verifier(token)

        def work(tx: Tx) -> Agent:
            known = _existing(tx.agent(agent), f"agent {agent}")
            old = tx.credential(agent)
            epoch = old.epoch + 1 if old else 1
            made = AgentCredential(agent, verifier, _sha256(token), epoch, signing_key(token))
            tx.put_credential(made)
            tx.append(
                "agent", {"agent": agent, "owner": known.owner, "what": "rotated", "by": by, "epoch": epoch}
            )
            return known

        return NewAgent(await self._change(work, "rotated", by), token)

    async def disable(self, agent: str, *, by: str) -> Agent:
        """It can do nothing from now on; its sessions end at once."""

        def work(tx: Tx) -> Agent:
            made = msgspec.structs.replace(_existing(tx.agent(agent), f"agent {agent}"), disabled=True)
            tx.put_agent(made)
            old = tx.credential(agent)
            if old is not None:
                tx.put_credential(msgspec.structs.replace(old, epoch=old.epoch + 1))
            tx.append("agent", {"agent": agent, "owner": made.owner, "what": "disabled", "by": by})
            return made

        return await self._change(work, "disabled", by)

    async def give_to(self, agent: str, owner: str, *, by: str) -> Agent:
        """Give it another owner. Past owners never count towards its quorums (P4)."""
        self._may("change owner of agent", agent, by)

        def work(tx: Tx) -> Agent:
            known = _existing(tx.agent(agent), f"agent {agent}")
            _enabled_owner(tx, owner)
            past = tuple(dict.fromkeys((*known.past_owners, known.owner)))
            made = msgspec.structs.replace(known, owner=owner, past_owners=past)
            tx.put_agent(made)
            tx.append(
                "agent", {"agent": agent, "owner": owner, "what": "owner", "by": by, "before": known.owner}
            )
            return made

        return await self._change(work, "given_to", by)


class Grants(_Service):
    """Time-limited, scoped rights."""

    def __init__(self, core: Core, mode: Governance, strict: Callable[[str], bool | None]) -> None:
        """`strict` says whether a target lies in a strict environment, None when there is no such target."""
        super().__init__(core, mode)
        self._strict = strict

    async def list(self) -> Sequence[Grant]:
        return await self._core.store.read(lambda tx: tx.grants())

    async def add(
        self,
        agent: str,
        target: str,
        actions: Sequence[Action],
        expires_at: datetime,
        *,
        by: str,
        max_rows: int | None = None,
        resources: Sequence[str] = (),
    ) -> Grant:
        """Give a right until `expires_at` (UTC). Rejected when it could not be compiled, or names what does not exist."""
        strict = self._strict(target)
        if strict is None:
            raise Rejected(f"there is no target {target}")
        self._may("add grant for", f"{agent} on {target}", by, strict=strict)
        grant_id = "G-" + "".join(secrets.choice(ALPHABET) for _ in range(8))

        def work(tx: Tx) -> Grant:
            now, known = tx.now(), _existing(tx.agent(agent), f"agent {agent}")
            made = Grant(
                id=grant_id,
                agent=known.name,
                target=target,
                actions=tuple(dict.fromkeys(actions)),
                granted_by=person_of(by),
                created_at=now,
                expires_at=expires_at,
                max_rows=max_rows,
                resources=tuple(resources),
            )
            _valid(made, now)
            tx.put_grant(made)
            tx.append("grant", {**_grant(made), "what": "added", "by": by})
            return made

        return await self._change(work, "added", by)

    async def revoke(self, grant_id: str, *, by: str) -> Grant:
        """End a right at once, in every mode."""

        def work(tx: Tx) -> Grant:
            known = _existing(tx.grant(grant_id), f"grant {grant_id}")
            if known.revoked_at is not None:
                return known
            made = msgspec.structs.replace(known, revoked_at=tx.now())
            tx.put_grant(made)
            tx.append("grant", {**_grant(made), "what": "revoked", "by": by})
            return made

        return await self._change(work, "revoked", by)


def _existing(found: T | None, what: str) -> T:
    if found is None:
        raise NotFound(f"there is no {what}")
    return found


def _enabled_owner(tx: Tx, owner: str) -> None:
    person = tx.person(owner)
    if person is None or person.disabled:
        raise Rejected(f"the owner {owner} is not an enrolled person; add them first")


def _public_key(text: str) -> None:
    try:
        raw = base64.b64decode(text, validate=True)
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise Rejected("a public key is 32 bytes in base64, as `interlock keys new` writes it") from None
    if base64.b64encode(raw).decode() != text or raw in _SMALL_ORDER:
        raise Rejected("this public key is not one that a signing key belongs to")


_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    )
)
"""Points of small order: anyone can make signatures that verify under them."""


def key_is_free(tx: Tx, public_key: str, person: str) -> None:
    """Raises Rejected when a key of either kind is somebody else's, or ever was."""
    for other in tx.people():
        if public_key in other.keys and other.name != person:
            raise Rejected(f"this key is {other.name}'s already: each person has their own")


def _valid(grant: Grant, now: datetime) -> None:
    try:
        compiled.check(grant)
    except Misconfigured as error:
        raise Rejected(str(error)) from None
    if grant.expires_at <= now:
        raise Rejected("a grant must end in the future")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def body_of(person: Person) -> dict[str, Json]:
    """A ledger entry about a person: with every key that signs for them, so that their signatures can be checked from the log."""
    passkeys = [key.public_key for key in person.passkeys if key.revoked_at is None]
    named = {"person": person.name, "groups": list(person.groups), "public_key": person.public_key}
    return {**named, **({"passkeys": passkeys} if passkeys else {})}


def _grant(grant: Grant) -> dict[str, str | int | list[str] | None]:
    return {
        "grant": grant.id,
        "agent": grant.agent,
        "target": grant.target,
        "actions": [a.value for a in grant.actions],
        "max_rows": grant.max_rows,
        "resources": list(grant.resources)[:100],
        "granted_by": grant.granted_by,
        "expires": int(grant.expires_at.timestamp()),
    }
