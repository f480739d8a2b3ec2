"""Break-glass: what is signed for it, and whether that holds. Who has an interest in a change cannot break the glass for it either.

Purposes of their own keep these signatures apart from approvals: neither can stand for the other.
"""

from datetime import datetime, timedelta

import msgspec

from interlock.control.deciding.approval import VERSION, binding, expiry, rfc3339, signed_by
from interlock.control.deciding.passkey import Site
from interlock.model.base import Value, digest_of
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Approval, Change, Statement, Verdict
from interlock.model.people import Person

PURPOSE = "interlock/break-glass/v1"
REVIEW_PURPOSE = "interlock/break-glass-review/v1"
SHORTEST_NONCE, LONGEST_REASON = 16, 500
SIGNED_FOR = timedelta(hours=24)
"""How long the signature of a review may hold."""


class Rules(Value, frozen=True, omit_defaults=False):
    """Who may break the glass, and for how long at most (`break_glass:` in the configuration). By default nobody may. `site` is
    where their passkeys sign."""

    people: tuple[str, ...] = ()
    minutes: int = 15
    site: Site | None = None

    @property
    def longest(self) -> timedelta:
        return timedelta(minutes=self.minutes)


def subject_of(change: Change) -> str:
    """`Statement.subject` of breaking the glass for one change: content and effect, as of an approval."""
    return digest_of({"break-glass": binding(change)})


def subject_of_target(target: str, environment: str) -> str:
    """`Statement.subject` of breaking the glass for a whole target."""
    return digest_of({"break-glass": {"target": target, "environment": environment}})


def for_change(
    change: Change, person: str, *, origin: str, expires: datetime, nonce: str, reason: str
) -> Statement:
    """What a person signs to break the glass for one change: bound to it as an approval is."""
    words = _words(
        PURPOSE, change.target, change.fingerprint, subject_of(change), person, origin, expires, nonce, reason
    )
    return msgspec.structs.replace(words, change=change.id)


def for_target(
    target: str,
    environment: str,
    fingerprint: str,
    person: str,
    *,
    origin: str,
    expires: datetime,
    nonce: str,
    reason: str,
) -> Statement:
    """What a person signs to break the glass for a whole target."""
    subject = subject_of_target(target, environment)
    return _words(PURPOSE, target, fingerprint, subject, person, origin, expires, nonce, reason)


def for_review(glass: BreakGlass, person: str, sentence: str, *, expires: datetime) -> Statement:
    """What another person may sign when they review it."""
    words, subject = glass.approval.statement, digest_of({"break-glass-review": glass.id})
    made = _words(
        REVIEW_PURPOSE,
        words.target,
        words.fingerprint,
        subject,
        person,
        words.origin,
        expires,
        glass.id,
        sentence,
    )
    return msgspec.structs.replace(made, change=words.change)


def _words(
    purpose: str,
    target: str,
    fingerprint: str,
    subject: str,
    person: str,
    origin: str,
    expires: datetime,
    nonce: str,
    reason: str,
) -> Statement:
    return Statement(
        purpose=purpose,
        origin=origin,
        version=VERSION,
        change="",
        target=target,
        fingerprint=fingerprint,
        subject=subject,
        verdict=Verdict.APPROVE,
        person=person,
        nonce=nonce,
        expires=rfc3339(expires),
        reason=reason,
    )


def id_of(words: Statement) -> str:
    """The id of a use: of its very words, so that the same words are used once."""
    return f"BRK-{digest_of(words)[:12].upper()}"


def why_not(
    approval: Approval, expected: Statement, person: Person | None, rules: Rules, now: datetime
) -> str:
    """Why these words do not break the glass; empty when they do. `expected` is what they must be, made from what is known here."""
    words = approval.statement
    if words.person not in rules.people:
        return "the person is not named for it in the configuration"
    if not words.reason.strip() or len(words.reason) > LONGEST_REASON:
        return f"it needs a reason of {LONGEST_REASON} characters at most"
    if len(words.nonce) < SHORTEST_NONCE:
        return f"it needs a nonce of {SHORTEST_NONCE} characters or more"
    ends = expiry(words)
    if ends is not None and ends > now + rules.longest:
        return f"it may hold for {rules.minutes} minutes at most"
    return _signed(approval, expected, person, now, rules.site)


def why_not_reviewed(approval: Approval, glass: BreakGlass, person: Person | None, now: datetime) -> str:
    """Why the signature of a review does not hold; empty when it does."""
    words, ends = approval.statement, expiry(approval.statement)
    if ends is not None and ends > now + SIGNED_FOR:
        return "the signature of a review may hold for a day at most"
    expected = for_review(glass, words.person, words.reason, expires=ends or now)
    return _signed(approval, expected, person, now, None)


_PARTS = {
    "purpose": "purpose",
    "origin": "log",
    "version": "log",
    "change": "change",
    "target": "target",
    "fingerprint": "target",
    "subject": "content or effect",
    "nonce": "use",
}


def _signed(
    approval: Approval, expected: Statement, person: Person | None, now: datetime, site: Site | None
) -> str:
    words, ends = approval.statement, expiry(approval.statement)
    for field in Statement.__struct_fields__:
        if field == "shown":  # what a page showed is compared where the text is at hand
            continue
        if getattr(words, field) != getattr(expected, field):
            return f"it was signed for another {_PARTS.get(field, field)}"
    if ends is None or ends <= now:
        return "the signature has expired"
    if person is None or person.name != words.person:
        return "nobody of that name is enrolled"
    if person.disabled:
        return "the person is disabled"
    return signed_by(approval, person, site)
