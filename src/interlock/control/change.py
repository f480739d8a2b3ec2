"""The life of a change (docs/states.md shows the table as a diagram).

A crash leaves a change `executing`: recovery finds it and asks the target. `reverted` is terminal: undoing the revert is a change
of its own, and what it brings back belongs to that change.
"""

import enum
from collections.abc import Sequence
from datetime import datetime

import msgspec

from interlock.control import limits
from interlock.control.machine import Machine
from interlock.model.base import digest_of
from interlock.model.change import Change, ChangeState

S = ChangeState


class ChangeEvent(enum.Enum):
    """What can happen to a change; the values complete the sentence "it cannot be …"."""

    HOLD = "held"
    REFUSE = "refused"
    INTEND = "executed"
    APPROVE = "approved"
    DENY = "denied"
    WITHDRAW = "withdrawn"
    REOPEN = "held_again"
    EXPIRE = "expired"
    APPLY = "applied"
    FAIL = "failed"
    GIVE_BACK = "given_back"
    DOUBT = "in_doubt"
    REVERT = "reverted"
    REVERT_PARTLY = "partly_reverted"


E = ChangeEvent

_OUTCOME = {E.APPLY: S.APPLIED, E.FAIL: S.FAILED, E.GIVE_BACK: S.APPROVED}

MACHINE = Machine(
    "change",
    S.RECEIVED,
    {
        S.RECEIVED: {E.HOLD: S.HELD, E.INTEND: S.EXECUTING, E.REFUSE: S.REFUSED},
        S.HELD: {E.APPROVE: S.APPROVED, E.DENY: S.DENIED, E.WITHDRAW: S.WITHDRAWN, E.EXPIRE: S.EXPIRED},
        S.APPROVED: {
            E.INTEND: S.EXECUTING,
            E.REOPEN: S.HELD,
            E.DENY: S.DENIED,
            E.WITHDRAW: S.WITHDRAWN,
            E.EXPIRE: S.EXPIRED,
        },
        S.EXECUTING: {**_OUTCOME, E.DOUBT: S.IN_DOUBT},
        S.IN_DOUBT: dict(_OUTCOME),
        S.APPLIED: {E.REVERT: S.REVERTED, E.REVERT_PARTLY: S.PARTLY_REVERTED},
        S.PARTLY_REVERTED: {E.REVERT: S.REVERTED, E.REVERT_PARTLY: S.PARTLY_REVERTED},
    },
)

OPEN = (S.HELD, S.APPROVED)
"""What waits for people or for the agent, and counts as open."""

UNSETTLED = (S.EXECUTING, S.IN_DOUBT)
"""What recovery looks at."""


def move(change: Change, event: ChangeEvent, *, expires_at: datetime | None = None, note: str = "") -> Change:
    """The change after an event; IllegalMove when its state has no such move. Expiry belongs to the open states: it is set by
    `expires_at`, kept while a change executes (a proven non-commit gives the approval back), and gone afterwards. A denial answers
    the same content for as long as the held change would have lived, and what is held again waits no longer than that."""
    state = MACHINE.after(change.state, event)
    if state is S.DENIED or event is E.REOPEN:
        expires_at = held_until(change)
    elif state not in (*OPEN, *UNSETTLED):
        expires_at = None
    elif expires_at is None:
        expires_at = change.expires_at
    return msgspec.structs.replace(change, state=state, expires_at=expires_at, note=note or change.note)


def held_until(change: Change) -> datetime:
    """Until when a held change waits for people."""
    return change.requested_at + limits.HELD_FOR


def shape(change: Change) -> str:
    """A digest that changes share when they look alike in a list: the same agent does the same to the same resources of a target,
    whatever the content. Each is decided by itself all the same."""
    steps = {(o.verb, o.action.value, *((r.kind, r.name) for r in o.resources)) for o in change.operations}
    return digest_of([change.agent, change.target, sorted(map(str, steps))])


def alike(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes in their order, but those that wait in the same state and look alike stand together, where the first of them is.
    What waits no more stands alone: there is nothing left to decide about it."""
    found: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        key = (change.state.value, shape(change)) if change.state in OPEN else (change.id,)
        found.setdefault(key, []).append(change)
    return list(found.values())


def settled_event(change: Change, committed: bool | None, now: datetime) -> ChangeEvent:
    """What an outcome means. A proven non-commit gives a consumed approval back until it expires (P4); only changes that were
    approved have an expiry while they execute."""
    if committed is None:
        return E.DOUBT
    if committed:
        return E.APPLY
    return E.GIVE_BACK if change.expires_at is not None and now < change.expires_at else E.FAIL
