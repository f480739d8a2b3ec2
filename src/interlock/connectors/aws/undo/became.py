"""What became of a call whose answer was lost: the account is asked for the thing that it changes.

A read that shows the state from before proves nothing as long as the call may still arrive. A service refuses a request
whose signature is older than 15 minutes (AWS General Reference, "Signature Version 4 signing process"): only then what
keeps its old state is not done."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.undo.compare import look, same
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.names import named
from interlock.connectors.aws.undo.plan import ANY, Check, Plan
from interlock.model.errors import Rejected
from interlock.sdk.connector import Settled

TOO_LATE = timedelta(minutes=20)
"""After that a request that was signed cannot be accepted any more, whatever clocks are off by."""
TRIES = 5
BY_HAND = "look at the resource, and tell by hand"


async def became(plan: Plan, calls: Calls, saved: Mapping[str, Any], *, too_late: bool) -> Settled:
    """What became of a call, by its plan and the names that were saved when its copies were made. Not done is said only
    when it is `too_late` for the call to be carried out. Raises Unavailable."""
    if not plan.checks:
        return Settled(None, f"nothing of it can be asked for: {BY_HAND}")
    here = calls if isinstance(calls, Here) else Here(calls, "")
    for attempt in range(TRIES):
        found = await _look(plan.checks[0], here, saved)
        if found.committed is not False:
            return found
        if attempt < TRIES - 1:
            await here.pause(attempt)
    return found if too_late else Settled(None, f"{found.note}, but the call may still be carried out")


async def _look(check: Check, calls: Here, saved: Mapping[str, Any]) -> Settled:
    try:
        now = await look(check, calls, saved)
    except CallFailed as error:
        return Settled(None, f"{check.what} cannot be read: {error}")
    except Rejected:
        return Settled(None, f"what to ask for was only in the answer that was lost: {BY_HAND}")
    if check.after != ANY and same(named(check.after, saved), now):
        return Settled(True, f"found out from {check.what}")
    if not same(named(check.before, saved), now):
        return Settled(True, f"{check.what} is not as it was before")
    return Settled(False, f"{check.what} is as it was before")
