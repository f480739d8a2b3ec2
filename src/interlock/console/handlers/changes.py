"""Changes: lists, one change, what a person would sign about it, and what they have signed."""

from datetime import timedelta
from typing import assert_never

import msgspec

from interlock.console.callers import ByKey, ByToken, Caller, Local, name_of
from interlock.console.operations import Call, Nothing
from interlock.console.own import own_change
from interlock.console.problems import Refusal
from interlock.console.schemas import (
    ChangeDetail,
    ChangePage,
    ChangeQuery,
    ChangeSummary,
    Empty,
    Outcome,
    OwnChange,
    OwnChangeQuery,
    OwnChanges,
    OwnQuery,
    QuorumPart,
    QuorumState,
    Reason,
    RevertQuery,
    Signed,
    SignedRevert,
    StatementQuery,
    ToSign,
)
from interlock.control.change import shape
from interlock.control.deciding import approval
from interlock.control.deciding.quorum import Tally
from interlock.model.beside import side_by_side
from interlock.model.change import Change, ChangeFilter, Statement, Verdict
from interlock.model.conflict import SHOWN
from interlock.model.effect import totals
from interlock.model.errors import NotFound, Rejected
from interlock.model.ids import parse_change_id
from interlock.runtime.runtime import Runtime
from interlock.runtime.service.deciding.changes import ChangeView
from interlock.runtime.service.deciding.reverting import RevertPlan
from interlock.sdk.connector import Answer, Held, Permitted, Refused

MOST_CHANGES = 200


async def own(call: Call[OwnChangeQuery, None]) -> OwnChange:
    """An agent's own change, once it has moved if that is asked. Another's, none at all and no id at all are the same answer."""
    change = await _own(call.runtime, call.caller, call.path["id"])
    if call.query.wait:
        states, longest = call.query.state or (change.state,), timedelta(seconds=call.query.wait)
        change = await call.waiting.moved(change, states, longest, call.gone)
    return own_change(change)


async def own_withdrawn(call: Call[Nothing, Reason]) -> OwnChange:
    """Give up an agent's own open change; another's is as good as none."""
    change = await _own(call.runtime, call.caller, call.path["id"])
    after = await call.runtime.changes.withdraw(change.id, call.body.reason, by=f"agent/{change.agent}")
    return own_change(after)


async def _own(runtime: Runtime, caller: Caller, typed: str) -> Change:
    if not isinstance(caller, ByToken):
        raise Refusal("not_found")
    try:
        wanted = parse_change_id(typed)
    except ValueError:
        raise Refusal("not_found") from None
    change = await runtime.store.read(lambda tx: tx.change(wanted))
    if change is None or change.agent != caller.agent:
        raise Refusal("not_found")
    return change


async def owns(call: Call[OwnQuery, None]) -> OwnChanges:
    """An agent's own changes. A target that is not there and one that it never used are one and the same answer."""
    caller, query = call.caller, call.query
    if not isinstance(caller, ByToken):
        raise Refusal("not_found")
    _within(query.limit)
    which = ChangeFilter(states=query.state, agent=caller.agent, target=query.target, limit=query.limit)
    return OwnChanges(tuple(own_change(change) for change in await call.runtime.changes.list(which)))


def _within(limit: int) -> None:
    if not 1 <= limit <= MOST_CHANGES:
        raise Rejected(f"limit is 1 to {MOST_CHANGES}")


async def listed(call: Call[ChangeQuery, None]) -> ChangePage:
    """A page of changes."""
    query = call.query
    _within(query.limit)
    which = ChangeFilter(
        states=query.state,
        agent=query.agent,
        target=query.target,
        environment=query.environment,
        since=query.since,
        before=query.before and id_of(query.before),
        limit=query.limit,
    )
    found = await call.runtime.changes.listing(which)
    return ChangePage(tuple(summary(change) for change in found.changes), found.next)


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
        group=shape(change),
        break_glass=change.break_glass,
        reason=change.reason,
        note=change.note,
        reverts=change.reverts,
        reverted_by=change.reverted_by,
    )


async def shown(call: Call[Nothing, None]) -> ChangeDetail:
    """One change with its approvals and statements."""
    return detail(await call.runtime.changes.show(id_of(call.path["id"])))


def detail(view: ChangeView) -> ChangeDetail:
    """A change with all that belongs to it."""
    return ChangeDetail(
        change=view.change,
        totals=totals(view.change.measurement.effects),
        approvals=view.approvals,
        quorums=tuple(_quorum(tally) for tally in view.tallies),
        statements=view.statements,
        beside=()
        if view.replaced is None
        else side_by_side(view.replaced.measurement.effects, view.change.measurement.effects),
        comments=view.comments,
    )


def _quorum(tally: Tally) -> QuorumState:
    return QuorumState(
        name=tally.quorum,
        count=tally.needed,
        group=tally.parts[0].groups[0],
        given=tally.given,
        hasty=tally.hasty,
        ignored=dict(tally.excluded),
        parts=tuple(QuorumPart(part.groups, part.needed, part.given) for part in tally.parts),
        missing=tally.missing,
    )


async def statement(call: Call[StatementQuery, None]) -> ToSign:
    """What a person would sign, with everything from which they recompute it."""
    service, query, change_id = call.runtime.changes, call.query, id_of(call.path["id"])
    view = await service.show(change_id)
    if query.revert:
        words = await service.revert_statement(
            change_id, query.person, force=query.force, reason=query.reason, nonce=query.nonce
        )
    else:
        words = await service.statement(change_id, query.person, query.verdict, query.reason)
        if query.verdict is Verdict.APPROVE and _is(call.caller, query.person):
            # What is answered is what their client shows them.
            await service.opened(change_id, query.person)
    connector = call.runtime.connector_of(view.change.target)
    return ToSign(words, view.change, connector, view.payload, view.statements)


def _is(caller: Caller, person: str) -> bool:
    """Whether the caller is that person, or asks for them by the admin socket."""
    return isinstance(caller, Local) or caller == ByKey(person, isinstance(caller, ByKey) and caller.admin)


async def spoken(call: Call[Nothing, Signed]) -> ChangeDetail:
    """Give a signed approval or denial."""
    change_id = _same(call.path["id"], call.body.statement)
    await call.runtime.changes.speak(call.body.statement, call.body.signature, call.body.assertion)
    return detail(await call.runtime.changes.show(change_id))


async def withdrawn(call: Call[Nothing, Reason]) -> ChangeDetail:
    """Take back an open change."""
    change_id = id_of(call.path["id"])
    await call.runtime.changes.withdraw(change_id, call.body.reason, by=name_of(call.caller))
    return detail(await call.runtime.changes.show(change_id))


async def applied(call: Call[Nothing, Empty]) -> Outcome:
    """Apply an approved change on the server's side."""
    answer = await call.runtime.changes.apply(id_of(call.path["id"]), by=name_of(call.caller))
    return await _recorded(call.runtime, outcome(answer))


async def revert_plan(call: Call[RevertQuery, None]) -> RevertPlan:
    """What a revert would do now."""
    plan = await call.runtime.changes.revert_plan(id_of(call.path["id"]), force=call.query.force)
    return msgspec.structs.replace(plan, conflicts=plan.conflicts[:SHOWN])


async def reverted(call: Call[Nothing, SignedRevert]) -> Outcome:
    """Undo an applied change on a person's signed wish."""
    body = call.body
    _same(call.path["id"], body.statement)
    answer = await call.runtime.changes.revert(
        body.statement, body.signature, body.assertion, force=body.force
    )
    return await _recorded(call.runtime, outcome(answer))


async def _recorded(runtime: Runtime, ended: Outcome) -> Outcome:
    """The end with the change as it is once its outcome is recorded, which happens right after it took effect. Whoever asks next
    should find what they were told."""
    change = ended.change
    if change is not None:
        await runtime.core.concluded(change.id)
        change = await runtime.changes.get(change.id)
    return msgspec.structs.replace(ended, change=change)


def outcome(answer: Answer) -> Outcome:
    """The core's answer as the API gives it."""
    match answer:
        case Permitted(change, conflicts):
            return Outcome(True, "done", change=change, conflicts=conflicts[:SHOWN])
        case Held(change, again, grown, beside):
            why = "it is held already" if again else "people are needed first"
            return Outcome(False, "held", why, grown=grown, change=change, beside=beside)
        case Refused(code, why, retry, change, conflicts):
            told = answer.people or answer.next
            return Outcome(
                False, code, why, retry, change=change, conflicts=conflicts[:SHOWN], next=told, see=answer.see
            )
        case _:
            assert_never(answer)


def _same(typed: str, words: Statement) -> str:
    """The change of the address, which must be the one signed about."""
    change_id = id_of(typed)
    if words.change != change_id:
        raise Rejected(f"the statement is about {words.change}, not about {change_id}")
    return change_id


def id_of(typed: str) -> str:
    """The change of an address. Raises NotFound when it is none."""
    try:
        return parse_change_id(typed)
    except ValueError as error:
        raise NotFound(str(error)) from None
