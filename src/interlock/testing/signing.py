"""People of tests: names with signing keys that sign what the pipeline asks."""

import base64
import hashlib
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.control import limits
from interlock.control.deciding import approval as approvals
from interlock.model.change import Approval, Change, Statement, Verdict
from interlock.model.people import Person


def key_of(name: str) -> Ed25519PrivateKey:
    """The key of a test person: always the same for a name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"test key of {name}".encode()).digest())


def public_key_of(name: str) -> str:
    return base64.b64encode(key_of(name).public_key().public_bytes_raw()).decode()


def person(name: str, *groups: str, at: datetime) -> Person:
    return Person(name, groups, public_key_of(name), at)


def signed(words: Statement, at: datetime, key: Ed25519PrivateKey | None = None) -> Approval:
    """A statement signed with the person's key, or another."""
    key = key or key_of(words.person)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(key.sign(approvals.signed_bytes(words))).decode()
    return Approval(words, signature, public, at)


def speak(
    change: Change,
    name: str,
    at: datetime,
    *,
    origin: str,
    verdict: Verdict = Verdict.APPROVE,
    reason: str = "",
) -> Approval:
    """An approval or denial of a held change."""
    expires = at + limits.SIGNED_FOR
    words = approvals.statement(change, name, verdict, origin=origin, expires=expires, reason=reason)
    return signed(words, at)


def wish(
    change: Change, name: str, at: datetime, *, origin: str, force: bool = False, nonce: str = "n" * 32
) -> Approval:
    """A signed wish to revert."""
    expires = at + limits.SIGNED_FOR
    words = approvals.revert_statement(change, name, origin=origin, expires=expires, nonce=nonce, force=force)
    return signed(words, at)
