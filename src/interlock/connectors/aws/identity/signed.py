"""Whose a request is: its signature against the key that its agent was given."""

from datetime import datetime
from typing import Protocol

import msgspec

from interlock.connectors.aws import sigv4
from interlock.connectors.aws.http import Head
from interlock.connectors.aws.identity import keys
from interlock.connectors.aws.sigv4 import Claim
from interlock.model.people import AgentCredential
from interlock.sdk.connector import Principal


class Knows(Protocol):
    """Whoever knows agents: `sdk.connector.Gate`."""

    def credential(self, agent: str) -> tuple[Principal, AgentCredential] | None: ...


class Signed(msgspec.Struct, frozen=True):
    """Who asks. It is proven by `verify`: at once, or when the body is there where that is part of what was signed."""

    principal: Principal
    credential: AgentCredential
    claim: Claim
    headers: sigv4.Folded
    mode: sigv4.Mode
    secret: str
    narrowed: keys.Narrowed | None

    def verify(self, head: Head, digest: str, now: datetime) -> None:
        """Raise NotSigned unless it was signed with the agent's key. `digest` stands for the body."""
        sigv4.verify(self.claim, self.secret, head.method, head.path, head.query, self.headers, digest, now)


def signed(head: Head, gate: Knows, now: datetime) -> Signed:
    """Read the signature of a request and find its key. Raises NotSigned; a stranger, a disabled agent and one without a
    right here are answered alike."""
    headers = sigv4.folded(head.headers)
    claim = sigv4.claim(head.method, head.path, head.query, headers)
    found = gate.credential(keys.agent_of(claim.key_id))
    if found is None or not found[1].signing:
        raise sigv4.unknown_key(claim)
    principal, credential = found
    secret, narrowed = _secret(claim, principal, credential, now)
    mode = sigv4.mode(claim, head.query, headers)
    made = Signed(principal, credential, claim, headers, mode, secret, narrowed)
    if mode.kind != "whole":
        made.verify(head, mode.hash, now)
    return made


def _secret(
    claim: Claim, principal: Principal, credential: AgentCredential, now: datetime
) -> tuple[str, keys.Narrowed | None]:
    if not keys.is_narrowed(claim.key_id):
        if claim.token:
            raise sigv4.wrong_token(claim)
        return credential.signing, None
    narrowed = keys.read_token(claim.token, credential.signing, principal.agent, credential.epoch, now)
    if narrowed is None:
        raise sigv4.wrong_token(claim)
    return keys.secret_of(claim.token, credential.signing), narrowed
