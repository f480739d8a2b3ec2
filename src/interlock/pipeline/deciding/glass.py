"""Whether the glass is broken for a change: verified again each time, in the transaction that relies on it."""

from interlock.control.deciding import break_glass
from interlock.control.deciding.approval import expiry
from interlock.control.deciding.break_glass import Rules
from interlock.control.deciding.quorum import barred
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Approval, Change, Statement
from interlock.model.proposal import INTERLOCK
from interlock.sdk.ports import ReadTx


def standing(tx: ReadTx, change: Change, rules: Rules, origin: str) -> BreakGlass | None:
    """The use that the change carries, if it holds now."""
    glass = tx.break_glass(change.break_glass) if change.break_glass else None
    if glass is None or why_not(tx, glass.approval, change, rules, origin):
        return None
    return glass


def over_target(tx: ReadTx, change: Change, rules: Rules, origin: str) -> BreakGlass | None:
    """A use that is in force on the change's whole target, and holds for this change."""
    found = (g for g in tx.break_glasses_in_force() if not g.change and g.target == change.target)
    return next((g for g in found if not why_not(tx, g.approval, change, rules, origin)), None)


def why_not(tx: ReadTx, approval: Approval, change: Change, rules: Rules, origin: str) -> str:
    """Why these words do not break the glass for this change; empty when they do. Whoever can never count cannot do this either."""
    if change.target == INTERLOCK:
        return "what decides changes by several admins, and never by one person"  # P9
    name = approval.statement.person
    why = break_glass.why_not(
        approval, _expected(approval.statement, change, origin, tx), tx.person(name), rules, tx.now()
    )
    people = {p.name: p for p in tx.people()}
    return why or barred(name, people, tx.agent(change.agent), tx.grants(), change)


def _expected(words: Statement, change: Change, origin: str, tx: ReadTx) -> Statement:
    ends = expiry(words) or tx.now()
    if words.change:
        return break_glass.for_change(
            change, words.person, origin=origin, expires=ends, nonce=words.nonce, reason=words.reason
        )
    return break_glass.for_target(
        change.target, change.environment, change.fingerprint, words.person,
        origin=origin, expires=ends, nonce=words.nonce, reason=words.reason,
    )  # fmt: skip
