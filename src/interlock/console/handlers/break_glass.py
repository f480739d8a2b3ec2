"""Break-glass: what is signed for it, its use, and the review by somebody else."""

from interlock.console.callers import name_of
from interlock.console.handlers.changes import id_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas import Signed, ToSign
from interlock.console.schemas.deciding import BreakGlasses, BreakGlassQuery, BreakGlassToSign, SignedReview
from interlock.model.break_glass import BreakGlass
from interlock.model.errors import Rejected


async def statement(call: Call[BreakGlassQuery, None]) -> BreakGlassToSign:
    """What a person would sign, with everything from which they recompute it."""
    query, runtime = call.query, call.runtime
    if bool(query.change) == bool(query.target):
        raise Rejected("break-glass is for one change, or else for one target")
    change_id = id_of(query.change) if query.change else ""
    words = await runtime.break_glass.statement(
        query.person, query.reason, change=change_id, target=query.target, nonce=query.nonce
    )
    if not change_id:
        return BreakGlassToSign(words, runtime.targets[query.target].gate.target.environment)
    view = await runtime.changes.show(change_id)
    connector = runtime.connector_of(view.change.target)
    shown = ToSign(words, view.change, connector, view.payload, view.statements)
    return BreakGlassToSign(words, view.change.environment, shown)


async def used(call: Call[Nothing, Signed]) -> BreakGlass:
    """Break the glass."""
    glass, _ = await call.runtime.break_glass.use(
        call.body.statement, call.body.signature, call.body.assertion
    )
    return glass


async def listed(call: Call[Nothing, None]) -> BreakGlasses:
    """Every use."""
    return BreakGlasses(tuple(await call.runtime.break_glass.list()))


async def shown(call: Call[Nothing, None]) -> BreakGlass:
    """One use."""
    return await call.runtime.break_glass.get(call.path["id"])


async def reviewed(call: Call[Nothing, SignedReview]) -> BreakGlass:
    """Somebody else reviews it."""
    body = call.body
    return await call.runtime.break_glass.review(
        call.path["id"],
        body.person,
        body.sentence,
        by=name_of(call.caller),
        words=body.statement,
        signature=body.signature,
    )
