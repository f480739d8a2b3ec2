"""Breakers: admission switches. Opening is anyone's; only a person moves one back, over probation. No timer closes a breaker."""

import enum
from datetime import datetime

import msgspec

from interlock.control.machine import Machine
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.effect import Totals
from interlock.sdk.connector import Principal

S = BreakerState

GLOBAL = "global"


class BreakerEvent(enum.Enum):
    """What can happen to a breaker; the values complete the sentence "it cannot be …"."""

    OPEN = "opened"
    PROBE = "put_on_probation"
    CLOSE = "closed"


E = BreakerEvent

MACHINE = Machine(
    "breaker",
    S.CLOSED,
    {
        S.CLOSED: {E.OPEN: S.OPEN},
        S.OPEN: {E.OPEN: S.OPEN, E.PROBE: S.PROBATION},
        S.PROBATION: {E.OPEN: S.OPEN, E.CLOSE: S.CLOSED},
    },
)

PROBATION_ROWS = 100
"""Most rows that one unit may touch while a breaker on its way is on probation."""


def environment(name: str) -> str:
    return f"environment/{name}"


def target(name: str) -> str:
    return f"target/{name}"


def agent(name: str) -> str:
    return f"agent/{name}"


def session(name: str) -> str:
    return f"session/{name}"


def scopes_of(principal: Principal, target_name: str, environment_name: str) -> tuple[str, ...]:
    """All switches on the way of a unit, sorted: the fixed order in which the store locks them. A principal without a session
    (work that the server runs itself) has no session switch."""
    found = {GLOBAL, environment(environment_name), target(target_name), agent(principal.agent)}
    if principal.session:
        found.add(session(principal.session))
    return tuple(sorted(found))


def move(breaker: Breaker, event: BreakerEvent, by: str, reason: str, now: datetime) -> Breaker:
    """The breaker after an event; IllegalMove when its state has no such move."""
    state = MACHINE.after(breaker.state, event)
    return msgspec.structs.replace(
        breaker, state=state, reason=reason, epoch=breaker.epoch + 1, moved_at=now, moved_by=by
    )


def freeze(breaker: Breaker, frozen: bool, by: str, reason: str, now: datetime) -> Breaker:
    """Set or lift the freeze; the state stays what it is."""
    return msgspec.structs.replace(
        breaker, frozen=frozen, reason=reason, epoch=breaker.epoch + 1, moved_at=now, moved_by=by
    )


def next_reset(breaker: Breaker) -> BreakerEvent:
    """The next step of a reset by a person: open → probation → closed. IllegalMove when it is closed."""
    event = E.PROBE if breaker.state is S.OPEN else E.CLOSE
    MACHINE.after(breaker.state, event)
    return event


def passes_probation(totals: Totals) -> bool:
    """Whether a unit is small enough for probation: few rows, all of it revertible, nothing deleted, no object touched."""
    return not (totals.objects or totals.rows_deleted or totals.irreversible or totals.unknown) and (
        totals.rows <= PROBATION_ROWS
    )
