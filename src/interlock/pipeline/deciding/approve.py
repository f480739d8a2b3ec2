"""What people say of a held change: one transaction, so that two voices at once are counted one after the other."""

from datetime import timedelta

import msgspec

from interlock.control import limits
from interlock.control.change import OPEN, E, move
from interlock.control.deciding import haste
from interlock.control.deciding.approval import expiry, remedies, verify
from interlock.control.deciding.quorum import Tally, conflict_of_interest, fits, too_new
from interlock.model.base import Value
from interlock.model.change import Approval, Change, ChangeState, Review, Verdict
from interlock.model.errors import Rejected
from interlock.model.people import Quorum
from interlock.model.words import plain
from interlock.pipeline.deciding import glass
from interlock.pipeline.recorded import bodies
from interlock.pipeline.recorded.records import expired, found, tallies
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.ports import ReadTx, Tx


class Spoken(Value, frozen=True):
    """The change after someone spoke, and how far its quorums are."""

    change: Change
    tallies: tuple[Tally, ...]


def may_speak(tx: ReadTx, change: Change, person: str, verdict: Verdict, terms: Terms) -> None:
    """Rejected when this voice would be refused whatever its signature: worth knowing before one signs. Conflict of interest and
    state are looked at again when it is given."""
    _open(tx, change)
    if verdict is Verdict.APPROVE and tx.person(person) is not None:
        _may_count(tx, change, person, terms)


def speak(tx: Tx, approval: Approval, terms: Terms) -> Spoken:
    """Give an approval or a denial: verified, recorded with its signature, counted. Rejected with the reason when it does not
    hold, or when the person can never count (P4); Conflict when they have spoken already."""
    change = found(tx, approval.statement.change)
    _open(tx, change)
    name = approval.statement.person
    why = verify(approval, change, tx.person(name), tx.now(), origin=terms.origin, site=terms.site)
    if why:
        raise Rejected(f"the signature of {bodies.cut(name)} does not hold: {why}")
    if approval.statement.verdict is Verdict.DENY:
        return _deny(tx, approval, change, terms)
    _may_count(tx, change, name, terms)
    _not_taken_back(tx, approval)
    review = _reviewed(tx, change, name)
    approval = msgspec.structs.replace(approval, hasty=_unhurried(tx, review, terms))
    tx.add_approval(change.id, approval)
    tx.put_review(msgspec.structs.replace(review, approved_at=tx.now()))
    tx.append("approval", bodies.spoken(approval, review))
    return _counted(tx, change, terms)


def opened(tx: Tx, change_id: str, person: str) -> Review:
    """The effect of an open change is before a person, as of now or since they first looked. Without that they cannot approve it.
    Raises NotFound, Rejected."""
    change = found(tx, change_id)
    _open(tx, change)
    before = tx.review(change.id, person)
    if before is not None:
        return before
    if tx.person(person) is None:
        raise Rejected(f"there is no person {bodies.cut(person)}")
    review = Review(change.id, person, tx.now())
    tx.put_review(review)
    return review


def _reviewed(tx: ReadTx, change: Change, name: str) -> Review:
    review = tx.review(change.id, name)
    if review is None:
        raise Rejected(
            f"{name} has not looked at {change.id}: what it does must be seen before it is approved"
        )
    return review


def _unhurried(tx: ReadTx, review: Review, terms: Terms) -> bool:
    """Whether the approval is a hasty one. Rejected, with how long it still takes, while its review has not been open for long
    enough."""
    now = tx.now()
    why = haste.hasty(tx.reviews(review.person, now - haste.LOOKED_AT), now, terms.reviews)
    still = haste.left(review.opened_at, now, terms.reviews) if why else timedelta(0)
    if still > timedelta(0):
        seconds = -(-still // timedelta(seconds=1))
        raise Rejected(f"{review.person} {why}: this one can be approved in {seconds} s, read it meanwhile")
    return bool(why)


def take_back(tx: Tx, change_id: str, person: str, by: str, why: str, terms: Terms) -> Spoken:
    """Take one's own approval back before it is used. What no longer has enough waits again. Rejected when there is nothing to take
    back: none was given, or it was used already."""
    change = found(tx, change_id)
    _open(tx, change)
    given = (a.statement for a in tx.approvals(change.id) if a.statement.nonce == change.nonce)
    if not any(words.person == person for words in given):
        raise Rejected(f"{bodies.cut(person)} has not approved {change.id}")
    approval = tx.take_back_approval(change.id, person, change.nonce)
    tx.append("approval.withdrawn", bodies.taken_back(approval, by, why))
    state = tallies(tx, change, terms)
    broken = glass.standing(tx, change, terms.break_glass, terms.origin) is not None
    if change.state is ChangeState.APPROVED and not broken and not _met(change, state):
        change = _moved(tx, change, E.REOPEN, by)
    return Spoken(change, state)


def _not_taken_back(tx: ReadTx, approval: Approval) -> None:
    """Refuse words that their person took back, and those made out before that: they were signed by someone who has thought better
    of it since, and whoever has a copy of them could give them in again."""
    words, ends = approval.statement, expiry(approval.statement)
    for before in tx.taken_back(words.change):
        if before.approval.statement.person != words.person:
            continue
        if before.approval.statement == words or ends is None or ends <= before.at + limits.SIGNED_FOR:
            raise Rejected(f"{words.person} took this approval back: it must be signed anew")


def _open(tx: ReadTx, change: Change) -> None:
    if change.state not in OPEN:
        raise Rejected(f"{change.id} is {change.state.value}: there is nothing to decide any more")
    if expired(tx, change):
        raise Rejected(f"{change.id} has expired")


def _deny(tx: Tx, approval: Approval, change: Change, terms: Terms) -> Spoken:
    """A denial ends it, whoever of the enrolled people gives it: tightening needs one person. Who has approved may think better of
    it; the ledger then holds both words."""
    if all(a.statement.person != approval.statement.person for a in tx.approvals(change.id)):
        tx.add_approval(change.id, approval)
    tx.append("denial", bodies.spoken(approval))
    because = plain(approval.statement.reason, limits.REASON)
    change = msgspec.structs.replace(change, denial=because)
    return Spoken(_moved(tx, change, E.DENY, approval.statement.person), tallies(tx, change, terms))


def _may_count(tx: ReadTx, change: Change, name: str, terms: Terms) -> None:
    """Refuse a voice that could never count; nobody shall believe that they helped."""
    why = conflict_of_interest(name, tx.agent(change.agent), tx.grants(), change)
    if why:
        raise Rejected(f"{name} cannot approve {change.id}: {name} {why}")
    person = tx.person(name)
    quorums = wanted(change, terms)
    if person is None or not any(fits(person, quorum) for quorum in quorums):
        groups = {group for quorum in quorums for group in quorum.groups}
        whom = ", ".join(sorted(groups)) or "no group (its quorum is not configured any more)"
        raise Rejected(f"{name} cannot approve {change.id}: it waits for people of {whom}")
    new = too_new(person, tx.now())
    if new and change.environment not in terms.relaxed:
        raise Rejected(f"{name} cannot approve {change.id} yet: {name} {new}")


def wanted(change: Change, terms: Terms) -> tuple[Quorum, ...]:
    """The quorums a change waits for, as configured now."""
    return tuple(q for q in terms.of(change).values() if f"quorum:{q.name}" in remedies(change))


def _counted(tx: Tx, change: Change, terms: Terms) -> Spoken:
    """Approved as soon as everything it waits for is given, for as long as the signatures hold and an hour at most."""
    state = tallies(tx, change, terms)
    if change.state is ChangeState.HELD and _met(change, state):
        return Spoken(_moved(tx, change, E.APPROVE, "quorum"), state)
    return Spoken(change, state)


def _met(change: Change, state: tuple[Tally, ...]) -> bool:
    return {f"quorum:{t.quorum}" for t in state if t.met}.issuperset(remedies(change))


def _moved(tx: Tx, change: Change, event: E, by: str) -> Change:
    until = None
    if event is E.APPROVE:
        ends = [at for a in tx.approvals(change.id) if (at := expiry(a.statement)) is not None]
        until = min([tx.now() + limits.APPROVED_FOR, *ends])
    after = tx.save_change(move(change, event, expires_at=until))
    tx.append("change.moved", bodies.moved(after, change, by, ""))
    return after


def withdraw(tx: Tx, change_id: str, by: str, why: str) -> Change:
    """Take back an open change: the agent itself, its owner, or whoever operates the gateway."""
    change = found(tx, change_id)
    after = tx.save_change(move(change, E.WITHDRAW, note=bodies.cut(why)))
    tx.append("change.moved", bodies.moved(after, change, by, why))
    return after
