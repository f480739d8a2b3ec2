"""Changes: lists, one change, what a person would sign about it, and what they have signed."""

from datetime import datetime
from typing import assert_never

from interlock.console.callers import ByToken, name_of
from interlock.console.operations import Call, Nothing
from interlock.console.own import own_change
from interlock.console.problems import Refusal
from interlock.console.runtime import Runtime
from interlock.console.schemas import (
    ChangeDetail,
    ChangePage,
    ChangeQuery,
    ChangeSummary,
    Empty,
    Outcome,
    OwnChange,
    QuorumState,
    Signed,
    SignedRevert,
    StatementQuery,
    ToSign,
)
from interlock.control import approval, limits
from interlock.control.quorum import Tally
from interlock.model.change import Approval, Change, ChangeFilter, Statement
from interlock.model.effect import totals
from interlock.model.errors import NotFound, Rejected
from interlock.model.ids import parse_change_id
from interlock.pipeline import records
from interlock.sdk.connector import Answer, Held, Permitted, Refused
from interlock.sdk.ports import ReadTx

MOST_CHANGES = 200


async def own(call: Call[Nothing, None]) -> OwnChange:
    """An agent's own change. Another's, none at all and no id at all are one and the same answer."""
    caller = call.caller
    if not isinstance(caller, ByToken):
        raise Refusal("not_found")
    try:
        wanted = parse_change_id(call.path["id"])
    except ValueError:
        raise Refusal("not_found") from None
    change = await call.runtime.store.read(lambda tx: tx.change(wanted))
    if change is None or change.agent != caller.agent:
        raise Refusal("not_found")
    return own_change(change)


async def listed(call: Call[ChangeQuery, None]) -> ChangePage:
    """A page of changes."""
    query = call.query
    if not 1 <= query.limit <= MOST_CHANGES:
        raise Rejected(f"limit is 1 to {MOST_CHANGES}")
    which = ChangeFilter(
        states=query.state,
        agent=query.agent,
        target=query.target,
        environment=query.environment,
        since=query.since,
        before=query.before and _id(query.before),
        limit=query.limit,
    )
    found = await call.runtime.store.read(lambda tx: tx.changes(which))
    more = found[-1].id if len(found) == query.limit else ""
    return ChangePage(tuple(summary(change) for change in found), more)


def summary(change: Change) -> ChangeSummary:
    """A change as one line."""
    return ChangeSummary(
        id=change.id,
        state=change.state,
        agent=change.agent,
        owner=change.owner,
        target=change.target,
        environment=change.environment,
        totals=totals(change.measurement.effects),
        requested_at=change.requested_at,
        updated_at=change.updated_at,
        expires_at=change.expires_at,
        remedies=approval.remedies(change),
        reason=change.reason,
        note=change.note,
        reverts=change.reverts,
        reverted_by=change.reverted_by,
    )


async def shown(call: Call[Nothing, None]) -> ChangeDetail:
    """One change with its approvals and statements."""
    return await detail(call.runtime, _id(call.path["id"]))


async def detail(runtime: Runtime, change_id: str) -> ChangeDetail:
    """A change with all that belongs to it. Raises NotFound."""

    def read(tx: ReadTx) -> tuple[Change, tuple[Approval, ...], tuple[Tally, ...], bytes | None]:
        change = records.found(tx, change_id)
        return (
            change,
            tuple(tx.approvals(change.id)),
            records.tallies(tx, change, runtime.terms),
            _payload(tx, change.id),
        )

    change, approvals, tallies, payload = await runtime.store.read(read)
    return ChangeDetail(
        change=change,
        totals=totals(change.measurement.effects),
        approvals=approvals,
        quorums=_quorums(runtime, change, tallies),
        statements=_statements(runtime, change, payload),
    )


def _payload(tx: ReadTx, change_id: str) -> bytes | None:
    """The native record; None once retention has destroyed it."""
    try:
        return tx.payload(change_id, records.CONTENT)
    except NotFound:
        return None


def _quorums(runtime: Runtime, change: Change, tallies: tuple[Tally, ...]) -> tuple[QuorumState, ...]:
    """Those that the change waits for."""
    wanted = approval.remedies(change)
    return tuple(
        QuorumState(t.quorum, t.needed, runtime.terms.quorums[t.quorum].group, t.given, dict(t.excluded))
        for t in tallies
        if f"quorum:{t.quorum}" in wanted
    )


def _statements(runtime: Runtime, change: Change, payload: bytes | None) -> tuple[str, ...] | None:
    return None if payload is None else tuple(runtime.describe(change.target, payload))


async def statement(call: Call[StatementQuery, None]) -> ToSign:
    """What a person would sign, with everything from which they recompute it."""
    runtime, query, change_id = call.runtime, call.query, _id(call.path["id"])
    change, payload, now = await runtime.store.read(
        lambda tx: (records.found(tx, change_id), _payload(tx, change_id), tx.now())
    )
    return ToSign(
        statement=_words(change, query, origin=runtime.terms.origin, expires=now + limits.SIGNED_FOR),
        change=change,
        connector=runtime.connector_of(change.target),
        payload=payload,
        statements=_statements(runtime, change, payload),
    )


def _words(change: Change, query: StatementQuery, *, origin: str, expires: datetime) -> Statement:
    if not query.revert:
        return approval.statement(
            change, query.person, query.verdict, origin=origin, expires=expires, reason=query.reason
        )
    return approval.revert_statement(
        change,
        query.person,
        origin=origin,
        expires=expires,
        nonce=query.nonce,
        force=query.force,
        reason=query.reason,
    )


async def spoken(call: Call[Nothing, Signed]) -> ChangeDetail:
    """Give a signed approval or denial."""
    change_id = _same(call.path["id"], call.body.statement)
    await call.runtime.speak(call.body.statement, call.body.signature)
    return await detail(call.runtime, change_id)


async def applied(call: Call[Nothing, Empty]) -> Outcome:
    """Apply an approved change on the server's side."""
    return outcome(await call.runtime.apply(_id(call.path["id"]), name_of(call.caller)))


async def reverted(call: Call[Nothing, SignedRevert]) -> Outcome:
    """Undo an applied change on a person's signed wish."""
    body = call.body
    _same(call.path["id"], body.statement)
    return outcome(await call.runtime.revert(body.statement, body.signature, force=body.force))


def outcome(answer: Answer) -> Outcome:
    """The core's answer as the API gives it."""
    match answer:
        case Permitted(change):
            return Outcome(True, "done", change=change)
        case Held(change, again, grown):
            why = "it is held already" if again else "people are needed first"
            return Outcome(False, "held", why, grown=grown, change=change)
        case Refused(code, why, retry, change):
            return Outcome(False, code, why, retry, change=change)
        case _:
            assert_never(answer)


def _same(typed: str, words: Statement) -> str:
    """The change of the address, which must be the one signed about."""
    change_id = _id(typed)
    if words.change != change_id:
        raise Rejected(f"the statement is about {words.change}, not about {change_id}")
    return change_id


def _id(typed: str) -> str:
    try:
        return parse_change_id(typed)
    except ValueError as error:
        raise NotFound(str(error)) from None
