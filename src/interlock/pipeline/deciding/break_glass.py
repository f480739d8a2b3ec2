"""Breaking the glass, and the review of it: what happens in the store."""

from collections.abc import Iterator

import msgspec

from interlock.control import limits
from interlock.control.change import OPEN, E, move
from interlock.control.deciding import break_glass
from interlock.control.deciding.approval import expiry
from interlock.control.deciding.quorum import conflict_of_interest
from interlock.model.base import Json, to_json
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Approval, Change, ChangeFilter, ChangeState
from interlock.model.decision import Target
from interlock.model.errors import NotFound, Rejected
from interlock.pipeline.deciding import glass
from interlock.pipeline.recorded import bodies
from interlock.pipeline.recorded.intents import needed
from interlock.pipeline.recorded.records import expired, found
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.ports import ReadTx, Tx

PAGE = 200


def of_change(tx: Tx, approval: Approval, terms: Terms) -> tuple[BreakGlass, Change]:
    """Break the glass for one change: it is approved at once, for as long as the words hold, and a freeze lets it pass. Raises
    NotFound, Rejected."""
    change = found(tx, approval.statement.change)
    if change.state not in OPEN or expired(tx, change):
        raise Rejected(
            f"{change.id} is {change.state.value}, or has expired: there is nothing to decide any more"
        )
    needed(change)
    _refuse(glass.why_not(tx, approval, change, terms.break_glass, terms.origin), approval)
    made = _used(tx, approval, change.environment)
    return made, _approved(tx, change, made)


def of_target(tx: Tx, approval: Approval, target: Target, terms: Terms) -> BreakGlass:
    """Break the glass for a whole target: while it lasts, what would be held passes, unless the person has an interest in that
    change. Raises Rejected."""
    words = approval.statement
    expected = break_glass.for_target(
        target.name, target.environment, target.fingerprint, words.person,
        origin=terms.origin, expires=expiry(words) or tx.now(), nonce=words.nonce, reason=words.reason,
    )  # fmt: skip
    why = break_glass.why_not(approval, expected, tx.person(words.person), terms.break_glass, tx.now())
    _refuse(why, approval)
    return _used(tx, approval, target.environment)


def _refuse(why: str, approval: Approval) -> None:
    if why:
        raise Rejected(f"{bodies.cut(approval.statement.person)} cannot break the glass: {why}")


def _used(tx: Tx, approval: Approval, environment: str) -> BreakGlass:
    made = BreakGlass(
        break_glass.id_of(approval.statement),
        approval,
        environment,
        tx.now(),
        expiry(approval.statement) or tx.now(),
    )
    if tx.break_glass(made.id) is not None:
        raise Rejected("these words have broken the glass already: sign anew")
    tx.put_break_glass(made)
    tx.append("break_glass", {"event": "used", **bodies.broken(made), **_words(approval)})
    return made


def _approved(tx: Tx, change: Change, made: BreakGlass) -> Change:
    marked = msgspec.structs.replace(change, break_glass=made.id)
    if change.state is ChangeState.APPROVED:
        return tx.save_change(marked)
    until = min(made.until, tx.now() + limits.APPROVED_FOR)
    after = tx.save_change(move(marked, E.APPROVE, expires_at=until))
    tx.append("change.moved", bodies.moved(after, change, f"person/{made.person}", "break-glass"))
    return after


def pass_held(tx: Tx, change_id: str, terms: Terms) -> Change | None:
    """`commands.PassHeld`: a held change is approved while the glass is broken for its target; None when it is not."""
    change = found(tx, change_id)
    over = glass.over_target(tx, change, terms.break_glass, terms.origin)
    if over is None or change.state is not ChangeState.HELD or expired(tx, change):
        return None
    after = _approved(tx, change, over)
    tx.append("break_glass", bodies.passed(after, over))
    return after


def review(
    tx: Tx, glass_id: str, person: str, sentence: str, approval: Approval | None, by: str, terms: Terms
) -> BreakGlass:
    """Another person, who has no interest in it, says what they think of it. Raises NotFound, Rejected."""
    before = tx.break_glass(glass_id)
    if before is None:
        raise NotFound(f"there is no break-glass {bodies.cut(glass_id)}")
    if before.reviewed_by:
        raise Rejected(f"{before.id} was reviewed by {before.reviewed_by} already")
    if why := _may_not_review(tx, before, person):
        raise Rejected(f"{bodies.cut(person)} cannot review {before.id}: {why}")
    if approval is not None and (
        why := break_glass.why_not_reviewed(approval, before, tx.person(person), tx.now())
    ):
        raise Rejected(f"the signature of {bodies.cut(person)} does not hold: {why}")
    after = msgspec.structs.replace(
        before, reviewed_by=person, reviewed_at=tx.now(), review=sentence, review_approval=approval
    )
    tx.put_break_glass(after)
    signed = _words(approval) if approval is not None else {}
    body = {**bodies.broken(after), "reviewed_by": person, "by": by, "sentence": bodies.cut(sentence, 500)}
    tx.append("break_glass", {"event": "reviewed", **body, **signed})
    return after


def _may_not_review(tx: ReadTx, before: BreakGlass, name: str) -> str:
    """Neither who broke it, nor who has an interest in what passed, nor anybody with the key of one of these."""
    people = {p.name: p for p in tx.people()}
    person = people.get(name)
    if person is None or person.disabled:
        return "nobody of that name is enrolled, or they are disabled"
    for p in people.values():
        if not p.is_like(person):
            continue
        if p.name == before.person:
            return "they broke it"
        for change in changes_under(tx, before):
            if why := conflict_of_interest(p.name, tx.agent(change.agent), (), change):
                return f"{p.name} {why}"
    return ""


def changes_under(tx: ReadTx, made: BreakGlass) -> Iterator[Change]:
    """The changes that a use let pass."""
    if made.change:
        yield found(tx, made.change)
        return
    last = ""
    # It may have been asked long before the glass was broken, and passed when it was sent again.
    since = made.at - limits.HELD_FOR
    while page := tx.changes(ChangeFilter(target=made.target, since=since, before=last, limit=PAGE)):
        yield from (change for change in page if change.break_glass == made.id)
        last = page[-1].id


def _words(approval: Approval) -> dict[str, Json]:
    """What an offline check of the signature needs."""
    return {
        **({"assertion": to_json(approval.assertion)} if approval.assertion is not None else {}),
        "statement": to_json(approval.statement),
        "signature": approval.signature,
        "public_key": approval.public_key,
    }
