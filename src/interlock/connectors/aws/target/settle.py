"""Recovery: what became of a recorded call, from the before-image that was stored with its intent."""

from collections.abc import Sequence

import msgspec

from interlock.connectors.aws import undo
from interlock.connectors.aws.session import judged
from interlock.connectors.aws.target.copies import found_again
from interlock.connectors.aws.undo.became import BY_HAND, became
from interlock.connectors.aws.undo.means import Here
from interlock.sdk.connector import Cause, Settled


async def settle(image: Sequence[bytes], calls: Here, *, too_late: bool) -> Settled:
    """Ask. `image` is what was stored with the intent; `too_late` as in `undo.became`. Raises Unavailable."""
    pairs = judged.unpacked(image) if image else ()
    if len(pairs) != 1:
        why = "it makes several calls" if pairs else "it left nothing to compare with"
        return Settled(None, f"{why}: {BY_HAND}")
    plan = pairs[0][0]
    saved = await found_again(plan, calls)
    settled = await became(plan, calls, saved, too_late=too_late)
    if not settled.committed:
        return msgspec.structs.replace(settled, cause=Cause.TRANSIENT)
    # The state that the call left was not read in time: a revert compares with what the plan foresaw, or asks for force.
    return Settled(True, settled.note, judged.pack_completed([undo.Completed(saved)]) if saved else ())
