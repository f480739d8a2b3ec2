"""Probation: one unit at a time, and how it ended."""

from interlock.control import breaker
from interlock.control.change import UNSETTLED
from interlock.model.breaker import Breaker, BreakerState, Reserved
from interlock.model.change import Change
from interlock.sdk.connector import Refused
from interlock.sdk.ports import Tx

TRIAL = "trial"
"""The member of a change's marker that names the breakers on probation that it went through."""


def under_way(tx: Tx, reserved: Reserved) -> Refused | None:
    """Why a unit must wait: on probation one goes at a time."""
    for row in on_probation(reserved):
        other = tx.change(row.trial) if row.trial else None
        if other is not None and other.state in UNSETTLED:
            why = f"{row.scope} is on probation, and {other.id} is under way: one at a time"
            return Refused("breaker", why, retry=True)
    return None


def marks(reserved: Reserved) -> dict[str, str]:
    """What the marker of a change says of the breakers on probation."""
    scopes = ",".join(row.scope for row in on_probation(reserved))
    return {TRIAL: scopes} if scopes else {}


def begin(tx: Tx, reserved: Reserved, change: Change) -> None:
    """The unit is under way."""
    for row in on_probation(reserved):
        tx.note_breaker(breaker.begun(row, change.id))


def end(tx: Tx, change: Change, *, well: bool) -> None:
    """The unit has an outcome."""
    for scope in filter(None, change.marker.get(TRIAL, "").split(",")):
        row = tx.breaker(scope)
        if row is not None and row.state is BreakerState.PROBATION:
            tx.note_breaker(breaker.ended(row, change.id, well))


def on_probation(reserved: Reserved) -> list[Breaker]:
    """The breakers on the way that are on probation."""
    return [row for row in reserved.rows if row.state is BreakerState.PROBATION]
