"""Approvals (P4): what a person signs, and whether the signature holds. Who counts is `control.deciding.quorum`'s.

Signatures are Ed25519 (RFC 8032) over the canonical JSON (RFC 8785) of a `model.change.Statement`.
"""

import base64
import binascii
import hashlib
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from interlock.control import limits
from interlock.control.deciding import passkey
from interlock.control.deciding.passkey import Site
from interlock.model.base import Json, canonical, digest_of
from interlock.model.change import Approval, Change, Statement, Verdict
from interlock.model.decision import Hold, Rehearse
from interlock.model.people import Person

APPROVAL_PURPOSE = "interlock/approval/v1"
REVERT_PURPOSE = "interlock/revert/v1"
VERSION = "1"


def bound(change: Change) -> dict[str, Json]:
    """What an approval is bound to, beyond what the statement names itself. Long parts as digests, so that it fits in a ledger
    entry, from which anyone can recompute `binding`."""
    m = change.measurement
    return {
        "agent": change.agent,
        "owner": change.owner,
        "target": change.target,
        "environment": change.environment,
        "fingerprint": change.fingerprint,
        "content": change.content,
        "operations": digest_of(change.operations),
        "effects": digest_of(m.effects),
        "affected": hashlib.sha256(m.affected.encode()).hexdigest(),
        "definitions": m.definitions,
        "undo_how": m.undo_how,
        "remedies": list(remedies(change)),
        "reverts": change.reverts,
        "requested_by": change.requested_by,
    }


def binding(change: Change) -> str:
    """The digest by which an approval is bound to exactly this change: `Statement.subject`."""
    return digest_of(bound(change))


def revert_subject(change: Change, force: bool) -> str:
    """`Statement.subject` of the wish to revert an applied change; `force`: rows that someone modified since as well."""
    return digest_of({"revert": binding(change), "force": force})


def remedies(change: Change) -> tuple[str, ...]:
    """What the change waits for."""
    return change.decision.remedies if isinstance(change.decision, Hold | Rehearse) else ()


def statement(
    change: Change, person: str, verdict: Verdict, *, origin: str, expires: datetime, reason: str = ""
) -> Statement:
    """What a person signs to approve or deny a held change."""
    return _statement(
        change, APPROVAL_PURPOSE, binding(change), verdict, person, origin, change.nonce, expires, reason
    )


def revert_statement(
    change: Change,
    person: str,
    *,
    origin: str,
    expires: datetime,
    nonce: str,
    force: bool = False,
    reason: str = "",
) -> Statement:
    """What a person signs to have an applied change reverted. `nonce` is the signer's own: one signature, one revert."""
    subject = revert_subject(change, force)
    return _statement(
        change, REVERT_PURPOSE, subject, Verdict.APPROVE, person, origin, nonce, expires, reason
    )


def _statement(
    change: Change,
    purpose: str,
    subject: str,
    verdict: Verdict,
    person: str,
    origin: str,
    nonce: str,
    expires: datetime,
    reason: str,
) -> Statement:
    return Statement(
        purpose=purpose,
        origin=origin,
        version=VERSION,
        change=change.id,
        target=change.target,
        fingerprint=change.fingerprint,
        subject=subject,
        verdict=verdict,
        person=person,
        nonce=nonce,
        expires=rfc3339(expires),
        reason=reason,
    )


def signed_bytes(words: Statement) -> bytes:
    """The bytes under the signature."""
    return canonical(words)


def rfc3339(at: datetime) -> str:
    """UTC with milliseconds: `2026-03-04T05:06:07.089Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def expiry(words: Statement) -> datetime | None:
    """When the statement ends; None when its text is not exactly what `rfc3339` writes."""
    try:
        at = datetime.fromisoformat(words.expires)
    except ValueError:
        return None
    return at if at.tzinfo is not None and rfc3339(at) == words.expires else None


def verify(
    approval: Approval,
    change: Change,
    person: Person | None,
    now: datetime,
    *,
    origin: str,
    site: Site | None = None,
) -> str:
    """Why this approval (or denial) of a held change does not hold; empty when it does. Whether it counts is `quorum.count`'s.
    `site` is where passkeys sign; without one, nothing that they signed holds."""
    if approval.statement.purpose != APPROVAL_PURPOSE:
        return "it was signed for another purpose"
    if approval.statement.nonce != change.nonce or not change.nonce:
        return "it was signed for another holding of the change"
    return _verify(approval, change, person, now, origin, binding(change), site)


def verify_revert(
    approval: Approval,
    change: Change,
    person: Person | None,
    now: datetime,
    *,
    origin: str,
    force: bool,
    site: Site | None = None,
) -> str:
    """Why this wish to revert does not hold; empty when it does."""
    if approval.statement.purpose != REVERT_PURPOSE:
        return "it was signed for another purpose"
    if approval.statement.verdict is not Verdict.APPROVE or len(approval.statement.nonce) < 16:
        return "it needs a nonce of 16 characters or more"
    return _verify(approval, change, person, now, origin, revert_subject(change, force), site)


def _verify(
    approval: Approval,
    change: Change,
    person: Person | None,
    now: datetime,
    origin: str,
    subject: str,
    site: Site | None,
) -> str:
    words = approval.statement
    if person is None or person.name != words.person:
        return "nobody of that name is enrolled"
    if person.disabled:
        return "the person is disabled"
    if words.version != VERSION or words.origin != origin:
        return "it was signed for another log"
    if words.change != change.id:
        return "it was signed for another change"
    if (words.target, words.fingerprint) != (change.target, change.fingerprint):
        return "it was signed for another target"
    if words.subject != subject:
        return "it was signed for another content or effect"
    ends = expiry(words)
    if ends is None or ends <= now:
        return "the signature has expired"
    if ends > now + limits.SIGNED_FOR_AT_MOST:
        return f"a signature may hold for {limits.SIGNED_FOR_AT_MOST.days} days at most"
    return signed_by(approval, person, site)


def signed_by(approval: Approval, person: Person, site: Site | None = None) -> str:
    """Why the words are not signed by that person; empty when they are. Without a `site`, nothing that passkeys signed holds."""
    if approval.assertion is not None:
        key = person.passkey(approval.assertion.credential)
        if key is None or key.public_key != approval.public_key:
            return "it was signed with a passkey that is not the person's"
        return passkey.why_not(approval, site)
    if not person.public_key or approval.public_key != person.public_key:
        return "it was signed with a key that is not the person's"
    valid = signature_holds(approval.statement, approval.signature, approval.public_key)
    return "" if valid else "the signature is not valid"


def signature_holds(words: Statement, signature: str, public_key: str) -> bool:
    """Whether the signature (base64 of 64 bytes) over the statement is the key's (base64 of 32 bytes)."""
    try:
        key, raw = _unb64(public_key), _unb64(signature)
        Ed25519PublicKey.from_public_bytes(key).verify(raw, signed_bytes(words))
    except (InvalidSignature, ValueError):
        return False
    return True


def _unb64(text: str) -> bytes:
    """Canonical base64 only: no two spellings of one key or signature."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data
