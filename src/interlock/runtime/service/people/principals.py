"""People, agents and grants."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from interlock.model.errors import Rejected
from interlock.model.ids import ALPHABET
from interlock.model.operation import Action
from interlock.model.people import Agent, AgentCredential, Grant, Person, signing_key
from interlock.model.proposal import (
    AddAgent,
    AddGrant,
    AddPerson,
    GiveAgent,
    Recover,
    SetGroups,
    Wanted,
)
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.governing import acts
from interlock.runtime.rules.governance import Governance
from interlock.sdk.ports import Tx

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

    async def _want(
        self,
        kind: type[P],
        wanted: Wanted,
        what: str,
        by: str,
        also: Callable[[Tx], None] | None = None,
    ) -> P:
        """Do what loosens, or have it held for admins (`Proposed`)."""
        made = await self._mode.want(self._core, wanted, by, also)
        assert isinstance(made, kind)
        announce.principal(what, made, by)
        return made


class People(_Service):
    """Human principals."""

    async def list(self) -> Sequence[Person]:
        return await self._core.store.read(lambda tx: tx.people())

    async def add(self, person: str, groups: Sequence[str], public_key: str, *, by: str) -> Person:
        """Enrol someone with the Ed25519 public key they made (32 bytes in base64). Rejected when the name or the key is taken."""
        wanted = AddPerson(person, tuple(groups), public_key)
        return await self._want(Person, wanted, "added", by)

    async def disable(self, person: str, *, by: str) -> Person:
        """From now on nothing that they sign counts. Works at once, in every mode; only the last admin stays, so that someone can
        recover the others."""

        def work(tx: Tx) -> Person:
            known = acts.existing(tx.person(person), f"person {person}")
            if known.disabled:
                return known
            if acts.governed(tx) and acts.is_admin(known):
                acts.leave_admins(tx, person, 1)
            made = msgspec.structs.replace(known, disabled=True, disabled_at=tx.now())
            return acts.put_person(tx, made, "disabled", by)

        return await self._change(work, "disabled", by)

    async def set_groups(self, person: str, groups: Sequence[str], *, by: str) -> Person:
        """Give someone other groups."""
        return await self._want(Person, SetGroups(person, tuple(groups)), "regrouped", by)

    async def recover(self, person: str, public_key: str, *, by: str) -> Person:
        """Give someone who lost their key another one. What they signed with the old one counts no longer."""
        return await self._want(Person, Recover(person, public_key), "recovered", by)


class Agents(_Service):
    """Non-human principals."""

    async def list(self) -> Sequence[Agent]:
        return await self._core.store.read(lambda tx: tx.agents())

    async def add(self, agent: str, owner: str, *, by: str) -> NewAgent:
        """Add an agent without any right; its owner is an enrolled person."""
        token = new_token()
        verifier = scram_verifier(token)
        credential = AgentCredential(agent, verifier, _sha256(token), signing=signing_key(token))
        made = await self._want(
            Agent, AddAgent(agent, owner), "added", by, lambda tx: tx.put_credential(credential)
        )
        return NewAgent(made, token)

    async def rotate(self, agent: str, *, by: str) -> NewAgent:
        """Give it another token; sessions with the old one end at once."""
        token = new_token()
        verifier = scram_verifier(token)

        def work(tx: Tx) -> Agent:
            known = acts.existing(tx.agent(agent), f"agent {agent}")
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
            made = msgspec.structs.replace(acts.existing(tx.agent(agent), f"agent {agent}"), disabled=True)
            tx.put_agent(made)
            old = tx.credential(agent)
            if old is not None:
                tx.put_credential(msgspec.structs.replace(old, epoch=old.epoch + 1))
            tx.append("agent", {"agent": agent, "owner": made.owner, "what": "disabled", "by": by})
            return made

        return await self._change(work, "disabled", by)

    async def give_to(self, agent: str, owner: str, *, by: str) -> Agent:
        """Give it another owner. Past owners never count towards its quorums (P4)."""
        return await self._want(Agent, GiveAgent(agent, owner), "given_to", by)


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
        if self._strict(target) is None:
            raise Rejected(f"there is no target {target}")
        grant_id = "G-" + "".join(secrets.choice(ALPHABET) for _ in range(8))
        wanted = AddGrant(
            grant_id, agent, target, tuple(actions), expires_at, max_rows=max_rows, resources=tuple(resources)
        )
        return await self._want(Grant, wanted, "added", by)

    async def revoke(self, grant_id: str, *, by: str) -> Grant:
        """End a right at once, in every mode."""

        def work(tx: Tx) -> Grant:
            known = acts.existing(tx.grant(grant_id), f"grant {grant_id}")
            if known.revoked_at is not None:
                return known
            made = msgspec.structs.replace(known, revoked_at=tx.now())
            tx.put_grant(made)
            tx.append("grant", {**acts.grant_body(made), "what": "revoked", "by": by})
            return made

        return await self._change(work, "revoked", by)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
