"""What became of a call whose answer was lost: the account is asked for the thing that it changes.

A read that shows the state from before does not prove that the call will not be carried out yet; it is asked for a while, and what
keeps its old state counts as not done.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.session import judged
from interlock.connectors.aws.target.copies import found_again
from interlock.connectors.aws.undo.compare import look, same
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.names import named
from interlock.connectors.aws.undo.plan import ANY
from interlock.model.errors import Rejected
from interlock.sdk.connector import Settled

TRIES = 5
_BY_HAND = "look at the resource, and tell by hand"


async def settle(image: Sequence[bytes], calls: Here) -> Settled:
    """Ask. `image` is what was stored with the intent. Raises Unavailable."""
    pairs = judged.unpacked(image) if image else ()
    if len(pairs) != 1:
        return Settled(
            None, f"{'it makes several calls' if pairs else 'it left nothing to compare with'}: {_BY_HAND}"
        )
    plan = pairs[0][0]
    saved = await found_again(plan, calls)
    settled = await became(plan, calls, saved)
    if not settled.committed:
        return settled
    # The state that the call left was not read in time: a revert compares with what the plan foresaw, or asks for force.
    return Settled(True, settled.note, judged.pack_completed([undo.Completed(saved)]) if saved else ())


async def became(plan: undo.Plan, calls: Calls, saved: Mapping[str, Any]) -> Settled:
    """What became of a call, by its plan and the names that were saved when its copies were made. Raises Unavailable."""
    if not plan.checks:
        return Settled(None, f"nothing of it can be asked for: {_BY_HAND}")
    here = calls if isinstance(calls, Here) else Here(calls, "")
    for attempt in range(TRIES):
        found = await _look(plan.checks[0], here, saved)
        if found.committed is not False:
            return found
        if attempt < TRIES - 1:
            await here.pause(attempt)
    return found


async def _look(check: undo.Check, calls: Here, saved: Mapping[str, Any]) -> Settled:
    try:
        now = await look(check, calls, saved)
    except CallFailed as error:
        return Settled(None, f"{check.what} cannot be read: {error}")
    except Rejected:
        return Settled(None, f"what to ask for was only in the answer that was lost: {_BY_HAND}")
    if check.after != ANY and same(named(check.after, saved), now):
        return Settled(True, f"found out from {check.what}")
    if not same(named(check.before, saved), now):
        return Settled(True, f"{check.what} is not as it was before")
    return Settled(False, f"{check.what} is as it was before")
