"""What the API takes and gives, beyond the vocabulary of `model`. The command line imports it, so it imports nothing heavy."""

from datetime import datetime
from typing import Annotated

import msgspec

from interlock.model.base import Value
from interlock.model.beside import Beside
from interlock.model.change import Approval, Assertion, Change, ChangeState, Comment, Statement, Verdict
from interlock.model.conflict import RowConflict
from interlock.model.effect import Effect, Totals
from interlock.model.operation import Action
from interlock.model.people import Agent, Grant, Person
from interlock.sdk.connector import Finding

PROBLEM_MEDIA = "application/problem+json"
MODE = "interlock-mode"
"""A field of every good answer: `try-out` or `governed`, so that clients can say it loudly."""


class Problem(Value, frozen=True, omit_defaults=False):
    """What went wrong (RFC 9457 section 3.1). `type` is `urn:interlock:problem:CODE`, `code` one of
    `console.problems.CODES`, `detail` one sentence for people; `retry` tells whether the same request can succeed later."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: bool = False


# ---- Changes


class ChangeQuery(Value, frozen=True):
    """Which changes, newest first. `before` is the last id of the page before."""

    state: tuple[ChangeState, ...] = ()
    agent: str = ""
    target: str = ""
    environment: str = ""
    since: datetime | None = None
    before: str = ""
    limit: int = 50


class ChangeSummary(Value, frozen=True):
    """A change in a list. `group` is the same for changes that look alike (`control.change.shape`); each is decided by itself;
    `break_glass` is the use of break-glass by which it passed."""

    id: str
    state: ChangeState
    agent: str
    owner: str
    target: str
    environment: str
    totals: Totals
    requested_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    remedies: tuple[str, ...] = ()
    reason: str = ""
    note: str = ""
    reverts: str = ""
    reverted_by: str = ""
    group: str = ""
    break_glass: str = ""


class ChangePage(Value, frozen=True):
    """A page of changes; `next` is what to ask with as `before`, empty at the end. A page may have fewer than were asked for
    before the end: it looks back no further than a page may."""

    changes: tuple[ChangeSummary, ...]
    next: str = ""


class QuorumPart(Value, frozen=True):
    """How far one part of a quorum is: `count` people of one of `groups`, `given` of whom are there."""

    groups: tuple[str, ...]
    count: int
    given: tuple[str, ...] = ()


class QuorumState(Value, frozen=True):
    """How far a quorum is. `count` are all that it needs for this effect, `group` its first group, `parts` what is needed of which
    group, and who is there. `given` are the people who count, `ignored` those who spoke and don't count, with the reason. For each
    of the `hasty` one more person is needed."""

    name: str
    count: int
    group: str
    given: tuple[str, ...] = ()
    ignored: dict[str, str] = {}  # noqa: RUF012  # msgspec copies mutable defaults
    parts: tuple[QuorumPart, ...] = ()
    missing: int = 0
    hasty: tuple[str, ...] = ()


class ChangeDetail(Value, frozen=True):
    """A change with what was said of it. `statements` is the native text, None once retention has destroyed it. `beside` puts
    the effect beside the one that had been approved, when the work outgrew its approval and is held again."""

    change: Change
    totals: Totals
    approvals: tuple[Approval, ...] = ()
    quorums: tuple[QuorumState, ...] = ()
    statements: tuple[str, ...] | None = None
    beside: tuple[Beside, ...] = ()
    comments: tuple[Comment, ...] = ()


class StatementQuery(Value, frozen=True):
    """What a person wants to say. `verdict` is theirs about a held change; `revert` asks for that of a revert, with
    a `nonce` of the signer's own."""

    person: str
    verdict: Verdict = Verdict.APPROVE
    reason: str = ""
    revert: bool = False
    force: bool = False
    nonce: str = ""


class ToSign(Value, frozen=True):
    """Everything from which a client recomputes what it signs. `content` of the change is the SHA-256 of `payload`, which is in
    the encoding of `connector`; `statements` is how the server reads it."""

    statement: Statement
    change: Change
    connector: str
    payload: bytes | None = None
    statements: tuple[str, ...] | None = None


class Signed(Value, frozen=True):
    """A signed statement. `signature` is Ed25519 over its canonical JSON (RFC 8785), in base64; with an `assertion`, that of a
    passkey whose challenge was the SHA-256 of this JSON, in base64url."""

    statement: Statement
    signature: str
    assertion: Assertion | None = None


class SignedRevert(Value, frozen=True):
    """A signed wish to revert. With `force`, rows that someone modified since are put back as well."""

    statement: Statement
    signature: str
    force: bool = False
    assertion: Assertion | None = None


class Outcome(Value, frozen=True, omit_defaults=False):
    """The end of an apply or a revert. `code` is `done`, `held` (people are needed, again if `grown` says how the effect differs
    from what was approved), or why it was refused: `forbidden`, `breaker`, `unavailable`, `failed`, `in_doubt`. `conflicts` are
    the rows that others touched since the change that is reverted: 200 of them at most. `next` says who ends what refuses it, and
    by which command, and `see` where that is shown."""

    done: bool
    code: str
    why: str = ""
    retry: bool = False
    grown: tuple[str, ...] = ()
    change: Change | None = None
    conflicts: tuple[RowConflict, ...] = ()
    beside: tuple[Beside, ...] = ()
    next: str = ""
    see: str = ""


class RevertQuery(Value, frozen=True):
    """Whether the revert is to be a forced one."""

    force: bool = False


class Empty(Value, frozen=True):
    """No content: `{}`."""


class OwnChange(Value, frozen=True):
    """A change as its agent may see it. `code` is stable; `next` says what happens next; `retry` whether sending the same again
    helps now."""

    id: str
    state: ChangeState
    code: str
    why: str
    next: str
    retry: bool
    target: str
    effects: tuple[Effect, ...]
    totals: Totals
    requested_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    revertible: bool = False
    note: str = ""
    reason: str = ""
    reverted_by: str = ""


class OwnChangeQuery(Value, frozen=True):
    """For how many seconds to wait until the change is in none of the states named, of which it is in one; without any, until it
    has left that in which it is now. 0 answers at once."""

    wait: Annotated[int, msgspec.Meta(ge=0, le=60)] = 0
    state: tuple[ChangeState, ...] = ()


class OwnQuery(Value, frozen=True):
    """Which of an agent's own changes, newest first; all targets unless one is named."""

    state: tuple[ChangeState, ...] = ()
    target: str = ""
    limit: int = 50


class OwnChanges(Value, frozen=True):
    """An agent's own changes, newest first."""

    changes: tuple[OwnChange, ...]


# ---- Principals


class NewPerson(Value, frozen=True):
    """A person to enrol; `public_key` is the line of their `.pub` file."""

    name: str
    groups: tuple[str, ...]
    public_key: str


class People(Value, frozen=True):
    """All people."""

    people: tuple[Person, ...]


class NewAgent(Value, frozen=True):
    """An agent to add."""

    name: str
    owner: str


class Agents(Value, frozen=True):
    """All agents."""

    agents: tuple[Agent, ...]


class Connection(Value, frozen=True):
    """How an agent reaches a target: an address in which `TOKEN` stands for the token."""

    target: str
    address: str


class NewToken(Value, frozen=True):
    """An agent's token. This answer is the only place where it ever is."""

    agent: Agent
    token: str
    connections: tuple[Connection, ...] = ()


class NewGrant(Value, frozen=True):
    """A grant to give; it ends `seconds` from now."""

    agent: str
    target: str
    actions: tuple[Action, ...]
    seconds: Annotated[int, msgspec.Meta(ge=1, le=10 * 366 * 86400)]
    max_rows: int | None = None
    resources: tuple[str, ...] = ()


class Grants(Value, frozen=True):
    """All grants, ended ones too."""

    grants: tuple[Grant, ...]
    now: datetime


class Reason(Value, frozen=True):
    """Why."""

    reason: str = ""


# ---- Ledger


class LedgerHead(Value, frozen=True):
    """How far the log is. `vkey` is the verifier key (c2sp.org/signed-note); `size` counts entries, `signed` those that the
    newest checkpoint covers."""

    origin: str
    vkey: str
    size: int
    signed: int
    root: str


class EntryQuery(Value, frozen=True):
    """Which entries."""

    start: int = 0
    limit: int = 100


class LedgerEntry(Value, frozen=True):
    """One entry; `entry` is its canonical bytes."""

    index: int
    entry: bytes


class LedgerEntries(Value, frozen=True):
    """Consecutive entries and the size of the log."""

    entries: tuple[LedgerEntry, ...]
    size: int


class ProofQuery(Value, frozen=True):
    """For which entry."""

    index: int


class ConsistencyQuery(Value, frozen=True):
    """From which size to which."""

    old: int
    new: int


class Consistency(Value, frozen=True):
    """A consistency proof (RFC 9162 section 2.1.4): hashes in base64."""

    old: int
    new: int
    path: tuple[bytes, ...]


# ---- The rest


class Findings(Value, frozen=True):
    """What `doctor` finds."""

    findings: tuple[Finding, ...]


class ReportQuery(Value, frozen=True):
    """How far back, in seconds."""

    seconds: Annotated[int, msgspec.Meta(ge=1, le=10 * 366 * 86400)] = 7 * 86400
