"""The way of an undo: planned and prepared before the call, completed after it, checked and run when it is reverted."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from interlock.connectors.aws.call import CallFailed, Calls, Classified
from interlock.connectors.aws.undo import registry
from interlock.connectors.aws.undo.compare import fingerprint, same
from interlock.connectors.aws.undo.listing import Looks
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.names import fill, named, pick, stored
from interlock.connectors.aws.undo.plan import ANY, Check, Plan, Step
from interlock.connectors.aws.undo.result import Completed, Reverted, Since
from interlock.connectors.aws.undo.steps import beside, run
from interlock.model.errors import Rejected


async def plan(what: Classified, calls: Calls, nonce: str) -> Plan:
    """The before-image of a call that was not made yet, and its inverse. `nonce` names copies. `kind` is `none` with a reason
    for what no row covers, and when the present state cannot be read. Raises Unavailable."""
    return await registry.plan_for(what.call, calls, nonce)


async def prepare(plan: Plan, calls: Calls, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Make the copies, after the intent and before the call. Returns the names saved; what was made is removed again when it
    fails. Raises CallFailed, Rejected, Unavailable: then the call must not be made."""
    names = dict(saved)
    ran = await run(plan.prepare, _here(calls), names)
    if ran.stopped is not None:
        await discard(plan, Completed(stored(names)), calls)
    ran.well()
    return stored(names)


async def complete(
    plan: Plan, answer: Mapping[str, Any], calls: Calls, saved: Mapping[str, Any]
) -> Completed:
    """After the call succeeded: the names its answer gives, and the state that it left. Raises Unavailable."""
    names = stored({**saved, **pick(answer, plan.saves)})
    read = [check for check in plan.checks if check.after == ANY]
    looks = await Looks.of(read, calls, names)
    return Completed(names, tuple(await beside(_left(check, looks, names) for check in plan.checks)))


async def conflicts(plan: Plan, completed: Completed, calls: Calls) -> tuple[Since, ...]:
    """What isn't as the call left it, nor as it was before. Raises Unavailable."""
    states = await _states(plan, completed, calls)
    return tuple(state for state in states if isinstance(state, Since))


async def revert(plan: Plan, completed: Completed, calls: Calls, *, force: bool) -> Reverted:
    """Run the inverse. Raises Rejected when nothing can be undone, or something was changed since (unless `force`); Unavailable,
    after which it may be run again, as after a crash."""
    if plan.kind == "none":
        raise Rejected(plan.reason or "this call cannot be undone")
    states = await _states(plan, completed, calls)
    if states and all(state is True for state in states):
        return Reverted(already=True, caveats=plan.caveats)
    found = tuple(state for state in states if isinstance(state, Since))
    if found and not force:
        raise Rejected("; ".join(str(since) for since in found))
    return await _inverse(plan, completed, calls, found)


async def discard(plan: Plan, completed: Completed, calls: Calls) -> None:
    """Remove the copies. Raises CallFailed, Unavailable."""
    names = dict(completed.saved)
    ran = await run([step for step in plan.discard if _ready(step, names)], _here(calls), names)
    ran.well()


async def _inverse(plan: Plan, completed: Completed, calls: Calls, overridden: Sequence[Since]) -> Reverted:
    names = dict(completed.saved)
    ran = await run(plan.inverse, _here(calls), names)
    failed = "" if ran.stopped is None else str(ran.stopped)
    told = stored(names)
    return Reverted(ran.made, failed=failed, conflicts=tuple(overridden), caveats=plan.caveats, saved=told)


def _here(calls: Calls) -> Here:
    return calls if isinstance(calls, Here) else Here(calls, "")


async def _states(plan: Plan, completed: Completed, calls: Calls) -> "list[Since | bool]":
    # Without a stored outcome nothing is known of what the call left.
    checks = completed.checks or plan.checks
    looks = await Looks.of(checks, calls, completed.saved)
    return await beside(_state(check, looks, completed.saved) for check in checks)


async def _left(check: Check, looks: Looks, saved: Mapping[str, Any]) -> Check:
    try:
        expected = named(check.after, saved)
        if expected == ANY:
            expected = fingerprint(await looks.look(check))
        return msgspec.structs.replace(check, before=named(check.before, saved), after=expected)
    except (CallFailed, Rejected):
        return msgspec.structs.replace(check, after=ANY)  # it will be said that it can't be compared


async def _state(check: Check, looks: Looks, saved: Mapping[str, Any]) -> "Since | bool":
    """True: as before the call. False: as the call left it."""
    try:
        now = await looks.look(check)
    except (CallFailed, Rejected):
        return Since(check.what, "unreadable")
    if same(named(check.before, saved), now):
        return True
    if check.after == ANY:
        return Since(check.what, "unreadable")
    if same(check.after, now):
        return False
    return Since(check.what, "gone" if now is None else "changed" if check.after is not None else "made")


def _ready(step: Step, saved: Mapping[str, Any]) -> bool:
    """Whether there is anything to remove: what was never made has no name."""
    try:
        fill(step.parameters, saved)
    except Rejected:
        return False
    return True
