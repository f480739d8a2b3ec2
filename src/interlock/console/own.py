"""A change as its agent may see it: what it did, how it stands, what happens next. Nothing of people, policies or other agents."""

from interlock.console.schemas import OwnChange
from interlock.control.deciding import approval
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Forbid
from interlock.model.effect import totals

S = ChangeState

_NEXT: dict[ChangeState, tuple[str, str, bool]] = {
    S.RECEIVED: ("received", "It is being measured and decided; ask again in a moment.", False),
    S.HELD: ("held", "People are asked. When they have approved, send the same transaction again.", False),
    S.APPROVED: ("approved", "Send the same transaction again before the approval expires.", True),
    S.EXECUTING: ("executing", "It is taking effect; ask again in a moment.", False),
    S.APPLIED: ("applied", "Done; nothing more is needed.", False),
    S.REVERTED: ("reverted", "People had it undone. Ask them before doing it again.", False),
    S.PARTLY_REVERTED: (
        "partly_reverted",
        "People had part of it undone. Ask them before doing it again.",
        False,
    ),
    S.REFUSED: ("forbidden", "It will not be done; the same again is refused again.", False),
    S.DENIED: (
        "denied",
        "A person said no. Ask people before trying anything like it; until `expires_at` the same is answered with this.",
        False,
    ),
    S.WITHDRAWN: ("withdrawn", "It was replaced or given up; ask for what is needed now.", True),
    S.EXPIRED: ("expired", "Nobody answered in time; send it again if it is still needed.", True),
    S.FAILED: ("failed", "It did not take effect; it may be sent again.", True),
    S.IN_DOUBT: ("in_doubt", "Whether it took effect is being found out; do not send it again yet.", False),
}
"""For each state: the stable code, what happens next, and whether sending the same again helps now."""


def own_change(change: Change) -> OwnChange:
    """The agent's view of its own change."""
    code, then, retry = _NEXT[change.state]
    effects = change.measurement.effects
    return OwnChange(
        id=change.id,
        state=change.state,
        code=code,
        why=_why(change),
        next=then,
        retry=retry,
        target=change.target,
        effects=effects,
        totals=totals(effects),
        requested_at=change.requested_at,
        updated_at=change.updated_at,
        expires_at=change.expires_at,
        revertible=change.state is S.APPLIED
        and bool(effects)
        and all(e.reversible or not e.count for e in effects),
        note=change.note,
        reason=change.reason,
        reverted_by=change.reverted_by,
    )


def _why(change: Change) -> str:
    if isinstance(change.decision, Forbid):
        return change.decision.why
    if change.state is S.DENIED:
        return (
            f"People said no, and gave as the reason: {change.denial}" if change.denial else "People said no."
        )
    waits = ", ".join(r.partition(":")[0] for r in approval.remedies(change))
    return f"This effect needs: {waits}." if waits else ""
