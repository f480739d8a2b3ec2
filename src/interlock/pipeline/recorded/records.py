"""What the pipeline's commands do to the store: one function each, run inside one transaction of the store's port.

They are pure but for the transaction, may be run again, and take what they can't know (nonces, the gateway's name) as arguments.
"""

from collections.abc import Sequence

import msgspec

from interlock.control import budget, limits
from interlock.control.change import MACHINE, OPEN, UNSETTLED, E, move, settled_event
from interlock.control.deciding import quorum
from interlock.control.deciding.approval import remedies, verify_revert
from interlock.model.beside import side_by_side
from interlock.model.change import Approval, Change, ChangeState, Measurement
from interlock.model.decision import Decision, EvidenceHeld, Target
from interlock.model.errors import Conflict, NotFound, Rejected
from interlock.model.words import denial_words
from interlock.pipeline import commands as c
from interlock.pipeline.deciding import glass
from interlock.pipeline.recorded import bodies, health, trips
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.connector import Held, Refused, Work
from interlock.sdk.ports import ReadTx, Tx

CONTENT = "content"
"""Name of the payload with the native record of a change."""

NEVER = "never"
"""The reason of what no policy is asked for, because nobody may do it."""

SAMPLE = "sample"
"""Name of the payload with what people may be shown of its rows and definitions (`model.sample`)."""


def found(tx: ReadTx, change_id: str) -> Change:
    """The change; NotFound when there is none."""
    change = tx.change(change_id)
    if change is None:
        raise NotFound(f"there is no change {change_id}")
    return change


def find(tx: ReadTx, ask: c.FindChange) -> Change | None:
    """`commands.FindChange`."""
    change = tx.change_by_content(ask.agent, ask.target, ask.content)
    if change is None or expired(tx, change):
        return denied(tx, ask.agent, ask.target, ask.content)
    return change


def denied(tx: ReadTx, agent: str, target: str, content: str) -> Change | None:
    """The change in which people said no to this content lately."""
    change = tx.denied_change(agent, target, content)
    over = change is None or change.expires_at is None or change.expires_at <= tx.now()
    return None if over else change


def refused_as_denied(change: Change) -> Refused:
    """The answer to the content of a denied change: what people said, and not who said it."""
    reason, again = denial_words(change)
    said = f"people said no to {change.id}"
    return Refused("forbidden", ". ".join(filter(None, (said, reason, again))), change=change)


def expired(tx: ReadTx, change: Change) -> bool:
    return change.state in OPEN and change.expires_at is not None and change.expires_at <= tx.now()


def tallies(tx: ReadTx, change: Change, terms: Terms) -> tuple[quorum.Tally, ...]:
    """How far each configured quorum is, everything verified again."""
    people = {p.name: p for p in tx.people()}
    agent, grants, given, now = tx.agent(change.agent), tx.grants(), tx.approvals(change.id), tx.now()
    strict = change.environment not in terms.relaxed
    return tuple(
        quorum.count(
            given, people, agent, grants, change, q, now, origin=terms.origin, site=terms.site, strict=strict
        )
        for q in terms.of(change).values()
    )


def evidence(tx: ReadTx, change: Change, terms: Terms) -> EvidenceHeld:
    """`commands.GatherEvidence`. Where the glass is broken, its person stands for every quorum that the change waits for."""
    met = {t.quorum for t in tallies(tx, change, terms) if t.met}
    if glass.standing(tx, change, terms.break_glass, terms.origin) is not None:
        met |= {r.removeprefix("quorum:") for r in remedies(change) if r.startswith("quorum:")}
    return EvidenceHeld(quorums=tuple(sorted(met)))


def draft(
    work: Work, target: Target, measurement: Measurement, decision: Decision, tx: ReadTx, *, nonce: str = ""
) -> Change:
    """A new change as received, without its native forms."""
    now = tx.now()
    principal = work.principal
    return Change(
        id="",
        agent=principal.agent,
        owner=principal.owner,
        target=target.name,
        environment=target.environment,
        fingerprint=target.fingerprint,
        state=MACHINE.start,
        version=1,
        content=work.content,
        operations=tuple(msgspec.structs.replace(o, native="") for o in work.operations),
        measurement=measurement,
        decision=decision,
        requested_at=now,
        updated_at=now,
        session=principal.session,
        reason=bodies.cut(work.reason, 500),
        reverts=work.reverts,
        nonce=nonce,
    )


def check_wish(tx: ReadTx, wish: Approval, original: Change, force: bool, terms: Terms) -> None:
    """Rejected when a wish to revert does not hold."""
    person = tx.person(wish.statement.person)
    why = verify_revert(wish, original, person, tx.now(), origin=terms.origin, force=force, site=terms.site)
    if why:
        raise Rejected(f"the signature of {bodies.cut(wish.statement.person)} does not hold: {why}")


def accept_wish(tx: Tx, wish: Approval | None, original: Change, force: bool, terms: Terms) -> str:
    """Verify a person's wish to revert, and use it up. Returns the person; Rejected when it does not hold."""
    if wish is None:
        raise Rejected("a revert needs a person's signature")
    check_wish(tx, wish, original, force, terms)
    tx.add_approval(original.id, wish)
    tx.append("approval", bodies.spoken(wish))
    return wish.statement.person


# ---- held, refused --------------------------------------------------------------------------------------------------


def hold(
    tx: Tx,
    ask: c.RecordHold,
    terms: Terms,
    nonce: str,
    sample: bytes = b"",
    opened: trips.Found | None = None,
) -> Held | Refused:
    """`commands.RecordHold`. Held by someone else in the same moment: that change is the answer. `sample` is kept with it: the
    before-image is not, since nothing was done."""
    principal = ask.work.principal
    same = tx.change_by_content(principal.agent, ask.target.name, ask.work.content)
    if same is not None and expired(tx, same):
        expire(tx, same)
        same = None
    if same is not None and same.state in OPEN and (ask.replaces is None or same.id != ask.replaces.id):
        return Held(same, again=True)
    before = denied(tx, principal.agent, ask.target.name, ask.work.content)
    if before is not None and not ask.work.reverts:
        return refused_as_denied(before)
    never = trips.too_large(tx, ask.work, ask.target, ask.measurement, ask.facts, terms, opened)
    if never is not None:
        return never
    outgrown = _outgrown(tx, ask)
    # What Interlock proposes is not the agent's to make room for.
    waiting = 0 if ask.proposed else tx.open_changes(principal.agent) - (outgrown is not None)
    if waiting >= limits.OPEN_CHANGES:
        why = (
            f"{limits.OPEN_CHANGES} changes of this agent wait already; let people answer, or withdraw one"
            " (interlock withdraw CHG, or POST /changes/CHG/withdraw with the agent's token)"
        )
        if not budget.is_of_budget(ask.decision):
            # It was tried all the same: who floods people with questions is as busy as who is let through.
            tried = draft(ask.work, ask.target, ask.measurement, ask.decision, tx, nonce=nonce)
            trips.attempted(tx, tried, ask.target, ask.facts, terms, opened)
        return Refused("forbidden", why, retry=True)
    if outgrown is not None:
        _withdraw(tx, outgrown, "; ".join(ask.grown))
    fresh = draft(ask.work, ask.target, ask.measurement, ask.decision, tx, nonce=nonce)
    fresh = msgspec.structs.replace(
        fresh,
        replaces=outgrown.id if outgrown else "",
        note=bodies.cut(ask.note),
        **_revert_fields(tx, ask, terms),
    )
    change = tx.new_change(move(fresh, E.HOLD, expires_at=tx.now() + limits.HELD_FOR))
    payloads = {CONTENT: tx.put_payload(change.id, CONTENT, ask.work.payload)}
    payloads |= keep_sample(tx, change, sample)
    tx.append("change.held", bodies.held(change, payloads))
    if not budget.is_of_budget(ask.decision):
        trips.attempted(tx, change, ask.target, ask.facts, terms, opened)
    if outgrown is not None:
        trips.beyond(tx, outgrown, change, ask.grown, terms, opened)
    approved = outgrown.measurement.effects if outgrown else None
    beside = () if approved is None else side_by_side(approved, ask.measurement.effects)
    return Held(change, grown=ask.grown, beside=beside)


def _outgrown(tx: Tx, ask: c.RecordHold) -> Change | None:
    """The approved change that the unit outgrew; one that has moved on meanwhile is left alone."""
    before = tx.change(ask.replaces.id) if ask.replaces else None
    return before if before is not None and MACHINE.allows(before.state, E.WITHDRAW) else None


def _withdraw(tx: Tx, before: Change, why: str) -> None:
    after = tx.save_change(move(before, E.WITHDRAW, note=bodies.cut(why)))
    tx.append("change.moved", bodies.moved(after, before, "interlock", why))


def _revert_fields(tx: Tx, ask: c.RecordHold, terms: Terms) -> dict[str, object]:
    if not ask.work.reverts:
        return {}
    original = found(tx, ask.work.reverts)
    asker = ask.proposed or accept_wish(tx, ask.wish, original, ask.force, terms)
    return {"requested_by": asker, "marker": {"force": "1"} if ask.force else {}}


def refuse(tx: Tx, ask: c.RecordRefusal, terms: Terms, opened: trips.Found | None = None) -> Change:
    """`commands.RecordRefusal`."""
    fresh = draft(ask.work, ask.target, ask.measurement, ask.decision, tx)
    change = tx.new_change(move(fresh, E.REFUSE))
    body = {
        **bodies.asked(change),
        **bodies.effects(change.measurement),
        "decision": bodies.decision(change.decision),
    }
    payloads = {CONTENT: tx.put_payload(change.id, CONTENT, ask.work.payload)}
    tx.append("decision", {**body, "payloads": payloads})
    never = NEVER in ask.decision.reasons
    trips.attempted(tx, change, ask.target, ask.facts, terms, opened, forbidden=never)
    return change


def expire(tx: Tx, change: Change) -> Change:
    """Let an open change expire."""
    after = tx.save_change(move(change, E.EXPIRE))
    tx.append("change.moved", bodies.moved(after, change, "interlock", "nobody used it in time"))
    return after


def image(tx: ReadTx, change: Change, most: int | None = None) -> Sequence[bytes]:
    """The parts of the before-image of the latest attempt, in order; none when there is none, or not any more. With `most` the
    first ones, until they have so many bytes."""
    found: list[bytes] = []
    for name in tx.payload_parts(change.id, change.marker.get("undo", "?")):
        if most is not None and sum(map(len, found)) >= most:
            break
        found.append(tx.payload(change.id, name))
    return found


AFTERWARDS = "z"
"""Begins the names of parts of the before-image that the outcome brought: they come after all others."""


def keep_image(tx: Tx, change: Change, parts: Sequence[bytes], which: str = "") -> dict[str, str]:
    """Store parts of the before-image of the attempt at hand; returns their names with the digests that the ledger refers to.
    Names with a later `which` come after those with none."""
    names = (f"{change.marker['undo']}{which}{place:05d}" for place in range(len(parts)))
    return {name: tx.put_payload(change.id, name, part) for name, part in zip(names, parts, strict=True)}


def keep_sample(tx: Tx, change: Change, sample: bytes) -> dict[str, str]:
    """Store a sample, if there is one; its name with the digest that the ledger refers to."""
    return {SAMPLE: tx.put_payload(change.id, SAMPLE, sample)} if sample else {}


# ---- the outcome ----------------------------------------------------------------------------------------------------


def conclude(
    tx: Tx, ask: c.Conclude | c.ConcludeLater, terms: Terms, opened: trips.Found | None = None
) -> Change:
    """`commands.Conclude`. The same outcome found out twice is recorded once; contradictory ones are a Conflict that people
    must see. `seen` names the attempt: what became of an earlier one says nothing about a later."""
    seen, settled = ask.change, ask.settled
    change = found(tx, seen.id)
    if change.marker.get("undo") != seen.marker.get("undo"):
        return change
    if change.state not in UNSETTLED:
        if settled.committed is not None and settled.committed != _took_effect(change):
            raise Conflict(f"{change.id} is {change.state.value}, but its target says otherwise")
        return change
    event = settled_event(change, settled.committed, tx.now())
    if event is E.DOUBT and change.state is ChangeState.IN_DOUBT:
        return change
    after = tx.save_change(move(change, event, note=bodies.cut(settled.note)))
    payloads = keep_image(tx, after, settled.undo, AFTERWARDS) if settled.committed else {}
    kind = "recovery" if isinstance(ask, c.Conclude) and ask.recovered else "outcome"
    tx.append(kind, bodies.outcome(after, settled.committed, payloads))
    if after.reverts and event is not E.DOUBT:
        _conclude_original(tx, after)
    if event is not E.DOUBT:
        trips.ended(tx, after, settled, terms, opened)
    if after.target in terms.watched:
        health.watch(tx, change, after)
    return after


def _took_effect(change: Change) -> bool:
    return change.state in (ChangeState.APPLIED, ChangeState.REVERTED, ChangeState.PARTLY_REVERTED)


def _conclude_original(tx: Tx, revert: Change) -> None:
    original = found(tx, revert.reverts)
    if not _took_effect(revert):
        tx.save_change(msgspec.structs.replace(original, reverted_by=""))
        return
    whole = not revert.marker.get("partly") and all(
        e.reversible or not e.count for e in original.measurement.effects
    )
    event = E.REVERT if whole else E.REVERT_PARTLY
    after = tx.save_change(move(original, event, note=f"reverted by {revert.id}"))
    tx.append("revert", {**bodies.moved(after, original, revert.requested_by, ""), "by_change": revert.id})
