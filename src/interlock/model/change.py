"""Changes: the record of one unit of work an agent asked for, and the approvals of it."""

import enum
from datetime import datetime, timedelta

import msgspec

from interlock.model.base import Value
from interlock.model.decision import Decision
from interlock.model.effect import ACTION_OF, Effect, Evidence
from interlock.model.operation import Action, Operation


class ChangeState(enum.Enum):
    """Where a change is; the moves between states are a table in `control.change`."""

    RECEIVED = "received"
    HELD = "held"
    APPROVED = "approved"
    EXECUTING = "executing"
    APPLIED = "applied"
    REVERTED = "reverted"
    PARTLY_REVERTED = "partly_reverted"
    REFUSED = "refused"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class Measurement(Value, frozen=True):
    """What a preview found out about a unit of work.

    `affected` is a digest of the affected keys with old and new values where the before-image gives them, else empty;
    `definitions` is a digest of the definitions (functions, triggers, rules, columns) of what took part. Both are part
    of what people approve (P4, P5). `undo_how` names the way of the before-image ("predicate", "xmax", "none").
    """

    effects: tuple[Effect, ...]
    affected: str = ""
    definitions: str = ""
    undo_how: str = "none"


class Change(Value, frozen=True):
    """The record of one unit of work.

    `content` is the digest of what was asked: statements, parameters and the settings that change their meaning; the text
    itself lies in the encrypted payload `content`. `operations` are kept without their native form. `version` fences
    concurrent moves. `marker` is what recovery asks the target with (for Postgres: xid, system identifier, timeline).
    `reverts` is the change this one undoes, `reverted_by` the one that undid this. `session` is the agent's session id.
    `reason` is the agent's own stated purpose, `note` a sentence of ours about the outcome (never a row value), `denial` the reason
    that came with a denial: one line of a person's words, for the agent. `expires_at` of a denied change is until when the same
    content is answered with that denial. `break_glass` is the use of break-glass by which it passes.
    """

    id: str
    agent: str
    owner: str
    target: str
    environment: str
    fingerprint: str
    state: ChangeState
    version: int
    content: str
    operations: tuple[Operation, ...]
    measurement: Measurement
    decision: Decision
    requested_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    session: str = ""
    reason: str = ""
    note: str = ""
    marker: dict[str, str] = msgspec.field(default_factory=dict)
    reverts: str = ""
    reverted_by: str = ""
    replaces: str = ""
    requested_by: str = ""
    nonce: str = ""
    denial: str = ""
    break_glass: str = ""

    @property
    def action(self) -> Action:
        """The gravest of what it asks for and what it does. An effect that nobody knows is one of a delete."""
        asked = (operation.action for operation in self.operations)
        done = (
            Action.DELETE if effect.evidence is Evidence.UNKNOWN else ACTION_OF[effect.change]
            for effect in self.measurement.effects
        )
        return max((*asked, *done), key=lambda action: action.severity, default=Action.UNKNOWN)


class Verdict(enum.Enum):
    """What a person says of a held change."""

    APPROVE = "approve"
    DENY = "deny"


class Statement(Value, frozen=True, omit_defaults=False):
    """Exactly what a person signs, as canonical JSON (P4). `subject` is `control.approval.binding(change)`; `expires` is
    RFC 3339 UTC; `purpose` separates this signature from every other use of the key. `shown` is the SHA-256 (hex) of the text that
    a browser had on screen (`control.deciding.shown`); the command line shows the change itself, and has none."""

    purpose: str
    origin: str
    version: str
    change: str
    target: str
    fingerprint: str
    subject: str
    verdict: Verdict
    person: str
    nonce: str
    expires: str
    reason: str = ""
    shown: str | msgspec.UnsetType = msgspec.UNSET


class Assertion(Value, frozen=True):
    """What a passkey signed besides the challenge (Web Authentication Level 3 section 5.8.1, 6.1), in base64url without padding.
    `credential` is the passkey's id."""

    credential: str
    authenticator_data: str
    client_data: str


class Approval(Value, frozen=True):
    """A person's signed word about a change. `signature` is Ed25519 over the canonical JSON of `statement`, base64; with an
    `assertion`, a passkey's signature over that and the digest of the statement as its challenge, base64url, and `public_key`
    the passkey's. `hasty` is not theirs: it was given too quickly to stand alone (`control.deciding.haste`)."""

    statement: Statement
    signature: str
    public_key: str
    at: datetime
    assertion: Assertion | None = None
    hasty: bool = False


class Review(Value, frozen=True):
    """That a person had a change's effect before them: since when, and when they approved it, if they did."""

    change: str
    person: str
    opened_at: datetime
    approved_at: datetime | None = None


class TakenBack(Value, frozen=True):
    """An approval that its person took back before it was used, and when. The same words never count again."""

    approval: Approval
    at: datetime


class Comment(Value, frozen=True):
    """What somebody wrote beside a change. `by` is who, as records write it (`person/ana`)."""

    by: str
    at: datetime
    text: str


class ChangeFilter(Value, frozen=True):
    """Which changes to list, newest first; `before` is a change id to continue after (keyset paging). `words` are all looked for in
    `model.search.words_of`, `action` is that of the change as a whole. `since` (included) and `until` (not) are compared with
    the time in the id: when it was asked for, or a little later in a burst of more than one in a millisecond."""

    states: tuple[ChangeState, ...] = ()
    agent: str = ""
    target: str = ""
    environment: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: str = ""
    limit: int = 50
    action: Action | None = None
    words: tuple[str, ...] = ()


class Listing(Value, frozen=True):
    """A page of changes, newest first. `next` is what to ask with as `before`, empty when nothing older fits. A look that went as
    far back as one page may is over before the page is full: then everything younger than `searched_to` was looked at."""

    changes: tuple[Change, ...]
    next: str = ""
    searched_to: datetime | None = None


ACTIVITY_SLICE = timedelta(minutes=5)
"""The finest slices in which activity is counted; they begin at multiples of it, in UTC."""


class Activity(Value, frozen=True):
    """How many changes were asked for in a slice of time (its number from the first on) and are in a state now."""

    slice: int
    state: ChangeState
    changes: int
