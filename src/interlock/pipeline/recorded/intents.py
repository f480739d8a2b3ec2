"""The intent: the one transaction after which a unit may take effect (P1). What is checked here is checked for good."""

from collections.abc import Mapping

import msgspec

from interlock.control import breaker, budget
from interlock.control.change import MACHINE, UNSETTLED, E, move
from interlock.control.deciding.approval import remedies
from interlock.control.signals import seen
from interlock.model import sample
from interlock.model.breaker import Breaker, Reserved
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Decision, EvidenceHeld, Permit, Target
from interlock.model.errors import Rejected
from interlock.pipeline import commands as c
from interlock.pipeline import trials
from interlock.pipeline.deciding import glass
from interlock.pipeline.doubt import halted
from interlock.pipeline.questions import totals_of
from interlock.pipeline.recorded import bodies, trips
from interlock.pipeline.recorded.records import (
    CONTENT,
    accept_wish,
    draft,
    evidence,
    expired,
    found,
    keep_image,
    keep_sample,
)
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.connector import Preview, Refused, Work
from interlock.sdk.ports import ReadTx, Tx


def intend(tx: Tx, ask: c.Intend, terms: Terms, opened: trips.Found | None = None) -> Change | Refused:
    """`commands.Intend`. Breakers first: their rows stay locked to the end, so that what is read after them holds (P8). Raises
    `budget.Exceeded` and `trips.Novel`, which undo what was spent."""
    reserved = _reserve(tx, ask, terms)
    stop = _stopped(tx, ask, reserved, terms, opened) or _still_allowed(tx, ask)
    if stop is not None:
        return stop
    facts, track = ask.preview.facts, None
    more = {"epoch": str(reserved.epoch), **trials.marks(reserved)}
    if ask.target.observe:
        more[trips.MODE] = trips.OBSERVES
    if ask.uses is not None:
        consumed = _consume(tx, ask.uses, ask.evidence, terms)
        if isinstance(consumed, Refused):
            return consumed
        change = consumed
        stop = trips.approved(tx, change, ask.work, ask.target, ask.preview, terms, opened)
        if stop is not None:
            return stop
    else:
        fresh = draft(ask.work, ask.target, ask.preview.measurement, ask.decision, tx)
        over = glass.over_target(tx, fresh, terms.break_glass, terms.origin) if ask.break_glass else None
        if ask.break_glass and over is None:
            return Refused("unavailable", "the break-glass on this target has just ended", retry=True)
        if over is None:
            stop, track = trips.starting(
                tx, ask.work, ask.target, ask.preview.measurement, facts, terms, opened
            )
            if stop is not None:
                return stop
            _spend(tx, ask, terms, reserved)
        else:
            fresh = msgspec.structs.replace(fresh, break_glass=over.id)
        observed = {"observed": "1"} if ask.observed else {}
        change = tx.new_change(_executing(fresh, ask.preview, terms, {**observed, **more}))
        trips.begun(tx, track, change)
        if over is not None:
            tx.append("break_glass", bodies.passed(change, over))
    if ask.observed:
        tx.append(
            "decision", {**bodies.asked(change), "decision": bodies.decision(ask.decision), "observed": True}
        )
    trials.begin(tx, reserved, change)
    return _begin(tx, change, ask.preview, ask.decision, ask.work, terms, ask.evidence, more)


def scopes_of(ask: c.Intend) -> tuple[str, ...]:
    """The breakers on the way of a unit. Work that the server runs itself is in no session, whoever's it was."""
    groups = seen.groups(ask.target.name, ask.work.operations, ask.preview.measurement.effects)
    uses = ask.uses.id if ask.uses is not None else ""
    return breaker.scopes_of(ask.work.principal, ask.target.name, ask.target.environment, groups, uses)


def stopped(tx: Tx, ask: c.Stopped, terms: Terms) -> Refused | None:
    """`commands.Stopped`."""
    groups = seen.groups(ask.target.name, ask.operations, ())
    stop = _made(tx, breaker.scopes_of(ask.principal, ask.target.name, ask.target.environment, groups)).stop
    return None if stop is None else refused(tx, stop, stop.why_stopped, ask.target, terms)


def _reserve(tx: Tx, ask: c.Intend, terms: Terms) -> Reserved:
    """All breakers on the way."""
    scopes = scopes_of(ask)
    reserved = _made(tx, scopes)
    if reserved.stop is not None and reserved.stop.frozen and _through_freeze(tx, ask, terms):
        # The rows are locked already. What is open, or missing, refuses still.
        reserved = tx.reserve(scopes, through_freeze=True)
    return reserved


def _made(tx: Tx, scopes: tuple[str, ...]) -> Reserved:
    """All of these. Those that are made on demand are made, and asked for again: what is missing else refuses."""
    reserved = tx.reserve(scopes)
    missing = set(scopes) - {row.scope for row in reserved.rows}
    if made := sorted(filter(breaker.made_on_demand, missing)):
        for scope in made:
            tx.note_breaker(Breaker(scope, moved_at=tx.now(), moved_by="interlock"))
        reserved = tx.reserve(scopes)
    return reserved


def _stopped(
    tx: Tx, ask: c.Intend, reserved: Reserved, terms: Terms, opened: trips.Found | None
) -> Refused | None:
    if reserved.stop is not None:
        return refused(tx, reserved.stop, reserved.stop.why_stopped, ask.target, terms)
    on_probation = trials.on_probation(reserved)
    if on_probation and not breaker.passes_probation(totals_of(ask.work, ask.preview.measurement)):
        if ask.uses is None:
            trips.on_probation(tx, ask.work, ask.target, ask.preview, terms, opened)
        why = "on probation, only small revertible changes pass"
        return refused(tx, on_probation[0], why, ask.target, terms)
    return trials.under_way(tx, reserved)


def _through_freeze(tx: Tx, ask: c.Intend, terms: Terms) -> bool:
    """A freeze lets pass only the one change for which somebody broke the glass."""
    change = tx.change(ask.uses.id) if ask.uses is not None else None
    over = None if change is None else glass.standing(tx, change, terms.break_glass, terms.origin)
    return over is not None and change is not None and over.change == change.id


def _spend(tx: Tx, ask: c.Intend, terms: Terms, reserved: Reserved) -> None:
    """Count what passes without people's approval. What was counted stays counted when the commit fails: doubt means no."""
    budgets = (
        terms.budgets if not trials.marks(reserved) else budget.part(terms.budgets, breaker.PROBATION_SHARE)
    )
    if budgets is None or not ask.target.strict:
        return
    spendings = budget.spendings(ask.work.principal, ask.target.name, ask.preview.measurement.effects)
    if not spendings:
        return
    now = tx.now()
    since = budget.window_begin(now, budgets.window)
    spent = tx.spend(spendings, budget.slice_of(now, budgets.window), since)
    excess = budget.excess(zip(spendings, spent, strict=True), budgets)
    if excess and not ask.observed:
        raise budget.Exceeded(excess)


def refused(tx: ReadTx, row: Breaker, reason: str, target: Target, terms: Terms) -> Refused:
    """The answer when a switch refuses."""
    if row.frozen and row.scope == breaker.GLOBAL:
        return halted(breaker.halted(bodies.cut(row.reason)), terms=terms)
    # What tripped while it was frozen keeps it stopped when it is thawed.
    frozen = row.frozen and row.state is not breaker.S.OPEN
    return trips.refused(tx, row.scope, reason or "no reason given", target, terms, frozen=frozen)


def _still_allowed(tx: Tx, ask: c.Intend) -> Refused | None:
    """Whether the rights that the decision rested on are still live. The same revision means that nothing of it moved, but ends
    by itself, and by the store's clock."""
    ends = ask.basis.ends
    if tx.revision() == ask.basis.revision and (ends is None or tx.now() < ends):
        return None
    principal, target, now = ask.work.principal, ask.target.name, tx.now()
    agent, credential = tx.agent(principal.agent), tx.credential(principal.agent)
    if agent is None or agent.disabled or credential is None or credential.epoch != principal.epoch:
        return Refused("forbidden", "the agent was disabled or its token rotated")
    live = {
        g.id
        for g in tx.grants()
        if g.agent == principal.agent and g.target == target and g.revoked_at is None and now < g.expires_at
    }
    if not live or not live.issuperset(ask.basis.grants):
        return Refused("forbidden", "a right of the agent on this target has just ended", retry=bool(live))
    return None


def _consume(tx: Tx, uses: Change, held_evidence: EvidenceHeld, terms: Terms) -> Change | Refused:
    """Check that the approval is there to be used, once, and still stands on the evidence that policy was told."""
    change = found(tx, uses.id)
    if change.state is not ChangeState.APPROVED or expired(tx, change):
        return Refused(
            "unavailable", f"the approval of {change.id} was used or has ended", retry=True, change=change
        )
    if not set(held_evidence.quorums) <= set(evidence(tx, change, terms).quorums):
        return Refused("unavailable", f"an approval of {change.id} has just ended", retry=True, change=change)
    return change


def _executing(
    change: Change, preview: Preview, terms: Terms, more: Mapping[str, str] | None = None
) -> Change:
    marker = {**preview.marker, **(more or {}), "gateway": terms.gateway, "undo": f"undo/{change.version}/"}
    return msgspec.structs.replace(move(change, E.INTEND), marker=marker)


def _begin(
    tx: Tx,
    change: Change,
    preview: Preview,
    final: Decision,
    work: Work,
    terms: Terms,
    given: EvidenceHeld,
    more: Mapping[str, str] | None = None,
) -> Change:
    """Make the change executing, with all that recovery and a revert need (P6)."""
    payloads: dict[str, str] = {}
    if change.state is ChangeState.EXECUTING:
        payloads[CONTENT] = tx.put_payload(change.id, CONTENT, work.payload)
    else:
        change = tx.save_change(_executing(change, preview, terms, more))
    payloads |= keep_image(tx, change, preview.undo)
    if preview.sample is not None:
        payloads |= keep_sample(
            tx, change, sample.encode(sample.counted(preview.sample, preview.measurement.effects))
        )
    tx.append("intent", bodies.intent(change, preview.measurement, final, payloads, given.quorums))
    return change


def intend_revert(tx: Tx, ask: c.IntendRevert, terms: Terms) -> Change | Refused:
    """`commands.IntendRevert`. A revert passes every breaker but the global one."""
    stop = tx.reserve((breaker.GLOBAL,)).stop
    if stop is not None:
        return refused(tx, stop, stop.why_stopped, ask.target, terms)
    original = found(tx, ask.original.id)
    if not MACHINE.allows(original.state, E.REVERT):
        return Refused(
            "failed", f"{original.id} is {original.state.value}: there is nothing to revert", change=original
        )
    other = tx.change(original.reverted_by) if original.reverted_by else None
    if other is not None and other.state in UNSETTLED:
        return Refused(
            "in_doubt", f"a revert of {original.id} is under way as {other.id}", retry=True, change=other
        )
    if ask.uses is not None:
        change = _consume(tx, ask.uses, needed(ask.uses), terms)
        if isinstance(change, Refused):
            return change
        final = change.decision
    else:
        asker = accept_wish(tx, ask.wish, original, ask.force, terms)
        final = Permit(("revert",))
        fresh = msgspec.structs.replace(
            draft(ask.work, ask.target, ask.preview.measurement, final, tx),
            reverts=original.id,
            requested_by=asker,
        )
        change = tx.new_change(_executing(fresh, ask.preview, terms))
    change = _begin(tx, change, ask.preview, final, ask.work, terms, EvidenceHeld())
    tx.save_change(msgspec.structs.replace(original, reverted_by=change.id))
    return change


def needed(change: Change) -> EvidenceHeld:
    """What a held revert waits for. Only quorums can be given; another remedy is never met."""
    names = [r.removeprefix("quorum:") for r in remedies(change) if r.startswith("quorum:")]
    if len(names) != len(remedies(change)):
        raise Rejected(f"{change.id} waits for more than people")
    return EvidenceHeld(quorums=tuple(names))
